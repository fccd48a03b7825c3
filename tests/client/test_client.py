import asyncio
import gc
import importlib.metadata
import json
import logging
import pickle
import random
import re
import runpy
import ssl
import traceback
import weakref
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import httpx
import pytest
import trustme

from tests.support.clients import TOKEN, client_of, client_on
from tests.support.clocks import let_pass
from tests.support.wire import (
    FOUND,
    PATIENCE,
    WEBHOOK,
    Peer,
    Step,
    Wire,
    after,
    cancelled_after,
    hang_up,
    http_response,
    idle_loop,
    page,
    raw_http_response,
    reset,
    silence,
    unused_port,
)
from webex_webhooks_async import (
    APIError,
    AuthenticationError,
    Client,
    DecodeError,
    NewWebhook,
    RefreshingToken,
    RequestTimeoutError,
    RetryPolicy,
    TransportError,
    WebexError,
    Webhook,
    version,
)
from webex_webhooks_async.client.pool import tls_context

WEBEX = "https://webexapis.com/v1"


@pytest.mark.parametrize(
    "base_url",
    [
        *("https://webexapis.com/v1", "https://webexapis.com", "HTTPS://webexapis.com/v1/"),
        *("https://api-usgov.webex.com/v1", "http://127.0.0.1:8900/v1", "http://127.1.2.3/v1"),
        *("http://localhost:8900/v1", "http://LOCALHOST/v1", "http://[::1]:8900/v1"),
    ],
)
async def test_a_base_url_is_https_or_on_loopback(base_url: str) -> None:
    """A base URL where nobody can read the token on its way is accepted."""
    async with Client(TOKEN, base_url=base_url) as client:
        assert client.webhooks is not None


@pytest.mark.parametrize(
    "base_url",
    [
        *("http://webexapis.com/v1", "http://localhost.example.com/v1", "http://10.0.0.1/v1"),
        *("http://127.0.0.1.example.com/v1", "http://0.0.0.0:8900/v1", "ftp://127.0.0.1/v1"),
        *("//webexapis.com/v1", "webexapis.com/v1", "/v1", "", "https://", "https:///v1"),
        *("https://:443/v1", "https://@webexapis.com/v1", "https://[::1/v1"),
        *("https://webexapis.com/v1?key=c4n4ry", "https://webexapis.com/v1#c4n4ry"),
        *("https://webexapis.com:port/v1", "https://webexapis.com:99999/v1"),
        *("https://webexapis.com/v\x001", "https://xn--a.com/v1"),
        "https://someone:c4n4ry@webexapis.com/v1",
    ],
    ids=ascii,
)
def test_any_other_base_url_is_refused(base_url: str) -> None:
    """It raises `ValueError` before anything is sent, and credentials in it aren't shown."""
    with pytest.raises(ValueError, match="base_url") as raised:
        Client(TOKEN, base_url=base_url)

    assert "c4n4ry" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (ValueError, {"timeout": 0}, "timeout must be a positive number of seconds"),
        (ValueError, {"timeout": -1}, "timeout must be a positive number of seconds"),
        (ValueError, {"timeout": timedelta(days=36_526)}, "of a century at most"),
        (ValueError, {"timeout": float("inf")}, "timeout must be a positive number of seconds"),
        (ValueError, {"timeout": float("nan")}, "timeout must be a positive number of seconds"),
        (ValueError, {"max_concurrency": 0}, "max_concurrency must be at least 1"),
        (ValueError, {"max_concurrency": -1}, "max_concurrency must be at least 1"),
        (ValueError, {"max_body": 0}, "max_body must be"),
        (ValueError, {"max_body": -1}, "max_body must be"),
        (ValueError, {"base_url": "https://example.com/\udcff"}, "^base_url is not valid Unicode"),
        (TypeError, {"token": b"a-token"}, "token must be str or TokenProvider, got bytes"),
        (TypeError, {"token": RefreshingToken}, "got the class RefreshingToken: pass an instance"),
        (TypeError, {"base_url": 5}, "base_url must be str, got int"),
        (TypeError, {"http_client": httpx.Client()}, "AsyncBaseTransport, got Client"),
        (TypeError, {"timeout": "5"}, "timeout must be float or int or timedelta, got str"),
        (TypeError, {"timeout": None}, "timeout must be float or int or timedelta, got NoneType"),
        (TypeError, {"retry": 3}, "retry must be RetryPolicy, got int"),
        (TypeError, {"max_concurrency": 2.5}, "max_concurrency must be int, got float"),
        (TypeError, {"max_concurrency": True}, "max_concurrency must be int, got bool"),
        (TypeError, {"max_body": 1.5}, "max_body must be int, got float"),
    ],
)
def test_an_unsound_argument_is_refused(
    error: type[Exception], arguments: dict[str, Any], message: str
) -> None:
    """It is named when the client is made, not at the first request."""
    complete: dict[str, Any] = {"token": TOKEN, **arguments}
    with pytest.raises(error, match=message):
        Client(**complete)


