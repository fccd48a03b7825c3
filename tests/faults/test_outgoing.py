import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress

import httpx
import pytest
from attrs import evolve

from tests.faults.leaks import nothing_left
from tests.faults.outgoing import (
    ATTEMPTS,
    AUTHORITY,
    FAULTS,
    NEVER,
    OPERATIONS,
    TIMEOUT,
    UNLESS_POST,
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
    Webhooks,
)
from webex_webhooks_async.client.transports.pool import tls_context

each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


def own() -> AbstractAsyncContextManager[None]:
    """What a client makes itself."""
    return nullcontext()


def given() -> httpx.AsyncClient:
    """Somebody's httpx, which would follow redirects."""
    return httpx.AsyncClient(follow_redirects=True)


Way = Callable[[], AbstractAsyncContextManager[httpx.AsyncClient | AiohttpTransport | None]]
another_way = [
    pytest.param(name, way, marks=pytest.mark.once)
    for name in ("get", "create")  # one that is repeated, and one that isn't
    for way in (given, AiohttpTransport)
]
each_operation = pytest.mark.parametrize(
    ("name", "way"), [*((name, own) for name in OPERATIONS), *another_way]
)


@pytest.fixture(scope="module", autouse=True)
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment names the authority, for our clients and others'."""
    certificates = tmp_path_factory.mktemp("tls") / "certificates.pem"
    AUTHORITY.cert_pem.write_to_path(str(certificates))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates))
        tls_context.cache_clear()
        yield
    tls_context.cache_clear()


@asynccontextmanager
async def client_of(service: Service, operation: Operation, way: Way) -> AsyncGenerator[Client]:
    """A client that doesn't wait between attempts, and perhaps goes through another's."""
    refreshing = RefreshingToken(
        client_id="id", client_secret="s3cret", refresh_token="refresh", access_token="old"
    )
    async with (
        way() as http_client,
        Client(
            refreshing if operation.refreshes else "a-token",
            base_url=service.base_url,
            http_client=http_client,
            timeout=TIMEOUT,
            retry=RetryPolicy(attempts=ATTEMPTS, base_delay=0.0),
        ) as client,
    ):
        yield client


def through(way: Way, fault: Fault) -> Fault:
    """The fault on this way: aiohttp sees what comes behind an answer, and refuses both."""
    if way is AiohttpTransport and fault.leaves_more:
        return evolve(fault, error=TransportError, again=UNLESS_POST)
    return fault


def told_by(error: WebexError) -> tuple[type[WebexError], str | None, str | None]:
    """Class, method and path of an error."""
    assert isinstance(error, APIError | TransportError | DecodeError)
    return type(error), error.method, error.path


async def meet(
    operation: Operation, fault: Fault, caplog: pytest.LogCaptureFixture, way: Way
) -> None:
    """Let an operation meet a fault, and hold what comes of it against the tables."""
    caplog.set_level(logging.DEBUG, "webex_webhooks_async")
    error = outcome(operation, fault)
    async with nothing_left(), Service(operation, fault) as service:
        async with client_of(service, operation, way) as client:
            assert operation.result == await operation.ask(client)
            service.requests.clear()
            caplog.clear()

            service.strike()
            if error is None:
                assert operation.result == await operation.ask(client)
            else:
                with pytest.raises(error) as raised:
                    await operation.ask(client)
                assert told_by(raised.value) == (error, operation.method, operation.path)
            sent = requests(operation, fault)
            assert sent == [
                each.args[:2] for each in caplog.records if isinstance(each.args, tuple)
            ]
            assert len(service.requests) == (len(sent) if fault.is_read else bool(operation.first))

            if not (way is given and fault.leaves_more):
                await service.mend()
                assert operation.result == await operation.ask(client)
            await until(lambda: service.open <= 1)
        await service.closed()


@each_fault
@each_operation
async def test_each_operation_meets_each_fault(
    name: str, fault: Fault, caplog: pytest.LogCaptureFixture, way: Way
) -> None:
    """It ends as the tables say, after so many requests; before and after, all is well."""
    await meet(OPERATIONS[name], through(way, fault), caplog, way)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@each_operation
async def test_a_redirect_is_not_followed(
    name: str, status: int, caplog: pytest.LogCaptureFixture, way: Way
) -> None:
    """It is an error like another; where it leads to gets no connection, and so no token."""
    async with Wire(FOUND) as elsewhere:
        location = f"Location: {elsewhere.base_url}/webhooks/W1"
        await meet(OPERATIONS[name], Fault(APIError, NEVER, refusal(status, location)), caplog, way)

    assert elsewhere.connections == 0


@pytest.mark.parametrize("way", [own, pytest.param(AiohttpTransport, marks=pytest.mark.once)])
@each_fault
async def test_what_happens_again_and_again_leaves_no_memory(fault: Fault, way: Way) -> None:
    """However often a fault is met, there isn't an object more for each time."""
    operation, times = OPERATIONS["get"], 5
    async with Service(operation, fault) as service, client_of(service, operation, way) as client:

        async def objects_after(times: int) -> int:
            for _ in range(times):
                with suppress(WebexError):
                    await operation.ask(client)
            service.requests.clear()
            await asyncio.sleep(0)  # the event loop drops the timers that were cancelled
            gc.collect()
            return len(gc.get_objects())

        service.strike()
        before = await objects_after(2)
        assert await objects_after(times) - before < times


def test_each_operation_is_in_the_table() -> None:
    """No public operation on webhooks goes without its faults, but those made of the others."""
    public = {name for name in vars(Webhooks) if not name.startswith("_")}

    assert public - {"ensure", "plan", "watch"} - OPERATIONS.keys() == set()
