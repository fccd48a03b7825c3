"""Work that a bot gives itself."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from attrs import frozen

from tests.bot.doubles import SECRET, URL, Webex, ignore, noting
from tests.bot.talking import Talk
from tests.support.clocks import START, Time, timed
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import until
from webex_webhooks_async import (
    Bot,
    BotRouter,
    Client,
    Context,
    GiveUpError,
    JobContext,
    MessageContext,
    NewWebhook,
    Notification,
    Person,
    Receiver,
    SQLiteInbox,
    attempt,
    once,
    parse_unverified_notification,
    sign,
)
from webex_webhooks_async.handling import failures
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import CallNext

pytestmark = pytest.mark.once


@frozen
class Order:
    dish: str


class Jobs(Talk):
    """A bot with an inbox, and a job that notes what it gets, and fails as often as it should."""

    def __init__(self, webex: Webex, path: Path, time: Time) -> None:
        self.values: list[Any] = []
        self.failures: list[Exception] = []
        super().__init__(webex, path, time)

    def replica(self, **options: Any) -> Bot:  # noqa: ANN401 - any option
        bot = super().replica(**options)
        bot.job("remind")(self.remind)
        bot.on("memberships")(ignore)  # so that there is a webhook
        return bot

    async def remind(self, context: JobContext) -> None:
        self.values.append(context.value)
        await context.send("Lunch!", to_person_email="ann@example.com")
        if self.failures:
            raise self.failures.pop(0)

    async def work(self, name: str, value: object, **options: Any) -> None:  # noqa: ANN401 - any option
        """Enqueue a job, and wait until everything is completed."""
        assert await self.bot.enqueue(name, value, **options)
        await self.settle()


@pytest.fixture
def jobs(talk: Talk) -> Jobs:
    """A bot with a job."""
    return Jobs(talk.webex, talk.path, talk.time)


async def test_a_job(jobs: Jobs) -> None:
    """It is stored, gets its value as JSON gives it back, may be due later, and may ask."""
    async with jobs.running():
        await jobs.work("remind", {"order": Order("Pasta"), "at": (1, 2)})
        assert await jobs.bot.enqueue("remind", None, after=60, key="later", line="a line") is True
        (waiting,) = jobs.stored
        await jobs.time.pass_(59)
        assert len(jobs.values) == 1
        await jobs.time.pass_(1)
        await jobs.settle()

    assert jobs.values == [{"order": {"dish": "Pasta"}, "at": [1, 2]}, None]
    assert jobs.webex.texts == ["Lunch!", "Lunch!"]
    resources = [each.resource for each in jobs.webex.sandbox.webhooks]
    assert resources == ["memberships", "messages", "attachmentActions"]
    assert waiting.key.startswith("job:")
    shown = (waiting.resource, waiting.event, waiting.data_id, waiting.line)
    assert shown == ("jobs", "remind", "later", "a line")


async def test_what_a_job_knows(jobs: Jobs) -> None:
    """Its key, and the time for which it was enqueued, also when it runs again; and its route."""
    known: list[object] = []
    jobs.webex.bots = timed(Bot, clock=jobs.time, sleep=jobs.time.sleep)
    bot = jobs.replica()

    @bot.job("look")
    async def look(context: JobContext) -> None:
        known.append((context.route, context.key, context.due, context.age))
        message = await context.send("Hello", to_person_email="ann@example.com")
        await context.edit(message, "Goodbye")
        await context.delete(message)
        if len(known) == 1:
            raise KeyError("x")

    async with jobs.running(bot):
        await bot.enqueue("look", 1, key="k", after=timedelta(seconds=2))
        await jobs.time.pass_(2)
        await until(lambda: [each.failures for each in jobs.stored] == [1])
        await jobs.time.pass_(1)
        await jobs.settle()

    due = START + timedelta(seconds=2)
    assert known == [("job look", "k", due, 0.0), ("job look", "k", due, 1.0)]
    assert jobs.webex.texts == []


async def test_the_time(jobs: Jobs) -> None:
    """`context.now` is in UTC: by the clock of the inbox, or of the machine without one."""
    bot, known = jobs.webex.bot(), list[datetime]()

    @jobs.bot.job("look")
    @bot.message()
    async def look(context: Context) -> None:
        known.append(await context.now())

    async with jobs.running():
        await jobs.work("look", 1)
    before = datetime.now(UTC)
    async with jobs.running(bot):
        await jobs.webex.sandbox.say("Hello")
    known.append(await Context(client=jobs.webex.client, me=Person(id="p")).now())

    assert known[0] == datetime.fromtimestamp(jobs.time.now_in_seconds(), UTC)
    assert before <= known[1] <= known[2] <= datetime.now(UTC)
    assert {each.tzinfo for each in known} == {UTC}


async def test_nothing_but_jobs(webex: Webex, jobs: Jobs, caplog: Log) -> None:
    """A bot that has only jobs starts without a URL, and leaves the webhooks alone."""
    new = NewWebhook(name="bot:rooms:all", target_url=URL, resource="rooms", event="all")
    await webex.client.webhooks.create(new)
    bot = webex.bot(target_url=None, inbox=SQLiteInbox(jobs.path))
    bot.job("remind")(ignore)
    async with bot:
        assert bot.is_ready

    assert [each.name for each in webex.sandbox.webhooks] == ["bot:rooms:all"]
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_a_job_that_fails(jobs: Jobs, caplog: Log) -> None:
    """It runs again, is reported, and says nothing twice, until a `GiveUpError` ends that."""
    jobs.failures = [KeyError("x"), GiveUpError("no such room")]
    async with jobs.running():
        await jobs.bot.enqueue("remind", 1)
        await until(lambda: [each.failures for each in jobs.stored] == [1])
        await jobs.time.pass_(1)
        await jobs.settle("failed")

    assert jobs.values == [1, 1]
    assert jobs.webex.texts == ["Lunch!"]
    assert [str(each) for each in jobs.errors] == ["'x'", "no such room"]
    assert "a handler of jobs remind failed: attempt 1 of 5, again in 1 s" in caplog.text
    assert jobs.stored[0].error == "GiveUpError: no such room"


async def test_a_job_with_attempts_of_its_own(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, caplog: Log
) -> None:
    """`attempts` of the registration counts, and pauses are longer by up to a quarter."""
    monkeypatch.setattr(failures, "_random", lambda: 1.0)
    bot = jobs.replica()
    numbers: list[tuple[int, bool]] = []

    @bot.job("try", attempts=2)
    async def handler(_: JobContext) -> None:
        numbers.append((attempt().number, attempt().is_last))
        raise KeyError("x")

    async with jobs.running(bot):
        await bot.enqueue("try", 1)
        await until(lambda: [each.failures for each in jobs.stored] == [1])
        await jobs.time.pass_(1)
        assert len(numbers) == 1
        await jobs.time.pass_(1)
        await jobs.settle("failed")

    assert numbers == [(1, False), (2, True)]
    assert "a handler of jobs try failed: attempt 1 of 2, again in 1.2 s" in caplog.text


async def test_handlers_that_run_again(jobs: Jobs) -> None:
    """What they enqueue again is stored once, and the result is that of the first time."""
    results: list[list[bool]] = []

    @jobs.bot.message()
    async def handler(context: MessageContext) -> None:
        names = ["Ann", "Bob", "Ann"]
        results.append([await context.enqueue("remind", name, after=3e9) for name in names])
        if len(results) < 3:
            raise KeyError("x")

    async with jobs.running():
        await jobs.webex.sandbox.say("Hello")
        for number in (1, 2):
            await until(lambda: 1 in {each.failures for each in jobs.stored} or number == 2)  # noqa: B023 - used at once
            await jobs.time.pass_(4)
        await until(lambda: len(results) == 3)
        await until(lambda: len(jobs.stored) == 3)
        await jobs.webex.sandbox.say("Hello")
        await until(lambda: len(jobs.stored) == 6)

    assert results == 4 * [3 * [True]]


async def test_a_job_that_is_moved(jobs: Jobs) -> None:
    """With `replace` the new one takes the place of what is known, also of what has failed."""
    async with jobs.running():
        await jobs.bot.enqueue("remind", "old", key="k", after=2)
        assert not await jobs.bot.enqueue("remind", "ignored", key="k", after=1)
        at = datetime.fromtimestamp(jobs.time.now_in_seconds() + 4, UTC)
        assert await jobs.bot.enqueue("remind", "new", key="k", at=at, replace=True)
        await jobs.time.pass_(3)
        assert jobs.values == []
        await jobs.time.pass_(1)
        await jobs.settle()
        jobs.failures = [GiveUpError("no such room")]
        await jobs.bot.enqueue("remind", "once more", key="k", replace=True)
        await jobs.settle("failed")
        await jobs.work("remind", "again", key="k", after=0, replace=True)

    assert jobs.values == ["new", "once more", "again"]


async def test_a_job_that_is_withdrawn(jobs: Jobs) -> None:
    """It never runs, and its key is free; what isn't there, or runs, is nothing to remove."""
    results: list[bool] = []

    @jobs.bot.job("stop")
    async def stop(context: JobContext) -> None:
        results.append(await context.cancel("stop", key="me"))

    async with jobs.running():
        await jobs.bot.enqueue("remind", 1, key="k", after=1)
        results += [await jobs.bot.cancel("remind", key="k") for _ in range(2)]
        await jobs.time.pass_(2)
        results.append(await jobs.bot.enqueue("remind", 2, key="k"))
        await jobs.settle()
        await jobs.work("stop", None, key="me")
        results.append(await jobs.bot.cancel("never registered", key="k"))

    assert jobs.values == [2]
    assert results == [True, False, True, False, False]


