"""The time of a test: it stands still, and goes from one due time to the next."""

from datetime import UTC, datetime, timedelta

from webex_webhooks_async.inbox.base import check_time
from webex_webhooks_async.receiving.activity import activities
from webex_webhooks_async.testing.sandbox import Sandbox
from webex_webhooks_async.validation import seconds_of

_STEP = timedelta(microseconds=1)  # a listed time is rounded, so that it may come too early


class WebexClock:
    """The time of a test, which stands still until the test advances it: the fixture `webex_clock`.

    It begins at the time of the machine, at the next whole second. ``asyncio.sleep`` stays real,
    and so do the pauses of a client, and between two looks at the webhooks.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._now

    async def advance(self, time: float | timedelta | datetime) -> None:
        """Let so much time pass, or all the time until then, and wait until the bots are idle.

        ::

            await webex_clock.advance(timedelta(days=3))

        It goes from one time at which something is due to the next, and waits for `Sandbox.idle`
        at each. So a schedule of each day runs three times in three days, and a job that enqueues
        the next one runs with that one. What fails runs again at its time, as long as nothing
        raises.

        Args:
            time: How long, in seconds or as a `timedelta`; or until when, an aware `datetime`.

        Raises:
            ValueError: `time` is negative, longer than a century or in the past, or has no time
                zone.
            TypeError: `time` is something else.
            RuntimeError: A bot of the test has another inbox than `webex_inbox`, or that of
                ``WEBEX_INBOX``, so that its time doesn't pass.
            TimeoutError: As for `Sandbox.idle`, at one of these times.
            Exception: As for `Sandbox.idle`: the error of a handler ends it at that time.
        """
        end = self._end(time)
        while True:
            await self._sandbox.idle()
            dues = [due for due in await self._dues() if self._now <= due <= end]
            if not dues and self._now >= end:
                return
            self._now = max(min(dues), self._now + _STEP) if dues else end

    def _end(self, time: float | timedelta | datetime) -> datetime:
        if not isinstance(time, datetime):
            return self._now + timedelta(seconds=seconds_of("time", time, or_zero=True))
        if check_time("time", time) < self._now:
            raise ValueError(
                f"time must not be in the past: it is {self._now.isoformat()}, got "
                f"{time.isoformat()}"
            )
        return time.astimezone(UTC)

    async def _dues(self) -> list[datetime]:
        """Return when what waits in the inboxes is due; each has to have this clock."""
        found: list[datetime] = []
        for each in tuple(activities):
            now, dues = await each.times()
            if now not in {None, self._now}:
                raise RuntimeError(
                    "webex_clock can't advance: a bot of this test has an inbox with another "
                    "clock; give it webex_inbox, or let Bot.from_env take that of WEBEX_INBOX"
                )
            found += dues
        return found
