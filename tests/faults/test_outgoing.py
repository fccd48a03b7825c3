import asyncio
import gc
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress

import pytest

from tests.faults.leaks import nothing_left
from tests.faults.outgoing import (
    ATTEMPTS,
    AUTHORITY,
    FAULTS,
    NEVER,
    OPERATIONS,
    TIMEOUT,
    Fault,
    Operation,
    Service,
    outcome,
    refusal,
    requests,
)
from tests.support.wire import FOUND, Wire, until
from webex_webhooks_async import (
    AiohttpTransport,
    APIError,
    Client,
    DecodeError,
    RefreshingToken,
    RetryPolicy,
    TransportError,
    WebexError,
)
from webex_webhooks_async.client.pool import tls_context
from webex_webhooks_async.client.resource import APIResource


def own() -> AbstractAsyncContextManager[None]:
    """Our own connection pool."""
    return nullcontext()


Engine = Callable[[], AbstractAsyncContextManager[AiohttpTransport | None]]

# One that is repeated, one that isn't, and one that isn't JSON.
THOROUGH = ("webhooks.get", "webhooks.create", "client.download")
# Where the call differs, but not what happens to its request: a repeated, a raised, a lost one.
BRIEF = ("429, and when", "404", "half a response")
# One of each kind that a connection or a response may leave something behind with.
MEMORABLE = (
    *("refused", "reset after it was read", "silence", "half a response", "garbage", "half a gzip"),
    *("2 MB", "2 MB of HTML", "503", "an expired certificate"),
)

each_call = pytest.mark.parametrize(
    ("name", "fault_name", "engine"),
    [
        *((name, fault, own) for name in THOROUGH for fault in FAULTS),
        *(
            pytest.param(name, fault, own, marks=pytest.mark.once)
            for name in sorted(OPERATIONS.keys() - set(THOROUGH))
            for fault in BRIEF
        ),
        *(
            pytest.param("webhooks.get", fault, AiohttpTransport, marks=pytest.mark.once)
            for fault in FAULTS
        ),
    ],
)


@pytest.fixture(scope="module", autouse=True)
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment trusts the authority."""
    certificates = tmp_path_factory.mktemp("tls") / "certificates.pem"
    AUTHORITY.cert_pem.write_to_path(str(certificates))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates))
        tls_context.cache_clear()
        yield
    tls_context.cache_clear()


@asynccontextmanager
async def client_of(
    service: Service, operation: Operation, engine: Engine
) -> AsyncGenerator[Client]:
    """A client that doesn't wait between attempts."""
    refreshing = RefreshingToken(
        client_id="id", client_secret="s3cret", refresh_token="refresh", access_token="old"
    )
    async with (
        engine() as http_client,
        Client(
            refreshing if operation.refreshes else "a-token",
            base_url=service.base_url,
            http_client=http_client,
            timeout=TIMEOUT,
            retry=RetryPolicy(attempts=ATTEMPTS, base_delay=0.0),
        ) as client,
    ):
        yield client


def facts_of(error: WebexError) -> tuple[type[WebexError], str | None, str | None]:
    """Class, method and path of an error."""
    assert isinstance(error, APIError | TransportError | DecodeError)
    return type(error), error.method, error.path


async def check(
    operation: Operation, fault: Fault, caplog: pytest.LogCaptureFixture, engine: Engine
) -> None:
    """Apply a fault to an operation, and compare the outcome with the tables."""
    caplog.set_level(logging.DEBUG, "webex_webhooks_async")
    error = outcome(operation, fault)
    async with nothing_left(), Service(operation, fault) as service:
        async with client_of(service, operation, engine) as client:
            assert operation.result == await operation.ask(client)
            service.requests.clear()
            caplog.clear()

            service.apply_fault()
            if error is None:
                assert operation.result == await operation.ask(client)
            else:
                with pytest.raises(error) as raised:
                    await operation.ask(client)
                assert facts_of(raised.value) == (error, operation.method, operation.path)
            sent = requests(operation, fault)
            assert sent == [
                each.args[:2]
                for each in caplog.records
                if each.levelno == logging.DEBUG and isinstance(each.args, tuple)
            ]
            assert len(service.requests) == (len(sent) if fault.is_read else bool(operation.first))

            await service.recover()
            assert operation.result == await operation.ask(client)
            await until(lambda: service.open <= 1)
        await service.closed()


@each_call
async def test_each_operation_meets_each_fault(
    name: str, fault_name: str, caplog: pytest.LogCaptureFixture, engine: Engine
) -> None:
    """It ends as the tables say, after so many requests; before and after, it succeeds."""
    await check(OPERATIONS[name], FAULTS[fault_name], caplog, engine)


@pytest.mark.parametrize("engine", [own, AiohttpTransport])
@pytest.mark.parametrize(
    ("name", "status"),
    [("webhooks.get", 302), ("webhooks.create", 307), ("refresh", 302), ("client.download", 307)],
)
async def test_a_redirect_is_not_followed(
    name: str, status: int, caplog: pytest.LogCaptureFixture, engine: Engine
) -> None:
    """It is an error like others; its target gets no connection, and so no token."""
    async with Wire(FOUND) as elsewhere:
        location = f"Location: {elsewhere.base_url}/webhooks/W1"
        redirect = Fault(APIError, NEVER, refusal(status, location))
        await check(OPERATIONS[name], redirect, caplog, engine)

    assert elsewhere.connections == 0


@pytest.mark.parametrize("engine", [own, pytest.param(AiohttpTransport, marks=pytest.mark.once)])
@pytest.mark.parametrize("fault_name", MEMORABLE)
async def test_repeated_faults_keep_no_memory(fault_name: str, engine: Engine) -> None:
    """However often a fault is applied, the number of objects doesn't grow with it."""
    operation, fault, times = OPERATIONS["webhooks.get"], FAULTS[fault_name], 5
    async with (
        Service(operation, fault) as service,
        client_of(service, operation, engine) as client,
    ):

        async def ask(times: int) -> None:
            for _ in range(times):
                with suppress(WebexError):
                    await operation.ask(client)
            await until(lambda: service.open <= 1)
            service.requests.clear()

        def objects() -> int:
            gc.collect()
            return len(gc.get_objects())

        service.apply_fault()
        await ask(2)
        before = objects()
        await ask(times)
        for _ in range(1000):  # closing a connection takes a moment
            await asyncio.sleep(0)
            if objects() < before + times:
                break
        else:
            pytest.fail("each time something was kept")


async def test_each_operation_is_in_the_table() -> None:
    """Each public operation of a client and its resources has a row, but those made of others."""
    async with Client("a-token") as client:
        parts = {name: part for name, part in vars(client).items() if isinstance(part, APIResource)}
    operations = {
        f"{name}.{operation}"
        for name, part in {"client": client, **parts}.items()
        for operation, member in vars(type(part)).items()
        if not operation.startswith("_") and inspect.isfunction(member)
    }
    made_of_others = {"client.aclose", "webhooks.ensure", "webhooks.plan", "webhooks.watch"}

    assert operations - OPERATIONS.keys() == made_of_others
