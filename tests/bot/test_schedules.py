"""Handlers that run at certain times, once over all processes."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.bot.doubles import Webex, ignore
from tests.support.clocks import Time, timed
from tests.support.inboxes import stored_in
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import until
from webex_webhooks_async import Bot, BotRouter, GiveUpError, JobContext, SQLiteInbox
from webex_webhooks_async.bot.schedules import Times
from webex_webhooks_async.types import StoredNotification

pytestmark = pytest.mark.once

SEVEN = datetime(2026, 3, 27, 6, tzinfo=UTC)  # 7:00 in Berlin, on a Friday
BERLIN = "Europe/Berlin"


class Days:
    """Bots that share an inbox, whose clock is set."""

    def __init__(self, webex: Webex, path: Path) -> None:
        self.webex = webex
        self.path = path
        self.time = Time()
        self.now = SEVEN - timedelta(minutes=5)
        self.ran: list[datetime | None] = []
        self.errors: list[Exception] = []

    def clock(self) -> float:
        return self.now.timestamp() + self.time.seconds

    def bot(self, expression: str = "0 7 * * *", ahead: float = 0.0, **options: Any) -> Bot:  # noqa: ANN401 - any option
        """A process with a schedule, whose clock may be ahead."""
        inbox = SQLiteInbox(self.path, clock=lambda: self.clock() + ahead)
        bot = self.webex.bot(inbox=inbox, target_url=None)
        options = {"timezone": BERLIN, **options}
        bot.schedule("summary", expression, **options)(self.summary)
        return bot

    async def summary(self, context: JobContext) -> None:
        self.ran.append(context.due)
        if self.errors:
            raise self.errors.pop(0)

    @property
    def stored(self) -> list[StoredNotification]:
        return stored_in(self.path, self.clock)

    @property
    def due(self) -> list[datetime | None]:
        """When the stored times are due."""
        return [each.due for each in self.stored]

    @asynccontextmanager
    async def running(self, *bots: Bot) -> AsyncGenerator[None]:
        for bot in bots:
            await bot.start()
        try:
            yield
        finally:
            for bot in bots:
                await bot.aclose()

    async def until_idle(self, *, at: datetime) -> None:
        """Set the clock, and wait until nothing is due any more."""
        self.now += at - datetime.fromtimestamp(self.clock(), UTC)
        await self.time.pass_(2)
        await self.until_nothing_is_due()

    async def until_nothing_is_due(self) -> None:
        await until(lambda: {"waiting", "running"}.isdisjoint(each.state for each in self.stored))


@pytest.fixture
def days(webex: Webex, tmp_path: Path) -> Days:
    """Bots that share an inbox, five minutes before seven."""
    days = Days(webex, tmp_path / "inbox.db")
    webex.bots = timed(Bot, clock=days.time, sleep=days.time.sleep)
    return days


async def test_a_schedule(days: Days, caplog: Log) -> None:
    """It runs at its time, once over all processes; the next one is stored when it begins."""
    caplog.set_level(logging.WARNING)
    bots = [days.bot(ahead=ahead) for ahead in (0, 1, -1)]

    async with days.running(*bots):
        assert days.due == [SEVEN]
        await days.until_idle(at=SEVEN - timedelta(seconds=5))
        assert days.ran == []
        await days.until_idle(at=SEVEN + timedelta(seconds=3))
        assert days.ran == [SEVEN]
        assert [f"{each:%H:%M}" for each in days.ran] == ["07:00"]
        assert days.due == [SEVEN + timedelta(days=1)]
        await days.time.pass_(60)  # each process stores the next times again
        assert len(days.stored) == 1

    assert days.webex.texts == []
    assert caplog.records == []


async def test_the_context_of_a_schedule(days: Days) -> None:
    """It has the registered value, whatever it is, no key, and a route; a router may have one."""
    seen: list[Any] = []
    value = object()
    router = BotRouter()

    @router.schedule("note", "* * * * *", timezone="UTC", value=value)
    async def note(context: JobContext) -> None:
        seen.append((context.value is value, context.key, context.route))

    bot = days.bot()
    bot.include(router)
    async with days.running(bot):
        await days.until_idle(at=SEVEN - timedelta(minutes=4))

    assert seen == [(True, None, "schedule note")]


@pytest.mark.parametrize(
    ("expression", "now", "times"),
    [
        # Summer time begins on March 29 at 2:00, which is 3:00 then, and ends on October 25.
        (
            "30 2 * * *",
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        ),
        (
            "0,30 2 * * *",
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"],
        ),
        (
            "30 2 * * *",
            "2026-10-24T12:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        ("30 2 * * *", "2026-10-25T02:10+01:00", ["2026-10-26T02:30+01:00"]),
        (
            "*/30 2 25 10 *",
            "2026-10-25T02:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"],
        ),
        ("0 0 29 2 *", "2026-03-01T00:00+01:00", ["2028-02-29T00:00+01:00"]),
    ],
)
def test_summer_time(expression: str, now: str, times: list[str]) -> None:
    """What is in the missing hour runs after it, and a fixed time in the double hour runs once."""
    time = datetime.fromisoformat(now)
    found: list[datetime] = []
    for _ in times:
        time = Times.of(expression, BERLIN).after(time)
        found.append(time)

    assert found == [datetime.fromisoformat(each) for each in times]


@pytest.mark.parametrize(
    ("expression", "after", "now", "seconds", "newest"),
    [
        ("* * * * *", "2026-01-01T00:00", "2026-02-01T00:00:30", 3600, "2026-02-01T00:00"),
        ("0 * * * *", "2026-01-01T00:00", "2026-02-01T00:30", 3600, "2026-02-01T00:00"),
        ("0 7 * * *", "2026-01-01T07:00", "2026-02-01T08:30", 3600, None),
        ("0 7 * * *", "2026-01-01T07:00", "2026-02-01T08:00", 3600, "2026-02-01T07:00"),
        ("0 7 1 * *", "2026-01-01T07:00", "2026-02-20T08:00", 1e12, "2026-02-01T07:00"),
        ("0 7 * * *", "2026-01-01T07:00", "2026-01-02T06:59", 1e12, None),
        ("0 7 * * *", "2026-01-01T07:00", "2026-01-01T07:00", 3600, None),
        ("0 7 1 * *", "2026-01-05T07:00", "2026-01-20T07:00", 1e12, None),
    ],
)
def test_the_newest_time(
    expression: str, after: str, now: str, seconds: float, newest: str | None
) -> None:
    """It is the last one that has come after a time, and isn't too old."""
    first, last = (datetime.fromisoformat(f"{each}Z") for each in (after, now))
    found = Times.of(expression, "UTC").newest(last, first, seconds)

    assert found == (None if newest is None else datetime.fromisoformat(f"{newest}Z"))


