"""Rooms: a direct room for each two persons who write to each other, and group rooms.

Facts: https://developer.webex.com/docs/api/v1/rooms
"""

from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.testing.service.shared.events import WebexEvent
from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.requests import Call, fields_of, page_response
from webex_webhooks_async.testing.service.shared.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.shared.state import DIRECT, Json, State


async def list_rooms(call: Call) -> Response:
    """The rooms that the caller is a member of."""
    kind = call.query("type")
    return page_response(
        call,
        call.state.rooms,
        where=lambda room: (
            kind in {None, room["type"]} and call.person.id in call.state.members(room["id"])
        ),
        on_wire=lambda room: _on_wire(call.state, call.person, room),
    )


async def create_room(call: Call) -> Response:
    """Create a group room, with the caller as its first member."""
    fields = fields_of(await call.json(), required=("title",))
    room = call.state.add_room({"title": fields["title"]}, creator=call.person)
    joined = call.state.join(room, call.person, actor=call.person)
    call.events.extend([_room_event(call, Event.CREATED, room), joined])
    return json_response(room)


async def get_room(call: Call) -> Response:
    """One room."""
    room = call.state.room_for(call.person, call.id)
    return json_response(_on_wire(call.state, call.person, room))


async def update_room(call: Call) -> Response:
    """Change the title of a group room."""
    fields = fields_of(await call.json(), required=("title",))
    room = call.state.room_for(call.person, call.id)
    if room["type"] == DIRECT:
        raise RefusedCallError(400, "a direct room has no title of its own")
    updated = {**room, "title": fields["title"]}
    call.state.rooms.put(call.id, updated)
    call.events.append(_room_event(call, Event.UPDATED, updated))
    return json_response(updated)


def _on_wire(state: State, viewer: SandboxPerson, room: Json) -> Json:
    """A room as someone sees it: a direct room has the other person's name."""
    if room["type"] != DIRECT:
        return room
    others = [each for each in state.persons if each.id in state.members(room["id"]) - {viewer.id}]
    return {**room, "title": others[0].display_name} if others else room


def _room_event(call: Call, event: str, room: Json) -> WebexEvent:
    return WebexEvent(
        resource=Resource.ROOMS,
        event=event,
        actor_id=call.person.id,
        data=room,
        audience=call.state.members(room["id"]),
    )
