"""A request that Webex sent becomes a `Notification`."""

from collections.abc import Iterable

from webex_webhooks_async.errors import DecodeError, PayloadError
from webex_webhooks_async.models.notifications import Notification, NotificationData
from webex_webhooks_async.notifications.signatures import Headers, SignatureAlgorithm, verify
from webex_webhooks_async.serialization import parse_json
from webex_webhooks_async.structuring import structure


def parse_notification(
    body: bytes,
    headers: Headers,
    *,
    secrets: str | Iterable[str],
    minimum: SignatureAlgorithm = SignatureAlgorithm.SHA1,
) -> Notification[NotificationData]:
    """The notification in a request, once its signature is verified.

    Args:
        body: The raw bytes of the request, as they came.
        headers: The headers of the request, as any framework has them.
        secrets: The webhook's secret, or several of which any will do, while one is replaced.
        minimum: The weakest algorithm to accept.

    Raises:
        SignatureError: The request wasn't signed with one of the secrets.
        PayloadError: It was, but is no notification; every problem is named.
        ValueError: A secret is empty or no valid Unicode, or there is none.
        TypeError: The body isn't bytes, a secret is no string, or there are no headers.
    """
    verify(body, headers, secrets, minimum=minimum)
    return parse_unverified_notification(body)


def parse_unverified_notification(body: bytes | str) -> Notification[NotificationData]:
    """The notification in a body that anyone may have written.

    Raises:
        PayloadError: It is no notification; every problem is named.
    """
    try:
        return structure(parse_json(body), _notification)
    except DecodeError as error:
        problems = error.problems
    # Outside of the except block: nothing but the problems is told.
    raise PayloadError(problems)


_notification: type[Notification[NotificationData]] = Notification  # quicker to look up
