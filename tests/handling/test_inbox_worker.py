import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing, closing
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest

from tests.bot.doubles import noting
from tests.notifications.doubles import (
    MESSAGE_DATA,
    SECRET,
    Conversation,
    ReceiverUnderTest,
    UnspeakableError,
    body_of,
    deliver,
    distinct,
)
from tests.support.clocks import Time, let_pass, timed
from tests.support.inboxes import retry_all_in, stored_in, taken
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import idle_loop, until
from webex_webhooks_async.errors import GiveUpError, RateLimitError
from webex_webhooks_async.handling.failures import failure_of
from webex_webhooks_async.handling.once import attempt
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import InboxEntry
from webex_webhooks_async.inbox.sqlite import SQLiteInbox
from webex_webhooks_async.models.notification_data import NotificationData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.types import CallNext

LEASE = 18.0
KEEP = 600.0


def failing(inbox: SQLiteInbox, method: str) -> Any:  # noqa: ANN401 - of a mock
    """Let a method fail for the block."""
    return patch.object(inbox, method, side_effect=OSError("the disk is full"))


class InboxBot(ReceiverUnderTest):
    """A bot with an inbox, and what it reports: what `on_error` got, and in which attempts."""

    def __init__(self, path: Path, time: Time, lease: float = LEASE, **options: Any) -> None:  # noqa: ANN401 - any option
        self.path = path
        self.time = time
        self.lease = lease
        self.inbox = self._inbox()
        self.errors_reported: list[Exception] = []
        self.last_attempts: list[bool] = []
        kind = timed(Receiver, sleep=time.sleep)
        super().__init__(kind, inbox=self.inbox, on_error=self.report, **options)

    def report(self, error: Exception, _: Notification[NotificationData]) -> None:
        self.errors_reported.append(error)
        self.last_attempts.append(attempt().is_last)

    def states(self) -> list[str]:
        """The state of each notification that isn't completed, the oldest first."""
        return [each.state for each in stored_in(self.path, self.time.now_in_seconds)]

    async def begins(self, number: int) -> None:
        """Deliver a message, and wait until its handler runs, which goes on at the `end`."""
        self.may_end.clear()
        await deliver(self.receiver, distinct(number))
        await until(lambda: self.started == [f"MESSAGE-{number}"])

    async def end(self) -> None:
        """Let handlers end, and wait until everything is completed."""
        self.may_end.set()
        await until(lambda: self.states() == [])

    async def handles(self, number: int) -> None:
        """Deliver the first message that is handled."""
        assert await deliver(self.receiver, distinct(number)) == 204
        await until(lambda: self.done == [f"MESSAGE-{number}"])

    async def fails(self, state: str = "retrying") -> None:
        """Deliver a message whose handler fails."""
        await deliver(self.receiver, distinct(1))
        await until(lambda: bool(self.errors_reported) and self.states() == [state])

    async def waits_again(self, failures: int = 1) -> None:
        """Wait until so many failures of the only notification are recorded."""
        await until(lambda: len(self.errors_reported) == failures and self.states() == ["retrying"])

    def errors_stored(self) -> list[str | None]:
        return [each.error for each in stored_in(self.path)]

    def another_process(self) -> aclosing[SQLiteInbox]:
        """The inbox of another process on the same file."""
        return aclosing(self._inbox())

    def _inbox(self) -> SQLiteInbox:
        return SQLiteInbox(self.path, lease=self.lease, keep=KEEP, clock=self.time.now_in_seconds)


