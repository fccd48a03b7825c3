"""Makes a `Notification` of a request from Webex."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from webex_webhooks_async.errors import DecodeError, PayloadError
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.signatures import Headers, SignatureAlgorithm, verify
from webex_webhooks_async.serialization.converter import structure
from webex_webhooks_async.serialization.strict_json import parse_json

if TYPE_CHECKING:
    from webex_webhooks_async.models.notification_data import NotificationData


def parse_notification(
    body: bytes,
    headers: Headers,
    *,
    secrets: str | Iterable[str],
    minimum_algorithm: SignatureAlgorithm = SignatureAlgorithm.SHA1,
) -> "Notification[NotificationData]":
    """Verify a request's signature, and return the notification in the request.

    The data is the mapping that Webex sent when the resource has no data class, or when a required
    field of the data is missing or doesn't fit. An optional field whose value doesn't fit is
    `None`, and the value is in ``extra``.

    Args:
        body: The raw bytes of the request, as they came.
        headers: The headers of the request, as any framework has them.
        secrets: The webhook's secret. While a secret is being replaced, pass both the old and the
            new one: either proves a request.
        minimum_algorithm: The weakest algorithm to accept.

    Raises:
        SignatureError: The request wasn't signed with one of the secrets.
        PayloadError: The body isn't a notification; the error names every problem.
        ValueError: A secret is empty or not valid Unicode, or no secret is given.
        TypeError: The body isn't bytes, a secret isn't a string, or `headers` can't hold headers.
    """
    verify(body, headers, secrets=secrets, minimum_algorithm=minimum_algorithm)
    return parse_unverified_notification(body)


def parse_unverified_notification(body: bytes | str) -> "Notification[NotificationData]":
    """Return the notification in a body, without verifying who sent it.

    Use it where the signature was verified before, in a task worker say.

    Raises:
        PayloadError: The body isn't a notification; the error names every problem.
    """
    try:
        return structure(parse_json(body), _notification)
    except DecodeError as error:
        problems = error.problems
    # Outside of the except block: the error has no other error, with more details, as its context.
    raise PayloadError(problems)


_notification: "type[Notification[NotificationData]]" = Notification  # the hash of a union is slow
