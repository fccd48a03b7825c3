import asyncio
import gzip
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.support.clocks import soon
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async.cli.listen.tunnels import Agents, Tunnel, find_tunnel
from webex_webhooks_async.cli.running import UsageError
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

pytestmark = pytest.mark.once

PORT = 8080
TO_PORT = "http://localhost:8080"


def agent(**documents: object) -> Starlette:
    """An agent that responds with these documents, each at a path of its own."""

    async def respond(request: Request) -> Response:
        document = documents.get(request.url.path.rpartition("/")[2])
        return Response(status_code=404) if document is None else JSONResponse(document)

    return Starlette(routes=[Route("/{path:path}", respond)])


def ngrok(*tunnels: tuple[object, object]) -> Starlette:
    """An agent of ngrok, with public URLs and where they lead."""
    items = [{"url": url, "upstream": {"url": to}} for url, to in tunnels]
    return agent(endpoints={"endpoints": items})


def old_ngrok(*tunnels: tuple[object, object]) -> Starlette:
    """An older agent of ngrok, without endpoints."""
    items = [{"public_url": url, "config": {"addr": to}} for url, to in tunnels]
    return agent(tunnels={"tunnels": items})


def cloudflared(hostname: object = "a-b.trycloudflare.com") -> Starlette:
    """A quick tunnel of cloudflared."""
    return agent(quicktunnel={"hostname": hostname})


async def hang(*_: object) -> None:
    """Never respond."""
    await asyncio.Event().wait()


@asynccontextmanager
async def agents(*ngrok: ASGIApp, cloudflared: tuple[ASGIApp, ...] = ()) -> AsyncGenerator[Agents]:
    """Serve agents; one more port of each kind is free."""

    async def port_of(application: ASGIApp) -> int:
        origin = await stack.enter_async_context(serve_on_loopback(application, 0))
        return httpx.URL(origin).port or 0

    async with AsyncExitStack() as stack:
        yield Agents(
            ngrok=[unused_port(), *[await port_of(each) for each in ngrok]],
            cloudflared=[unused_port(), *[await port_of(each) for each in cloudflared]],
            seconds=PATIENCE / 2,
        )