Make = Callable[..., InboxBot]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a bot with an inbox."""
    return partial(InboxBot, tmp_path / "inbox.db", Time())


@pytest.fixture
def bot(make: Make) -> InboxBot:
    """A bot with an inbox."""
    return make()


async def test_it_is_stored_before_the_response(bot: InboxBot) -> None:
    """A notification that got 204 is in the file, whatever happens then."""
    bot.may_end.clear()
    async with bot.receiver:
        assert await deliver(bot.receiver, distinct(1)) == 204
        with closing(sqlite3.connect(bot.path)) as other:
            assert other.execute("SELECT body FROM webex_notifications").fetchall() == [
                (distinct(1),)
            ]
        await until(lambda: bot.started == ["MESSAGE-1"])
        await bot.end()

    assert bot.done == ["MESSAGE-1"]


async def test_no_more_than_max_pending_run_at_a_time(make: Make) -> None:
    """What is accepted beyond the limit waits in the file, which rests for a second afterwards."""
    bot = make(max_pending=2)
    bot.may_end.clear()
    async with bot.receiver:
        for number in range(4):
            assert await deliver(bot.receiver, distinct(number)) == 204
        await until(lambda: bot.states().count("running") == 2)
        bot.time.advance(1)
        await asyncio.sleep(0)
        assert bot.states() == ["running"] * 2 + ["waiting"] * 2
        await bot.end()
        await bot.time.pass_(1)

    found = sorted(bot.done)  # two at a time end in any order
    assert found == [f"MESSAGE-{number}" for number in range(4)]


async def test_many_that_are_due_after_a_pause(bot: InboxBot) -> None:
    """They are taken one after the other, without a look at what is stopped before each."""
    bot.may_end.clear()
    async with bot.receiver, bot.another_process() as other:
        await deliver(bot.receiver, distinct(0))
        await until(lambda: len(bot.started) == 1)
        for number in range(1, 9):
            await other.put(f"{number}", distinct(number))
        with patch.object(bot.inbox, "stopping", wraps=bot.inbox.stopping) as look:
            await bot.time.pass_(1)
            await until(lambda: len(bot.started) == 9)
        bot.may_end.set()
    assert 1 <= look.call_count < 8


async def test_it_is_tried_again(bot: InboxBot, caplog: Log) -> None:
    """Handlers that fail run again after 1, 4, 16 and 64 seconds; the last failure is an ERROR."""
    bot.errors = [RuntimeError(f"failure {number}") for number in range(1, 6)]
    async with bot.receiver:
        await deliver(bot.receiver, distinct(1))
        for number, pause in enumerate((1, 4, 16, 64), 1):
            await bot.waits_again(number)
            await bot.time.pass_(pause - 1)
            assert len(bot.started) == number
            await bot.time.pass_(1)
        await until(lambda: bot.states() == ["failed"])
    assert [str(each) for each in bot.errors_reported] == [f"failure {n}" for n in range(1, 6)]
    logged = [each for each in caplog.records if " failed: " in each.getMessage()]
    assert [(each.levelname, each.getMessage().split(" failed: ")[1]) for each in logged] == [
        ("WARNING", "attempt 1 of 5, again in 1 s"),
        ("WARNING", "attempt 2 of 5, again in 4 s"),
        ("WARNING", "attempt 3 of 5, again in 16 s"),
        ("WARNING", "attempt 4 of 5, again in 64 s"),
        ("ERROR", "attempt 5 of 5, kept as failed"),
    ]
    assert all(each.exc_info for each in logged)
    assert [vars(each)["webex_attempt"] for each in logged] == [1, 2, 3, 4, 5]
    assert bot.errors_stored() == ["RuntimeError: failure 5"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit(2), "RuntimeError: a handler raised SystemExit: 2"),
        (UnspeakableError(), "UnspeakableError"),
        (UnspeakableError(SystemExit), "UnspeakableError"),
        (UnspeakableError(asyncio.CancelledError), "UnspeakableError"),
    ],
)
async def test_whatever_a_handler_raises_is_a_failure(
    make: Make, error: BaseException, text: str
) -> None:
    """It is recorded, by its class where it has no text, so that it doesn't run for ever."""
    bot = make(attempts=1)
    bot.errors = [error]
    async with bot.receiver:
        await bot.fails("failed")

    (reported,) = bot.errors_reported
    assert error in {reported, reported.__cause__}
    assert bot.errors_stored() == [text]


async def test_the_last_attempt(make: Make) -> None:
    """Middleware, handlers and `on_error` know whether one was before, and whether one follows."""
    bot = make(attempts=2)
    bot.errors = [RuntimeError(), RuntimeError()]
    said: list[bool] = []
    first: list[bool] = []
    numbers: list[int] = []

    @bot.receiver.middleware
    async def ask(_: Notification[NotificationData], call_next: CallNext) -> None:
        said.append(attempt().is_last)
        first.append(attempt().is_first)
        numbers.append(attempt().number)
        await call_next()

    async with bot.receiver:
        await bot.fails()
        await bot.time.pass_(1)
        await until(lambda: bot.states() == ["failed"])

        retry_all_in(bot.path, bot.time.now_in_seconds)
        await bot.time.pass_(1)
        await until(lambda: bot.done == ["MESSAGE-1"])

    assert bot.last_attempts == [False, True]
    assert numbers == [1, 2, 1]
    assert (said, first) == ([False, True, False], [True, False, False])


GIVES_UP_IN_A_GROUP = ExceptionGroup(
    "of tasks", [KeyError("x"), ExceptionGroup("inside", [GiveUpError("no such room")])]
)


@pytest.mark.parametrize(
    ("body", "error", "stored", "asked"),
    [
        (distinct(1), GiveUpError("no such room"), "GiveUpError: no such room", 2),
        (distinct(1), GIVES_UP_IN_A_GROUP, "ExceptionGroup: of tasks (2 sub-exceptions)", 2),
        (body_of({**MESSAGE_DATA, "id": None}), None, "PayloadError: $.data.id: expected a s", 1),
    ],
    ids=["a handler gives up", "a task of a handler gives up", "data that doesn't fit"],
)
async def test_what_another_attempt_can_not_help(  # noqa: PLR0913, PLR0917 - what it takes
    bot: InboxBot,
    caplog: Log,
    body: bytes,
    error: Exception | None,
    stored: str,
    asked: int,
) -> None:
    """It is kept as failed at once, and middleware and `on_error` know that."""
    bot.errors = [] if error is None else [error]

    @bot.receiver.middleware
    async def note(_: Notification[NotificationData], call_next: CallNext) -> None:
        try:
            await call_next()
        finally:
            bot.last_attempts.append(attempt().is_last)

    async with bot.receiver:
        assert await deliver(bot.receiver, body) == 204
        await until(lambda: bot.states() == ["failed"])

    assert bot.last_attempts == [True] * asked
    assert str(bot.errors_stored()[0]).startswith(stored)
    assert len(bot.errors_reported) == 1
    assert "another attempt can't help, kept as failed" in caplog.text


