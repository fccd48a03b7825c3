"""Fetches the messages that came while nobody listened, and stores them as notifications.

Facts: https://developer.webex.com/docs/api/v1/rooms and
https://developer.webex.com/docs/api/v1/messages
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, frozen

from webex_webhooks_async.claims import InboxUnavailableError, SharedClaims
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.environment import PASS_AN_INBOX
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.pagination import Page
from webex_webhooks_async.client.resource import InternalRequests, Params
from webex_webhooks_async.client.responses import Response, is_gone
from webex_webhooks_async.client.retries import pause_wanted
from webex_webhooks_async.errors import (
    APIError,
    AuthenticationError,
    GoneError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.formatting import describe_exception, short_id
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.models.ids import comparable, is_same
from webex_webhooks_async.models.messages import MESSAGE_CONTENT, Person
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.receiving.activity import Activity
from webex_webhooks_async.serialization.converter import unstructure
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.validation import seconds_of

if TYPE_CHECKING:
    from webex_webhooks_async.handling.inbox_worker import InboxWorker

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

T = TypeVar("T")

_DEFAULT = 900.0  # seconds
_TOLERANCE = timedelta(minutes=2)  # clocks differ
_FAILURES_OF_A_ROOM = 3
_MOST = 1_000  # rooms, and messages

_REQUESTS_PER_SECOND = 2
_AFTER_A_429 = 10.0  # seconds after its Retry-After
_LAST_PAUSE = 60.0

_CLAIMED_SECONDS = 30.0  # another process may begin so long after a kill
_RENEWED_AFTER = 10.0
_POLL_SECONDS = 2.0


class CatchUp:
    """Stores the messages that the webhooks of a bot have missed, beside everything else.

    It is due from `note` on. `begin` starts it. It goes on until everything is stored, also over
    outages of Webex and of the inbox.
    """

    def __init__(  # noqa: PLR0913 - all are needed
        self,
        client: Client,
        inbox: Inbox,
        worker: "InboxWorker",
        activity: Activity,
        *,
        seconds: float,
        clock: Clock,
    ) -> None:
        self._client = client
        # keeps the time up to which everything is stored; one process at a time catches up
        self._inbox = inbox
        self._claims = SharedClaims(inbox)
        self._worker = worker
        self._activity = activity  # the activity of the bot, of which this is a part
        # for how long it looks back at most, from the moment at which it became due
        self._seconds = timedelta(seconds=seconds)
        self._clock = clock  # measures how much time passes; what the time is, the inbox says
        self._due: float | None = None  # by the monotonic clock
        self._task: asyncio.Task[None] | None = None

    def note(self) -> None:
        """Note that something may have been missed until now."""
        if self._due is None:
            self._due = self._clock.monotonic()

    def begin(self, me: Person, webhook: Webhook) -> None:
        """Catch up in a task, if that is due, and isn't under way."""
        if self._due is None or (self._task is not None and not self._task.done()):
            return
        due, self._due = self._due, None
        counted = ExitStack()
        counted.enter_context(self._activity.of("a catch-up"))
        self._task = asyncio.create_task(self._catch_up(due, me, webhook))
        self._task.add_done_callback(lambda _: counted.close())

    async def aclose(self) -> None:
        """End without having caught up."""
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _catch_up(self, due: float, me: Person, webhook: Webhook) -> None:
        turn = _Turn(self._claims, f"catch-up:{comparable(me.id)}", self._clock)
        is_done = False
        try:
            while not is_done:
                async with turn.taken():
                    is_done = await self._fetch(due, me, webhook, turn)
        except Exception:
            self._due = due  # earlier than what was noted meanwhile
            logger.exception("what was missed can't be fetched; trying again at the next look")

    async def _fetch(self, noted: float, me: Person, webhook: Webhook, turn: "_Turn") -> bool:
        """Fetch and store what was missed; return False if another process has begun to."""
        name = comparable(me.id)
        time = await _lasting(self._clock, self._inbox_time)
        due, began = time.at(noted), time.now()
        since = await _lasting(self._clock, lambda: self._since(due, began, name))
        found = _Found()
        missed = _Missed(
            lists=_Lists(self._client, turn, self._clock),
            since=since,
            known_for=timedelta(seconds=self._inbox.keep) - min(_TOLERANCE, self._seconds / 2),
            me=me,
            envelope=_envelope(webhook),
            found=found,
            time=time,
        )
        try:
            async for body in missed.notifications():
                notification = parse_unverified_notification(body)
                store = partial(self._worker.store, notification, body)
                found.new += await _lasting(self._clock, store)
        except _TakenOverError:
            return False
        if found.is_complete:
            await _lasting(self._clock, lambda: self._inbox.set_caught_up(name, began))
        found.log(since)
        return True

    async def _inbox_time(self) -> "_InboxTime":
        elapsed = timedelta(seconds=self._clock.monotonic())
        return _InboxTime(self._clock, await self._worker.inbox.now() - elapsed)

    async def _since(self, due: datetime, now: datetime, name: str) -> datetime:
        """Return the time since which something may have been missed."""
        first_name = f"{name} first"
        first = await self._inbox.caught_up(first_name)
        if first is None or first > now:
            await self._inbox.set_caught_up(first_name, due)
            first = due
        since = due - self._seconds
        kept = await self._inbox.caught_up(name)
        # A time that another process has kept since this became due may be too late for this one.
        if kept is not None and kept <= min(now, due + _TOLERANCE):
            since = max(since, kept - _TOLERANCE)
        return max(since, first)