async def test_the_environment_may_hold_token_and_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """`from_env` makes an instance of its class; an option that is passed comes first."""

    class Own(Client):
        pass

    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "from-the-environment")
    async with Wire(FOUND) as wire:
        monkeypatch.setenv("WEBEX_BASE_URL", wire.base_url)
        async with Own.from_env() as client:
            await client.webhooks.get("W1")
        monkeypatch.setenv("WEBEX_BASE_URL", "https://elsewhere.example.com/v1")
        async with Own.from_env(base_url=wire.base_url) as other:
            await other.webhooks.get("W1")

    monkeypatch.setenv("WEBEX_BASE_URL", "webexapis.com")
    with pytest.raises(ValueError, match="WEBEX_BASE_URL must be an absolute"):
        Own.from_env()

    assert (type(client), wire.targets) == (Own, ["/v1/webhooks/W1"] * 2)
    assert wire.requests[0].headers["authorization"] == "Bearer from-the-environment"


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_token_in_the_environment_it_says_what_to_set(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable counts as unset."""
    monkeypatch.delenv("WEBEX_ACCESS_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("WEBEX_ACCESS_TOKEN", value)

    with pytest.raises(ValueError, match="WEBEX_ACCESS_TOKEN"):
        Client.from_env()


REFRESH = {
    "WEBEX_CLIENT_ID": "C1",
    "WEBEX_CLIENT_SECRET": "S1",
    "WEBEX_REFRESH_TOKEN": "from-the-environment",
}


@pytest.mark.parametrize("access_token", ["old", ""])
async def test_the_environment_may_hold_what_refreshes_a_token(
    access_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With or without an access token, a refresh uses what is there."""
    for name, value in {**REFRESH, "WEBEX_ACCESS_TOKEN": access_token}.items():
        monkeypatch.setenv(name, value)
    script = [http_response(200, {"access_token": "new"}), FOUND]
    if access_token:
        script.insert(0, http_response(401))
    async with Wire(*script) as wire, Client.from_env(base_url=wire.base_url) as client:
        await client.webhooks.get("W1")

    assert wire.tokens == [*(["old"] if access_token else []), None, "new"]
    assert parse_qs(wire.requests[-2].body.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["C1"],
        "client_secret": ["S1"],
        "refresh_token": ["from-the-environment"],
    }


@pytest.mark.parametrize("missing", REFRESH)
async def test_a_missing_part_of_a_refresh_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error without an access token; with one, the token doesn't change."""
    for name, value in {**REFRESH, missing: "", "WEBEX_ACCESS_TOKEN": ""}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"^set the environment variable {missing} too, or WEBEX"):
        Client.from_env()

    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", TOKEN)
    async with Wire(http_response(401)) as wire, Client.from_env(base_url=wire.base_url) as client:
        with pytest.raises(AuthenticationError):
            await client.webhooks.get("W1")
    assert len(wire.requests) == 1


async def test_a_closed_client_sends_nothing() -> None:
    """A request after `aclose` raises `RuntimeError`; closing twice and entering again don't."""
    async with Wire(FOUND) as wire:
        async with Client(TOKEN, base_url=wire.base_url) as client:
            await client.webhooks.get("W1")
        await client.aclose()

        assert client.http_client.is_closed
        async with client:
            with pytest.raises(RuntimeError, match="this client is closed"):
                await client.webhooks.get("W1")
            with pytest.raises(RuntimeError, match="this client is closed"):
                await client.webhooks.list()

        assert len(wire.requests) == 1
        await wire.closed()


