"""A stage for integrations: a sandbox, a browser, and a clock that can jump."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sized
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from tests.support import wire
from tests.support.clocks import timed
from webex_webhooks_async import Inbox, MeetingData, Resource, Webhook
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.integration.contexts import UserContext
from webex_webhooks_async.integration.integration import Integration
from webex_webhooks_async.integration.store import UserStore
from webex_webhooks_async.testing import Sandbox

KEY = "A" * 42 + "E="
OTHER_KEY = "B" * 42 + "E="
URL = "https://minutes.example.com/webex"
SECRET = "the-secret-of-the-client"
SCOPES = ["meeting:schedules_read"]
ANN = "ann@example.com"
BOB = "bob@example.com"


async def until(happens: Callable[[], object]) -> None:
    """Wait until something is so."""
    await wire.until(lambda: bool(happens()))


async def until_there_are(things: Sized, number: int) -> None:
    """Wait until there are so many."""
    await until(lambda: len(things) == number)


class Shift(Clock):
    """The time of the machine, which a test lets jump; who sleeps for long is woken by that."""

    def __init__(self) -> None:
        self.ahead: float = 0.0
        self.shift_database: Callable[[float], None] = lambda _: None  # whose clock goes on
        self._sleepers: set[asyncio.Event] = set()

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def timestamp(self) -> float:
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        jumped = asyncio.Event()
        self._sleepers.add(jumped)
        try:
            while (left := until - self.monotonic()) > 0:
                jumped.clear()
                try:
                    await asyncio.wait_for(jumped.wait(), left)
                except TimeoutError:
                    break
        finally:
            self._sleepers.discard(jumped)

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    def advance(self, seconds: float) -> None:
        """Let the time jump."""
        self.ahead += seconds
        self.shift_database(seconds)
        for each in self._sleepers:
            each.set()


class Stage:
    """A sandbox, and integrations that share a store and an inbox."""

    def __init__(self, new_storage: Callable[[], tuple[UserStore, Inbox]], time: Shift) -> None:
        self.new_storage = new_storage
        self.stored: Callable[[], bytes] = bytes
        self.secrets: set[str] = {SECRET, KEY}  # what is in no log and in no storage
        self.time = time
        self.sleep: Callable[[float], Awaitable[object]] = asyncio.sleep  # of the sandbox
        self.sandbox: Sandbox = Sandbox(
            clock=time.now,
            sleep=lambda seconds: self.sleep(seconds),  # noqa: PLW0108 - a test may set it
            token_life=1000,
            rotate=True,
            client_secret=SECRET,
            private=True,
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.http_client: httpx.AsyncClient = await self._stack.enter_async_context(
            self.sandbox.http_client()
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def integration(self, **options: Any) -> Integration:
        """An integration, which isn't started."""
        given: dict[str, Any] = {
            "encryption_keys": [KEY],
            "public_url": URL,
            "client_id": "C1",
            "client_secret": SECRET,
            "scopes": SCOPES,
            "http_client": self.http_client,
            **options,
        }
        new_store, new_inbox = self.new_storage()
        given.setdefault("inbox", new_inbox)
        store = given.pop("store", new_store)
        return timed(Integration, clock=self.time)(store, **given)

    def listening(self, **options: Any) -> Integration:
        """An integration that wants notifications of meetings, and does nothing with them."""
        integration = self.integration(**options)

        @integration.on(Resource.MEETINGS)
        async def met(_: UserContext[MeetingData]) -> None:
            pass

        return integration

    @asynccontextmanager
    async def running(self, integration: Integration) -> AsyncGenerator[Integration]:
        """Let an integration get what the sandbox delivers."""
        async with integration:
            self.sandbox.deliver_to(integration)
            yield integration

    async def connect(
        self, integration: Integration, email: str = ANN, path: str = ""
    ) -> httpx.Response:
        """Let somebody connect in a browser; return the response of the callback."""
        async with Browser(integration) as browser:
            begun = await browser.get(f"/connect{path}")
            return await self.come_back(browser, begun, email)

    async def come_back(
        self, browser: "Browser", begun: httpx.Response, email: str = ANN
    ) -> httpx.Response:
        """Let somebody allow it at Webex, and come back."""
        url = httpx.URL(begun.headers["location"]).copy_merge_params({"login_hint": email})
        allowed = await self.http_client.get(url)
        location = httpx.URL(allowed.headers["location"])
        self.secrets |= {location.params["state"], location.params["code"]}
        return await browser.get(location)

    async def meeting(self, email: str = ANN, event: str = "ended") -> None:
        """Report that a meeting of somebody has ended, whose title is the address."""
        await self.sandbox.emit("meetings", event, data={"title": email}, owner=email)

    def webhooks(self, email: str = ANN) -> list[Webhook]:
        """The webhooks of a person."""
        return [each for each in self.sandbox.webhooks if each.created_by == self.person(email)]

    def sent(self, path: str = "/v1/access_token") -> list[int | None]:
        """The statuses of the responses to requests of a path."""
        return [each.status_code for each in self.sandbox.requests if each.path == path]

    def person(self, email: str) -> str:
        """The id of a person."""
        return self.sandbox._known(email).id


class Browser(httpx.AsyncClient):
    """A browser that opens the pages of an integration, and follows nothing by itself."""

    def __init__(self, integration: Integration, url: str = URL) -> None:
        super().__init__(transport=httpx.ASGITransport(app=integration), base_url=url)
