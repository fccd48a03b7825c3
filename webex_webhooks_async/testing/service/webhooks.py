"""Webhooks.

Facts: https://developer.webex.com/docs/api/v1/webhooks
"""

from typing import Any

import attrs
from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import OwnedBy, Status
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.serialization import to_wire
from webex_webhooks_async.testing.service.shared.clock import to_utc_milliseconds
from webex_webhooks_async.testing.service.shared.errors import RefusedError, relayed
from webex_webhooks_async.testing.service.shared.ids import webex_id
from webex_webhooks_async.testing.service.shared.pages import page_response
from webex_webhooks_async.testing.service.shared.requests import Call, fields_of, wanted_owner
from webex_webhooks_async.testing.service.shared.responses import json_response
from webex_webhooks_async.testing.service.shared.subscriptions import problems_of_subscription

_APP_ID = webex_id("APPLICATION")


async def list_webhooks(call: Call) -> Response:
    """The caller's webhooks, in the order of creation."""
    owner = wanted_owner(call)
    return page_response(
        call,
        call.state.webhooks,
        where=lambda each: each.created_by == call.person.id and owner in {None, each.owned_by},
        on_wire=_on_wire,
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
        status=Status.ACTIVE,
        created=to_utc_milliseconds(call.state.clock()),
        owned_by=fields.get("ownedBy", OwnedBy.CREATOR),
        org_id=call.person.org_id,
        created_by=call.person.id,
        app_id=_APP_ID,
    )
    if problems := tuple(problems_of_subscription(webhook)):
        raise RefusedError(400, *(relayed(problem) for problem in problems))
    return _stored(call, webhook)


async def get_webhook(call: Call) -> Response:
    """One webhook."""
    return json_response(_on_wire(_find(call)))


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
    if (webhook.status, updated.status) == (Status.INACTIVE, Status.ACTIVE):
        call.state.failures.reactivated(webhook.id)
    return _stored(call, updated)


async def delete_webhook(call: Call) -> Response:
    """Delete a webhook."""
    webhook = _find(call)
    call.state.webhooks.remove(webhook.id)
    call.state.failures.forget(webhook.id)
    return Response(status_code=204)


def _find(call: Call) -> Webhook:
    webhook = call.state.webhooks.get(call.id)
    if webhook is None or webhook.created_by != call.person.id:
        raise RefusedError(404)
    return webhook


def _stored(call: Call, webhook: Webhook) -> Response:
    call.state.webhooks.put(webhook.id, webhook)
    return json_response(_on_wire(webhook))


def _on_wire(webhook: Webhook) -> dict[str, Any]:
    members: dict[str, Any] = to_wire(webhook)
    return members