@pytest.mark.parametrize(
    ("timezone", "expression", "first", "minutes"),
    [
        (BERLIN, "30 2 * * *", "2026-10-25T00:30Z", 40),
        ("Antarctica/Troll", "45 1 * * *", "2026-10-24T23:45Z", 30),
    ],
)
def test_the_newest_time_in_hours_that_come_twice(
    timezone: str, expression: str, first: str, minutes: int
) -> None:
    """A time of the first of them isn't passed over while they are repeated."""
    time = datetime.fromisoformat(first)
    yesterday, later = time - timedelta(days=1), time + timedelta(minutes=minutes)

    assert Times.of(expression, timezone).newest(later, yesterday, 1e5) == time


@pytest.mark.parametrize(
    ("timezone", "begin", "expression"),
    [
        # The clocks of St. John's went from 0:01 back to 23:01 until 2011, and forward at 0:01.
        ("America/St_Johns", "2010-11-06T00:00Z", "* 23 * * *"),
        ("America/St_Johns", "2010-03-13T00:00Z", "*/10 1 * * *"),
        # Lord Howe turns them by 30 minutes, Troll by two hours, and Samoa left out a day.
        ("Australia/Lord_Howe", "2026-04-04T00:00Z", "*/5 12 * * *"),
        ("Australia/Lord_Howe", "2026-10-03T00:00Z", "*/10 1 * * *"),
        ("Antarctica/Troll", "2026-03-28T00:00Z", "15 * * * *"),
        ("Antarctica/Troll", "2026-10-24T00:00Z", "*/20 1-3 * * *"),
        ("Pacific/Apia", "2011-12-29T00:00Z", "30 * * * *"),
    ],
)
def test_nights_in_which_clocks_are_turned(timezone: str, begin: str, expression: str) -> None:
    """Each time that the zone has comes, in order, whenever one asks, forward and backward."""
    start, zone = datetime.fromisoformat(begin), ZoneInfo(timezone)
    times, every = Times.of(expression, timezone), Times.of(expression, "UTC")
    minutes = [start + timedelta(minutes=each) for each in range(3 * 24 * 60)]
    shown = [each.astimezone(zone).replace(tzinfo=UTC) for each in minutes]
    moment = timedelta(seconds=1)
    wanted = [
        minute
        for minute, wall in zip(minutes, shown, strict=True)
        if every.after(wall - moment) == wall
    ]

    for now in minutes[13 : -24 * 60 : 17]:
        assert times.after(now) == min(each for each in wanted if each > now)
        missed = times.newest(now, start - moment, 1e12)
        assert missed == max((each for each in wanted if each <= now), default=None)


