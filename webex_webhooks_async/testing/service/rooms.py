"""Rooms, and who is in which: a direct room for each two who write to each other, and group rooms.

Facts: https://developer.webex.com/docs/api/v1/rooms and
https://developer.webex.com/docs/api/v1/memberships
"""

from typing import Any

from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Event
from webex_webhooks_async.testing.service.calls import Call, fields_of, page_response, person_of
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import DIRECT, GROUP, Json, State, matching

_MAX_PAGE_SIZE = 1_000
_DETAILS = ("isLocked", "isPublic", "isAnnouncementOnly", "description")


async def list_rooms(call: Call) -> Response:
    """The rooms that the caller is a member of."""
    kind, team_id, sort_by = call.query("type"), call.query("teamId"), call.query_word("sortBy")
    if kind not in {None, DIRECT, GROUP}:
        raise RefusedCallError(400, f"type must be {DIRECT} or {GROUP}, got {kind!r}")
    own = {each["roomId"] for each in matching(call.state.memberships, personId=call.person.id)}
    key = {"id": "id", "lastactivity": "lastActivity"}.get(sort_by or "", "created")
    return page_response(
        call,
        call.state.rooms,
        where=lambda room: (
            kind in {None, room["type"]}
            and team_id in {None, room.get("teamId")}
            and room["id"] in own
        ),
        on_wire=lambda room: _on_wire(call.state, call.person, room),
        order=lambda room: room.get(key, ""),
        newest_first=key != "id",
        at_most=_MAX_PAGE_SIZE,
    )


async def create_room(call: Call) -> Response:
    """Create a group room, with the caller as its first member; a team's must be in the team."""
    fields = await _fields(call)
    _check_description(fields)
    room = call.state.add_room(fields, creator=call.person)
    joined = call.state.join(room, call.person, actor=call.person)
    call.events.extend([call.state.room_event(Event.CREATED, room, actor=call.person), joined])
    _moderate(call, room)
    return json_response(room)


async def get_room(call: Call) -> Response:
    """One room."""
    room = call.state.room_for(call.person, call.id)
    return json_response(_on_wire(call.state, call.person, room))


async def update_room(call: Call) -> Response:
    """Change a group room; who locks it becomes its moderator, and an unlocked one has none."""
    fields = await _fields(call)
    room = _group_room(call)
    updated = {**room, **fields}
    _check_description(updated)
    call.state.rooms.put(call.id, updated)
    call.events.append(call.state.room_event(Event.UPDATED, updated, actor=call.person))
    _moderate(call, updated)
    return json_response(updated)


def _moderate(call: Call, room: Json) -> None:
    """Make the caller a moderator of a locked room; a room that isn't locked has none."""
    is_locked = bool(room.get("isLocked"))
    whose = {"personId": call.person.id} if is_locked else {}
    changes = {"isModerator": is_locked}
    for each in matching(
        call.state.memberships, roomId=room["id"], isModerator=not is_locked, **whose
    ):
        call.events.extend(call.state.update_membership(each, changes, actor=call.person))


async def delete_room(call: Call) -> Response:
    """Delete a group room with its messages and memberships; these alone are notified."""
    call.events.extend(call.state.remove_room(_group_room(call)["id"], actor=call.person))
    return Response(status_code=204)


async def _fields(call: Call) -> dict[str, Any]:
    """Return the fields that a room may have; its team must be one of the caller's."""
    fields = fields_of(await call.json(), required=("title",), optional=(*_DETAILS, "teamId"))
    if "teamId" in fields:
        call.state.team_for(call.person, fields["teamId"])
    return fields


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
    members = state.members(room["id"]) - {viewer.id}
    others = [each for each in state.persons if each.id in members]
    return {**room, "title": others[0].display_name} if others else room


async def list_memberships(call: Call) -> Response:
    """The members of a room; without ``roomId``, the caller's own memberships."""
    room_id = call.query("roomId")
    wanted = {key: value for key in ("personId", "personEmail") if (value := call.query(key))}
    if "personId" in wanted:
        wanted["personId"] = call.person_id(wanted["personId"])
    if room_id is not None:
        wanted["roomId"] = call.state.room_for(call.person, room_id)["id"]
    elif not wanted:
        wanted["personId"] = call.person.id
    return page_response(
        call,
        call.state.memberships,
        where=lambda each: (
            all(each.get(key) == value for key, value in wanted.items())
            and call.person.id in call.state.members(each["roomId"])
        ),
    )


async def create_membership(call: Call) -> Response:
    """Add someone to a group room that the caller is a member of."""
    fields = fields_of(
        await call.json(), required=("roomId",), optional=("personId", "personEmail", "isModerator")
    )
    room = call.state.room_for(call.person, fields["roomId"])
    if room["type"] == DIRECT:
        raise RefusedCallError(403, "nobody can be added to a direct room")
    call.state.check_moderator(room, call.person)
    person = person_of(call, fields)
    if person.id in call.state.members(room["id"]):
        raise RefusedCallError(409, "the person is a member of the room already")
    joined = call.state.join(room, person, actor=call.person)
    call.events.append(joined)
    if not fields.get("isModerator"):
        return json_response(joined.data)
    # That somebody is added as a moderator is two events.
    changes = {"isModerator": True}
    call.events.extend(call.state.update_membership(joined.data, changes, actor=call.person))
    return json_response({**joined.data, **changes})


async def get_membership(call: Call) -> Response:
    """One membership."""
    return json_response(_find_membership(call))


async def update_membership(call: Call) -> Response:
    """Make someone a moderator or not, and hide a direct room or show it."""
    # Webex's reference requires isRoomHidden as well; its SDKs don't send it.
    fields = fields_of(await call.json(), required=("isModerator",), optional=("isRoomHidden",))
    membership = _changeable_membership(call)
    if fields["isModerator"] and membership["roomType"] == DIRECT:
        raise RefusedCallError(400, "a direct room has no moderator")
    if fields.get("isRoomHidden") and membership["roomType"] != DIRECT:
        raise RefusedCallError(400, "only a direct room can be hidden")
    call.events.extend(call.state.update_membership(membership, fields, actor=call.person))
    return json_response({**membership, **fields})


async def delete_membership(call: Call) -> Response:
    """Remove someone from a group room."""
    membership = _changeable_membership(call)
    if membership["roomType"] == DIRECT:
        raise RefusedCallError(403, "nobody can be removed from a direct room")
    call.events.extend(call.state.leave(membership, actor=call.person))
    return Response(status_code=204)


def _find_membership(call: Call) -> Json:
    membership = call.state.memberships.get(call.id)
    if membership is None or call.person.id not in call.state.members(membership["roomId"]):
        raise RefusedCallError(404, f"no membership that you can see has the id {call.id!r}")
    return membership


def _changeable_membership(call: Call) -> Json:
    """The membership of the call; a locked room's moderators change those of others."""
    membership = _find_membership(call)
    if membership["personId"] != call.person.id:
        call.state.check_moderator(call.state.rooms.get(membership["roomId"]) or {}, call.person)
    return membership
