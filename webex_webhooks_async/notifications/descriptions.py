"""Names notifications in the log, without what is private in them."""

import logging
from typing import Any

from webex_webhooks_async.formatting import short_id
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.identity import id_of_data

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

OWN_ACTION = "%s is ignored: it is the bot's own action"


def log_debug(message: str, notification: Notification[Any]) -> None:
    """Log why a notification isn't handled."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(message, describe(notification))


def describe(notification: Notification[Any]) -> str:
    """Name a notification in a log record: what happened, and the ids to look for.

    Records get this text, not the notification, because log services store their arguments.
    """
    words = (notification.resource, notification.event, id_of_data(notification))
    what = " ".join(short_id(word) for word in words if word is not None)
    # A job has no webhook.
    return f"{what} of webhook {short_id(notification.id)}" if notification.id else what
