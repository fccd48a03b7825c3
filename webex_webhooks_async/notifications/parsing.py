"""A request that Webex sent becomes a `Notification`."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from cattrs.errors import ClassValidationError

from webex_webhooks_async.errors import DecodeError, PayloadError
from webex_webhooks_async.models.notifications import Notification, NotificationData, data_classes
from webex_webhooks_async.notifications.signatures import Headers, SignatureAlgorithm, verify
from webex_webhooks_async.serialization import StructureHook, converter, parse_json, structure


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


def _structure_notification(value: object, _: object) -> object:
    resource = cast("Mapping[str, Any]", value).get("resource") if isinstance(value, dict) else None
    if isinstance(resource, str) and resource in data_classes:
        try:
            return _hook(resource)(value, Notification)
        except ClassValidationError:
            # Data of another shape than is known stays as it was sent, and whole. If it is the
            # envelope that doesn't fit, the attempt below fails likewise, and says so.
            pass
    return _hook(None)(value, Notification)


@cache  # made when they are first needed: generating the code of all would slow down the import
def _hook(resource: str | None) -> StructureHook:
    """The hook for a known resource's notifications, or the one for all others."""
    generic: Any = Notification  # type checkers know no argument that is computed
    data_class = data_classes[resource] if resource else Mapping[str, Any]
    return converter.get_structure_hook(generic[data_class])


# `Notification[MessageData]` is left to the converter's own hook: there other data is a problem.
_notification: type[Notification[NotificationData]] = Notification  # quicker to look up
_of_any_data = (Notification, Notification[Any], Notification[NotificationData])
converter.register_structure_hook_func(lambda cls: cls in _of_any_data, _structure_notification)