@pytest.mark.parametrize(("response", "is_found"), [(FOUND, True), (http_response(503), False)])
async def test_closing_lets_requests_in_flight_end(response: bytes, *, is_found: bool) -> None:
    """What waits for the limit, or for its next attempt, isn't sent; connections are closed."""
    responding = asyncio.Event()
    async with Wire(after(responding, response), FOUND) as wire:
        client = client_of(wire, attempts=4, max_concurrency=1)
        tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(2)]
        await wire.received(1)
        await client.aclose()
        responding.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await wire.closed()

    assert [isinstance(each, Webhook) for each in results] == [is_found, False]
    assert [isinstance(each, RuntimeError) for each in results] == [not is_found, True]
    assert len(wire.requests) == 1


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({}, 20),
        *(({"max_concurrency": each}, each) for each in (1, 50)),
        ({"max_concurrency": 3, "http_client": "theirs"}, 3),
    ],
    ids=str,
)
async def test_max_concurrency_is_the_number_of_connections(
    options: dict[str, Any], limit: int
) -> None:
    """However many tasks there are, and however large the pool of a given client is."""
    full = asyncio.Event()
    async with httpx.AsyncClient() as theirs:
        options = {**options, **({"http_client": theirs} if "http_client" in options else {})}
        async with client_on(after(full, FOUND), **options) as (wire, client):
            tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(limit + 20)]
            await wire.received(limit)
            await idle_loop()
            at_a_time = len(wire.requests)
            full.set()
            await asyncio.gather(*tasks)
            await asyncio.gather(*(client.webhooks.get("W1") for _ in range(limit + 20)))

    assert at_a_time == limit
    assert len(wire.requests) == 2 * (limit + 20)
    assert wire.connections == wire.most_open == limit


@pytest.mark.usefixtures("engine")
async def test_tasks_cancelled_at_random_leave_nothing() -> None:
    """The others succeed, the client stays usable, and everything is closed at the end."""
    chance = random.Random(0)  # noqa: S311 - it makes up a case, which can be repeated

    async def any_of(peer: Peer) -> None:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        steps: list[Step] = [FOUND, FOUND, http_response(503), reset, hang_up]
        step = chance.choice(steps)
        await (peer.send(step) if isinstance(step, bytes) else step(peer))

    async with Wire(any_of) as wire:
        client = client_of(wire, attempts=50, timeout=PATIENCE, max_concurrency=5)
        tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(60)]
        doomed = chance.sample(tasks, 30)
        for task in doomed:
            for _ in range(chance.randrange(10)):
                await asyncio.sleep(0)
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        wire.script = [FOUND]
        await asyncio.gather(*(client.webhooks.get("W1") for _ in range(5)))
        await client.aclose()
        await wire.closed()
    gc.collect()  # warns about what wasn't closed

    survivors = {
        type(each) for task, each in zip(tasks, results, strict=True) if task not in doomed
    }
    assert survivors == {Webhook}
    assert wire.most_open <= 6  # one may be closed here, and not yet by the server
    assert asyncio.all_tasks() == {asyncio.current_task()}


def found(request: httpx.Request) -> httpx.Response:
    """Respond with a webhook."""
    return httpx.Response(200, json=WEBHOOK)


class Theirs(httpx.MockTransport):
    """A transport that is false, because it has a length of 0, and that notes its end."""

    is_closed = False

    def __len__(self) -> int:
        return 0

    async def aclose(self) -> None:
        self.is_closed = True


class FalsyClient(httpx.AsyncClient):
    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("is_client", [True, False], ids=["client", "transport"])
async def test_a_given_client_sends_and_stays_open(*, is_client: bool) -> None:
    """It or its transport sends each request, also if it is false, and isn't closed with ours."""
    transport = Theirs(found)
    given_client = FalsyClient(transport=transport)
    async with Client(TOKEN, http_client=given_client if is_client else transport) as client:
        webhook = await client.webhooks.get("W1")
        response = await client.http_client.get(f"{WEBEX}/webhooks/W1")

    assert webhook.id == response.json()["id"] == "W1"
    assert (client.http_client is given_client) == is_client
    assert not given_client.is_closed
    assert not transport.is_closed


