"""What the sandbox's tests share: a clock that stands still, and webhooks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from webex_webhooks_async.models.webhooks import Webhook

NEW: dict[str, str] = {
    "name": "Messages",
    "targetUrl": "https://example.com/hook",
    "resource": "messages",
    "event": "created",
}


class FakeClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2022, 4, 7, 9, 17, 23, 164_999, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    def advance(self, **how_far: float) -> None:
        """Let so much time pass."""
        self.now += timedelta(**how_far)


def webhook(**changes: Any) -> Webhook:  # noqa: ANN401 - any field
    """A webhook that watches messages."""
    fields: dict[str, Any] = {
        "id": "W1",
        "name": "Messages",
        "target_url": "https://example.com/hook",
        "resource": "messages",
        "event": "created",
        "owned_by": "creator",
        "created_by": "BOT",
    }
    return Webhook(**{**fields, **changes})
