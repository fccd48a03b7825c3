"""Finds the inbox that an environment variable names."""

from typing import TYPE_CHECKING

from webex_webhooks_async.formatting import conninfo_in

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.base import Inbox


def inbox_in(place: str) -> "Inbox":
    """Return the inbox that a variable names."""
    # Imported here: most bots have another inbox, or none.
    if (conninfo := conninfo_in(place)) is not None:
        from webex_webhooks_async.inbox.postgres.inbox import PostgresInbox  # noqa: PLC0415 - see above

        return PostgresInbox(conninfo)
    from webex_webhooks_async.inbox.sqlite import SQLiteInbox  # noqa: PLC0415 - see above

    return SQLiteInbox(place)