async def test_nothing_of_a_given_client_wins_over_ours() -> None:
    """Its auth, cookies, base URL, parameters, redirects and timeout are ignored, and stay."""
    token = RefreshingToken(client_id="id", client_secret="secret", refresh_token="refresh")
    grant = http_response(200, {"access_token": "fresh"})
    headers = {"authorization": "Basic theirs", "accept": "text/html", "cookie": "theirs=2"}
    settings: dict[str, Any] = {
        "auth": ("someone", "word"),
        "cookies": {"theirs": "1"},
        "headers": {**headers, "X-Kept": "1"},
        "base_url": "https://elsewhere.example/v9/",
        "params": {"max": "1", "theirs": "1"},
        "timeout": 1e-9,
        "follow_redirects": True,
    }
    async with httpx.AsyncClient(**settings) as theirs, httpx.AsyncClient(**settings) as untouched:
        options: Any = {"token": token, "http_client": theirs}
        async with client_on(grant, FOUND, page(), **options) as (wire, client):
            await client.webhooks.get("W1")
            await client.webhooks.list(start_url=f"{wire.base_url}/webhooks?cursor&max=50")

        assert theirs.headers == untouched.headers
        assert dict(theirs.cookies) == {"theirs": "1"}
        assert theirs.base_url == untouched.base_url
        assert theirs.params == untouched.params
        assert theirs.timeout == untouched.timeout
        assert theirs.follow_redirects == untouched.follow_redirects
        assert theirs.event_hooks == untouched.event_hooks

    refresh, first, second = wire.requests
    assert wire.targets == ["/v1/access_token", "/v1/webhooks/W1", "/v1/webhooks?cursor&max=50"]
    assert "authorization" not in refresh.headers
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer fresh"
    assert first.headers["accept"] == "application/json"
    assert first.headers["host"] == f"127.0.0.1:{wire.port}"
    assert first.headers["x-kept"] == "1"
    assert "cookie" not in first.headers


@pytest.mark.usefixtures("engine")
async def test_cookies_are_neither_stored_nor_sent() -> None:
    """A cookie that a response sets isn't kept, and so not sent with later requests."""
    async with client_on(http_response(200, WEBHOOK, "Set-Cookie: a=b")) as (wire, client):
        for _ in range(2):
            await client.webhooks.get("W1")

        assert dict(client.http_client.cookies) == {}
        await client.http_client.get(f"{wire.base_url}/webhooks/W1")

    assert ["cookie" in each.headers for each in wire.requests] == [False] * 3


async def test_a_given_client_stores_cookies_and_we_send_none() -> None:
    """It stores what a response sets, and takes later settings; ours don't carry the cookie."""
    setting = http_response(200, WEBHOOK, "Set-Cookie: a=b")
    async with (
        httpx.AsyncClient() as http_client,
        client_on(setting, http_client=http_client) as (wire, client),
    ):
        for _ in range(2):
            await client.webhooks.get("W1")
        await http_client.get(f"{wire.base_url}/webhooks/W1")
        http_client.headers = {"X-Later": "1"}
        await client.webhooks.get("W1")

    assert [each.headers.get("cookie") for each in wire.requests] == [None, None, "a=b", None]
    assert wire.requests[-1].headers["x-later"] == "1"