@pytest.mark.parametrize(
    ("timezone", "expression", "now", "then"),
    [
        ("America/St_Johns", "31 23 * * *", "2010-11-07T02:32Z", "2010-11-08T03:01Z"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T14:50Z", "2026-04-05T15:15Z"),
        ("Antarctica/Troll", "30 1 * * *", "2026-03-29T00:59Z", "2026-03-29T01:00Z"),
    ],
)
def test_a_fixed_time_in_such_a_night(timezone: str, expression: str, now: str, then: str) -> None:
    """It comes once where the clocks show it twice, and right after those that they leave out."""
    times = Times.of(expression, timezone)
    assert times.after(datetime.fromisoformat(now)) == datetime.fromisoformat(then)


async def test_what_was_missed(days: Days, caplog: Log) -> None:
    """Of the times that passed while no process ran, the last one runs, unless it is too old."""
    async with days.running(days.bot("0 * * * *")):
        pass
    days.now = SEVEN + timedelta(days=2, minutes=59)
    async with days.running(days.bot("0 * * * *")):
        await days.until_idle(at=SEVEN + timedelta(days=2, minutes=59))
        last = SEVEN + timedelta(days=2)
        assert days.ran == [last]
        assert days.due == [last + timedelta(hours=1)]
    assert "the schedule summary of 2026-03-27T06:00:00+00:00 is left out: a newer" in caplog.text
    async with days.running(days.bot("0 * * * *", max_delay=timedelta(minutes=30))):
        await days.until_idle(at=SEVEN + timedelta(days=3, minutes=59))

    assert days.ran == [last]
    assert "the schedule summary of 2026-03-29T07:00:00+00:00 is left out: it comes" in caplog.text


async def test_one_run_at_a_time(days: Days) -> None:
    """A time that comes while a run goes on waits for its end, and for its attempts."""
    bot = days.bot("* * * * *")
    days.errors = [KeyError("x"), GiveUpError("no")]
    async with days.running(bot):
        await days.until_idle(at=SEVEN - timedelta(minutes=4))
        await days.time.pass_(1)
        await days.until_nothing_is_due()
        assert days.ran == 2 * [SEVEN - timedelta(minutes=4)]
        assert [each.state for each in days.stored] == ["failed", "scheduled"]
        await days.until_idle(at=SEVEN - timedelta(minutes=3))

    assert days.ran[2:] == [SEVEN - timedelta(minutes=3)]


async def test_it_is_run_now(days: Days) -> None:
    """`enqueue` runs it without a look at the clock, in its line, with the registered value."""
    seen: list[Any] = []
    bot = days.bot()

    @bot.schedule("report", "0 0 1 1 *", timezone="UTC", value=[1])
    async def report(context: JobContext) -> None:
        seen.append((context.value, context.key, context.due == datetime(2020, 1, 1, tzinfo=UTC)))

    async with days.running(bot):
        assert await bot.enqueue("report", None)
        await until(lambda: len(seen) == 1)
        old = datetime(2020, 1, 1, tzinfo=UTC)
        assert await bot.enqueue("report", None, key="k", at=old)
        assert await bot.enqueue("report", None, key="later", after=9e6)
        assert {each.line for each in days.stored if each.event == "report"} == {
            "webex-webhooks:schedule:report"
        }
        assert await bot.cancel("report", key="later")
        await until(lambda: len(seen) == 2)
        for value, options in ((1, {}), (None, {"line": "x"})):
            arguments: Any = options
            with refused("ValueError: 'report' is a schedule, which has its own value and line"):
                await bot.enqueue("report", value, **arguments)

    assert seen == [([1], None, False), ([1], "k", True)]


async def test_a_deploy_that_changes_a_schedule(days: Days, caplog: Log) -> None:
    """A process gives back a time of another expression; what nobody has is dropped in the end."""
    async with days.running(days.bot()):
        pass
    async with days.running(days.bot("5 7 * * *")):
        await days.until_idle(at=SEVEN + timedelta(seconds=1))
        assert days.ran == []
        for _ in range(20):
            await days.time.pass_(30)
            await days.until_nothing_is_due()
        await until(lambda: len(days.stored) == 1)

    assert days.ran == [SEVEN + timedelta(minutes=5)]
    assert "jobs summary is dropped: no process has this schedule any more" in caplog.text


async def test_an_inbox_that_is_away(
    days: Days, caplog: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The times are stored a minute later; another error ends the start."""
    bot = days.bot()
    with monkeypatch.context() as patch:
        patch.setattr(SQLiteInbox, "now", _raising(ConnectionError("away")))
        await bot.start()
        try:
            await days.time.pass_(59)
            assert days.stored == []
            patch.setattr(SQLiteInbox, "now", _raising(KeyError("x")))
            await days.time.pass_(1)
            await until(lambda: "can't be stored: KeyError" in caplog.text)
            patch.undo()
            await days.time.pass_(60)
            await until(lambda: days.due == [SEVEN])
        finally:
            await bot.aclose()
        patch.setattr(SQLiteInbox, "now", _raising(KeyError("x")))
        with pytest.raises(KeyError):
            await bot.start()


def _raising(error: Exception) -> Any:  # noqa: ANN401 - a method
    async def method(_: object) -> None:
        raise error

    return method


async def test_webex_is_out_at_the_start(days: Days) -> None:
    """The next times are stored before Webex is asked who the bot is."""
    bot = days.bot()
    days.webex.sandbox.fail(status=501, path="/people/me", times=None)
    async with days.running(bot):
        await until(lambda: bot.is_ready)
        assert days.due == [SEVEN]


async def test_without_an_inbox(webex: Webex) -> None:
    """A schedule is an error at the start, which names it, and so is a job."""

    async def act(_: JobContext) -> None: ...

    scheduled, called = webex.bot(), webex.bot()
    scheduled.schedule("summary", "0 7 * * *", timezone=BERLIN)(act)
    called.job("remind")(act)
    with pytest.raises(ValueError, match="the schedule 'summary' needs an inbox: pass one, such"):
        await scheduled.start()
    with pytest.raises(ValueError, match="the job 'remind' needs an inbox: pass one, such"):
        await called.start()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": print}, "TypeError: schedule takes a name: write @bot.schedule("),
        ({"name": ""}, "ValueError: name is empty"),
        ({"expression": "0 7 * *"}, "ValueError: expression must have five fields (minute, hour"),
        ({"expression": "0 0 7 * * *"}, "ValueError: expression must have five fields (minute"),
        ({"expression": "@daily"}, "ValueError: expression must have five fields"),
        (
            {"expression": "60 7 * * *"},
            "ValueError: expression '60 7 * * *' is wrong: '60' isn't a valid minute (0 to 59)",
        ),
        (
            {"expression": "0 7 * * 1-8"},
            "ValueError: expression '0 7 * * 1-8' is wrong: '1-8' isn't a valid day of the week (0",
        ),
        (
            {"expression": "0 0 30 2 *"},
            "ValueError: expression '0 0 30 2 *' is wrong: its month doesn't have that day",
        ),
        ({"expression": "0 0 */5 2 MON#5"}, "ValueError: the expression '0 0 */5 2 MON#5' never"),
        (
            {"expression": "* 2 * 3 7L", "timezone": BERLIN},
            "ValueError: the expression '* 2 * 3 7L' never comes in Europe/Berlin",
        ),
        ({"expression": 7}, "TypeError: expression must be str, got int"),
        ({"timezone": "Europe/Nowhere"}, "ValueError: timezone must be a name of the time zone"),
        ({"timezone": "../etc"}, "ValueError: timezone must be a name of the time zone database"),
        ({"timezone": ""}, "ValueError: timezone must be a name of the time zone database"),
        ({"timezone": ZoneInfo("UTC")}, "TypeError: timezone must be str, got ZoneInfo"),
        ({"max_delay": 59}, "ValueError: max_delay must be at least 60 seconds"),
        ({"max_delay": float("inf")}, "ValueError: max_delay must be a positive number of seconds"),
        ({"max_delay": "1"}, "TypeError: max_delay must be float or int or timedelta, got str"),
        ({"attempts": 0}, "ValueError: attempts must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_of_a_schedule(arguments: dict[str, Any], error: str) -> None:
    """The error says what to pass, when it is registered."""
    correct: dict[str, Any] = {"name": "summary", "expression": "0 7 * * *", "timezone": "UTC"}
    with refused(error):
        BotRouter().schedule(**(correct | arguments))


def test_a_name_of_a_job_and_a_schedule() -> None:
    """They share their names, and the handler is an async function."""
    router = BotRouter()
    router.job("summary")(ignore)
    with refused("ValueError: two handlers are for the job 'summary': it runs one"):
        router.schedule("summary", "0 7 * * *", timezone="UTC")(ignore)
    with refused("TypeError: a handler must be an async function"):
        router.schedule("other", "0 7 * * *", timezone="UTC")(print)  # type: ignore[type-var]  # wrong on purpose


def test_cronsim_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    monkeypatch.setitem(__import__("sys").modules, "cronsim", None)
    with pytest.raises(ImportError, match=r"pip install 'webex-webhooks-async\[schedule\]'"):
        Times.of("0 7 * * *", "UTC")
