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

_DETAILS = ("isLocked", "isPublic", "isAnnouncementOnly", "description")


async def list_rooms(call: Call) -> Response:
    """The rooms that the caller is a member of."""
    kind, team_id = call.query("type"), call.query("teamId")
    return page_response(
        call,
        call.state.rooms,
        where=lambda room: (
            kind in {None, room["type"]}
            and team_id in {None, room.get("teamId")}
            and call.person.id in call.state.members(room["id"])
        ),
        on_wire=lambda room: _on_wire(call.state, call.person, room),
    )


async def create_room(call: Call) -> Response:
    """Create a group room, with the caller as its first member; a team's must be in the team."""
    fields = fields_of(await call.json(), required=("title",), optional=(*_DETAILS, "teamId"))
    _check_description(fields)
    if "teamId" in fields:
        call.state.team_for(call.person, fields["teamId"])
    room = call.state.add_room(fields, creator=call.person)
    moderates = bool(room["isLocked"])
    joined = call.state.join(room, call.person, actor=call.person, is_moderator=moderates)
    call.events.extend([room_event(call, Event.CREATED, room), joined])
    return json_response(room)


async def get_room(call: Call) -> Response:
    """One room."""
    room = call.state.room_for(call.person, call.id)
    return json_response(_on_wire(call.state, call.person, room))


async def update_room(call: Call) -> Response:
    """Change a group room."""
    fields = fields_of(await call.json(), required=("title",), optional=_DETAILS)
    updated = {**_group_room(call), **fields}
    _check_description(updated)
    call.state.rooms.put(call.id, updated)
    call.events.append(room_event(call, Event.UPDATED, updated))
    return json_response(updated)


async def delete_room(call: Call) -> Response:
    """Delete a group room with its messages and memberships; Webex has no event for it."""
    call.state.remove_room(_group_room(call)["id"])
    return Response(status_code=204)


def _group_room(call: Call) -> Json:
    """The room of the call; the moderators of a locked one change it, and nobody a direct one."""
    room = call.state.room_for(call.person, call.id)
    if room["type"] == DIRECT:
        raise RefusedCallError(400, "a direct room can't be changed or deleted")
    call.state.check_moderator(room, call.person)
    return room


def _check_description(room: Json) -> None:
    if room.get("isPublic") and not room.get("description"):
        raise RefusedCallError(400, "description is required for a public room")


def _on_wire(state: State, viewer: SandboxPerson, room: Json) -> Json:
    """A room as someone sees it: a direct room has the other person's name."""
    if room["type"] != DIRECT:
        return room
    others = [each for each in state.persons if each.id in state.members(room["id"]) - {viewer.id}]
    return {**room, "title": others[0].display_name} if others else room


def room_event(call: Call, event: str, room: Json) -> WebexEvent:
    """Something happened to a room; its members are notified."""
    return WebexEvent(
        resource=Resource.ROOMS,
        event=event,
        actor_id=call.person.id,
        data=room,
        audience=call.state.members(room["id"]),
    )