@pytest.mark.parametrize("place", ["request", "response", "transport"])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        *((each, None) for each in (KeyError, RuntimeError)),
        *((each, TransportError) for each in (OSError, httpx.ReadError, httpx.TooManyRedirects)),
        *((each, RequestTimeoutError) for each in (TimeoutError, httpx.PoolTimeout)),
    ],
)
async def test_whatever_a_given_client_raises_is_ours(
    place: str, error: type[Exception], raised: type[TransportError] | None
) -> None:
    """What httpx and sockets raise counts as no response; any other error is raised at once."""
    errors: list[Exception] = []

    async def fail(_: object) -> httpx.Response:
        errors.append(error("it broke"))
        raise errors[-1]

    async with (
        httpx.AsyncClient(
            transport=httpx.MockTransport(fail if place == "transport" else found),
            event_hooks={} if place == "transport" else {place: [fail]},
        ) as http_client,
        Client(TOKEN, http_client=http_client, retry=RetryPolicy(base_delay=0.0)) as client,
    ):
        with pytest.raises(Exception, match="it broke") as caught:
            await client.webhooks.get("W1")

    assert len(errors) == (4 if raised else 1)
    if raised is None:
        assert caught.value is errors[0]
    else:
        assert type(caught.value) is raised
        assert re.search(rf"webexapis.com.*{error.__name__}: it broke", str(caught.value))
        assert caught.value.__cause__ is errors[-1]


async def test_a_given_client_that_is_closed() -> None:
    """A request through a closed HTTP client is a mistake of the program, and isn't retried."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(found)) as http_client:
        client = Client(TOKEN, http_client=http_client)

    with pytest.raises(RuntimeError, match="http_client is closed"):
        await client.webhooks.get("W1")


def test_without_metadata_the_version_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a zipapp, which has none, requests are sent all the same."""

    def find(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "version", find)

    assert runpy.run_path(version.__file__)["__version__"] == "unknown"


async def test_an_error_has_the_id_of_the_request_where_webex_sends_none() -> None:
    """A page of a proxy, which has no tracking id, is reported with the id of the request."""
    async with client_on(http_response(200, b"<html>")) as (wire, client):
        with pytest.raises(DecodeError) as caught:
            await client.webhooks.get("W1")

    assert caught.value.tracking_id == wire.requests[0].headers["trackingid"]


@pytest.mark.parametrize(("reads", "message"), [(False, ""), (True, "the message")])
@pytest.mark.parametrize(("status", "sent"), [(404, 1), (503, 4), (429, 4)])
async def test_a_hook_may_raise_for_a_status(
    message: str, status: int, sent: int, *, reads: bool
) -> None:
    """The error is the one of the status, retried as its status is, with what the hook has read."""

    async def hook(response: httpx.Response) -> None:
        if reads:
            await response.aread()
        response.raise_for_status()

    refusal = http_response(status, {"message": "the message"})
    async with (
        httpx.AsyncClient(event_hooks={"response": [hook]}) as http_client,
        client_on(refusal, attempts=4, http_client=http_client) as (wire, client),
    ):
        with pytest.raises(APIError) as caught:
            await client.webhooks.get("W1")

    assert (caught.value.status_code, caught.value.message) == (status, message)
    assert len(wire.requests) == sent


async def test_a_response_needs_no_garbage_collector() -> None:
    """The memory of a response is free as soon as its result is there."""
    received: list[weakref.ref[httpx.Response]] = []

    async def remember(response: httpx.Response) -> None:
        received.append(weakref.ref(response))

    async with (
        httpx.AsyncClient(
            transport=httpx.MockTransport(found), event_hooks={"response": [remember]}
        ) as http_client,
        Client(TOKEN, http_client=http_client) as client,
    ):
        gc.disable()
        try:
            await client.webhooks.get("W1")
            held = [each() for each in received]
        finally:
            gc.enable()

    assert held == [None]


async def test_a_hook_s_own_request_says_nothing_about_ours() -> None:
    """When a hook's request to another service fails, that status isn't taken for Webex's."""

    async def look_elsewhere(_: httpx.Response) -> None:
        request = httpx.Request("GET", "https://elsewhere.example")
        httpx.Response(404, request=request).raise_for_status()

    async with (
        httpx.AsyncClient(
            transport=httpx.MockTransport(found), event_hooks={"response": [look_elsewhere]}
        ) as http_client,
        Client(TOKEN, http_client=http_client, retry=RetryPolicy.none()) as client,
    ):
        with pytest.raises(TransportError, match="elsewhere"):
            await client.webhooks.get("W1")


async def test_a_pool_smaller_than_max_concurrency_is_refused() -> None:
    """The error says why, and what to pass; as many connections as requests are enough."""
    limits = httpx.Limits(max_connections=5)
    async with httpx.AsyncClient(limits=limits) as http_client:
        with pytest.raises(ValueError, match=r"Pass max_concurrency=5, or .*max_connections=20"):
            Client(TOKEN, http_client=http_client)


