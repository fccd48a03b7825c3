import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from attrs import evolve

from tests.bot.doubles import URL, Webex, echo
from tests.bot.talking import Talk
from tests.support.clocks import QuickClock, StoppedClock
from tests.support.inboxes import FullInbox
from tests.support.logs import Log, lines
from tests.support.wire import until
from webex_webhooks_async import (
    Bot,
    Client,
    Context,
    File,
    Inbox,
    MessageContext,
    NewWebhook,
    Notification,
    SQLiteInbox,
    Webhook,
    WebhookUpdate,
)
from webex_webhooks_async.bot import catch_up as catch_up_module
from webex_webhooks_async.bot.catch_up import CatchUp, checked_catch_up
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.messages import Person
from webex_webhooks_async.notifications.identity import key_of
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.testing import RecordedRequest, Sandbox
from webex_webhooks_async.types import CallNext

if TYPE_CHECKING:
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
    from webex_webhooks_async.receiving.activity import Activity

pytestmark = pytest.mark.once

MINUTE = 60.0


class Absence:
    """A Webex whose messages nobody hears, and the inboxes of processes that catch up."""

    def __init__(self, path: Path) -> None:
        self.clock = QuickClock()
        self.sandbox = Sandbox(clock=self.clock.now)
        self.http_client = self.sandbox.http_client()
        self.client = Client("sandbox-token", http_client=self.http_client)
        requester = self.client._requester
        requester.clock = requester._limiter._clock = self.clock
        self.path = path
        self.inbox = self.new_inbox()
        self.stored: list[bytes] = []
        self.running = Counter[str]()

    async def open(self) -> None:
        me: Person = await self.client.get("people/me", into=Person)
        self.me = me
        wanted = NewWebhook(
            name="bot:messages:created",
            target_url=URL,
            resource="messages",
            event="created",
            secret="s",
        )
        self.webhook: Webhook = await self.client.webhooks.create(wanted)
        self.sandbox.deliver_to(_unavailable)

    def new_inbox(self) -> SQLiteInbox:
        return SQLiteInbox(self.path, keep=7_200, clock=self.time)

    def time(self) -> float:
        return self.clock.now().timestamp()

    def process(
        self,
        *,
        seconds: float = 900.0,
        inbox: SQLiteInbox | None = None,
        clock: QuickClock | None = None,
    ) -> CatchUp:
        """Return what one process does; it has just become due."""
        inbox = inbox or self.inbox

        async def store(notification: Notification[Any], body: bytes) -> bool:
            is_new = await inbox.put(key_of(notification, body), body)
            if is_new:
                self.stored.append(body)
            return is_new

        process = CatchUp(
            self.client,
            inbox,
            cast("InboxWorker", SimpleNamespace(store=store, inbox=inbox)),
            cast("Activity", SimpleNamespace(of=self.count)),
            seconds=seconds,
            clock=clock or self.clock,
        )
        process.note()
        return process

    @contextmanager
    def count(self, name: str) -> Generator[None]:
        self.running[name] += 1
        yield
        self.running[name] -= 1

    async def caught_up(
        self, process: CatchUp | None = None, *, seconds: float = 900.0
    ) -> list[str | None]:
        """Let a process catch up; return the texts of what it has stored, in this order."""
        before = len(self.stored)
        process = process or self.process(seconds=seconds)
        process.begin(self.me, self.webhook)
        await until(lambda: not self.running.total())
        await process.aclose()
        return self.texts[before:]

    @property
    def texts(self) -> list[str | None]:
        texts = {each.id: each.text for each in self.sandbox.messages}
        return [texts[json.loads(each)["data"]["id"]] for each in self.stored]

    @property
    def kept(self) -> str:
        return comparable(self.me.id)

    @property
    def claim(self) -> str:
        return f"webex-webhooks:catch-up:{self.kept}"

    async def room(self, title: str = "room") -> str:
        room: dict[str, str] = await self.client.post("rooms", json={"title": title})
        return room["id"]

    async def people(self, count: int, *, apart: float = 0.0) -> None:
        """Let so many people say their numbers, so many seconds one after the other."""
        for number in range(count):
            await self.sandbox.say(str(number), person=f"person{number}@example.com")
            self.clock.seconds += apart

    def note_requests(self) -> list[float]:
        """Return a list that gets the seconds at which requests come."""
        times: list[float] = []

        def note(_: RecordedRequest) -> None:
            times.append(self.clock.seconds)

        self.sandbox._on_request = note
        return times

    def requests(self, path: str) -> list[RecordedRequest]:
        return [each for each in self.sandbox.requests if each.path == f"/v1/{path}"]


