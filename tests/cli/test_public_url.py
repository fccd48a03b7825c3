import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async.cli.public_url import ArrivalCheck
from webex_webhooks_async.testing.loopback import serve_on_loopback

HERE = PlainTextResponse("the application")


@asynccontextmanager
async def served(application: ASGIApp) -> AsyncGenerator[str]:
    """Serve an application."""
    async with serve_on_loopback(application, 0) as origin:
        yield f"{origin}/webex"


async def test_a_url_that_leads_here() -> None:
    """If the request arrives, there is no problem; the application gets only other requests."""
    arrivals = ArrivalCheck(HERE)
    async with served(arrivals) as url, httpx.AsyncClient(trust_env=False) as others:
        problem = await arrivals.check(url, 8080, PATIENCE)
        response = await others.post(url, headers={"x-webex-webhooks-check": "a guess"})

    assert (problem, response.text) == (None, "the application")


async def test_a_tunnel_that_loses_the_response() -> None:
    """If the request arrives, its response doesn't matter."""
    arrivals = ArrivalCheck(HERE)
    async with served(arrivals) as url, httpx.AsyncClient(trust_env=False) as tunnel:

        async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
            await tunnel.send(httpx.Request("POST", url, headers=scope["headers"]))
            await PlainTextResponse("lost", 502)(scope, receive, send)

        async with served(pass_on) as public_url:
            problem = await arrivals.check(public_url, 8080, PATIENCE)

    assert problem is None


LOGIN = "probably the tunnel's login page: allow requests without a login"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (HTMLResponse("log in"), f"a page responds there (200 OK), {LOGIN}"),
        (RedirectResponse("/login", 302), f"a page responds there (302 Found), {LOGIN}"),
        (Response(status_code=401), f"a page responds there (401 Unauthorized), {LOGIN}"),
        (
            Response(status_code=502),
            "another server responds there (502 Bad Gateway): does the tunnel lead to port 8080?",
        ),
        (
            PlainTextResponse("ok"),
            "another server responds there (200 OK): does the tunnel lead to port 8080?",
        ),
        (
            Response(status_code=599),
            "another server responds there (599): does the tunnel lead to port 8080?",
        ),
    ],
)
async def test_a_public_url_that_leads_elsewhere(
    monkeypatch: pytest.MonkeyPatch, response: Response, reason: str
) -> None:
    """The likely reason follows from the response of the other server."""
    monkeypatch.setenv("NO_PROXY", "*")
    async with served(response) as url:
        public_url = url.replace("127.0.0.1", "127.1")  # not a loopback address by its name
        assert await ArrivalCheck(HERE).check(public_url, 8080, PATIENCE) == reason


@pytest.mark.parametrize("status_code", [200, 302, 401])
async def test_a_url_of_this_machine_that_leads_elsewhere(status_code: int) -> None:
    """On this machine there is no tunnel that could ask for a login: the port is wrong."""
    async with served(HTMLResponse("another server", status_code)) as url:
        problem = await ArrivalCheck(HERE).check(url, 8080, PATIENCE)

    assert problem
    assert problem.startswith(f"another server responds there ({status_code} ")
    assert problem.endswith("): does the URL lead to port 8080?")


async def test_nobody_there() -> None:
    """If nothing listens, the reason suggests a typo."""
    problem = await ArrivalCheck(HERE).check(f"http://127.0.0.1:{unused_port()}/", 8080, PATIENCE)

    assert problem
    assert problem.startswith("ConnectError: ")
    assert problem.endswith("; is there a typo in it, and does the tunnel run?")


async def test_no_response() -> None:
    """The wait for a server that hangs is limited."""

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    async with served(hang) as url:
        problem = await ArrivalCheck(HERE).check(url, 8080, 0.5)

    assert problem == "nothing responds there within 0.5 s"
