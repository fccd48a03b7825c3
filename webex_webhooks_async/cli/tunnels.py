"""Finds the tunnel that runs on this machine and leads to one of its ports.

Facts: https://ngrok.com/docs/agent/api; cloudflared serves /quicktunnel beside its metrics.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import Any, cast

import httpx
from attrs import frozen

from webex_webhooks_async.cli.rendering import parse_url
from webex_webhooks_async.cli.running import UsageError
from webex_webhooks_async.client.bodies import CodingError, TooLargeError, read_body
from webex_webhooks_async.client.requester import NO_RESPONSE
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.strict_json import parse_json

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - a tunnel's target


_LARGEST = 1_000_000  # bytes of a response


@frozen(kw_only=True)
class Agents:
    """Where the agents of tunnels listen on this machine.

    Attributes:
        ngrok: The ports of ngrok's agents: each takes the first free one.
        cloudflared: The ports of cloudflared's metrics server, in the same way.
        seconds: How long to wait for each agent; all are asked at the same time.
    """

    ngrok: Sequence[int] = range(4040, 4045)
    cloudflared: Sequence[int] = range(20241, 20246)
    seconds: float = 1.0


ON_THIS_MACHINE = Agents()


@frozen(kw_only=True)
class Tunnel:
    """A tunnel that runs.

    Attributes:
        agent: The program that runs it.
        public_url: The URL that leads into it.
        upstream: Where it leads to on this machine; `None` if the agent doesn't say.
    """

    agent: str
    public_url: str
    upstream: str | None = None

    def __str__(self) -> str:
        target = self.upstream or "a port that the agent doesn't name"
        return f"{self.public_url} ({self.agent}, leads to {target})"


async def find_tunnel(port: int, agents: Agents = ON_THIS_MACHINE) -> Tunnel:
    """The only tunnel that leads to a port of this machine.

    ngrok's tunnels come first. A quick tunnel of cloudflared names no port: it is taken on trust.

    Raises:
        UsageError: None or several lead there; the text says which were found, and what to do.
    """
    reports = await _ask_all(agents)
    found = [tunnel for report in reports for tunnel in report.tunnels]
    fitting = [each for each in found if each.upstream and _port_of(each.upstream) == port]
    candidates = fitting or [each for each in found if each.upstream is None]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        listed = ", ".join(map(str, candidates))
        raise UsageError(f"several tunnels are candidates: {listed}; pass one with --public-url")
    notes = [*map(str, found), *(report.problem for report in reports if report.problem)]
    raise UsageError(
        f"no tunnel leads to port {port}{' (found: ' if notes else ''}{', '.join(notes)}"
        f"{')' if notes else ''}: start one, such as `ngrok http {port}`; or pass the port that a "
        "tunnel leads to with --port, or the public URL with --public-url; or use --sandbox, which "
        "needs neither a tunnel nor an account"
    )


@frozen(kw_only=True)
class _Report:
    tunnels: tuple[Tunnel, ...] = ()
    problem: str | None = None


class _NoTunnelsError(Exception):
    """The response doesn't describe tunnels."""


async def _ask_all(agents: Agents) -> list[_Report]:
    async with httpx.AsyncClient(trust_env=False, timeout=None) as http_client:  # noqa: S113 - _ask has it
        asked = [(port, _ngrok_tunnels(http_client, port)) for port in agents.ngrok]
        asked += [(port, _quick_tunnels(http_client, port)) for port in agents.cloudflared]
        return await asyncio.gather(*(_ask(port, each, agents.seconds) for port, each in asked))


async def _ask(port: int, asking: Awaitable[tuple[Tunnel, ...]], seconds: float) -> _Report:
    try:
        async with asyncio.timeout(seconds):
            return _Report(tunnels=await asking)
    except httpx.ConnectError:  # nobody listens there
        return _Report()
    except TimeoutError:
        return _Report(problem=f"the agent at 127.0.0.1:{port} doesn't respond")
    except (*NO_RESPONSE, _NoTunnelsError):
        return _Report(problem=f"127.0.0.1:{port} responds, but not as a tunnel's agent")


async def _ngrok_tunnels(http_client: httpx.AsyncClient, port: int) -> tuple[Tunnel, ...]:
    origin = f"http://127.0.0.1:{port}/api"
    try:
        endpoints = _items(await _document(http_client, f"{origin}/endpoints"), "endpoints")
        pairs = [(each.get("url"), _member(each, "upstream", "url")) for each in endpoints]
    except _NoTunnelsError:  # an older agent
        tunnels = _items(await _document(http_client, f"{origin}/tunnels"), "tunnels")
        pairs = [(each.get("public_url"), _member(each, "config", "addr")) for each in tunnels]
    return tuple(
        Tunnel(agent="ngrok", public_url=url, upstream=upstream) for url, upstream in _usable(pairs)
    )


async def _quick_tunnels(http_client: httpx.AsyncClient, port: int) -> tuple[Tunnel, ...]:
    document = await _document(http_client, f"http://127.0.0.1:{port}/quicktunnel")
    hostname = document.get("hostname")
    if not isinstance(hostname, str):
        raise _NoTunnelsError
    url = f"https://{hostname}"
    return (Tunnel(agent="cloudflared", public_url=url),) if _is_public(url) else ()


def _usable(pairs: Iterable[tuple[object, object]]) -> Iterator[tuple[str, str]]:
    known = [
        (url, upstream)
        for url, upstream in pairs
        if isinstance(url, str) and isinstance(upstream, str) and _is_public(url)
    ]
    secure = {url for url, _ in known if url.startswith("https:")}
    for url, upstream in known:
        if url in secure or url.replace("http:", "https:", 1) not in secure:
            yield url, upstream


def _is_public(url: str) -> bool:
    """Whether Webex can call the URL: tunnels for TCP can't be."""
    parsed = parse_url(url)
    return parsed is not None and parsed.scheme in {"http", "https"} and url.isprintable()


def _port_of(upstream: str) -> int | None:
    """The port of this machine that a tunnel leads to over http, if it does."""
    address = f"localhost:{upstream}" if upstream.isdecimal() else upstream
    url = parse_url(address if "://" in address else f"http://{address}")
    if url is None or url.scheme != "http" or url.host not in LOOPBACK:
        return None
    return url.port or 80


def _items(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items: object = document.get(key)
    if not isinstance(items, list):
        raise _NoTunnelsError
    members = cast("list[object]", items)
    return [cast("dict[str, Any]", each) for each in members if isinstance(each, dict)]


async def _document(http_client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """The JSON object at a URL."""
    try:
        async with http_client.stream("GET", url) as response:
            document = parse_json(await read_body(response, _LARGEST))
    except (CodingError, DecodeError, TooLargeError):
        raise _NoTunnelsError from None
    if not (response.is_success and isinstance(document, dict)):
        raise _NoTunnelsError
    return cast("dict[str, Any]", document)


def _member(item: dict[str, Any], outer: str, inner: str) -> object:
    members = item.get(outer)
    return cast("dict[str, Any]", members).get(inner) if isinstance(members, dict) else None