async def test_a_successor(jobs: Jobs) -> None:
    """A job that replaces itself runs once more when it has ended; a later one takes its place."""
    ran: list[int] = []
    results: list[bool] = []

    @jobs.bot.job("count")
    async def count(context: JobContext) -> None:
        ran.append(context.value)
        with refused("ValueError: this job has the key 'k' itself, so nothing would be stored"):
            await context.enqueue("count", 0, key="k")
        if context.value == 1:
            results.extend(
                [
                    await context.enqueue("count", 2, key="k", replace=True),
                    await context.enqueue("count", 3, key="k", replace=True, after=1),
                ]
            )
        if context.value == 3:
            await context.enqueue("count", 4, key="k", replace=True)
            results.append(await context.cancel("count", key="k"))

    async with jobs.running():
        await jobs.bot.enqueue("count", 1, key="k")
        await jobs.settle("scheduled")
        await jobs.time.pass_(1)
        await jobs.settle()

    assert ran == [1, 3]
    assert results == [True, True, True]


async def test_what_a_handler_has_moved_and_withdrawn(jobs: Jobs) -> None:
    """A handler that runs again doesn't do it again; the calls return what they returned."""
    results: list[list[bool]] = []

    @jobs.bot.message()
    async def handler(context: MessageContext) -> None:
        results.append(
            [
                await context.enqueue("remind", len(results), key="k", replace=True, after=3e9),
                await context.cancel("remind", key="other"),
            ]
        )
        if len(results) == 1:
            raise KeyError("x")

    async with jobs.running():
        await jobs.bot.enqueue("remind", "other", key="other", after=3e9)
        await jobs.webex.sandbox.say("Hello")
        await until(lambda: 1 in {each.failures for each in jobs.stored})
        assert await jobs.bot.cancel("remind", key="k")
        await jobs.time.pass_(1)
        await jobs.settle()

    assert results == [[True, True], [True, True]]


