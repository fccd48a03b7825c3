"""A run against Webex: what the environment says of it, what is looked at first, what is deleted.

Nothing is written before each token was looked at and the inbox was reached through its URL.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
import pytest
from attrs import field, frozen

from tests.conformance.guard import WORD, Guard
from tests.conformance.inbox import ArrivalServer, Json
from tests.conformance.targets import LiveTarget, opened
from tests.conformance.webex import Caller, Webex
from webex_webhooks_async.cli.listen.tunnels import Tunnel, find_tunnel
from webex_webhooks_async.cli.running import UsageError
from webex_webhooks_async.models.ids import comparable, is_same
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.testing.loopback_server import serve_on_loopback
from webex_webhooks_async.testing.requests import SANDBOX_HEADER

LEFT_OVER = timedelta(hours=1)
"""What a run made longer ago than this belongs to a run that was killed."""

TOKEN = "WEBEX_LIVE_TOKEN"
PERSON_TOKEN = "WEBEX_LIVE_PERSON_TOKEN"
URL = "WEBEX_LIVE_URL"
PORT = "WEBEX_LIVE_PORT"
GRANT = {
    "client_id": "WEBEX_LIVE_CLIENT_ID",
    "client_secret": "WEBEX_LIVE_CLIENT_SECRET",
    "refresh_token": "WEBEX_LIVE_GONE_REFRESH_TOKEN",
}


class LiveError(Exception):
    """A run against Webex can't begin: what is wrong, and what to do."""