@frozen
class _InboxTime:
    """The time by the clock of the inbox, which was asked once."""

    _clock: Clock
    _zero: datetime  # when the monotonic clock was 0

    def at(self, monotonic: float) -> datetime:
        return self._zero + timedelta(seconds=monotonic)

    def now(self) -> datetime:
        return self.at(self._clock.monotonic())


@frozen(kw_only=True)
class _Missed:
    """Lists missed messages, as notifications."""

    lists: "_Lists"
    since: datetime
    known_for: timedelta  # what is older would be handled again
    me: Person
    envelope: Mapping[str, object]  # the members of a notification around its data
    found: "_Found"
    time: _InboxTime

    async def notifications(self) -> AsyncGenerator[bytes]:
        """Yield the messages of the rooms that were active last, a room after the other."""
        params = {"sortBy": "lastactivity", "max": _MOST}
        active = await self._newest("rooms", params, "lastActivity", _MOST)
        rooms = deque((room, _FAILURES_OF_A_ROOM) for room in active)
        while rooms:
            room, attempts = rooms.popleft()
            if self.found.messages >= _MOST:
                self.found.is_all = False
                return
            try:
                messages = await self._messages(room, attempts)
            except _RoomFailedError as error:
                self._pass_over(room, error.__cause__)
                if attempts > 1:
                    rooms.append((room, 1))
                else:
                    self.found.is_complete = False
                continue
            except (NotFoundError, GoneError, PermissionDeniedError) as error:
                logger.info("a room is passed over: it is gone: %s", error)
                continue
            except AuthenticationError:
                raise
            except WebexError as error:
                self._pass_over(room, error)
                continue
            for message in reversed(messages):  # the newest is listed first
                yield self._notification_of(message)
            self.found.messages += len(messages)
            self.found.rooms += bool(messages)

    def _pass_over(self, room: "Item", error: BaseException | None) -> None:
        which = short_id(str(room.get("id")))
        logger.warning("the room %s can't be read, and is passed over: %s", which, error)

    async def _messages(self, room: "Item", attempts: int) -> list["Item"]:
        """Return what others have written in a room since, and a bot may read: the newest first."""
        params: dict[str, object] = {"roomId": str(room.get("id")), "max": 100}
        if self.me.type == "bot" and room.get("type") != "direct":
            params["mentionedPeople"] = "me"
        most = _MOST - self.found.messages
        return await self._newest("messages", params, "created", most, attempts)

    async def _newest(
        self, path: str, params: Params, time: str, most: int, attempts: int | None = None
    ) -> list["Item"]:
        """Return so many items of a list at most, without older ones and the bot's own."""
        items: list[Item] = []
        async for page in self.lists.pages(path, params, attempts):
            newer = [each for each in page if not self._is_older(each, time)]
            items += [each for each in newer if not is_same(_text(each, "personId"), self.me.id)]
            if len(items) > most:
                self.found.is_all = False
                break
            if page and self._is_older(page[-1], time):
                break
        return items[:most]

    def _is_older(self, item: "Item", name: str) -> bool:
        time = _time(item, name)
        since = max(self.since, self.time.now() - self.known_for)
        return time is not None and time < since

    def _notification_of(self, message: "Item") -> bytes:
        """Return the body of the notification that Webex would have sent of a message."""
        data = {key: value for key, value in message.items() if key not in MESSAGE_CONTENT}
        return dump_json({**self.envelope, "actorId": message.get("personId"), "data": data})


