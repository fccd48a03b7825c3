"""What the replicas of a bot do one at a time, or once: claims in the inbox that they share."""

import logging
from typing import TYPE_CHECKING

from webex_webhooks_async.formatting import describe_exception

if TYPE_CHECKING:
    from webex_webhooks_async.notifications.inbox import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class InboxUnavailableError(Exception):
    """The inbox can't be asked now."""


class SharedClaims:
    """The claims of an inbox that may be away for a while."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox

    async def claim(self, name: str, seconds: float) -> bool:
        """Return True for the first who asks within so many seconds.

        Raises:
            InboxUnavailableError: Its database is away.
        """
        try:
            return await self._inbox.claim(f"webex-webhooks:{name}", seconds)
        except (ConnectionError, TimeoutError) as error:
            raise InboxUnavailableError(describe_exception(error)) from error

    async def unclaim(self, name: str) -> None:
        """Let the next who asks be the first; if that fails, a claim ends by itself."""
        try:
            await self._inbox.unclaim(f"webex-webhooks:{name}")
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("a claim can't be given back: %s", describe_exception(error))
