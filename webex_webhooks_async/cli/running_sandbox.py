"""A sandbox that runs: how a command recognizes and follows it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from webex_webhooks_async.cli.running import CommandError, UsageError
from webex_webhooks_async.client.requester import NO_RESPONSE
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.testing.page_server.web_app import PRIVATE
from webex_webhooks_async.testing.requests import SANDBOX_HEADER

_START = "start one with `webex-webhooks sandbox`"


def private_url(base_url: str) -> str:
    """The URL of the private endpoint."""
    return base_url.rstrip("/").removesuffix("/v1") + PRIVATE


@asynccontextmanager
async def stream_of(base_url: str) -> AsyncGenerator[httpx.Response]:
    """Follow the events of a sandbox as long as the block runs.

    No token is sent, because the service may be something else.
    """
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as http_client,  # noqa: S113 - it waits
            http_client.stream("GET", f"{private_url(base_url)}/events") as response,
        ):
            if not SANDBOX_HEADER.items() <= response.headers.items():
                raise CommandError(
                    f"the service at {base_url} isn't a sandbox: {_START}, and set "
                    "WEBEX_BASE_URL to the URL that it prints"
                )
            yield response
    except httpx.ConnectError as error:
        raise CommandError(
            f"no sandbox responds at {base_url} ({describe_exception(error)}): {_START}"
        ) from error
    except NO_RESPONSE as error:
        raise gone(base_url) from error


async def call_sandbox(
    base_url: str, action: str, document: Mapping[str, object], *, seconds: float = 30.0
) -> dict[str, Any]:
    """Call a sandbox for what Webex has no way to ask for; it has so long with all its bots."""
    try:
        async with (
            asyncio.timeout(seconds),
            stream_of(base_url),
            httpx.AsyncClient(trust_env=False, timeout=None) as http_client,  # noqa: S113 - above
        ):
            response = await http_client.post(f"{private_url(base_url)}/{action}", json=document)
    except TimeoutError:
        raise silent(base_url, seconds) from None
    try:
        content: dict[str, Any] = response.json()
        problem = None if response.is_success else str(content["message"])
    except (LookupError, TypeError, ValueError):
        raise odd(base_url) from None
    if problem is not None:
        raise UsageError(problem)
    return content


def problem_of(delivery: Mapping[str, Any]) -> str | None:
    """Return the failure of a delivery: a handler's error, or why it wasn't accepted."""
    error, reason = delivery["handlerError"], delivery["reason"]
    return f"a handler raised {error}" if error is not None else reason


def silent(base_url: str, seconds: float) -> CommandError:
    """The error for a sandbox that hangs."""
    return CommandError(f"the service at {base_url} did not respond within {seconds:g} s")


def gone(base_url: str) -> CommandError:
    """The error for a sandbox that has ended."""
    return CommandError(f"the sandbox at {base_url} responds no longer: {_START}")


def odd(base_url: str) -> CommandError:
    """The error for a response that no sandbox sends."""
    return CommandError(
        f"the service at {base_url} doesn't respond as a sandbox of this release does"
    )
