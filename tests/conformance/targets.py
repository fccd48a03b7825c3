"""The two targets of the suite: the sandbox, served on loopback, and Webex itself."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from tests.conformance.guard import Guard
from tests.conformance.inbox import Arrival, ArrivalServer, Hook, Json
from tests.conformance.webex import Caller, Exchange, Webex
from webex_webhooks_async.testing import Sandbox, SandboxPerson
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

TIMEOUT = 10.0
"""Seconds after which Webex gives up a delivery, as far as we assume."""

_SCALE = 1 / 10  # of the seconds in a row to those that pass in the sandbox
_PATIENCE = 60.0  # seconds to wait for a delivery


class SandboxTarget:
    """The sandbox: what hasn't come when nothing is under way doesn't come."""

    pauses: Sequence[float] = ()  # seconds before each repetition of a request without a response
    stagger: float | None = None  # seconds between requests that overlap; None if they don't

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def unchecked(self, reason: str) -> BaseException:
        """An error, because each row can be checked here."""
        return RuntimeError(f"this row can't be checked in the sandbox: {reason}")

    async def arrival(self, hook: Hook, wanted: Callable[[Arrival], bool]) -> Arrival | None:
        """Wait until it comes, or nothing is under way."""
        coming = asyncio.create_task(hook.wait_for(wanted, seconds=_PATIENCE))
        nothing = asyncio.create_task(self.quiet(0.0))
        await asyncio.wait([coming, nothing], return_when=asyncio.FIRST_COMPLETED)
        for task in (coming, nothing):
            task.cancel()
        await asyncio.wait([coming, nothing])
        return next(filter(wanted, hook.arrivals), None)

    async def quiet(self, seconds: float) -> None:
        """Wait until nothing is under way."""
        await self._sandbox.idle(_PATIENCE)

    async def emit(self, resource: str, event: str, data: Json) -> None:
        """Report it."""
        await self._sandbox.emit(resource, event, data=data)

    async def repeat(self, arrival: Arrival) -> None:
        """Send the bytes of a delivery again."""
        (delivery,) = (each for each in self._sandbox.deliveries if each.body == arrival.body)
        await self._sandbox.redeliver(delivery)

    async def stranger(self, bot: Caller, person: Caller) -> Caller:
        """Introduce somebody."""
        stranger = person.like(f"person:stranger-{secrets.token_hex(4)}@example.com")
        stranger.meet((await stranger.get("/people/me")).json())
        return stranger

    def gone_grant(self) -> Mapping[str, str]:
        """Take back a permission."""
        grant = {"client_id": "C1", "client_secret": "S1", "refresh_token": secrets.token_hex(16)}
        self._sandbox.revoke(grant["refresh_token"])
        return grant


class LiveTarget:
    """Webex: what doesn't come is waited for, and what can't be made to happen is unchecked."""

    stagger: float | None = 0.05

    def __init__(self, grant: Mapping[str, str], pauses: Sequence[float]) -> None:
        self._grant = grant
        self.pauses = pauses

    def unchecked(self, reason: str) -> BaseException:
        """What leaves a row unchecked."""
        return pytest.skip.Exception(reason)

    async def arrival(self, hook: Hook, wanted: Callable[[Arrival], bool]) -> Arrival | None:
        """Wait for it for a minute."""
        return await hook.wait_for(wanted, seconds=_PATIENCE)

    async def quiet(self, seconds: float) -> None:
        """Wait so long."""
        await asyncio.sleep(seconds)

    async def emit(self, resource: str, event: str, data: Json) -> None:
        """Leave the row unchecked."""
        raise self.unchecked(f"a run makes no {resource} {event}")

    async def repeat(self, arrival: Arrival) -> None:
        """Leave the row unchecked."""
        raise self.unchecked("nothing makes Webex deliver a notification twice")

    async def stranger(self, bot: Caller, person: Caller) -> Caller:
        """Return the person, unless the two have written to each other before."""
        if (await person.get("/messages/direct", personId=bot.id)).is_success:
            raise self.unchecked("bot and person have a direct room already: make a new bot")
        return person

    def gone_grant(self) -> Mapping[str, str]:
        """Return that of the environment."""
        if not self._grant:
            raise self.unchecked("WEBEX_LIVE_GONE_REFRESH_TOKEN isn't set")
        return self._grant


@asynccontextmanager
async def in_sandbox(
    transport: httpx.AsyncBaseTransport | None = None, deliver_with: httpx.AsyncClient | None = None
) -> AsyncGenerator[Webex]:
    """The door to a served sandbox; requests and deliveries go through these, if they are given."""
    sandbox = Sandbox(delivery_timeout=TIMEOUT * _SCALE, deliver_with=deliver_with)
    ann = SandboxPerson(emails=["ann.lee@example.com"], display_name="Ann Lee", last_name="Lee")
    await sandbox.say("Hello", person=ann)
    guard = Guard()
    inbox = ArrivalServer(guard, scale=_SCALE)
    tokens = {"bot": "bot", "person": f"person:{ann.emails[0]}"}
    async with (
        sandbox.serve() as base_url,
        serve_on_loopback(inbox, 0) as inbox.url,
        opened(base_url, tokens, guard, SandboxTarget(sandbox), transport) as (callers, exchanges),
    ):
        for each in callers.values():
            each.meet((await each.get("/people/me")).json())
        yield Webex(
            guard=guard,
            target_at=SandboxTarget(sandbox),
            bot=callers["bot"],
            known_person=callers["person"],
            inbox=inbox,
            exchanges=exchanges,
            is_sandbox=True,
        )


@asynccontextmanager
async def opened(
    base_url: str,
    tokens: Mapping[str, str],
    guard: Guard,
    target: LiveTarget | SandboxTarget,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncGenerator[tuple[dict[str, Caller], list[Exchange]]]:
    """Callers with these tokens, and where they note what they ask."""
    exchanges: list[Exchange] = []
    callers: dict[str, Caller] = {}
    async with AsyncExitStack() as stack:
        for name, token in tokens.items():
            client = httpx.AsyncClient(
                base_url=base_url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=30.0,
                transport=transport,
            )
            await stack.enter_async_context(client)
            callers[name] = Caller(client, guard, target, exchanges.append)
        yield callers, exchanges