async def test_webex_says_when(bot: InboxBot) -> None:
    """After a 429 the handlers don't run before the time that Webex has set."""
    bot.errors = [RateLimitError(429, retry_after=5.0)]
    async with bot.receiver:
        await bot.fails()
        await bot.time.pass_(4)
        assert bot.done == []
        await bot.time.pass_(1)
        await until(lambda: bot.done == ["MESSAGE-1"])


@pytest.mark.parametrize(
    ("failures", "failure", "seconds"),
    [
        (1, RuntimeError(), 1),
        (6, RuntimeError(), 1024),
        (7, RuntimeError(), 3600),
        (10_000, RuntimeError(), 3600),
        (1, RateLimitError(429, retry_after=1_000_000.0), 3600),
        (1, RateLimitError(429, retry_after=30.0), 30),
        (1, RateLimitError(429, retry_after=0.5), 1),
        (1, RateLimitError(429), 1),
        (1, ExceptionGroup("", [KeyError(), RateLimitError(429, retry_after=30.0)]), 30),
    ],
)
def test_pauses_are_an_hour_at_most(failures: int, failure: Exception, seconds: float) -> None:
    """However many attempts there are, and whatever Webex says, an hour is the longest pause."""
    entry = InboxEntry(key="key", body=b"", token="token", failures=failures - 1)
    failed = failure_of(entry, 100_000, failure)

    assert failed.again_in == seconds


async def test_a_notification_for_another_version(bot: InboxBot, caplog: Log) -> None:
    """It is given back, for a newer version, and completed with a warning after ten minutes."""
    inbox = SQLiteInbox(bot.path, clock=bot.time.now_in_seconds)
    new = timed(Receiver, sleep=bot.time.sleep)(SECRET, inbox=inbox)
    handled: list[str] = []
    new.on("rooms")(noting(handled, lambda notification: notification.data.id))
    async with bot.receiver:
        assert await deliver(bot.receiver, body_of({"id": "ROOM"}, resource="rooms")) == 204
        for _ in range(20):
            await until(lambda: bot.states() == ["retrying"])
            assert caplog.records == []
            await bot.time.pass_(30)
        await until(lambda: bot.states() == [])
        await deliver(bot.receiver, body_of({"id": "NEXT"}, resource="rooms"))
        await until(lambda: bot.states() == ["retrying"])
    async with new:
        await bot.time.pass_(31)
        await until(lambda: handled == ["NEXT"])

    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert warning.getMessage() == (
        "rooms created ROOM of webhook WEBHOOK is completed: it has no matching handler"
    )


async def test_own_actions(make: Make) -> None:
    """What the bot did itself isn't stored, if it is to be ignored."""
    bot = make(ignore_own_actions=True)
    async with bot.receiver:
        assert await deliver(bot.receiver, body_of(actorId="BOT")) == 204
        assert bot.states() == []


async def test_another_body(bot: InboxBot, caplog: Log) -> None:
    """What isn't a notification, but is in the file, is kept as failed, and named in the log."""
    async with bot.receiver:
        await bot.inbox.put("key", b"{}")
        await bot.time.pass_(1)
        await until(lambda: [each.due for each in stored_in(bot.path)] == [None])

    assert bot.states() == ["unreadable"]
    assert "the inbox has a body that isn't a notification: $.id: missing" in caplog.text


async def test_it_is_taken_over_within_two_seconds(bot: InboxBot) -> None:
    """What a killed process was working on runs in another one when its lease has expired."""
    async with bot.another_process() as dead:
        await dead.put("key", distinct(1))
        await taken(dead)
        async with bot.receiver:
            await bot.time.pass_(LEASE - 1)
            assert bot.started == []
            await bot.time.pass_(2)
            await until(lambda: bot.done == ["MESSAGE-1"])