@pytest.mark.parametrize(
    ("kind", "upstream"),
    [
        (ngrok, "localhost:8080"),
        (ngrok, "8080"),
        (old_ngrok, "http://127.0.0.1:8080"),
        (old_ngrok, "http://[::1]:8080/"),
    ],
)
async def test_the_tunnel_of_ngrok(
    kind: Callable[..., Starlette], upstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tunnel that leads to the port is chosen, with newer and older agents, without a proxy."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    other = kind(("https://other.ngrok.app", "http://localhost:3000"))
    ours = kind(("https://ours.ngrok.app", upstream), ("tcp://x.ngrok.io:1", "localhost:22"))
    async with agents(other, ours, cloudflared=(cloudflared(),)) as there:
        found = await find_tunnel(PORT, there)

    assert found == Tunnel(agent="ngrok", public_url="https://ours.ngrok.app", upstream=upstream)
    assert str(found) == f"https://ours.ngrok.app (ngrok, leads to {upstream})"


@pytest.mark.parametrize(
    ("schemes", "chosen"),
    [(("http", "https"), "https"), (("https", "http"), "https"), (("http",), "http")],
)
async def test_http_and_https(schemes: tuple[str, ...], chosen: str) -> None:
    """If a tunnel has two URLs, the https one is chosen; one that has only http is accepted."""
    one = old_ngrok(*((f"{scheme}://one.ngrok.io", "http://localhost") for scheme in schemes))
    async with agents(one) as there:
        found = await find_tunnel(80, there)

    assert found.public_url == f"{chosen}://one.ngrok.io"


async def test_a_quick_tunnel() -> None:
    """A quick tunnel is chosen if no tunnel of ngrok leads to the port."""
    other = ngrok(("https://other.ngrok.app", "http://localhost:3000"))
    async with agents(other, cloudflared=(cloudflared(),)) as there:
        found = await find_tunnel(PORT, there)

    assert found.public_url == "https://a-b.trycloudflare.com"
    assert str(found).endswith("(cloudflared, leads to a port that the agent doesn't name)")


async def error_of(there: Agents) -> str:
    """The text of the error when no tunnel can be chosen."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(UsageError) as error:
            await find_tunnel(PORT, there)
    return str(error.value)


@pytest.mark.parametrize(
    "upstream",
    [
        *("http://localhost:3000", "https://localhost:8080", "http://10.0.0.1:8080"),
        *("file:///tmp", "localhost:x"),
    ],
)
async def test_another_port(upstream: str) -> None:
    """A tunnel to another port isn't chosen; the error shows where it leads."""
    async with agents(ngrok(("https://other.ngrok.app", upstream))) as there:
        error = await error_of(there)

    shown = f"https://other.ngrok.app (ngrok, leads to {upstream})"
    assert error.startswith(f"no tunnel leads to port 8080 (found: {shown}): start one")


async def test_several_tunnels() -> None:
    """If several lead to the port, or several quick tunnels run, the user has to choose."""
    first, second = ((f"https://{name}.ngrok.app", TO_PORT) for name in ("first", "second"))
    async with agents(ngrok(first), old_ngrok(second)) as there:
        error = await error_of(there)
    async with agents(cloudflared=(cloudflared("a.b"), cloudflared("c.d"))) as there:
        quick = await error_of(there)

    assert quick.startswith("several tunnels are candidates: https://a.b (cloudflared, leads to a")
    assert error == (
        "several tunnels are candidates: "
        f"https://first.ngrok.app (ngrok, leads to {TO_PORT}), "
        f"https://second.ngrok.app (ngrok, leads to {TO_PORT}); pass one with --public-url"
    )


@pytest.mark.parametrize(
    "hostile",
    ["https://", "https://xn--.com", "https://\x1b[2J.com", "https://[::1", "https://a.b:99999999"],
)
async def test_an_agent_with_odd_urls(hostile: str) -> None:
    """A URL that leads nowhere is passed over."""
    odd = ngrok((hostile, TO_PORT), ("https://ours.ngrok.app", TO_PORT), ("https://a.b", hostile))
    async with agents(odd, cloudflared=(cloudflared(hostile.removeprefix("https://")),)) as there:
        found = await find_tunnel(PORT, there)

    assert found.public_url == "https://ours.ngrok.app"


@pytest.mark.parametrize(
    ("size", "codings"),
    [(1_000_001, ()), (1_000_000, ("gzip",)), (1_000_001, ("gzip",)), (100, ("gzip", "gzip"))],
)
async def test_an_agent_that_sends_too_much(codings: tuple[str, ...], size: int) -> None:
    """One megabyte is read at most, decompressed, and one coding."""
    body = b'{"endpoints": []}'.ljust(size)
    for _ in codings:
        body = gzip.compress(body)

    async def respond(_: Request) -> Response:
        return Response(body, headers={"Content-Encoding": ", ".join(codings)} if codings else {})

    async with agents(Starlette(routes=[Route("/{path:path}", respond)])) as there:
        error = await error_of(there)

    is_refused = size > 1_000_000 or len(codings) > 1
    assert ("responds, but not as a tunnel's agent" in error) is is_refused


async def test_an_agent_that_hangs() -> None:
    """The wait for an agent that hangs is limited, and the error names it."""
    async with agents(hang) as there:
        error = await soon(error_of(there), there.seconds)

    assert f"(found: the agent at 127.0.0.1:{there.ngrok[1]} doesn't respond)" in error


@pytest.mark.parametrize(
    "nonsense",
    [
        PlainTextResponse("<html>"),
        JSONResponse({"endpoints": 1}),
        JSONResponse({"endpoints": [{"url": 1, "upstream": {"url": TO_PORT}}]}),
        JSONResponse({"endpoints": [{"url": "https://a.b", "upstream": {"url": 1}}]}),
        JSONResponse({"endpoints": []}, 500),
        JSONResponse({"hostname": 1}),
        Response(status_code=302, headers={"location": "mailto:ann@example.com"}),
    ],
)
async def test_a_response_that_makes_no_sense(nonsense: Response) -> None:
    """Another program on an agent's port isn't an agent; the error names the port."""
    async with agents(nonsense, cloudflared=(nonsense,)) as there:
        error = await error_of(there)

    for port in (there.ngrok[1], there.cloudflared[1]):
        assert f"127.0.0.1:{port} responds, but not as a tunnel's agent" in error


async def test_a_connection_that_breaks() -> None:
    """A program that doesn't speak HTTP isn't an agent; the error names the port."""

    async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-garbage\r\n")
        writer.close()

    async with await asyncio.start_server(garbage, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        error = await error_of(Agents(ngrok=(port,), cloudflared=(), seconds=PATIENCE))

    assert "responds, but not as a tunnel's agent" in error
