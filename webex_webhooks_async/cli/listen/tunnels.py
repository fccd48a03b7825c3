"""Finds the tunnel that runs on this machine and leads to one of its ports.

Facts: https://ngrok.com/docs/agent/api; cloudflared serves /quicktunnel beside its metrics.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import httpx
from attrs import frozen

from webex_webhooks_async.cli.running import UsageError
from webex_webhooks_async.client.bodies import CodingError, TooLargeError, read_body
from webex_webhooks_async.client.requester import NO_RESPONSE, http_url
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.serialization.converter import structure
from webex_webhooks_async.serialization.strict_json import parse_json
from webex_webhooks_async.validation import is_loopback

_LARGEST = 1_000_000  # bytes of a response


@frozen(kw_only=True)
class Agents:
    """The ports at which the agents of tunnels listen on this machine: each takes a free one."""

    ngrok: Sequence[int] = range(4040, 4045)
    cloudflared: Sequence[int] = range(20241, 20246)  # of its metrics server
    seconds: float = 1.0  # to wait for each; all are asked at the same time


ON_THIS_MACHINE = Agents()


@frozen(kw_only=True)
class Tunnel:
    """A tunnel that runs."""

    agent: str
    public_url: str
    upstream: str | None = None  # to which it leads on this machine, if the agent says so

    def __str__(self) -> str:
        target = self.upstream or "a port that the agent doesn't name"
        return f"{self.public_url} ({self.agent}, leads to {target})"


async def find_tunnel(port: int, agents: Agents = ON_THIS_MACHINE) -> Tunnel:
    """The only tunnel that leads to a port of this machine.

    ngrok's tunnels come first. A quick tunnel of cloudflared names no port: it is taken on trust.
    """
    reports = await _ask_all(agents)
    found = [each for each in reports if isinstance(each, Tunnel)]
    fitting = [each for each in found if each.upstream and _port_of(each.upstream) == port]
    candidates = fitting or [each for each in found if each.upstream is None]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        listed = ", ".join(map(str, candidates))
        raise UsageError(f"several tunnels are candidates: {listed}; pass one with --public-url")
    shown = f" (found: {', '.join(map(str, reports))})" if reports else ""
    raise UsageError(
        f"no tunnel leads to port {port}{shown}: start one, such as `ngrok http {port}`; or pass "
        "the port that a tunnel leads to with --port, or the public URL with --public-url; or use "
        "--sandbox, which needs neither a tunnel nor an account"
    )


async def _ask_all(agents: Agents) -> list[Tunnel | str]:
    """The tunnels, and what was wrong with an agent."""
    async with httpx.AsyncClient(trust_env=False, timeout=None) as http_client:  # noqa: S113 - _ask has it
        asked = [(port, _ngrok_tunnels(http_client, port)) for port in agents.ngrok]
        asked += [(port, _quick_tunnels(http_client, port)) for port in agents.cloudflared]
        reports = await asyncio.gather(*(_ask(port, each, agents.seconds) for port, each in asked))
    return [each for report in reports for each in report]


async def _ask(
    port: int, asking: Awaitable[list[Tunnel]], seconds: float
) -> Sequence[Tunnel | str]:
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except httpx.ConnectError:  # nobody listens there
        return []
    except TimeoutError:
        return [f"the agent at 127.0.0.1:{port} doesn't respond"]
    except (*NO_RESPONSE, *_NONSENSE):
        return [f"127.0.0.1:{port} responds, but not as a tunnel's agent"]


_NONSENSE = (CodingError, DecodeError, LookupError, TooLargeError, TypeError)
"""Raised for a response that doesn't describe tunnels."""


async def _ngrok_tunnels(http_client: httpx.AsyncClient, port: int) -> list[Tunnel]:
    origin = f"http://127.0.0.1:{port}/api"
    try:
        endpoints = (await _document(http_client, f"{origin}/endpoints"))["endpoints"]
        leads = {each["url"]: each["upstream"]["url"] for each in endpoints}
    except _NONSENSE:  # an older agent
        tunnels = (await _document(http_client, f"{origin}/tunnels"))["tunnels"]
        leads = {each["public_url"]: each["config"]["addr"] for each in tunnels}
    return [
        Tunnel(agent="ngrok", public_url=url, upstream=upstream)
        for url, upstream in structure(leads, dict[str, str]).items()
        if _is_public(url) and not (url.startswith("http:") and f"https{url[4:]}" in leads)
    ]


async def _quick_tunnels(http_client: httpx.AsyncClient, port: int) -> list[Tunnel]:
    document = await _document(http_client, f"http://127.0.0.1:{port}/quicktunnel")
    url = f"https://{structure(document['hostname'], str)}"
    return [Tunnel(agent="cloudflared", public_url=url)] if _is_public(url) else []


def _is_public(url: str) -> bool:
    """Whether Webex can call the URL: tunnels for TCP can't be."""
    return http_url(url) is not None


def is_here(host: str) -> bool:
    """Whether a host is this machine itself, as the target of a tunnel or a redirect."""
    return is_loopback(host) or host == "0.0.0.0"  # noqa: S104 - nothing listens there


def _port_of(upstream: str) -> int | None:
    """The port of this machine that a tunnel leads to over http, if it does."""
    address = f"localhost:{upstream}" if upstream.isdecimal() else upstream
    url = http_url(address if "://" in address else f"http://{address}")
    if url is None or url.scheme != "http" or not is_here(url.host):
        return None
    return url.port or 80


async def _document(http_client: httpx.AsyncClient, url: str) -> Any:  # noqa: ANN401 - any JSON
    async with http_client.stream("GET", url) as response:
        document = parse_json(await read_body(response, _LARGEST))
    if not response.is_success:
        raise LookupError(url)
    return document