async def test_what_kills_its_process_is_given_up(bot: InboxBot, caplog: Log) -> None:
    """After five leases that expired, the notification is kept as failed, and reported."""
    async with bot.another_process() as dead:
        await dead.put("key", distinct(1))
        for _ in range(5):
            await dead.remember(await taken(dead), "alone", b"4")
            bot.time.advance(LEASE)
        async with bot.receiver:
            await until(lambda: bot.states() == ["failed"])

    assert bot.started == []
    assert bot.last_attempts == [True]
    (error,) = bot.errors_reported
    assert str(error) == (
        "its lease has expired 5 times: its process was killed or hung, probably because of it; "
        "if its handler blocks the event loop, await asyncio.to_thread there"
    )
    (record,) = caplog.records
    assert record.getMessage().endswith(" failed: 5 leases have expired, kept as failed")


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_may_kill_its_process_runs_alone(bot: InboxBot, *, hangs: bool) -> None:
    """On its last chance, nothing runs beside it until it ends, or for two leases."""
    bot.may_end.clear()
    async with bot.another_process() as dead:
        for number in range(3):
            await dead.put(f"{number}", distinct(number))
        for number in range(4):
            bot.time.advance(LEASE * bool(number))
            for _ in range(3):
                await taken(dead)
        async with bot.receiver:
            await deliver(bot.receiver, distinct(9))
            await bot.time.pass_(LEASE + 1)
            await until(lambda: bot.states().count("running") == 2)
            assert bot.started == ["MESSAGE-9"]
            if not hangs:
                bot.may_end.set()
                bot.may_end.clear()
            while bot.started == ["MESSAGE-9"]:
                await idle_loop()
                if hangs:
                    let_pass(LEASE)
            assert bot.started == ["MESSAGE-9", "MESSAGE-0"]
            await bot.time.pass_(2 * LEASE - 2)
            assert len(bot.started) == 2
            while len(bot.started) == 2:
                await bot.time.pass_(1)
                let_pass(LEASE)
            assert bot.started[2:] == ["MESSAGE-1"]
            bot.may_end.set()
            while bot.states():
                await bot.time.pass_(1)
                let_pass(LEASE)

    assert sorted(bot.done) == ["MESSAGE-0", "MESSAGE-1", "MESSAGE-2", "MESSAGE-9"]


@pytest.mark.parametrize(("expiries", "broken"), [(4, "put"), (6, "put"), (6, "recall")])
async def test_expired_leases_are_no_failures(make: Make, expiries: int, broken: str) -> None:
    """They leave all attempts, however many expired before it ran alone, and with a full disk."""
    bot = make(attempts=2)
    bot.errors = [RuntimeError()]
    async with bot.another_process() as dead:
        await dead.put("key", distinct(1))
        for _ in range(expiries):
            await taken(dead)
            bot.time.advance(LEASE)
        with failing(bot.inbox, broken):
            async with bot.receiver:
                await bot.waits_again()
                await bot.time.pass_(1)
                await until(lambda: bot.done == ["MESSAGE-1"])


async def test_a_lease_is_renewed(bot: InboxBot, caplog: Log) -> None:
    """While a handler runs, nobody takes over; if it runs for very long, a warning says so."""
    async with bot.another_process() as other, bot.receiver:
        await bot.begins(1)
        for _ in range(10):
            assert "does it hang" not in caplog.text
            await bot.time.pass_(LEASE / 3)
            assert await other.take() is None
        await until(lambda: "does it hang" in caplog.text)
        await bot.end()

    assert "messages created MESSAGE-1 of webhook WEBHOOK has been running for 60 s" in caplog.text
    assert bot.started == ["MESSAGE-1"]


@pytest.mark.parametrize("expiries", [0, 4])
async def test_who_lost_a_lease_does_not_complete(
    bot: InboxBot, caplog: Log, expiries: int
) -> None:
    """A process that was stopped for so long changes nothing of it, and goes on with others."""
    bot.may_end.clear()
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(bot.another_process())
        await other.put("key", distinct(1))
        for _ in range(expiries):
            await taken(other)
            bot.time.advance(LEASE)
        await stack.enter_async_context(bot.receiver)
        await until(lambda: bot.started == ["MESSAGE-1"])
        await bot.time.pass_(0)
        bot.time.seconds += LEASE  # nothing wakes up meanwhile
        entry = await taken(other)
        bot.time.advance(0)
        await until(lambda: "twice: does a handler block the event loop?" in caplog.text)
        await deliver(bot.receiver, distinct(2))
        await until(lambda: bot.started == ["MESSAGE-1", "MESSAGE-2"])
        bot.may_end.set()
        await until(lambda: caplog.text.count("may be handled twice") == 2)
        await until(lambda: len(bot.states()) == 1)

        assert bot.done == ["MESSAGE-1", "MESSAGE-2"]
        assert bot.states() == ["running"]
        assert await other.complete(entry) is True


async def test_a_lease_that_is_lost_and_comes_back(bot: InboxBot, caplog: Log) -> None:
    """What another process took over, and lost itself, is completed by the one that began it."""
    async with bot.another_process() as other, bot.receiver:
        await bot.begins(1)
        await bot.time.pass_(0)
        bot.time.seconds += LEASE  # nothing wakes up meanwhile
        await taken(other)
        bot.time.advance(0)
        await until(lambda: "may be handled twice" in caplog.text)
        await bot.time.pass_(LEASE + 1)
        await until(lambda: bot.states() == ["running"])
        await bot.time.pass_(2 * LEASE)
        assert bot.states() == ["running"]
        await bot.end()

    assert bot.done == ["MESSAGE-1"]
    assert caplog.text.count("may be handled twice") == 1