async def test_a_given_client_recovers_from_an_outage() -> None:
    """After timeouts of more tasks than its pool has connections, requests succeed again."""
    limits = httpx.Limits(max_connections=5)
    async with (
        httpx.AsyncClient(limits=limits) as http_client,
        client_on(silence, http_client=http_client, max_concurrency=5, timeout=30.0) as (
            wire,
            client,
        ),
    ):
        tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(20)]
        for count in range(5, 21, 5):
            await wire.received(count)
            let_pass(30.0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        wire.script = [FOUND]
        webhooks = await asyncio.gather(*(client.webhooks.get("W1") for _ in range(5)))

    assert {type(each) for each in outcomes} == {RequestTimeoutError}
    assert [each.id for each in webhooks] == ["W1"] * 5


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("has_scheme", [True, False])
async def test_a_proxy_of_the_environment_gets_the_request(
    name: str, monkeypatch: pytest.MonkeyPatch, *, has_scheme: bool
) -> None:
    """The proxy gets the whole URL; one connection serves all requests."""
    base_url = f"http://127.0.0.1:{unused_port()}/v1"
    async with Wire(FOUND) as proxy:
        monkeypatch.setenv(name, proxy.origin if has_scheme else f"127.0.0.1:{proxy.port}")
        async with Client(TOKEN, base_url=base_url) as client:
            await client.webhooks.get("W1")
            await client.webhooks.get("W1")

    assert proxy.targets == [f"{base_url}/webhooks/W1"] * 2
    assert proxy.connections == 1


async def test_an_invalid_proxy_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises when the client is made, and the password isn't shown."""
    monkeypatch.setenv("HTTPS_PROXY", "gopher://someone:word@127.0.0.1")

    with pytest.raises(ValueError, match="Unknown scheme for proxy URL") as raised:
        Client(TOKEN)

    assert "word" not in str(raised.value)


async def test_a_proxy_tunnels_to_webex(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    """For https the proxy opens a tunnel and sees no token; the error of its refusal names it."""
    refusal = http_response(407, b"", 'Proxy-Authenticate: Basic realm="proxy"')
    async with Wire(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:word@127.0.0.1:{proxy.port}")
        async with Client(TOKEN, retry=RetryPolicy.none()) as client:
            refused = (
                f"the proxy 127.0.0.1:{proxy.port} responded with" if engine == "aiohttp" else ""
            )
            named = f"through the proxy http://127.0.0.1:{proxy.port}: ProxyError: {refused} ?407"
            with pytest.raises(TransportError, match=named) as raised:
                await client.webhooks.get("W1")

    assert "word" not in repr(raised.value)
    (tunnel,) = proxy.requests
    assert (tunnel.method, tunnel.target) == ("CONNECT", "webexapis.com:443")
    assert tunnel.headers["proxy-authorization"].startswith("Basic ")
    assert TOKEN not in repr(tunnel)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("host", "exception"),
    [
        *(("127.0.0.1", each) for each in ("127.0.0.1", "example.com, 127.0.0.1", "*")),
        ("127.0.0.1", "127.0.0.1:{port}"),
        ("[::1]", "::1"),
    ],
)
async def test_no_proxy_is_respected(
    host: str, exception: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host in NO_PROXY is called directly."""
    port = unused_port()
    async with Wire(FOUND) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        monkeypatch.setenv("NO_PROXY", exception.format(port=port))
        base_url = f"http://{host}:{port}/v1"
        async with Client(TOKEN, base_url=base_url, retry=RetryPolicy.none()) as client:
            with pytest.raises(TransportError, match="onnect"):
                await client.webhooks.get("W1")

    assert proxy.connections == 0


@pytest.fixture
def fresh_tls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ssl.SSLContext]]:
    """The TLS contexts that are made, starting without any."""
    made: list[ssl.SSLContext] = []
    make = httpx.create_ssl_context

    def make_and_count() -> ssl.SSLContext:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", make_and_count)
    tls_context.cache_clear()
    yield made
    tls_context.cache_clear()


@pytest.fixture
def server_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The TLS context of a server on loopback, whose authority the environment trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "certificates.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificates.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = authority.issue_cert("127.0.0.1")
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - OpenSSL's too
    return context


@pytest.mark.usefixtures("engine")
async def test_a_certificate_that_the_environment_trusts_is_accepted(
    server_tls: ssl.SSLContext, fresh_tls: list[ssl.SSLContext]
) -> None:
    """SSL_CERT_FILE counts, and one TLS context serves all connections of all clients."""
    async with (
        Wire(FOUND, tls=server_tls) as wire,
        Client(TOKEN, base_url=wire.base_url) as client,
        Client(TOKEN, base_url=wire.base_url) as other,
    ):
        await asyncio.gather(
            *(each.webhooks.get("W1") for each in (client, other) for _ in range(5))
        )
        await client.webhooks.get("W1")

    assert len(wire.requests) == 11
    assert wire.connections > 1
    assert len(fresh_tls) == 1


@pytest.mark.usefixtures("engine", "fresh_tls")
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_can_not_be_read_are_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That isn't an outage, which would be tried again: the error names the variable."""
    path = tmp_path / "certificates.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ValueError, match=re.escape(f"SSL_CERT_FILE is '{path}'")):
        Client(TOKEN)


@pytest.mark.usefixtures("engine", "fresh_tls")
@pytest.mark.parametrize("connection", ["new", "idle", "left"])
async def test_a_request_over_tls_may_be_cancelled_at_any_moment(
    connection: str, server_tls: ssl.SSLContext
) -> None:
    """Also during a handshake: the next request succeeds, and nothing is left open."""

    async def leave(peer: Peer) -> None:
        await peer.send(FOUND)
        await leaving.wait()
        await peer.reset()

    for moment in range(200):
        leaving = asyncio.Event()
        async with Wire(leave if connection == "left" else FOUND, FOUND, tls=server_tls) as wire:
            async with client_of(wire, max_concurrency=1) as client:
                if connection != "new":
                    await client.webhooks.get("W1")
                if connection == "left":
                    leaving.set()
                    await wire.closed()
                    await idle_loop()  # so that the client sees it
                is_cancelled = await cancelled_after(moment, client.webhooks.get("W1"))
                await client.webhooks.get("W1")
            await wire.closed()
        if not is_cancelled:
            break
    else:
        pytest.fail("the request never completes")
    gc.collect()  # warns about what wasn't closed


async def tunnel_to_nowhere(peer: Peer) -> None:
    """Confirm the tunnel, and send nothing more."""
    await peer.send(raw_http_response(200, b""))
    await silence(peer)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("step", "is_proxy"),
    [(silence, False), (silence, True), (tunnel_to_nowhere, True)],
    ids=["handshake", "proxy", "tunnel"],
)
async def test_a_handshake_that_takes_too_long_leaves_nothing(
    step: Step, monkeypatch: pytest.MonkeyPatch, *, is_proxy: bool
) -> None:
    """It ends at the timeout: of TLS, of a tunnel through a proxy, and of TLS through that."""
    async with Wire(step) as wire:
        base_url = WEBEX if is_proxy else f"https://127.0.0.1:{wire.port}/v1"
        if is_proxy:
            monkeypatch.setenv("HTTPS_PROXY", wire.origin)
        retry = RetryPolicy.none()
        async with Client(
            TOKEN, base_url=base_url, retry=retry, timeout=timedelta(seconds=0.2)
        ) as client:
            with pytest.raises(RequestTimeoutError):
                await client.webhooks.get("W1")
            gc.collect()  # warns about what wasn't closed
            await wire.closed()


CANARY = "c4n4ry"
CANARY_TOKEN = f"{CANARY}.T0K3N-_~+/=%"
CANARY_SECRET = f'{CANARY} "sécret" \\ <&>\'/%+?☃{CANARY}'


def echoes(text: str) -> Iterator[bytes]:
    """Responses with a text in every place that may be shown."""
    relayed = f"POST failed: HTTP/1.1 400 Bad Request (url = x, error = '{text}')"
    documents: list[object] = [
        {"message": text},
        {"message": relayed},
        {"message": "m", "errors": [{"description": text}, {"description": relayed}]},
        {"error": [{"key": text, "message": [{"description": text, "code": text}]}]},
        {"error": text, "error_description": text},
        {"message": "m", "errorCode": text},
        {"message": "m", "errorCode": {text: [text]}},
        {"message": "m", "trackingId": text},
        {text: text},
        {"items": [{text: text}]},
        [text],
        text,
    ]
    for status in (200, 400):
        yield from (http_response(status, document) for document in documents)
        yield http_response(status, text.encode())
        yield http_response(status, f"<html>{text}</html>".encode())
    if not text.startswith('"'):  # an error of h11 escapes what JSON has escaped
        for line in (
            f"TrackingID: {text}",
            f"Retry-After: {text}",
            f"Link: <https://elsewhere.example/{text}>; rel=next",
            f"Location: /{text}",
            f"Location: http://[{text}",
            f"Content-Encoding: {text}",
            f"X-Echo: {text}",
            text,
            f" {text}: {text}",
        ):
            yield http_response(400, b"{}", line)
        yield raw_http_response(400, b"", f"Content-Length: {text}")
        yield raw_http_response(400, b"", f"Transfer-Encoding: {text}")
        yield raw_http_response(400, text.encode() + b"\r\n", "Transfer-Encoding: chunked")
        yield f"HTTP/1.1 {text} {text}\r\n\r\n".encode()
        yield f"{text}\r\n\r\n".encode()


NEW = NewWebhook(
    name="n",
    target_url="https://example.com",
    resource="messages",
    event="created",
    secret=CANARY_SECRET,
)
REFRESHING = RefreshingToken(
    client_id="id", client_secret=CANARY_SECRET, refresh_token=CANARY_TOKEN
)


Operation = Callable[[Client], Awaitable[object]]
ECHOED: dict[str, tuple[str | RefreshingToken, Operation, str]] = {
    "create": (CANARY_TOKEN, lambda client: client.webhooks.create(NEW), CANARY_SECRET),
    "list": (CANARY_TOKEN, lambda client: client.webhooks.list(), CANARY_TOKEN),
    "refresh": (REFRESHING, lambda client: client.webhooks.get("W1"), CANARY_TOKEN),
    "refresh's secret": (REFRESHING, lambda client: client.webhooks.get("W1"), CANARY_SECRET),
}


@pytest.mark.once
@pytest.mark.parametrize(("token", "operation", "secret"), ECHOED.values(), ids=ECHOED)
async def test_an_echoed_secret_is_shown_nowhere(
    token: str | RefreshingToken,
    operation: Operation,
    secret: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In whatever form the service echoes the tokens and the secrets, they aren't shown."""
    caplog.set_level(logging.DEBUG, "webex_webhooks_async")
    shown: list[str] = []
    errors = 0
    async with client_on(token=token) as (wire, client):
        encodings = [secret, quote(secret, safe=""), json.dumps(secret)]
        for echo in [each for text in encodings for each in echoes(text)]:
            wire.script = [echo]
            try:
                await operation(client)
            except WebexError as error:
                errors += 1
                shown += [str(error), repr(error), repr(vars(error))]
                shown += traceback.format_exception(error)
                shown.append(pickle.dumps(error).decode("latin-1"))
        shown += [repr(client), caplog.text, *(repr(vars(each)) for each in caplog.records)]
        if isinstance(token, RefreshingToken):
            shown.append(repr(token))

    assert errors > 100
    assert [each for each in shown if CANARY in each] == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("messages", "messages"),
        ("attachment_actions", "attachment/actions"),
        ("team_memberships", "team/memberships"),
    ],
)
async def test_a_resource_without_methods_shows_how_it_is_called(name: str, path: str) -> None:
    """`client.messages` is an `AttributeError` that shows the call with the path."""
    async with Client(TOKEN) as client:
        with pytest.raises(AttributeError, match=rf"client\.post\('{path}', json="):
            getattr(client, name)
        with pytest.raises(AttributeError, match=r"^'Client' object has no attribute '_x'$"):
            getattr(client, "_x")  # noqa: B009 - type checkers refuse the plain form