async def test_a_test_of_a_job_that_fails(jobs: Jobs) -> None:
    """The sandbox raises what a job raises that a handler has enqueued."""
    jobs.webex.sandbox.raise_handler_errors = True
    jobs.failures = [KeyError("x"), KeyError("y")]

    @jobs.bot.message()
    async def handler(context: MessageContext) -> None:
        await context.enqueue("remind", 1, key=context.text)

    async with jobs.running():
        for word in "xy":
            await jobs.webex.sandbox.say(word)
            assert (await jobs.webex.sandbox.next_reply()).text == "Lunch!"
            with pytest.raises(KeyError, match=word):
                await jobs.webex.sandbox.next_reply()


async def test_a_job_within_a_transaction(jobs: Jobs) -> None:
    """It is there once if it is a part of the transaction of `once`; else it is an error there."""
    calls = 0

    @asynccontextmanager
    async def transaction() -> AsyncGenerator[aiosqlite.Connection]:
        async with aiosqlite.connect(jobs.path) as connection:
            yield connection
            await connection.commit()

    @jobs.bot.message()
    async def handler(context: MessageContext) -> None:
        async def call(connection: aiosqlite.Connection) -> None:
            nonlocal calls
            calls += 1
            with pytest.raises(RuntimeError, match=r"don't enqueue .* or pass transaction="):
                await context.enqueue("remind", 1)
            with pytest.raises(RuntimeError, match="don't cancel a job within"):
                await context.cancel("remind", key="k")
            assert await context.enqueue("remind", 2, key="k", transaction=connection)
            assert await context.cancel("remind", key="k", transaction=connection)
            assert await context.enqueue("remind", 3, transaction=connection)
            if attempt().number == 1:
                raise KeyError("it is rolled back")

        await once("order", call, within=transaction)
        if attempt().number == 2:
            raise KeyError("it was committed")

    async with jobs.running():
        await jobs.webex.sandbox.say("Hello")
        await until(lambda: [each.failures for each in jobs.stored] == [1])
        await jobs.time.pass_(1)
        await until(lambda: 2 in {each.failures for each in jobs.stored})
        await jobs.time.pass_(5)
        await jobs.settle()

    assert (calls, jobs.values) == (2, [3])