async def test_a_lease_that_can_not_be_renewed(bot: InboxBot, caplog: Log) -> None:
    """A renewal that fails is logged, and tried again before the lease expires."""
    async with bot.receiver:
        with failing(bot.inbox, "renew"):
            await bot.begins(1)
            await bot.time.pass_(LEASE / 3)
            await until(lambda: "can't be renewed: OSError: the disk is full" in caplog.text)
        await bot.time.pass_(LEASE / 3)
        bot.time.seconds += LEASE - 1
        async with bot.another_process() as other:
            assert await other.take() is None
        bot.may_end.set()


async def test_a_lease_is_not_renewed_while_its_end_is_recorded(bot: InboxBot, caplog: Log) -> None:
    """A completion that takes long isn't taken for a lease that somebody else has."""
    goes_on, complete = asyncio.Event(), bot.inbox.complete

    async def slowly(entry: InboxEntry) -> bool:
        await goes_on.wait()
        return await complete(entry)

    async with bot.receiver:
        with patch.object(bot.inbox, "complete", slowly), patch.object(bot.inbox, "renew") as renew:
            await bot.handles(1)
            await bot.time.pass_(LEASE / 3)
            goes_on.set()
            await until(lambda: bot.states() == [])
            renew.assert_not_called()

    assert "lost its lease" not in caplog.text


async def test_duplicates(make: Make) -> None:
    """A copy counts as one while the first waits, runs or has failed, and long after."""
    bot = make(attempts=1)
    bot.may_end.clear()
    bot.errors = [RuntimeError()]
    async with bot.receiver:
        for _ in range(2):
            assert await deliver(bot.receiver, distinct(1)) == 204
        bot.may_end.set()
        await until(lambda: bot.states() == ["failed"])
        bot.time.seconds += 2 * KEEP
        assert await deliver(bot.receiver, distinct(1)) == 204
        await bot.handles(2)
        await until(lambda: bot.states() == ["failed"])
        bot.time.seconds += KEEP - 1
        assert await deliver(bot.receiver, distinct(2)) == 204
        assert bot.states() == ["failed"]
        bot.time.seconds += 1
        assert await deliver(bot.receiver, distinct(2)) == 204
        await until(lambda: bot.done == ["MESSAGE-2", "MESSAGE-2"])


