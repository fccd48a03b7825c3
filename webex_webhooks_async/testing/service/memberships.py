"""Memberships: who is in which room.

Facts: https://developer.webex.com/docs/api/v1/memberships
"""

from collections.abc import Mapping

from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Event
from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.requests import Call, fields_of, page_response
from webex_webhooks_async.testing.service.shared.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.shared.state import DIRECT, Json, State


async def list_memberships(call: Call) -> Response:
    """The members of a room; without ``roomId``, the caller's own memberships."""
    room_id = call.query("roomId")
    wanted = {key: value for key in ("personId", "personEmail") if (value := call.query(key))}
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
        await call.json(),
        required=("roomId",),
        optional=("personId", "personEmail", "isModerator"),
    )
    room = call.state.room_for(call.person, fields["roomId"])
    if room["type"] == DIRECT:
        raise RefusedCallError(403, "nobody can be added to a direct room")
    call.state.check_moderator(room, call.person)
    person = person_of(call.state, fields)
    if person.id in call.state.members(room["id"]):
        raise RefusedCallError(409, "the person is a member of the room already")
    event = call.state.join(
        room, person, actor=call.person, is_moderator=fields.get("isModerator", False)
    )
    call.events.append(event)
    return json_response(event.data)


async def get_membership(call: Call) -> Response:
    """One membership."""
    return json_response(_find(call))


async def update_membership(call: Call) -> Response:
    """Make someone a moderator or not, and hide a direct room or show it."""
    fields = fields_of(await call.json(), required=("isModerator", "isRoomHidden"))
    membership = _changeable(call)
    if fields["isModerator"] and membership["roomType"] == DIRECT:
        raise RefusedCallError(400, "a direct room has no moderator")
    if fields["isRoomHidden"] and membership["roomType"] != DIRECT:
        raise RefusedCallError(400, "only a direct room can be hidden")
    updated = {**membership, **fields}
    call.state.memberships.put(call.id, updated)
    call.events.append(call.state.membership_event(Event.UPDATED, updated, actor=call.person))
    return json_response(updated)


async def delete_membership(call: Call) -> Response:
    """Remove someone from a group room."""
    membership = _changeable(call)
    if membership["roomType"] == DIRECT:
        raise RefusedCallError(403, "nobody can be removed from a direct room")
    call.state.memberships.remove(call.id)
    event = call.state.membership_event(Event.DELETED, membership, actor=call.person)
    call.events.append(event)
    return Response(status_code=204)


def person_of(state: State, fields: Mapping[str, str]) -> SandboxPerson:
    """The person whom a request names by id or by address.

    Raises:
        RefusedCallError: It names nobody, or two, or an id that nobody has.
    """
    if len(fields.keys() & {"personId", "personEmail"}) != 1:
        raise RefusedCallError(400, "exactly one of personId, personEmail is required")
    return state.named(fields.get("personId") or fields["personEmail"])


def _find(call: Call) -> Json:
    membership = call.state.memberships.get(call.id)
    if membership is None or call.person.id not in call.state.members(membership["roomId"]):
        raise RefusedCallError(404, f"no membership that you can see has the id {call.id!r}")
    return membership


def _changeable(call: Call) -> Json:
    """The membership of the call; a locked room's moderators change those of others."""
    membership = _find(call)
    if membership["personId"] != call.person.id:
        call.state.check_moderator(call.state.rooms.get(membership["roomId"]) or {}, call.person)
    return membership