async def test_what_is_enqueued_elsewhere(jobs: Jobs) -> None:
    """Outside of a handler each is another job; under a key, it is stored once for its name."""
    jobs.bot.job("other")(jobs.remind)
    async with jobs.running():
        each_new = [await jobs.bot.enqueue("remind", 1, after=60) for _ in range(2)]
        same = [await jobs.bot.enqueue("remind", n, key="k", after=60) for n in range(2)]
        other = await jobs.bot.enqueue("other", 1, key="k", after=60)

    assert (each_new, same, other) == ([True, True], [True, False], True)


async def test_a_notification_from_a_task_queue(jobs: Jobs) -> None:
    """What is dispatched a second time enqueues the same jobs."""

    @jobs.bot.on("rooms")
    async def handler(notification: Notification[Any]) -> None:
        await jobs.bot.enqueue("remind", notification.data.id, after=60)

    notification = parse_unverified_notification(sample_notification("rooms", "created"))
    async with jobs.running():
        for _ in range(2):
            await jobs.bot.dispatch(notification)

        assert len(jobs.stored) == 1


async def test_a_call_that_fails_is_made_again(jobs: Jobs) -> None:
    """A job whose store failed is the same one when it is enqueued again at once."""
    results: list[bool] = []

    @jobs.bot.message()
    async def handler(context: MessageContext) -> None:
        if not results:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(SQLiteInbox, "put", broken)
                with pytest.raises(OSError, match="full"):
                    await context.enqueue("remind", 1, after=60)
        results.append(await context.enqueue("remind", 1, after=60))
        if len(results) == 1:
            raise KeyError("x")

    async with jobs.running():
        await jobs.webex.sandbox.say("Hello")
        while len(results) < 2:
            await jobs.time.pass_(1)

    assert results == [True, True]
    assert len(jobs.stored) == 1