@define
class _Found:
    """The messages that a catch-up has found."""

    messages: int = 0
    rooms: int = 0
    new: int = 0  # how many of the messages weren't known
    is_all: bool = True  # whether it has found all that there are
    is_complete: bool = True  # whether each room could be read, or never can be

    def log(self, since: datetime) -> None:
        level = logging.INFO if self.new else logging.DEBUG
        messages, rooms = _counted(self.messages, "message"), _counted(self.rooms, "room")
        logger.log(level, "caught up: %s of %s, %d of them new", messages, rooms, self.new)
        if not self.is_all:
            logger.warning(_TOO_MANY, f"{since:%Y-%m-%d %H:%M:%S} UTC", _MOST, _MOST)


async def _lasting(clock: Clock, call: Callable[[], Awaitable[T]]) -> T:
    """Return what a call returns that is repeated as long as an outage interrupts it."""
    pause = 0.0
    while True:
        try:
            return await call()
        except _OUTAGES as error:
            if _is_gone(error):
                raise
            pause = min(2 * pause or 1.0, _LAST_PAUSE)
            seconds = max(pause, _wanted_pause(error))
            logger.warning("catching up waits %g s: %s", seconds, describe_exception(error))
            await clock.sleep(seconds)


class _Turn:
    """The turn of this process to catch up, of all that share the inbox."""

    def __init__(self, claims: SharedClaims, name: str, clock: Clock) -> None:
        self._claims = claims
        self._name = name
        self._clock = clock
        self._since = -math.inf  # when it was claimed
        self._may_be_claimed = False  # also where no response to that has come

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        """Wait for the turn, and give it back."""
        try:
            while not await _lasting(self._clock, self._claim):
                await self._clock.sleep(_POLL_SECONDS)
            yield
        finally:
            if self._may_be_claimed:  # a claim that has ended is another's, and stays
                await self._claims.unclaim(self._name)

    async def keep(self) -> None:
        """Keep the turn for longer; raise `_TakenOverError` if another process has begun."""
        if self._clock.monotonic() - self._since < _RENEWED_AFTER:
            return
        if not await self._claim(renew=True):
            raise _TakenOverError

    async def _claim(self, *, renew: bool = False) -> bool:
        asked, self._since = self._clock.monotonic(), -math.inf
        self._may_be_claimed = True
        self._may_be_claimed = await self._claims.claim(self._name, _CLAIMED_SECONDS, renew=renew)
        if self._may_be_claimed:
            self._since = asked
        return self._may_be_claimed


class _TakenOverError(Exception):
    """Another process has begun to catch up, because this one has paused for long."""


class _RoomFailedError(Exception):
    """A room goes on failing, while Webex responds to other requests."""


class _Lists:
    """Lists rooms and messages, at a pace that leaves Webex's limits to the handlers."""

    def __init__(self, client: Client, turn: _Turn, clock: Clock) -> None:
        self._client = client
        self._turn = turn
        self._clock = clock
        self._sent = deque[float](maxlen=_REQUESTS_PER_SECOND)  # when the last ones were

    async def pages(
        self, path: str, params: Params, attempts: int | None = None
    ) -> AsyncGenerator[tuple["Item", ...]]:
        """Yield the pages of a list; after so many failures of it alone, `_RoomFailedError`."""
        followed: set[str | None] = set()
        url: str | None = None
        while url not in followed:
            followed.add(url)
            page = await _lasting(self._clock, self._attempts(attempts, path, params, url))
            yield page.items
            url = page.next_url
            if url is None:
                return
        raise PaginationError("the next link leads back to a page that was already fetched")

    def _attempts(
        self, most: int | None, path: str, params: Params, url: str | None
    ) -> Callable[[], Awaitable[Page["Item"]]]:
        """Return what fetches a page, and gives up after so many failures of it alone."""
        failures = 0

        async def fetch() -> Page["Item"]:
            nonlocal failures
            try:
                return await self._page(path, params, url)
            except _FAILURES_OF_WEBEX as error:
                failures += 1
                if most is None or failures < most or _is_gone(error):
                    raise
                if await self._responds():
                    raise _RoomFailedError from error
                raise

        return fetch

    async def _responds(self) -> bool:
        await self._pause()
        try:
            await self._client.get("people/me")
        except WebexError:
            return False
        return True

    async def _page(self, path: str, params: Params, url: str | None) -> Page["Item"]:
        await self._turn.keep()
        await self._pause()
        requests = InternalRequests.of(self._client)
        return await requests.list_once(_items, path, params=params, start_url=url)

    async def _pause(self) -> None:
        """Wait until one more request is no more than a second may have."""
        while len(self._sent) == self._sent.maxlen:
            seconds = self._sent[0] + 1.0 - self._clock.monotonic()
            if seconds <= 0:
                break
            await self._clock.sleep(seconds)
        self._sent.append(self._clock.monotonic())


