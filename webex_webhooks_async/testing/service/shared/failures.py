"""Counts failed deliveries, and decides when Webex switches a webhook off.

Facts: https://developer.webex.com/docs/api/guides/webhooks
"""

from collections import deque
from datetime import datetime, timedelta

from webex_webhooks_async.testing.service.shared.clock import Clock

MAX_FAILURES = 100
"""This many failed attempts within `WINDOW` switch a webhook off."""

WINDOW = timedelta(minutes=5)


class FailureTracker:
    """The recent failed attempts of each webhook."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, deque[datetime]] = {}
        self._reactivated_at: dict[str, datetime] = {}

    def attempt_failed(self, webhook_id: str) -> bool:
        """Count a failed attempt; true if it switches the webhook off."""
        now = self._clock()
        reactivated = self._reactivated_at.get(webhook_id)
        if reactivated is not None and now - reactivated <= WINDOW:
            return True
        failures = self._failures.setdefault(webhook_id, deque(maxlen=MAX_FAILURES))
        failures.append(now)
        return len(failures) == MAX_FAILURES and now - failures[0] <= WINDOW

    def reactivated(self, webhook_id: str) -> None:
        """Note that a webhook is active again: within `WINDOW`, one failure switches it off."""
        self._reactivated_at[webhook_id] = self._clock()

    def forget(self, webhook_id: str) -> None:
        """Forget a deleted webhook."""
        self._failures.pop(webhook_id, None)
        self._reactivated_at.pop(webhook_id, None)