async def broken(*_: object, **__: object) -> bool:
    """Fail as an inbox on a full disk."""
    raise OSError("the disk is full")


async def test_a_receiver_beside_the_bot(jobs: Jobs, caplog: Log) -> None:
    """A `Receiver` that shares the inbox runs no job: it gives each back, for a bot that has it."""
    caplog.set_level(logging.INFO)
    async with jobs.running():
        await jobs.bot.enqueue("remind", 1, after=60)
    inbox = SQLiteInbox(jobs.path, clock=jobs.time.now_in_seconds)
    async with timed(Receiver, sleep=jobs.time.sleep)(SECRET, inbox=inbox):
        await jobs.time.pass_(60)
        await until(lambda: "jobs remind waits 30 s" in caplog.text)
    async with jobs.running():
        await jobs.time.pass_(30)
        await until(lambda: jobs.values == [1])


async def test_it_is_no_notification(jobs: Jobs) -> None:
    """Handlers of `on` and middleware don't see it, and what comes by HTTP is none."""
    seen: list[str] = []
    jobs.bot.on()(noting(seen, lambda notification: notification.id))
    jobs.bot.on("jobs")(noting(seen, lambda notification: notification.resource))

    @jobs.bot.middleware
    async def count(notification: Notification[Any], call_next: Any) -> None:  # noqa: ANN401 - CallNext
        seen.append("middleware")
        await call_next()

    body = sample_notification("rooms", "created").replace(b'"rooms"', b'"jobs"')
    body = body.replace(b'"created",', b'"remind",', 1)
    async with jobs.running():
        await jobs.bot.enqueue("remind", 1)
        await until(lambda: jobs.values == [1])
        await jobs.settle()
        assert seen == []
        assert await jobs.bot.handle(body, sign(body, SECRET)) == 204
        await until(lambda: jobs.stored == [] and len(seen) == 3)

    assert jobs.values == [1]


async def test_middleware_of_contexts_runs_around_it(jobs: Jobs, caplog: Log) -> None:
    """That of the bot and of the router of a job; the records about it have its route."""
    caplog.set_level(logging.INFO)
    trace: list[str] = []
    router = BotRouter()
    router.job("clean")(jobs.remind)
    jobs.bot.include(router)

    async def outer(context: Context, call_next: CallNext) -> None:
        trace.append(f"outer {context.route}")
        if context.route != "job remind":
            await call_next()

    async def inner(context: Context, call_next: CallNext) -> None:
        trace.append(f"inner {context.route}")
        await call_next()

    jobs.bot.context_middleware(outer)
    router.context_middleware(inner)
    async with jobs.running():
        for name in ("remind", "clean"):
            await jobs.work(name, name)

    assert trace == ["outer job remind", "outer job clean", "inner job clean"]
    assert jobs.values == ["clean"]
    handled = [each for each in caplog.records if "is handled" in each.getMessage()]
    assert [vars(each)["webex_route"] for each in handled] == ["job remind", "job clean"]


async def test_a_line(jobs: Jobs) -> None:
    """A job in the line of a person is handled after the messages before it."""
    order: list[str] = []
    bot = jobs.replica()

    @bot.message()
    async def handler(context: MessageContext) -> None:
        order.append(context.text)
        if context.text == "First":
            await context.enqueue("note", "job", line=context.person_id)
            await jobs.webex.sandbox.say("Second", room_id=context.room_id)
            order.append("ended")

    bot.job("note")(noting(order, lambda context: context.value))
    async with jobs.running(bot):
        await jobs.webex.sandbox.say("First")
        await until(lambda: len(order) == 4)

    assert order == ["First", "ended", "job", "Second"]