Item = Mapping[str, object]
"""A room or a message, as Webex has sent it."""


def _items(response: Response) -> tuple[Item, ...]:
    return response.items("items", Item)


def _text(item: Item, name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) else None


def _time(item: Item, name: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(_text(item, name) or "")
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _envelope(webhook: Webhook) -> dict[str, Any]:
    """Return what a notification of a new message has around its data."""
    of_webhook: dict[str, Any] = unstructure(webhook)
    of_webhook.pop("secret", None)
    return {**of_webhook, "resource": Resource.MESSAGES, "event": Event.CREATED}


def _is_gone(error: Exception) -> bool:
    return isinstance(error, APIError) and is_gone(error)


def _wanted_pause(error: Exception) -> float:
    """For how many seconds Webex wants to be left alone, and a little longer."""
    return pause_wanted(error) + _AFTER_A_429 if isinstance(error, RateLimitError) else 0.0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def checked_catch_up(
    catch_up: float | timedelta | EllipsisType, inbox: Inbox | None, target_url: str | None
) -> float | None:
    """Check the argument of a bot; return how many seconds it looks back, `None` for never.

    Raises:
        ValueError: It isn't positive, or more than half of what the inbox keeps, or there is no
            inbox or no `target_url`.
        TypeError: It isn't a number or a `timedelta`, or the inbox can't keep the times.
    """
    if catch_up is ...:
        return min(_DEFAULT, inbox.keep / 2) if inbox is not None and not _lacks_of(inbox) else None
    seconds = seconds_of("catch_up", catch_up)
    if inbox is None:
        raise ValueError(
            f"catch_up needs an inbox, which knows what was handled: {PASS_AN_INBOX}, or leave "
            "catch_up out"
        )
    if target_url is None:
        raise ValueError(
            "catch_up needs a target_url, because a bot fetches what its own webhooks have missed: "
            "pass it, or set WEBEX_TARGET_URL, or leave catch_up out"
        )
    if lacks := _lacks_of(inbox):
        raise TypeError(
            f"catch_up needs an inbox that keeps times: {type(inbox).__name__} lacks {lacks}"
        )
    most = inbox.keep / 2
    if seconds > most:
        raise ValueError(
            f"catch_up must be at most {most:g}, half of the seconds that the inbox keeps, got "
            f"{seconds:g}: what isn't known any more would be handled again. Pass less, or make "
            f"the inbox with keep={2 * seconds:g}"
        )
    return seconds


def _lacks_of(inbox: Inbox) -> str:
    """Return what an inbox lacks that a catch-up needs, in words."""
    names = ("caught_up", "set_caught_up")
    lacks = [each for each in names if getattr(type(inbox), each) is getattr(Inbox, each)]
    if not hasattr(inbox, "keep"):
        lacks.append("keep")
    return ", ".join(lacks)


_FAILURES_OF_WEBEX = (TransportError, ServerError, NotFoundError)  # as a proxy's 404
_OUTAGES = (
    *_FAILURES_OF_WEBEX,
    RateLimitError,
    InboxUnavailableError,
    ConnectionError,
    TimeoutError,
)

_TOO_MANY = (
    "more was missed since %s than a catch-up fetches: the messages of the %d rooms that were "
    "active last, and %d messages; the others stay lost"
)