async def test_the_end_of_the_lifespan(make: Make) -> None:
    """At the end what runs is finished, what waits stays, and neither lease nor lock is left."""
    bot = make(max_pending=1)
    bot.may_end.clear()
    conversation = Conversation({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    ending = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if len(conversation.unread) == 1:
            await ending.wait()
        return await conversation.receive()

    serving = asyncio.create_task(bot.receiver({"type": "lifespan"}, receive, conversation.send))
    await until(lambda: conversation.sent == [{"type": "lifespan.startup.complete"}])
    await deliver(bot.receiver, distinct(1))
    await deliver(bot.receiver, distinct(2))
    await until(lambda: bot.states() == ["running", "waiting"])
    await until(lambda: bot.started == ["MESSAGE-1"])
    ending.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await deliver(bot.receiver, distinct(3)) == 503
    bot.may_end.set()
    await serving

    assert conversation.sent[1:] == [{"type": "lifespan.shutdown.complete"}]
    assert bot.done == ["MESSAGE-1"]
    assert bot.states() == ["waiting"]
    assert [each.name for each in bot.path.parent.iterdir()] == ["inbox.db"]
    async with bot.receiver:
        await until(lambda: bot.done == ["MESSAGE-1", "MESSAGE-2"])


@pytest.mark.parametrize("expiries", [0, 4])
async def test_what_is_taken_and_not_begun_at_the_end(bot: InboxBot, expiries: int) -> None:
    """It is given back at once: another process begins it without waiting for a lease."""
    take, may_give = bot.inbox.take, asyncio.Event()

    async def take_slowly() -> InboxEntry | None:
        entry = await take()
        await may_give.wait()
        return entry

    async with bot.another_process() as other, bot.receiver:
        await bot.time.pass_(0)  # until it waits for more
        await other.put("key", distinct(1))
        for _ in range(expiries):
            await taken(other)
            bot.time.seconds += LEASE
        with patch.object(bot.inbox, "take", take_slowly):
            bot.time.advance(1)
            await until(lambda: bot.states() == ["running"])
            ending = asyncio.create_task(bot.receiver.aclose())
            await asyncio.wait({ending}, timeout=0)
            may_give.set()
            await ending

        assert (bot.started, bot.states()) == ([], ["waiting"])
        entry = await taken(other)
        assert (entry.failures, entry.expiries, entry.releases) == (0, expiries, 1)


async def test_what_is_taken_before_the_response_to_its_release(bot: InboxBot) -> None:
    """It begins as soon as the response is there, not when the lease that nobody uses has ended."""
    bot.errors = [RuntimeError("the first attempt")]
    fail, taken_again = bot.inbox.fail, asyncio.Event()

    async def respond_late(entry: InboxEntry, *, error: str, **_: object) -> bool:
        failed = await fail(entry, error=error, retry_in=0.0)
        await taken_again.wait()
        return failed

    async with bot.receiver:
        with patch.object(bot.inbox, "fail", respond_late):
            await deliver(bot.receiver, distinct(1))
            await until(lambda: bot.errors_reported != [] and bot.states() == ["waiting"])
            await bot.time.pass_(1)
            await until(lambda: bot.states() == ["running"])
            taken_again.set()
            await until(lambda: bot.states() == [])

    assert bot.done == ["MESSAGE-1"]


async def test_what_takes_the_place_of_one_that_runs(bot: InboxBot) -> None:
    """A successor is worked on for itself, also if it is taken before the other one has ended."""
    complete, taken_next = bot.inbox.complete, asyncio.Event()

    async def respond_late(entry: InboxEntry) -> bool:
        completed = await complete(entry)
        await taken_next.wait()
        return completed

    bot.may_end.clear()
    async with bot.receiver:
        with patch.object(bot.inbox, "complete", respond_late):
            await bot.inbox.put("key", distinct(1))
            await bot.time.pass_(1)
            await until(lambda: bot.started == ["MESSAGE-1"])
            await bot.inbox.put("key", distinct(2), replace=True)
            bot.may_end.set()
            await until(lambda: bot.states() == ["waiting"])
            await bot.time.pass_(1)
            await until(lambda: bot.done == ["MESSAGE-1", "MESSAGE-2"])
            taken_next.set()
            await until(lambda: bot.states() == [])


@pytest.mark.parametrize("looks", [True, False])
async def test_what_waits_to_run_alone_at_the_end(make: Make, *, looks: bool) -> None:
    """It is given back, also while its records are read; what it waits for goes on to its end."""
    bot = make(lease=3600)  # for which it would wait
    recall, looking, closing_has_begun = bot.inbox.recall, asyncio.Event(), asyncio.Event()

    async def look(entry: InboxEntry, name: str) -> bytes | None:
        found = await recall(entry, name)
        looking.set()
        if looks:
            await closing_has_begun.wait()
        return found

    async with bot.another_process() as other, bot.receiver:
        await bot.begins(1)
        await bot.time.pass_(0)  # until it has found nothing else
        await other.put("killer", distinct(2))
        for _ in range(4):
            entry = await taken(other)
            with closing(sqlite3.connect(bot.path)) as file, file:
                file.execute(EXPIRE, (entry.key,))
        with patch.object(bot.inbox, "recall", look):
            await bot.time.pass_(1)
            await until(looking.is_set)
            assert bot.states() == ["running", "running"]
            await idle_loop()
            ending = asyncio.create_task(bot.receiver.aclose())
            await idle_loop()
            closing_has_begun.set()
            await until(lambda: bot.states() == ["running", "waiting"])
        bot.may_end.set()
        await ending

    assert bot.done == ["MESSAGE-1"]


EXPIRE = "UPDATE webex_notifications SET due = 0 WHERE key = ?"


async def test_a_jump_of_the_clock(bot: InboxBot, caplog: Log) -> None:
    """What a process has under way isn't begun again, and is completed with its new lease."""
    async with bot.another_process() as other, bot.receiver:
        await bot.begins(1)
        await bot.time.pass_(0)
        bot.time.seconds += 10 * LEASE  # nobody who sleeps wakes
        await deliver(bot.receiver, distinct(2))  # it takes both
        await until(lambda: bot.started == ["MESSAGE-1", "MESSAGE-2"])
        bot.time.advance(0)
        await bot.time.pass_(LEASE)
        assert await other.take() is None
        await bot.end()

    assert bot.started == bot.done == ["MESSAGE-1", "MESSAGE-2"]
    assert caplog.records == []


async def test_before_the_start_and_after_the_end(bot: InboxBot, caplog: Log) -> None:
    """Outside of its lifespan, the receiver stores nothing, and an error says what to enter."""
    assert await deliver(bot.receiver, distinct(1)) == 503
    await bot.receiver.aclose()
    async with bot.receiver:
        pass
    assert await deliver(bot.receiver, distinct(1)) == 503

    assert bot.states() == []
    messages = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    expected = (
        "refused a request: the receiver isn't running: its inbox and its lifespan are open "
        "while the server runs its ASGI lifespan, or inside of `async with receiver:`"
    )
    assert messages == [expected, expected]


def test_loops_one_after_another(bot: InboxBot) -> None:
    """A receiver with an inbox works in event loops one after another."""

    async def run(number: int) -> None:
        await bot.receiver.aclose()
        async with bot.receiver:
            await deliver(bot.receiver, distinct(number))
            await until(lambda: len(bot.done) == number)
            await bot.time.pass_(0)  # until it waits for more
            await deliver(bot.receiver, distinct(number + 1))
            await until(lambda: len(bot.done) == number + 1)

    for number in (1, 3):
        asyncio.run(run(number))
    assert bot.done == [f"MESSAGE-{number}" for number in range(1, 5)]


def test_a_loop_that_is_closed_before_the_end(bot: InboxBot) -> None:
    """The end, in another loop, doesn't wait for what was in that one, and can be started again."""

    async def start() -> None:
        await bot.receiver.start()
        await bot.time.pass_(0)  # until it waits for more

    async def run() -> None:
        await bot.receiver.aclose()
        async with bot.receiver:
            await bot.handles(1)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(start())
    loop.close()
    asyncio.run(run())


async def test_two_receivers_with_one_inbox(bot: InboxBot) -> None:
    """They share the work; when one of them ends, the other one goes on."""
    other = Receiver(SECRET, inbox=bot.inbox)
    other.on(Resource.MESSAGES)(bot.run)
    async with other:
        async with bot.receiver:
            await bot.handles(1)
        assert await deliver(other, distinct(2)) == 204
        await until(lambda: bot.done == ["MESSAGE-1", "MESSAGE-2"])


async def test_a_start_that_fails(tmp_path: Path) -> None:
    """If the file can't be used, it is closed, and the server learns why, and doesn't start."""
    path = tmp_path / "inbox.db"
    inbox = SQLiteInbox(path)
    path.mkdir()
    receiver = Receiver(SECRET, inbox=inbox)
    conversation = Conversation({"type": "lifespan.startup"})
    with patch.object(inbox, "aclose", wraps=inbox.aclose) as closing_it:
        await receiver({"type": "lifespan"}, conversation.receive, conversation.send)

    closing_it.assert_awaited_once()
    (sent,) = conversation.sent
    assert sent["type"] == "lifespan.startup.failed"
    assert f"{path} is not a file" in sent["message"]
    assert await deliver(receiver) == 503


async def test_a_start_while_the_database_is_down(bot: InboxBot, caplog: Log) -> None:
    """A receiver starts beside a database that can't be reached, and works when it can be."""
    down = ConnectionError("no route to the database")
    with patch.object(bot.inbox, "take", side_effect=down):
        await bot.receiver.__aenter__()
    assert "the inbox can't be read: ConnectionError: no route to the database" in caplog.text
    await bot.handles(1)
    await bot.receiver.aclose()


async def test_an_inbox_that_can_not_store(bot: InboxBot, caplog: Log) -> None:
    """What can't be stored gets 503, and the log says why; when it can be, it is."""
    async with bot.receiver:
        with failing(bot.inbox, "put"):
            assert await deliver(bot.receiver, distinct(1)) == 503
        assert "MESSAGE-1 of webhook WEBHOOK is not stored: the inbox failed" in caplog.text
        await bot.handles(1)


@pytest.mark.parametrize(
    ("method", "message"), [("take", "the inbox can't be read"), ("complete", "can't be recorded")]
)
async def test_an_inbox_that_is_out_of_order_for_a_while(
    bot: InboxBot, caplog: Log, method: str, message: str
) -> None:
    """That is logged, and tried again every second; what was handled doesn't run again."""
    async with bot.receiver:
        with failing(bot.inbox, method):
            await deliver(bot.receiver, distinct(1))
            await until(lambda: f"{message}: OSError: the disk is full" in caplog.text)
        await bot.time.pass_(1)
        await until(lambda: bot.states() == [])

    assert bot.started == bot.done == ["MESSAGE-1"]


@pytest.mark.parametrize("begins", ["before", "after"])
async def test_an_outcome_that_is_never_recorded(bot: InboxBot, caplog: Log, begins: str) -> None:
    """The end tries for five seconds to record it; the log says what it means if that fails."""
    bot.may_end.clear()
    failed = "the outcome of messages created MESSAGE-1 of webhook WEBHOOK can't be recorded: OSErr"
    async with bot.receiver:
        await bot.begins(1)
        with failing(bot.inbox, "complete"):
            if begins == "before":
                bot.may_end.set()
                await until(lambda: failed in caplog.text)
            ending = asyncio.create_task(bot.receiver.aclose())
            await asyncio.wait({ending}, timeout=0)
            bot.may_end.set()
            await until(lambda: failed in caplog.text)
            bot.time.advance(1)
            await until(lambda: caplog.text.count(failed) >= 2)
            let_pass(5)
            await ending

    assert "MESSAGE-1 of webhook WEBHOOK will be handled again: the receiver ends" in caplog.text
    assert bot.states() == ["running"]


async def test_an_outcome_that_is_recorded_at_the_end(bot: InboxBot) -> None:
    """The end waits for an inbox that is out of order for a moment."""
    async with bot.receiver:
        await bot.begins(1)
        with failing(bot.inbox, "complete") as complete:
            bot.may_end.set()
            await until(lambda: complete.called)
            ending = asyncio.create_task(bot.receiver.aclose())
            await asyncio.wait({ending}, timeout=0)
        bot.time.advance(1)
        await ending

    assert bot.states() == []


@pytest.mark.parametrize(
    "address",
    [
        "ann.smith@example.com",
        "ann.smith%40example.com",
        r"ann.smith\u0040example.com",
        "ann.smith&#64;example.com",
        '"ann smith"@example.com',
    ],
)
async def test_an_error_is_stored_without_addresses(make: Make, address: str) -> None:
    """What `inbox list` shows of an error is one line, not too long, without what is private."""
    bot = make(attempts=1)
    text = f"no room of <{address}> of {SECRET}\n".ljust(475, "x")
    bot.errors = [ValueError(f"{text} {address} {'x' * 1000}")]
    async with bot.receiver:
        await bot.fails("failed")

    (error,) = bot.errors_stored()
    assert error is not None
    assert error.startswith("ValueError: no room of <...@...> of ***\\nxxx")
    assert "ann" not in error
    assert len(error) <= 500


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"attempts": 0}, "ValueError: attempts must be at least 1, got 0"),
        ({"attempts": 5, "inbox": None}, "ValueError: attempts needs an inbox, because only what"),
        ({"respond_within": None}, "ValueError: an inbox takes the place of respond_within: l"),
        ({"inbox": "i.db"}, "TypeError: inbox must be an Inbox: write SQLiteInbox('i.db')"),
        (
            {"inbox": "postgresql://bot:canary@db.example.com/bot"},
            "TypeError: inbox must be an Inbox, got a URL that begins with 'postgresql:': write",
        ),
        (
            {"inbox": "host=db password=canary"},
            "TypeError: inbox must be an Inbox, got a conninfo: write PostgresInbox(...) around it",
        ),
        ({"inbox": SQLiteInbox}, "TypeError: inbox must be Inbox, got the class SQLiteInbox: pas"),
    ],
)
def test_wrong_arguments(tmp_path: Path, options: dict[str, Any], error: str) -> None:
    """What can't be is refused, and named: an inbox is what remembers."""
    options = {"inbox": SQLiteInbox(tmp_path / "inbox.db"), **options}
    with refused(error):
        Receiver(SECRET, **options)