async def _unavailable(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - of ASGI
    """Refuse what Webex delivers."""
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def absence(tmp_path: Path) -> AsyncGenerator[Absence]:
    """A Webex that has a bot, which has started for the first time and is down now."""
    absence = Absence(tmp_path / "inbox.db")
    await absence.open()
    assert await absence.caught_up() == []
    absence.clock.seconds += MINUTE
    yield absence
    await absence.inbox.aclose()
    await absence.client.aclose()
    await absence.http_client.aclose()


async def test_what_is_stored_is_what_webex_would_have_sent(absence: Absence) -> None:
    """A fetched message becomes the notification that Webex would have sent, so a copy is known."""
    room, bot = await absence.room(), absence.sandbox.bot
    await absence.sandbox.say("direct", person="ann@example.com", files=[File("a.txt", b"a")])
    await absence.sandbox.say("first", person="bob@example.com", room_id=room, mention=bot)
    parent = absence.sandbox.messages[-1].id
    await absence.sandbox.say("reply", person="cem@example.com", parent_id=parent, mention=bot)
    sent = [each.body for each in absence.sandbox.deliveries]

    assert len(await absence.caught_up()) == 3
    in_order = sorted(absence.stored, key=lambda each: str(json.loads(each)["data"]["created"]))
    assert sorted(map(_parsed, in_order)) == sorted(map(_parsed, sent))
    for body in sent:
        assert not await absence.inbox.put(key_of(parse_unverified_notification(body), body), body)


def _parsed(body: bytes) -> str:
    return json.dumps(json.loads(body), sort_keys=True)


async def test_what_is_fetched(absence: Absence) -> None:
    """All of a direct room is fetched, of a group what mentions the bot, and nothing of its own."""
    say, bot = absence.sandbox.say, absence.sandbox.bot
    room = await absence.room()
    await say("d1", person="ann@example.com")
    await absence.client.post("messages", json={"toPersonEmail": "ann@example.com", "text": "own"})
    await say("not for the bot", person="ann@example.com", room_id=room)
    absence.clock.seconds += 1
    for text in ("g1", "g2"):
        await say(text, person="ann@example.com", room_id=room, mention=bot)
    absence.clock.seconds += 1
    await say("d2", person="ann@example.com")

    # The room that was active last comes first, and in each room the oldest message.
    texts = await absence.caught_up()
    assert [None if each is None else each[-2:] for each in texts] == ["d1", "d2", "g1", "g2"]


@pytest.mark.parametrize(
    ("last_activity", "expected"),
    [(None, ["Hello"]), ("yesterday", ["Hello"]), ("2024-05-16T00:00:00", [])],
    ids=["none", "no time", "an old one"],
)
async def test_a_room_without_a_time(
    last_activity: str | None, expected: list[str], absence: Absence
) -> None:
    """A room whose last activity isn't known is read."""
    await absence.sandbox.say("Hello", person="ann@example.com")
    (room,) = (await absence.client.get("rooms", params={"max": 10}, into=dict[str, Any]))["items"]
    listed = {"items": [{**room, "lastActivity": last_activity}]}
    absence.sandbox.fail(status=200, body=listed, path="/rooms")
    assert await absence.caught_up() == expected


async def test_a_person_reads_all_of_a_group(absence: Absence) -> None:
    """With a person's token, all messages of a group room are listed."""
    await absence.room()
    for kind, query in (("bot", "&mentionedPeople=me"), ("person", "")):
        absence.me = evolve(absence.me, type=kind)
        await absence.caught_up()
        assert absence.requests("messages")[-1].query.endswith(f"&max=100{query}")


async def test_two_requests_a_second(absence: Absence) -> None:
    """No second has more than two requests of a catch-up, however many rooms were active."""
    await absence.people(6)
    times = absence.note_requests()

    assert len(await absence.caught_up()) == 6
    assert len(times) == 7
    assert all(later - time >= 1 for time, later in zip(times, times[2:], strict=False))
    assert times[-1] - times[0] == 3


async def test_a_429(absence: Absence, caplog: Log) -> None:
    """After a 429 there is no request until ten seconds after its `Retry-After`, which is said."""
    await absence.sandbox.say("Hello", person="ann@example.com")
    absence.sandbox.fail(status=429, retry_after=30, path="/messages")
    times = absence.note_requests()

    assert await absence.caught_up() == ["Hello"]
    assert times[2] - times[1] == 40
    assert [level for level, _ in lines(caplog, "catching up waits 40 s")] == ["WARNING"]


@pytest.mark.parametrize(
    "fault", [{"drop": True}, {"status": 503}, {"status": 500}, {"status": 404, "body": "<html>"}]
)
async def test_an_outage(fault: dict[str, Any], absence: Absence) -> None:
    """After an outage of Webex it goes on where it was, without reading a room twice."""
    await absence.people(3)
    absence.sandbox.fail(**fault, times=2, path="/messages")

    assert len(await absence.caught_up()) == 3
    assert len(absence.requests("rooms")) == 2  # one at the first start
    assert {1, 2} <= {*absence.clock.slept}
    succeeded = [each for each in absence.requests("messages") if each.status_code == 200]
    assert len(succeeded) == 3


@pytest.mark.parametrize("works_again", [True, False])
async def test_one_room_that_goes_on_failing(
    absence: Absence, caplog: Log, *, works_again: bool
) -> None:
    """A room that fails three times while Webex responds is tried once more, after all others."""
    await absence.people(3, apart=1)
    broken, before = absence.sandbox.messages[-1].room_id, await _kept(absence)
    webex, failures = absence.http_client._transport, list[int]()

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("roomId") != broken or (works_again and len(failures) == 3):
            return await webex.handle_async_request(request)
        failures.append(502)
        return httpx.Response(502)

    absence.http_client._transport = httpx.MockTransport(respond)
    assert await absence.caught_up() == ["1", "0", *(["2"] if works_again else [])]
    assert len(lines(caplog, "is passed over")) == len(failures) - 2 == 2 - works_again
    assert (await _kept(absence) == before) is not works_again


async def test_an_outage_that_one_room_notices_first(absence: Absence, caplog: Log) -> None:
    """Where `people/me` fails as well, no room is passed over."""
    await absence.sandbox.say("Hello", person="ann@example.com")
    absence.sandbox.fail(status=500, times=4, path="/messages")
    absence.sandbox.fail(status=501, times=2, path="/people/me")
    assert await absence.caught_up() == ["Hello"]
    assert len(absence.requests("people/me")) == 3  # one is of the test itself
    assert lines(caplog, "passed over") == []


async def test_an_inbox_that_is_away(absence: Absence) -> None:
    """An inbox that is away for a while is waited for."""
    await absence.sandbox.say("Hello", person="ann@example.com")
    errors = ConnectionError("away"), TimeoutError("away")
    inbox = FailsAtFirst(absence.path, *errors, keep=7_200, clock=absence.time)
    assert await absence.caught_up(absence.process(inbox=inbox)) == ["Hello"]
    await inbox.aclose()


@pytest.mark.parametrize(
    ("status", "level"), [(404, "INFO"), (403, "INFO"), (410, "INFO"), (400, "WARNING")]
)
async def test_a_room_that_cannot_be_read(
    status: int, level: str, absence: Absence, caplog: Log
) -> None:
    """A room that is gone, or can't be read, is passed over, and the next ones are read."""
    caplog.set_level(logging.INFO)
    await absence.people(2, apart=1)
    absence.sandbox.fail(status=status, path="/messages")

    assert await absence.caught_up() == ["0"]
    assert [each for each, _ in lines(caplog, "passed over")] == [level]
    assert await absence.inbox.caught_up(absence.kept) is not None


async def test_a_refused_token(absence: Absence, caplog: Log) -> None:
    """Where the token is refused, an ERROR says so, and the next look tries again."""
    await absence.sandbox.say("Hello", person="ann@example.com")
    process = absence.process()
    absence.sandbox.fail(status=401, path="/messages")
    assert await absence.caught_up(process) == []
    assert [each for each, _ in lines(caplog, "can't be fetched")] == ["ERROR"]
    assert await absence.caught_up(process) == ["Hello"]


async def test_a_list_that_leads_back(absence: Absence, caplog: Log) -> None:
    """A list whose next link leads back ends with an error, not never."""
    link = httpx.Response(200, headers={"link": "</v1/rooms?a=b>; rel=next"}, json={"items": []})
    absence.client.http_client._transport = httpx.MockTransport(lambda _: link)
    assert await absence.caught_up() == []
    assert [each for each, _ in lines(caplog, "can't be fetched")] == ["ERROR"]


async def test_many_pages(absence: Absence) -> None:
    """A room is read page by page, down to the first message that is too old."""
    await absence.sandbox.say("old", person="ann@example.com")
    absence.clock.seconds += 10 * MINUTE
    for number in range(120):
        await absence.sandbox.say(str(number), person="ann@example.com")

    assert await absence.caught_up(seconds=5 * MINUTE) == [str(each) for each in range(120)]
    assert len(absence.requests("messages")) == 2


async def test_more_than_a_thousand(
    absence: Absence, monkeypatch: pytest.MonkeyPatch, caplog: Log
) -> None:
    """Of more messages or rooms than it takes, it takes the newest, and says so in a WARNING."""
    monkeypatch.setattr(catch_up_module, "_MOST", 5)
    for number in range(4):
        await absence.sandbox.say(f"b{number}", person="bob@example.com")
    absence.clock.seconds += 1
    for number in range(3):
        await absence.sandbox.say(f"a{number}", person="ann@example.com")

    assert await absence.caught_up() == ["a0", "a1", "a2", "b2", "b3"]
    (warning,) = lines(caplog, "than a catch-up fetches")
    assert warning[0] == "WARNING"
    assert "since 2024-05-17 09:30:00 UTC" in warning[1]

    absence.clock.seconds += 3 * MINUTE
    for number in range(7):
        await absence.sandbox.say(f"r{number}", person=f"person{number}@example.com")
        absence.clock.seconds += 1
    assert await absence.caught_up() == [f"r{number}" for number in range(6, 1, -1)]
    assert len(lines(caplog, "than a catch-up fetches")) == 2


@pytest.mark.parametrize("others", [0, 1])
async def test_a_room_that_is_full(
    others: int, absence: Absence, monkeypatch: pytest.MonkeyPatch, caplog: Log
) -> None:
    """Where the first room has all that it takes, a WARNING says whether others aren't read."""
    monkeypatch.setattr(catch_up_module, "_MOST", 2)
    for _ in range(others):
        await absence.sandbox.say("b", person="bob@example.com")
    absence.clock.seconds += 1
    for number in range(2):
        await absence.sandbox.say(f"a{number}", person="ann@example.com")
    assert await absence.caught_up() == ["a0", "a1"]
    assert len(lines(caplog, "than a catch-up fetches")) == others


class TestSince:
    """From when on messages are fetched."""

    async def test_the_time_that_is_kept(self, absence: Absence) -> None:
        """What was listed isn't listed again, but for two minutes, because clocks differ."""
        await absence.sandbox.say("one", person="ann@example.com")
        absence.clock.seconds += 3 * MINUTE
        began = absence.clock.now()
        assert await absence.caught_up() == ["one"]
        assert await _kept(absence) == began

        await absence.sandbox.say("two", person="bob@example.com")
        absence.clock.seconds += MINUTE
        before = len(absence.requests("messages"))
        assert await absence.caught_up() == ["two"]
        assert await absence.caught_up() == []
        assert len(absence.requests("messages")) == before + 2  # of bob alone

    async def test_no_further_back_than_it_may(self, absence: Absence) -> None:
        """What is older than `catch_up` when it became due stays lost."""
        await absence.sandbox.say("lost", person="ann@example.com")
        absence.clock.seconds += 6 * MINUTE
        await absence.sandbox.say("late", person="ann@example.com")
        assert await absence.caught_up(seconds=5 * MINUTE) == ["late"]

    @pytest.mark.parametrize(
        ("minutes", "texts"),
        [(60, ["before", "after"]), (119, ["after"])],
        ids=["known", "forgotten"],
    )
    async def test_it_became_due_long_ago(
        self, absence: Absence, minutes: int, texts: list[str]
    ) -> None:
        """An outage makes nothing too old, but what the inbox may not know after its two hours."""
        await absence.sandbox.say("before", person="ann@example.com")
        process = absence.process(seconds=5 * MINUTE)
        absence.clock.seconds += minutes * MINUTE
        await absence.sandbox.say("after", person="ann@example.com")
        assert await absence.caught_up(process) == texts

    async def test_nothing_before_the_first_start(self, absence: Absence, tmp_path: Path) -> None:
        """A bot that starts with a new inbox doesn't handle what was said before."""
        await absence.sandbox.say("before", person="ann@example.com")
        absence.clock.seconds += 1
        absence.path = tmp_path / "another.db"
        inbox = absence.new_inbox()
        assert await absence.caught_up(absence.process(inbox=inbox)) == []
        absence.clock.seconds += 1
        await absence.sandbox.say("after", person="ann@example.com")
        assert await absence.caught_up(absence.process(inbox=inbox)) == ["after"]
        await inbox.aclose()

    async def test_the_time_of_another_bot(self, absence: Absence) -> None:
        """The time of another bot in the same inbox counts for nothing."""
        await absence.sandbox.say("Hello", person="ann@example.com")
        absence.clock.seconds += 10 * MINUTE
        await absence.inbox.set_caught_up("another", absence.clock.now())
        assert await absence.caught_up() == ["Hello"]

    async def test_a_time_in_the_future(self, absence: Absence) -> None:
        """Where the kept time is in the future, it looks back as far as it may."""
        await absence.sandbox.say("Hello", person="ann@example.com")
        absence.clock.seconds += 10 * MINUTE
        ahead = absence.clock.now() + timedelta(minutes=1)
        await absence.inbox.set_caught_up(absence.kept, ahead)
        assert await absence.caught_up() == ["Hello"]
        assert await _kept(absence) < ahead

    async def test_a_machine_whose_clock_is_ahead(self, absence: Absence, tmp_path: Path) -> None:
        """The clock of the inbox counts; a first start in its future is stored anew."""
        ahead = QuickClock()
        setattr(ahead, "now", lambda: absence.clock.now() + timedelta(minutes=20))  # noqa: B010 - for type checkers
        absence.path = tmp_path / "another.db"
        inbox = absence.new_inbox()
        first = f"{absence.kept} first"
        await inbox.set_caught_up(first, ahead.now())
        assert await absence.caught_up(absence.process(inbox=inbox, clock=ahead)) == []
        assert await inbox.caught_up(first) == absence.clock.now()
        absence.clock.seconds += 1
        await absence.sandbox.say("Hello", person="ann@example.com")
        assert await absence.caught_up(absence.process(inbox=inbox, clock=ahead)) == ["Hello"]
        assert await inbox.caught_up(absence.kept) == absence.clock.now()
        await inbox.aclose()

    async def test_another_process_was_quicker(self, absence: Absence) -> None:
        """What a process has refused isn't lost because another one caught up since."""
        await absence.sandbox.say("refused", person="ann@example.com")
        process = absence.process()
        absence.clock.seconds += 60 * MINUTE
        assert await absence.caught_up() == []  # of the other, for which that is too old
        assert await absence.caught_up(process) == ["refused"]

    async def test_an_incomplete_one(self, absence: Absence) -> None:
        """A catch-up that isn't complete doesn't move the time, and the next one begins there."""
        await absence.people(3, apart=1)
        before = await _kept(absence)
        absence.sandbox.fail(status=200, body={"items": []}, path="/messages")
        absence.sandbox.fail(status=401, path="/messages")
        assert await absence.caught_up() == []
        assert await _kept(absence) == before
        assert sorted(map(str, await absence.caught_up())) == ["0", "1", "2"]


class TestTurn:
    """Of all processes that share an inbox, one at a time catches up."""

    async def test_another_one_waits(self, absence: Absence) -> None:
        """A process sends no request before the one that catches up has ended."""
        other, time = absence.new_inbox(), StoppedClock()
        waiting = absence.process(inbox=other, clock=time)
        assert await absence.inbox.claim(absence.claim, 30)
        waiting.begin(absence.me, absence.webhook)
        await until(lambda: time.sleepers == 1)
        before = len(absence.requests("rooms"))
        time.advance(2)
        await until(lambda: time.sleepers == 1)
        assert len(absence.requests("rooms")) == before

        await absence.inbox.unclaim(absence.claim)
        time.advance(2)
        await until(lambda: not absence.running.total())
        assert len(absence.requests("rooms")) == before + 1
        await other.aclose()

    async def test_a_killed_one(self, absence: Absence) -> None:
        """After a kill, another process begins within half a minute, from the same time."""
        await absence.sandbox.say("Hello", person="ann@example.com")
        dead = absence.new_inbox()
        assert await dead.claim(absence.claim, 30)
        before = absence.clock.seconds
        assert await absence.caught_up() == ["Hello"]
        assert absence.clock.seconds - before <= 32
        await dead.aclose()

    async def test_one_that_pauses_for_long(self, absence: Absence) -> None:
        """A process that has paused for so long that another one has begun waits for its end."""
        await absence.sandbox.say("Hello", person="ann@example.com")
        other, time = absence.new_inbox(), StoppedClock()
        absence.sandbox.fail(status=429, retry_after=50, path="/messages")
        process = absence.process(clock=time)
        process.begin(absence.me, absence.webhook)
        await until(lambda: time.sleepers == 1)
        absence.clock.seconds += 60
        assert await other.claim(absence.claim, 30)
        time.advance(60)
        await until(lambda: time.slept == [60, 2])
        absence.clock.seconds += 30
        time.advance(2)
        await until(lambda: not absence.running.total())
        assert absence.texts == ["Hello"]
        assert len(absence.requests("rooms")) == 3  # of the first start, before and after
        await other.aclose()

    async def test_a_long_one(self, absence: Absence) -> None:
        """A process that goes on for longer than a claim lasts keeps its turn."""
        await absence.people(80)  # which takes 40 seconds
        other, store, claimed = absence.new_inbox(), absence.inbox.put, list[bool]()
        unclaim, given_back = absence.inbox.unclaim, list[str]()

        async def put(*args: Any) -> bool:  # noqa: ANN401 - of `put`
            claimed.append(await other.claim(absence.claim, 1))
            return await store(*args)

        async def note(name: str) -> None:
            given_back.append(name)
            await unclaim(name)

        setattr(absence.inbox, "put", put)  # noqa: B010 - for type checkers
        setattr(absence.inbox, "unclaim", note)  # noqa: B010 - as above
        assert len(await absence.caught_up()) == 80
        assert (claimed, len(given_back)) == ([False] * 80, 1)
        await other.aclose()

    async def test_one_that_ends(self, absence: Absence) -> None:
        """A process that ends while it catches up lets another one begin at once."""
        await absence.sandbox.say("Hello", person="ann@example.com")
        absence.sandbox.fail(delay=60, path="/messages")
        process = absence.process()
        process.begin(absence.me, absence.webhook)
        await until(lambda: len(absence.requests("rooms")) == 2)
        process.begin(absence.me, absence.webhook)  # it isn't due any more
        await absence.process().aclose()  # which has never begun
        await process.aclose()
        assert await absence.inbox.claim(absence.claim, 30)


async def _kept(absence: Absence) -> datetime:
    kept = await absence.inbox.caught_up(absence.kept)
    assert kept is not None
    return kept


class Forgetful(SQLiteInbox):
    """An inbox that keeps no times."""

    caught_up = Inbox.caught_up
    set_caught_up = Inbox.set_caught_up


class FailsAtFirst(SQLiteInbox):
    """An inbox that raises these errors before it stores something."""

    def __init__(self, path: Path, *errors: Exception, **options: Any) -> None:  # noqa: ANN401 - as there
        super().__init__(path, **options)
        self.errors = [*errors]

    async def put(self, *args: Any, **options: Any) -> bool:  # noqa: ANN401 - as it is there
        if self.errors:
            raise self.errors.pop()
        return await super().put(*args, **options)


class TestBot:
    """When a bot catches up, and beside what."""

    async def test_what_was_said_while_it_was_down(
        self, webex: Webex, webex_inbox: SQLiteInbox, caplog: Log
    ) -> None:
        """What was said while a bot was down is handled after its start, and logged in one line."""
        caplog.set_level(logging.DEBUG)
        bot = webex.echoing(inbox=webex_inbox)
        async with webex.running(bot):
            await webex.sandbox.idle()
            await webex.sandbox.say("1", person="ann@example.com")
            await webex.sandbox.idle()
        webex.sandbox.deliver_to(None)
        await webex.sandbox.say("2", person="ann@example.com")
        for _ in range(2):
            async with webex.running(bot):
                await webex.sandbox.idle()

        said = [text for text in webex.texts if text is not None]
        assert said == ["1", "You said: 1", "2", "You said: 2"]
        assert lines(caplog, "caught up:") == [
            ("DEBUG", "caught up: 0 messages of 0 rooms, 0 of them new"),
            ("INFO", "caught up: 2 messages of 1 room, 1 of them new"),
            ("DEBUG", "caught up: 2 messages of 1 room, 0 of them new"),
        ]

    async def test_it_runs_beside_everything_else(
        self, webex: Webex, webex_inbox: SQLiteInbox
    ) -> None:
        """A bot is ready, and handles what comes, while it catches up; a test waits for its end."""
        bot = webex.echoing(inbox=webex_inbox)
        webex.sandbox.fail(delay=60, path="/rooms")
        async with webex.running(bot):
            assert bot.is_ready
            await webex.sandbox.say("Hello", person="ann@example.com")
            await webex.sandbox.next_reply()
            with pytest.raises(TimeoutError, match="a catch-up"):
                await webex.sandbox.idle(timeout=0.1)

    @pytest.mark.parametrize(
        "changes", [{"status": "inactive"}, {"target_url": "https://elsewhere.example.com/"}, None]
    )
    async def test_a_webhook_that_was_not_as_wanted(
        self, changes: dict[str, Any] | None, webex: Webex, webex_inbox: SQLiteInbox
    ) -> None:
        """What a webhook missed that was off, changed or deleted is fetched after the next look."""
        bot = webex.echoing(inbox=webex_inbox, watch_every=0.2)
        async with webex.running(bot):
            webhook = next(each for each in webex.sandbox.webhooks if each.resource == "messages")
            if changes is None:
                await webex.client.webhooks.delete(webhook.id)
            else:
                update = WebhookUpdate.of(webhook, **changes)
                await webex.client.webhooks.update(webhook.id, update)
            webex.sandbox.deliver_to(_unavailable)
            await webex.sandbox.say("Hello", person="ann@example.com")
            webex.sandbox.deliver_to(bot)
            assert (await webex.sandbox.next_reply()).text == "You said: Hello"

    async def test_another_one_looks(self, webex: Webex, tmp_path: Path) -> None:
        """What a process has refused is fetched at its own next look, whoever's turn that is."""
        inbox = FailsAtFirst(tmp_path / "inbox.db", ConnectionError("away"))
        bot = webex.echoing(inbox=inbox, watch_every=0.2)
        assert await inbox.claim("webex-webhooks:look:bot", 60)
        async with webex.running(bot):
            await webex.sandbox.idle()
            before = len(webex.sandbox.requests)
            (delivery,) = await webex.sandbox.say("Hello", person="ann@example.com")
            assert delivery.status_code == 503
            assert (await webex.sandbox.next_reply()).text == "You said: Hello"
            requests = webex.sandbox.requests[before:]
            assert "/v1/webhooks" not in {each.path for each in requests}

    async def test_without_a_webhook_of_messages(
        self, webex: Webex, webex_inbox: SQLiteInbox, tmp_path: Path
    ) -> None:
        """A bot that hears no messages, or doesn't want to catch up, fetches none."""
        hears_none = webex.bot(inbox=webex_inbox)

        @hears_none.on("memberships", "created")
        async def greet(_: object) -> None:
            """Do nothing."""

        never = webex.bot(inbox=SQLiteInbox(tmp_path / "never.db"), catch_up=None)
        forgetful = webex.bot(inbox=Forgetful(tmp_path / "forgetful.db"))
        alone = webex.bot()
        for bot in (hears_none, never, forgetful, alone):
            if bot is not hears_none:
                bot.message()(echo)
            async with webex.running(bot):
                await webex.sandbox.idle()
        assert "/v1/rooms" not in {each.path for each in webex.sandbox.requests}

    async def test_looks_are_rare(
        self, webex: Webex, webex_inbox: SQLiteInbox, caplog: Log
    ) -> None:
        """A bot that looks at its webhooks too rarely to fetch all that they miss says so."""
        bot = webex.echoing(inbox=webex_inbox, catch_up=timedelta(minutes=4))
        async with webex.running(bot):
            pass
        ((level, text),) = lines(caplog, "watch_every is 300 s, and catch_up is 240 s")
        assert (level, "stays lost" in text) == ("WARNING", True)

    async def test_lunch_ten_minutes_ago(self, webex_inbox: SQLiteInbox) -> None:
        """A middleware asks a person who wrote long ago whether that is still wanted."""
        ago = [timedelta(minutes=10)]
        sandbox = Sandbox(clock=lambda: datetime.now(UTC) - ago[0])
        async with sandbox.http_client() as http_client:
            bot = Webex(sandbox, Client("token", http_client=http_client)).bot(inbox=webex_inbox)

            @bot.context_middleware
            async def ask_if_late(context: Context, call_next: CallNext) -> None:
                if isinstance(context, MessageContext) and context.age > 500:
                    await context.ask("Do you still want this?", buttons={"yes": "Yes"})
                await call_next()

            bot.message()(echo)
            first = f"{comparable(sandbox.bot.id)} first"
            await webex_inbox.set_caught_up(first, datetime.now(UTC) - timedelta(days=1))
            await sandbox.say("lunch", person="ann@example.com")
            ago[0] = timedelta(0)
            sandbox.deliver_to(bot)
            async with bot:
                question = await sandbox.next_reply()
                assert question.text == "Do you still want this?"
                await sandbox.submit(question.id, press="Yes", person="ann@example.com")
                assert (await sandbox.next_reply()).text == "Do you still want this? Yes"
                assert (await sandbox.next_reply()).text == "You said: lunch"

    async def test_an_answer_while_it_was_down(self, talk: Talk) -> None:
        """An answer that was sent while the bot was down counts, also after the question's time."""

        async def ask(context: MessageContext) -> None:
            day = await context.ask("Which day?", timeout=60)
            await context.reply(f"On {day.text}.")

        talk.command()(ask)
        async with talk.running():
            await talk.exchange("go", "Which day?", "asking")
        talk.webex.sandbox.deliver_to(None)
        await talk.say("Monday")
        talk.time.advance(3_600)
        talk.bot = talk.replica()
        talk.command()(ask)
        async with talk.running():
            await talk.hear("On Monday.")


def test_the_default(tmp_path: Path) -> None:
    """By default it is a quarter of an hour, or half of what the inbox keeps if that is less."""
    usual, small = SQLiteInbox(tmp_path / "a.db"), SQLiteInbox(tmp_path / "b.db", keep=600)
    assert checked_catch_up(..., usual, URL) == 900
    assert checked_catch_up(..., small, URL) == 300
    assert checked_catch_up(timedelta(seconds=300), small, URL) == 300


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"catch_up": -1}, ValueError, "a positive number of seconds"),
        ({"catch_up": 0}, ValueError, "a positive number of seconds"),
        ({"catch_up": float("nan")}, ValueError, "a positive number of seconds"),
        ({"catch_up": timedelta(0)}, ValueError, "a positive number of seconds"),
        ({"catch_up": "900"}, TypeError, "catch_up must be float"),
        ({"catch_up": True}, TypeError, "catch_up must be float"),
        ({"catch_up": 43_201}, ValueError, "keep=86402"),
        ({"inbox": None}, ValueError, r'inbox=SQLiteInbox\("inbox.db"\), or set WEBEX_INBOX'),
        ({"target_url": None}, ValueError, "WEBEX_TARGET_URL"),
        ({"inbox": Forgetful("inbox.db")}, TypeError, "Forgetful lacks caught_up, set_caught_up"),
    ],
)
def test_wrong_arguments(
    options: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    """A wrong `catch_up` is an error that says what to write."""
    given: dict[str, Any] = {
        "catch_up": 60,
        "inbox": SQLiteInbox(tmp_path / "inbox.db", keep=86_400),
        "target_url": URL,
    }
    with pytest.raises(error, match=words):
        Bot("token", "secret", **{**given, **options})


def test_an_inbox_without_keep(tmp_path: Path) -> None:
    """An inbox that doesn't say how long it knows a notification can't catch up."""
    inbox = SQLiteInbox(tmp_path / "inbox.db")
    del inbox.keep
    Bot("token", "secret", inbox=inbox, target_url=URL)
    with pytest.raises(TypeError, match="SQLiteInbox lacks keep"):
        Bot("token", "secret", inbox=inbox, target_url=URL, catch_up=60)


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Bot.from_env` takes it, and knows the URL and the inbox of the environment."""
    for name, value in {"ACCESS_TOKEN": "t", "WEBHOOK_SECRET": "s"}.items():
        monkeypatch.setenv(f"WEBEX_{name}", value)
    with pytest.raises(ValueError, match="inbox"):
        Bot.from_env(catch_up=60)
    monkeypatch.setenv("WEBEX_INBOX", "inbox.db")
    with pytest.raises(ValueError, match="target_url"):
        Bot.from_env(catch_up=60)
    monkeypatch.setenv("WEBEX_TARGET_URL", URL)
    Bot.from_env(catch_up=60)


async def test_a_bot_that_fetches_nothing(webex: Webex, tmp_path: Path) -> None:
    """A notification that its inbox can't store is refused, and that is all."""
    bot = webex.echoing(inbox=FullInbox(tmp_path / "inbox.db"), catch_up=None)
    async with webex.running(bot):
        (delivery,) = await webex.sandbox.say("Hello")

    assert delivery.status_code == 503
