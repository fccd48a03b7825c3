"""Runs handlers at the times of cron expressions: once for each, over all that share an inbox."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from attrs import frozen

from webex_webhooks_async.applications.jobs import Job
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.notifications.identity import body_of_job, key_of_job
from webex_webhooks_async.notifications.lines import line_of_schedule
from webex_webhooks_async.validation import check_text

if TYPE_CHECKING:
    from webex_webhooks_async.handling.inbox_worker import InboxWorker

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_EVERY = 60.0  # seconds
_DAY = timedelta(days=1)
_MOST_WALLS = 5_000  # a day that a zone leaves out has 1,440


@frozen
class Times:
    """The times of a cron expression in a time zone."""

    expression: str  # five fields: minute, hour, day of the month, month and day of the week
    timezone: str
    _zone: ZoneInfo

    @classmethod
    def of(cls, expression: str, timezone: str) -> Self:
        """Check the arguments.

        Raises:
            ValueError: The expression isn't one, or never comes, or there is no such time zone.
            TypeError: One isn't text.
            ImportError: cronsim is missing; the extra ``schedule`` installs it.
        """
        check_text("expression", expression)
        check_text("timezone", timezone)
        times = cls(expression, timezone, _zone(timezone))
        fields = expression.split()
        if len(fields) != len(_FIELDS):
            raise ValueError(
                f"expression must have five fields ({', '.join(_FIELDS)}), got {expression!r}"
            )
        try:
            times.after(datetime.now(UTC))
        except _cronsim().CronSimError:
            wrong = _wrong_part(fields)
            raise ValueError(f"expression {expression!r} is wrong: {wrong}") from None
        return times

    @property
    def identity(self) -> tuple[str, str]:
        """The key that tells it from other times."""
        return self.expression, self.timezone

    def after(self, time: datetime) -> datetime:
        """Return the first time after this one, in UTC.

        Raises:
            ValueError: None comes in fifty years, or none of those that come exists in the zone.
        """
        found: list[datetime] = []
        for wall in self._walls(self._wall(time) - self._repeated(time)):
            instants = self._instants(wall)
            found += [each for each in instants if each > time]
            if instants and instants[0] > time:
                return min(found)
        raise ValueError(f"the expression {self.expression!r} never comes in {self.timezone}")

    def here(self, time: datetime) -> datetime:
        """Return a time in the time zone."""
        return time.astimezone(self._zone)

    def newest(self, now: datetime, after: datetime, seconds: float) -> datetime | None:
        """Return the last time until now, if it came after another, so many seconds ago."""
        found: list[datetime] = []
        first = self._wall(after) - _DAY
        last = self._wall(now) + self._repeated(now - _DAY) + timedelta(minutes=1)
        for wall in takewhile(lambda each: each > first, self._walls(last, reverse=True)):
            instants = self._instants(wall)
            found += [each for each in instants if each <= now]
            if instants and instants[-1] <= now:
                break
        newest = max(found, default=after)
        is_late = (now - newest).total_seconds() > seconds
        return None if is_late or newest <= after else newest

    def _walls(self, wall: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        """Yield what clocks show at the times after this one, or before it, the last one first."""
        # cronsim gets no zone: in zones that turn their clocks by another time than an hour, or at
        # another one than a full hour, its answer depends on where it begins, or never comes.
        return islice(_cronsim().CronSim(self.expression, wall, reverse), _MOST_WALLS)

    def _wall(self, time: datetime) -> datetime:
        return self.here(time).replace(tzinfo=None)

    def _repeated(self, time: datetime) -> timedelta:
        """Return how far clocks are turned back in the day after a time."""
        return max(timedelta(0), self._wall(time) + _DAY - self._wall(time + _DAY))

    def _instants(self, wall: datetime) -> list[datetime]:
        """Return when clocks show this, and it is one of the times, in UTC."""
        minute, hour, *_ = self.expression.split()
        is_fixed = not (minute.startswith("*") or hour.startswith("*"))
        while is_fixed and self._wall(self._instant(wall)) != wall:  # clocks leave it out
            wall += timedelta(minutes=1)
        folds = (0,) if is_fixed else (0, 1)
        instants = {self._instant(wall, fold) for fold in folds}
        return sorted(each for each in instants if self._wall(each) == wall)

    def _instant(self, wall: datetime, fold: int = 0) -> datetime:
        return wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)


@frozen(eq=False)
class Schedule(Job):
    """A handler that runs at the times of a cron expression."""

    times: Times
    max_delay: float  # how many seconds late it may begin
    value: Any

    @property
    def schedule(self) -> tuple[str, str]:
        return self.times.identity

    @property
    def label(self) -> str:
        return f"schedule {self.name}"


class Schedules:
    """Keeps the next time of each schedule in the inbox, as a job that is due then.

    The clock of the inbox alone decides which time is next, and which is late.
    """

    def __init__(self, worker: "InboxWorker", clock: Clock) -> None:
        self._worker = worker
        self._clock = clock  # waits between two looks whether the next times are stored
        self._keeping: asyncio.Task[None] | None = None

    async def start(self, schedules: Sequence[Schedule]) -> None:
        """Store the next times, and keep them stored.

        An inbox that can't be reached for a while is waited for.

        Raises:
            Exception: Any other error of the inbox.
        """
        if not schedules:
            return
        try:
            await self._store(schedules)
        except (ConnectionError, TimeoutError) as error:
            self._log_failure(error)
        self._keeping = asyncio.create_task(self._keep(schedules))

    async def aclose(self) -> None:
        """End that."""
        if self._keeping is not None and not self._keeping.get_loop().is_closed():
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        self._keeping = None

    async def begin(self, schedule: Schedule, due: datetime) -> bool:
        """Store the next time of a run that begins the first time; return whether it may run."""
        now = await self._worker.inbox.now()
        times, late = schedule.times, (now - due).total_seconds()
        await self._put(schedule, times.after(max(now, due)))
        newest = times.newest(now, due, schedule.max_delay)
        if newest is not None:
            await self._put(schedule, newest)
        elif late <= schedule.max_delay:
            return True
        why = "a newer time has come" if newest is not None else f"it comes {late:.0f} s late"
        logger.warning("the schedule %s of %s is left out: %s", schedule.name, due.isoformat(), why)
        return False

    async def _keep(self, schedules: Sequence[Schedule]) -> None:
        while True:
            await self._clock.sleep(_EVERY)
            try:
                await self._store(schedules)
            except Exception as error:  # noqa: BLE001 - it may work in the next minute
                self._log_failure(error)

    async def _store(self, schedules: Sequence[Schedule]) -> None:
        now = await self._worker.inbox.now()
        for each in schedules:
            await self._put(each, each.times.after(now))

    async def _put(self, schedule: Schedule, due: datetime) -> None:
        key = key_of_job("schedule", schedule.name, *schedule.times.identity, due.isoformat())
        body = body_of_job(schedule.name, None, None, due, schedule=schedule.times.identity)
        await self._worker.woken_by(
            self._worker.inbox.put(key, body, line=line_of_schedule(schedule.name), at=due)
        )

    def _log_failure(self, error: Exception) -> None:
        logger.error("the next times of schedules can't be stored: %s", describe_exception(error))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"timezone must be a name of the time zone database, such as 'Europe/Berlin', got "
            f"{name!r}; where the machine has no such database, install tzdata"
        ) from None


def _wrong_part(fields: Sequence[str]) -> str:
    """Return which of five fields isn't one, in words."""
    for place, (name, values) in enumerate(_FIELDS.items()):
        alone = ["*"] * len(_FIELDS)
        alone[place] = fields[place]
        try:
            _cronsim().CronSim(" ".join(alone), datetime.now(UTC))
        except _cronsim().CronSimError:
            return f"{fields[place]!r} isn't a valid {name} ({values})"
    return "its month doesn't have that day"


def _cronsim() -> ModuleType:
    try:
        import cronsim  # noqa: PLC0415 - most bots have no schedule
    except ImportError:
        raise ImportError(
            "schedules need cronsim: pip install 'webex-webhooks-async[schedule]'"
        ) from None
    return cronsim


_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of the month": "1 to 31",
    "month": "1 to 12",
    "day of the week": "0 (Sunday) to 7",
}