async def test_a_job_of_another_version(jobs: Jobs, caplog: Log) -> None:
    """It waits for a process that has its handler, and is kept as failed after ten minutes."""
    inbox = SQLiteInbox(jobs.path, clock=jobs.time.now_in_seconds)
    async with jobs.running():
        await jobs.bot.enqueue("remind", 1)
        await until(lambda: jobs.values == [1])
        await jobs.bot.enqueue("remind", 2, after=60)
    old = jobs.webex.bot(inbox=inbox)
    old.on("memberships")(ignore)
    jobs.time.seconds += 60
    async with jobs.running(old):
        for _ in range(20):
            await until(lambda: jobs.stored[0].due is not None and jobs.stored[0].holder is None)
            await jobs.time.pass_(30)
        await jobs.settle("failed")

    assert jobs.values == [1]
    assert jobs.stored[0].error == "LookupError: nothing is registered for it"
    assert "jobs remind is kept as failed: it has no matching handler" in caplog.text
    async with aclosing(inbox):
        await inbox.retry([jobs.stored[0].key])
    async with jobs.running(jobs.replica()):
        await until(lambda: jobs.values == [1, 2])


async def test_a_router(jobs: Jobs) -> None:
    """Jobs of an included router run; a name has one handler."""
    router = BotRouter()
    router.job("clean")(jobs.remind)
    jobs.bot.include(router)
    with refused("ValueError: two handlers are for the job 'clean': it runs one"):
        jobs.bot.job("clean")(jobs.remind)
    async with jobs.running():
        await jobs.bot.enqueue("clean", 1)
        await until(lambda: jobs.values == [1])


async def test_what_is_an_error_at_once(jobs: Jobs, webex: Webex, caplog: Log) -> None:
    """Without an inbox, before the start, with a wrong name, value, key, line or time."""
    caplog.set_level(logging.CRITICAL)
    without = webex.bot()
    for call in (without.enqueue("remind", 1), without.cancel("remind", key="k")):
        with pytest.raises(RuntimeError, match="jobs are in an inbox: pass one"):
            await call
    with pytest.raises(RuntimeError, match="the bot isn't running"):
        await jobs.bot.enqueue("remind", 1)
    async with webex.running(jobs.bot):
        for error, name, value, options in (
            ("ValueError: no job 'remin' is registered: write @bot.job('remin')", "remin", 1, {}),
            ("TypeError: the value of job 'remind' isn't JSON", "remind", float("nan"), {}),
            ("TypeError: $.a: JSON can't hold a value", "remind", {"a": object()}, {}),
            ("ValueError: key is empty", "remind", 1, {"key": ""}),
            ("TypeError: key must be str, got int", "remind", 1, {"key": 5}),
            ("ValueError: line is empty", "remind", 1, {"line": ""}),
            ("TypeError: line must be str, got int", "remind", 1, {"line": 1}),
            ("ValueError: after must be a number of seconds", "remind", 1, {"after": 10**400}),
            ("ValueError: after must be a number of seconds", "remind", 1, {"after": float("nan")}),
            ("ValueError: after must be a number of seconds", "remind", 1, {"after": 1e12}),
            ("TypeError: after must be float or int or timedelta", "remind", 1, {"after": "1"}),
            ("TypeError: at must be datetime, got str", "remind", 1, {"at": "2030-01-01"}),
            ("ValueError: at must have a", "remind", 1, {"at": START.replace(tzinfo=None)}),
            ("ValueError: at must be before the", "remind", 1, {"at": START.replace(year=9000)}),
            ("ValueError: after and at both say", "remind", 1, {"after": 1, "at": START}),
            ("ValueError: replace needs a key", "remind", 1, {"replace": True}),
            ("TypeError: replace must be True or False", "remind", 1, {"key": "k", "replace": 1}),
            ("TypeError: enqueue has no argument 'when'", "remind", 1, {"when": 1}),
        ):
            arguments: Any = options
            with refused(error):
                await jobs.bot.enqueue(name, value, **arguments)
        cancel: Any = jobs.bot.cancel
        for error, wrong_name, key in (
            ("ValueError: name is empty", "", "k"),
            ("TypeError: name must be str, got int", 1, "k"),
            ("ValueError: key is empty", "remind", ""),
            ("TypeError: key must be str, got NoneType", "remind", None),
        ):
            with refused(error):
                await cancel(wrong_name, key=key)

        assert jobs.stored == []
    me = await webex.client.get("people/me", into=Person)
    context = JobContext(client=webex.client, me=me, value=1)
    for call in (context.enqueue("remind", 1), context.cancel("remind", key="k")):
        with pytest.raises(RuntimeError, match="this context isn't of a bot"):
            await call


