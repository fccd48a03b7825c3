"""Attachment actions: the inputs of cards that people submit.

Facts: https://developer.webex.com/docs/api/v1/attachment-actions
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.testing.service import messages
from webex_webhooks_async.testing.service.calls import Call, fields_of
from webex_webhooks_async.testing.service.cards import submitted_ids, unknown_inputs
from webex_webhooks_async.testing.service.events import INPUTS, WebexEvent
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import Json, State


async def create_action(call: Call) -> Response:
    """Submit the inputs of a card."""
    document = await call.json()
    fields = fields_of(document, required=("type", "messageId"))
    if fields["type"] != "submit":
        raise RefusedCallError(400, f"type must be submit, got {fields['type']}")
    if not isinstance(document.get(INPUTS), dict):
        raise RefusedCallError(400, "inputs is required and must be an object")
    inputs = cast("Json", document[INPUTS])
    message = messages.find(call.state, call.person, fields["messageId"])
    known = frozenset(submitted_ids(cards_of(message)))
    if unknown := inputs.keys() - known:
        raise RefusedCallError(400, unknown_inputs(unknown, known))
    event = submit(call.state, call.person, message, inputs)
    call.events.append(event)
    return json_response({**event.data, INPUTS: inputs})


async def get_action(call: Call) -> Response:
    """One action, with its inputs."""
    action = call.state.documents[Resource.ATTACHMENT_ACTIONS].get(call.id)
    if action is None or call.person.id not in call.state.members(action["roomId"]):
        raise RefusedCallError(404, f"no attachment action has the id {call.id!r}")
    return json_response(action)


def submit(
    state: State, person: SandboxPerson, message: Json, inputs: Mapping[str, Any]
) -> WebexEvent:
    """Submit the inputs of a card, and return what happened; its author is notified.

    https://developer.webex.com/docs/webhook-event-reference says that of "one of your cards".
    """
    where = {"messageId": message["id"], "roomId": message["roomId"]}
    data = state.new(Resource.ATTACHMENT_ACTIONS, person, where)
    actions = state.documents[Resource.ATTACHMENT_ACTIONS]
    actions.put(data["id"], {**data, INPUTS: dict(inputs)})
    number = next(n for n, each in state.messages.numbered() if each["id"] == message["id"])
    state.pressed[message["id"]] = (number, message)
    return WebexEvent(
        resource=Resource.ATTACHMENT_ACTIONS,
        event=Event.CREATED,
        actor_id=person.id,
        data=data,
        audience=frozenset({message["personId"]}),
    )


def cards_of(message: Json) -> Sequence[object]:
    """The cards of a message."""
    cards: Sequence[object] | None = message.get("attachments")
    if not cards:
        said = message.get("text") or message["id"]
        raise RefusedCallError(400, f"the message {said!r} has no card to submit")
    return cards
