"""When a webhook whose deliveries fail is switched off.

Facts: https://developer.webex.com/docs/api/guides/webhooks
"""

from collections import deque
from datetime import datetime, timedelta

from webex_webhooks_async.testing.clock import Clock

MAX_FAILURES = 100
"""So many failed attempts within `WINDOW` switch a webhook off."""

WINDOW = timedelta(minutes=5)


class Health:
    """The failed attempts of each webhook, as far back as they count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, deque[datetime]] = {}
        self._on_probation_since: dict[str, datetime] = {}

    def attempt_failed(self, webhook_id: str) -> bool:
        """Note a failed attempt; true if the webhook is to be switched off for it."""
        now = self._clock()
        reactivated = self._on_probation_since.get(webhook_id)
        if reactivated is not None and now - reactivated <= WINDOW:
            return True
        failures = self._failures.setdefault(webhook_id, deque(maxlen=MAX_FAILURES))
        failures.append(now)
        return len(failures) == MAX_FAILURES and now - failures[0] <= WINDOW

    def reactivated(self, webhook_id: str) -> None:
        """Note that a webhook was switched on again: for a while, one failure is too many."""
        self._on_probation_since[webhook_id] = self._clock()

    def forget(self, webhook_id: str) -> None:
        """Forget a webhook that was deleted."""
        self._failures.pop(webhook_id, None)
        self._on_probation_since.pop(webhook_id, None)