async def test_claims(make: Make) -> None:
    """Of all receivers that share an inbox, one is the first; of one without, it is itself."""
    bot, other = make(), make()
    with pytest.raises(RuntimeError, match="the receiver isn't running"):
        await bot.receiver.claim("report", 60)
    async with bot.receiver, other.receiver:
        await bot.inbox.put("claim:report", distinct(1), after=1e9)
        results = [await each.receiver.claim("report", 60) for each in (bot, other, bot)]
        bot.time.seconds += 60
        results.append(await other.receiver.claim("report", 60))
        with failing(bot.inbox, "claim"), pytest.raises(OSError, match="full"):
            await bot.receiver.claim("report", 60)
        for name, seconds in (("", 1.0), ("report", 0.0), ("report", float("inf"))):
            with pytest.raises(ValueError, match=r"is empty|must be a positive number of seconds"):
                await bot.receiver.claim(name, seconds)
    with pytest.raises(RuntimeError, match="the receiver isn't running"):
        await bot.receiver.claim("report", 60)
    alone = Receiver(SECRET)

    assert results == [True, False, False, True]
    assert [await alone.claim("report", 60) for _ in range(2)] == [True, False]


async def test_a_claim_of_the_last_handler(make: Make) -> None:
    """A handler that is waited for at the end claims as before."""
    bot, begun, release = make(), asyncio.Event(), asyncio.Event()
    claimed: list[bool] = []

    @bot.receiver.on(Resource.MESSAGES)
    async def handle(_: Notification[Any]) -> None:
        begun.set()
        await release.wait()
        claimed.append(await bot.receiver.claim("report", 60))

    async with bot.receiver:
        await deliver(bot.receiver)
        await begun.wait()
        closing = asyncio.create_task(bot.receiver.aclose())
        await asyncio.sleep(0)
        release.set()
        await closing
    assert claimed == [True]


async def test_claims_of_an_inbox_that_has_a_length(tmp_path: Path) -> None:
    """An inbox of one's own has the claims also while it is empty, and so false."""

    class Sized(SQLiteInbox):
        def __len__(self) -> int:
            return 0

    receivers = [Receiver(SECRET, inbox=Sized(tmp_path / "inbox.db")) for _ in range(2)]
    async with receivers[0], receivers[1]:
        assert [await each.claim("report", 60) for each in receivers] == [True, False]


def test_what_is_no_inbox() -> None:
    """What doesn't inherit from the base class is refused, and what lacks a method isn't made."""
    with pytest.raises(TypeError, match=r"^inbox must inherit from Inbox, and Mock does"):
        Receiver(SECRET, inbox=Mock())
    made: Any = type("Own", (Inbox,), {})
    with pytest.raises(TypeError, match=r"claim.*unfinished"):
        made()
