"""Webhooks: their operations, what they watch, and which events match.

Facts: https://developer.webex.com/docs/api/v1/webhooks
"""

import logging
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, cast

import attrs
from starlette.responses import Response

from webex_webhooks_async.catalog import (
    CATALOG,
    FIREHOSE_EVENTS,
    FIREHOSE_RESOURCES,
    WITHOUT_FILTER,
    Watchable,
)
from webex_webhooks_async.models.vocabulary import Event, OwnedBy, Resource, WebhookStatus
from webex_webhooks_async.models.webhooks import Webhook, conditions_of
from webex_webhooks_async.serialization.converter import unstructure
from webex_webhooks_async.testing.service.calls import Call, fields_of, page_response
from webex_webhooks_async.testing.service.formats import to_utc_milliseconds, webex_id
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_APP_ID = webex_id("APPLICATION", f"C{secrets.token_hex(32)}")


async def list_webhooks(call: Call) -> Response:
    """The caller's webhooks, in the order of creation."""
    owner = call.query_word("ownedBy")
    return page_response(
        call,
        call.state.webhooks,
        where=lambda each: each.created_by == call.person.id and owner in {None, each.owned_by},
        on_wire=unstructure,
    )


async def create_webhook(call: Call) -> Response:
    """Create a webhook; an equal one is another one."""
    fields = fields_of(
        await call.json(),
        required=("name", "targetUrl", "resource", "event"),
        optional=("filter", "secret", "ownedBy"),
    )
    webhook = Webhook(
        id=webex_id("WEBHOOK"),
        name=fields["name"],
        target_url=fields["targetUrl"],
        resource=fields["resource"],
        event=fields["event"],
        filter=fields.get("filter"),
        secret=fields.get("secret"),
        status=WebhookStatus.ACTIVE,
        created=to_utc_milliseconds(call.state.clock()),
        owned_by=fields.get("ownedBy", OwnedBy.CREATOR),
        org_id=call.person.org_id,
        created_by=call.person.id,
        app_id=_APP_ID,
    )
    if problems := tuple(problems_of_subscription(webhook)):
        raise RefusedCallError(400, *map(_relayed, problems))
    for kind, word, known in (
        ("resource", webhook.resource, Resource),
        ("event", webhook.event, Event),
    ):
        if word not in set(known):
            logger.warning(
                "the %s %r of the webhook %r isn't known: is it misspelled?",
                *(kind, word, webhook.name),
            )
    return _stored(call, webhook)


async def get_webhook(call: Call) -> Response:
    """One webhook."""
    return json_response(unstructure(_find(call)))


async def update_webhook(call: Call) -> Response:
    """Change the name, the target, the secret and the status, and nothing else."""
    fields = fields_of(
        await call.json(), required=("name", "targetUrl"), optional=("secret", "status")
    )
    webhook = _find(call)
    updated = attrs.evolve(
        webhook,
        name=fields["name"],
        target_url=fields["targetUrl"],
        # Whether Webex keeps a secret that is left out isn't documented; the sandbox keeps it.
        secret=fields.get("secret", webhook.secret),
        status=fields.get("status", webhook.status),
    )
    if (webhook.status, updated.status) == (WebhookStatus.INACTIVE, WebhookStatus.ACTIVE):
        call.state.failures.reactivated(webhook.id, call.state.clock())
    return _stored(call, updated)


async def delete_webhook(call: Call) -> Response:
    """Delete a webhook."""
    call.state.webhooks.remove(_find(call).id)
    return Response(status_code=204)


def _relayed(problem: str) -> str:
    """A problem as Webex relays it from the inner service that checks webhooks."""
    return (
        "POST failed: HTTP/1.1 400 Bad Request "
        f"(url = https://webhooks.sandbox.invalid/webhooks/api/v1/webhooks, error = '{problem}')"
    )


def _find(call: Call) -> Webhook:
    webhook = call.state.webhooks.get(call.id)
    if webhook is None or webhook.created_by != call.person.id:
        raise RefusedCallError(404)
    return webhook


def _stored(call: Call, webhook: Webhook) -> Response:
    call.state.webhooks.put(webhook.id, webhook)
    return json_response(unstructure(webhook))


def problems_of_subscription(webhook: Webhook) -> Iterator[str]:
    """Why Webex refuses this webhook; nothing if it accepts it.

    Resources and events with unknown names pass, because Webex adds new ones.
    """
    conditions = conditions_of(webhook.filter)
    if not all(key and value for key, value in conditions):
        yield f"Invalid value for filter: {webhook.filter}"
        conditions = ()
    watchable = CATALOG.get(webhook.resource)
    if watchable is not None and watchable.events:  # else Webex doesn't document them
        yield from _problems_of_event(webhook, watchable)
        yield from _problems_of_filter(conditions, webhook, watchable)


def matches(webhook: Webhook, resource: str, event: str, data: Mapping[str, Any]) -> bool:
    """Whether a webhook watches for an event of what has these members."""
    if not _watches(webhook, resource, event):
        return False
    for key, value in conditions_of(webhook.filter):
        is_me = (key, value) == ("mentionedPeople", "me")
        if (webhook.created_by if is_me else value) not in _values(key, data):
            return False
    return True


def _problems_of_event(webhook: Webhook, watchable: Watchable) -> Iterator[str]:
    # An event that no known resource has is new; one that only others have is a mistake.
    if webhook.event in set(Event) - watchable.events - {Event.ALL}:
        yield f"Invalid event for resource {webhook.resource}: {webhook.event}"
    if watchable.org_only and webhook.owned_by != OwnedBy.ORG:
        yield f"Resource {webhook.resource} requires ownedBy=org"


def _problems_of_filter(
    conditions: tuple[tuple[str, str], ...], webhook: Webhook, watchable: Watchable
) -> Iterator[str]:
    allowed = frozenset[str]()
    if (webhook.resource, webhook.event) not in WITHOUT_FILTER:
        allowed = watchable.filters
    for key, _ in conditions:
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