@frozen(kw_only=True)
class Settings:
    """What the environment says of a run against Webex."""

    tokens: Mapping[str, str] = field(repr=False)
    url: str | None
    port: int
    base_url: str
    grant: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    pauses: Sequence[float] = (1, 2, 4, 8, 16)
    find_tunnel: Callable[[int], Awaitable[Tunnel]] = find_tunnel

    @property
    def server(self) -> str | None:
        """The base URL of a Webex that isn't the public one."""
        return None if self.base_url == BASE_URL else self.base_url


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment."""
    port = environment.get(PORT) or "8000"
    if not (port.isdecimal() and 0 < int(port) < 1 << 16):
        raise LiveError(f"{PORT} must be a number from 1 to 65535")
    names = {"bot": TOKEN, "person": PERSON_TOKEN}
    grant = {name: environment.get(variable, "") for name, variable in GRANT.items()}
    return Settings(
        tokens={role: token for role, name in names.items() if (token := environment.get(name))},
        url=environment.get(URL, "").rstrip("/") or None,
        port=int(port),
        base_url=(environment.get("WEBEX_BASE_URL") or BASE_URL).rstrip("/"),
        grant=grant if all(grant.values()) else {},
    )


@asynccontextmanager
async def at_webex(wanted: Settings) -> AsyncGenerator[tuple[Webex, list[str]]]:
    """The door to Webex, and remarks, which grow; at the end, what was made is deleted."""
    guard = Guard()
    guard.secrets.update(wanted.tokens.values())
    inbox = ArrivalServer(guard)
    target = LiveTarget(wanted.grant, wanted.pauses)
    remarks: list[str] = []
    async with (
        opened(wanted.base_url, wanted.tokens, guard, target) as (callers, exchanges),
        AsyncExitStack() as stack,
    ):
        is_sandbox = await _look_at(callers)
        url = wanted.url or await _tunnel_to(wanted, remarks)
        if url is not None:
            await _open_inbox(stack, inbox, url, wanted.port)
        before = datetime.now(UTC) - LEFT_OVER
        remarks += await _delete(callers, WORD, before=before)
        try:
            yield (
                Webex(
                    guard=guard,
                    target_at=target,
                    bot=callers["bot"],
                    known_person=callers.get("person"),
                    inbox=inbox,
                    exchanges=exchanges,
                    is_sandbox=is_sandbox,
                ),
                remarks,
            )
        finally:
            try:
                remarks += await _delete(callers, guard.tag)
            except pytest.skip.Exception as error:
                remarks.append(f"The next run has to delete what this one made: {error}.")


async def _look_at(callers: Mapping[str, Caller]) -> bool:
    """Look whose the tokens are, and what they may read; return whether this is a sandbox."""
    is_sandbox = False
    wanted = {"bot": (TOKEN, "bot"), "person": (PERSON_TOKEN, "person")}
    for role, caller in callers.items():
        variable, kind = wanted[role]
        me = await caller.get("/people/me")
        _check_right(me, variable, "/people/me")
        _check_kind(me, variable, kind)
        is_sandbox = SANDBOX_HEADER.items() <= me.headers.items()
        caller.meet(me.json())
        for path in ("/rooms", "/memberships", "/webhooks"):
            _check_right(await caller.get(path, max=1), variable, path)
    return is_sandbox


def _check_right(response: httpx.Response, variable: str, path: str) -> None:
    if response.is_success:
        return
    status = response.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        raise LiveError(f"Webex refuses the token in {variable}: it is wrong, or it has expired")
    if status == HTTPStatus.FORBIDDEN:
        raise LiveError(
            f"the token in {variable} lacks a right: GET {path} is refused with 403. A bot has all "
            "rights; a person's token needs those to read and write messages, rooms, memberships "
            "and people"
        )
    raise LiveError(f"GET {path} with {variable} responds {status}: is WEBEX_BASE_URL a Webex?")


def _check_kind(response: httpx.Response, variable: str, kind: str) -> None:
    try:
        me: Json = response.json()
        found = {"id": str, "emails": list, "type": str}
        is_one = all(isinstance(me.get(name), each) for name, each in found.items())
    except (AttributeError, ValueError):
        is_one = False
    else:
        if is_one and me["type"] != kind:
            other = "make a bot for the run" if kind == "bot" else "use the token of a human being"
            raise LiveError(f"{variable} must be a {kind}'s token, and isn't one: {other}")
    if not is_one:
        raise LiveError(f"GET /people/me with {variable} is nobody: is WEBEX_BASE_URL a Webex?")


async def _tunnel_to(wanted: Settings, remarks: list[str]) -> str | None:
    """The URL of the tunnel that leads here, found as `webex-webhooks listen` finds it."""
    try:
        return (await wanted.find_tunnel(wanted.port)).public_url.rstrip("/")
    except UsageError:
        remarks.append(
            f"Rows of deliveries are unchecked: {URL} isn't set, and no single tunnel leads to "
            f"port {wanted.port}."
        )
    return None


async def _open_inbox(stack: AsyncExitStack, inbox: ArrivalServer, url: str, port: int) -> None:
    """Serve the inbox, and ask it through its URL."""
    try:
        await stack.enter_async_context(serve_on_loopback(inbox, port))
    except OSError:
        raise LiveError(f"port {port} is taken or not allowed: set {PORT} to another") from None
    client = await stack.enter_async_context(httpx.AsyncClient(timeout=30.0))
    try:
        response = await client.get(f"{url}/{inbox.path}", follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LiveError(f"{URL} or the tunnel doesn't respond ({type(error).__name__})") from None
    if response.text != inbox.nonce:
        raise LiveError(
            f"{URL} or the tunnel leads elsewhere than to port {port} of this machine, or loses "
            f"the path below it: it responds {response.status_code}"
        )
    inbox.url = url


async def _delete(
    callers: Mapping[str, Caller], mark: str, *, before: datetime | None = None
) -> list[str]:
    """Delete the webhooks, rooms and direct messages with this mark; what couldn't be deleted."""
    refused = 0
    for caller in callers.values():
        for path, found in [
            ("/webhooks", await caller.everything("/webhooks", max=100)),
            ("/rooms", await caller.everything("/rooms", type="group", max=1000)),
            ("/messages", await _direct_messages(caller, callers)),
        ]:
            for each in found:
                if _is_marked(each, mark, before) and _is_of(each, caller):
                    caller.guard.made.add(comparable(each["id"]))
                    refused += not (await caller.delete(f"{path}/{each['id']}")).is_success
    return [f"{refused} things of a run couldn't be deleted."] if refused else []


async def _direct_messages(caller: Caller, callers: Mapping[str, Caller]) -> list[Json]:
    others = [each for each in callers.values() if each is not caller]
    found = [await caller.everything("/messages/direct", personId=each.id) for each in others]
    return [each for page in found for each in page]


def _is_marked(each: Json, mark: str, before: datetime | None) -> bool:
    words = f"{each.get('name')} {each.get('title')} {each.get('text')}"
    return mark in words and (
        before is None or datetime.fromisoformat(str(each["created"])) < before
    )


def _is_of(each: Json, caller: Caller) -> bool:
    """Whether it is the caller's to delete; a webhook that is listed always is."""
    return is_same(each.get("personId", each.get("creatorId", caller.id)), caller.id)
