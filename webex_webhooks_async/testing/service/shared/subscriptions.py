"""What a webhook watches: whether Webex accepts it, and whether an event matches it."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from attrs import frozen

from webex_webhooks_async.catalog import (
    CATALOG,
    FIREHOSE_EVENTS,
    FIREHOSE_RESOURCES,
    WITHOUT_FILTER,
    Watchable,
)
from webex_webhooks_async.models.vocabulary import Event, OwnedBy, Resource
from webex_webhooks_async.models.webhooks import Webhook


@frozen
class Condition:
    """One condition of a filter.

    Attributes:
        key: Which member of the data is compared.
        value: What it must equal.
    """

    key: str
    value: str


def problems_of_subscription(webhook: Webhook) -> Iterator[str]:
    """Why Webex refuses this webhook; nothing if it accepts it.

    Resources and events with unknown names pass, because Webex adds new ones.
    """
    watchable = CATALOG.get(webhook.resource)
    if watchable is not None and not watchable.events:  # Webex doesn't document them
        watchable = None
    if watchable is not None:
        yield from _problems_of_event(webhook, watchable)
    try:
        conditions = _conditions(webhook.filter)
    except ValueError as error:
        yield str(error)
    else:
        if watchable is not None:
            yield from _problems_of_filter(conditions, webhook, watchable)


def matches(webhook: Webhook, resource: str, event: str, data: Mapping[str, Any]) -> bool:
    """Whether a webhook watches for an event with this data."""
    return _watches(webhook, resource, event) and all(
        _wanted(condition, webhook) in _values(condition.key, data)
        for condition in _conditions(webhook.filter)
    )


def _conditions(text: str | None) -> tuple[Condition, ...]:
    parts = text.split("&") if text else []
    conditions = tuple(Condition(*part.partition("=")[::2]) for part in parts)
    if not all(condition.key and condition.value for condition in conditions):
        raise ValueError(f"Invalid value for filter: {text}")
    return conditions


def _problems_of_event(webhook: Webhook, watchable: Watchable) -> Iterator[str]:
    # An event that no known resource has is new; one that only others have is a mistake.
    if webhook.event in set(Event) - watchable.events - {Event.ALL}:
        yield f"Invalid event for resource {webhook.resource}: {webhook.event}"
    if watchable.org_only and webhook.owned_by != OwnedBy.ORG:
        yield f"Resource {webhook.resource} requires ownedBy=org"


def _problems_of_filter(
    conditions: tuple[Condition, ...], webhook: Webhook, watchable: Watchable
) -> Iterator[str]:
    allowed = frozenset[str]()
    if (webhook.resource, webhook.event) not in WITHOUT_FILTER:
        allowed = watchable.filters
    for key in (condition.key for condition in conditions):
        if key not in allowed:
            yield f"Invalid value for filter: {key}"
        elif key in watchable.org_filters and webhook.owned_by != OwnedBy.ORG:
            yield f"Filter {key} requires ownedBy=org"


def _watches(webhook: Webhook, resource: str, event: str) -> bool:
    if webhook.resource not in {Resource.ALL, resource}:
        return False
    if webhook.resource == Resource.ALL and resource not in FIREHOSE_RESOURCES:
        return False
    if webhook.event != Event.ALL:
        return webhook.event == event
    return event in FIREHOSE_EVENTS or resource not in FIREHOSE_RESOURCES


def _wanted(condition: Condition, webhook: Webhook) -> str | None:
    if condition == Condition("mentionedPeople", "me"):
        return webhook.created_by
    return condition.value


def _values(key: str, data: Mapping[str, Any]) -> frozenset[str]:
    """The values that a filter's value is compared with, as a filter writes them."""
    if key in _OF_A_LIST:
        return frozenset({_text(bool(data.get(_OF_A_LIST[key])))})
    value = data.get(key)
    if value is None and isinstance(party := data.get("remoteParty"), dict):
        value = cast("dict[str, Any]", party).get(key)
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return frozenset(_text(each) for each in values if each is not None)


_OF_A_LIST = {"hasFiles": "files", "hasAttachments": "attachments"}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