@pytest.mark.parametrize(
    ("name", "attempts", "handler", "error"),
    [
        (print, None, None, 'TypeError: job takes a name: write @bot.job("remind")'),
        ("", None, None, "ValueError: name is empty"),
        ("remind", None, print, "TypeError: a handler must be an async function"),
        ("remind", 0, ignore, "ValueError: attempts must be at least 1, got 0"),
        ("remind", 1.5, ignore, "TypeError: attempts must be int, got float"),
    ],
)
def test_what_can_not_be_registered(name: Any, attempts: Any, handler: Any, error: str) -> None:  # noqa: ANN401 - mistakes
    """The error says what to write."""
    with refused(error):
        BotRouter().job(name, attempts=attempts)(handler)


async def test_a_message_that_is_deleted_later(jobs: Jobs) -> None:
    """By a bot without a handler of jobs, also after a restart; the last call counts."""
    bot = jobs.webex.bot(inbox=SQLiteInbox(jobs.path, clock=jobs.time.now_in_seconds))

    @bot.message()
    async def handler(context: MessageContext) -> None:
        said = await context.reply("The code is 4711")
        await context.delete(said, after=timedelta(minutes=20))
        await bot.delete(said.id, after=60)

    async with jobs.running(bot):
        await jobs.webex.sandbox.say("Hello")
        await jobs.settle("scheduled")
        with refused("ValueError: after must be a number of seconds"):
            await bot.delete("M1", after=-1)
        with refused("ValueError: the id of the message is empty"):
            await bot.delete("", after=1)
    async with jobs.running(bot):
        await jobs.time.pass_(59)
        assert [each.text for each in jobs.webex.sandbox.messages] == ["Hello", "The code is 4711"]
        await jobs.time.pass_(1)
        await jobs.settle()

    assert [each.text for each in jobs.webex.sandbox.messages] == ["Hello"]


async def test_a_message_that_cannot_be_deleted_later(jobs: Jobs) -> None:
    """Without an inbox, that is an error which says what to pass."""
    async with jobs.webex.bot(target_url=None) as bot:
        with pytest.raises(RuntimeError, match="jobs are in an inbox: pass one"):
            await bot.delete("M1", after=1)


async def test_jobs_with_the_token_of_a_person(jobs: Jobs) -> None:
    """It hears every room: a job alone makes no webhooks, and can't ask; with a command it can."""
    webex = jobs.webex
    webex.client = Client("person:boss@example.com", http_client=webex.client.http_client)
    refusals: list[str] = []
    for resources in ([], ["messages", "attachmentActions"]):
        bot = webex.bot(inbox=SQLiteInbox(jobs.path, clock=jobs.time.now_in_seconds))

        @bot.job("ask")
        async def ask(context: JobContext) -> None:
            try:
                await context.ask("Yes?", to_person_email="ann@example.com", timeout=1)
            except RuntimeError as error:
                refusals.append(str(error))

        if resources:
            bot.command("hello")(ignore)
        async with webex.running(bot):
            assert [each.resource for each in webex.sandbox.webhooks] == resources
            await bot.enqueue("ask", None)
            await jobs.settle(*["asking"] * bool(resources))

    (refusal,) = refusals
    assert "a job alone makes no webhooks for answers: register a handler" in refusal
    assert webex.texts == ["Yes?"]
