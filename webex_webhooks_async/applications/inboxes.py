"""Finds the inbox that an environment variable names, and the time by an inbox."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.formatting import conninfo_in

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.base import Inbox


async def time_of(inbox: "Inbox | None") -> datetime:
    """Return the time by the clock of an inbox, or of this process, in UTC."""
    return Clock().now() if inbox is None else (await inbox.now()).astimezone(UTC)


def seconds() -> float:
    """Return the time in seconds, for an inbox of a test or of a variable: as a `Clock` says."""
    return Clock().now().timestamp()


def inbox_in(place: str) -> "Inbox":
    """Return the inbox that a variable names."""
    # Imported here: most bots have another inbox, or none.
    if (conninfo := conninfo_in(place)) is not None:
        from webex_webhooks_async.inbox.postgres.inbox import PostgresInbox  # noqa: PLC0415 - see above

        return PostgresInbox(conninfo)
    from webex_webhooks_async.inbox.sqlite import SQLiteInbox  # noqa: PLC0415 - see above

    return SQLiteInbox(place, clock=seconds)
