"""Teams and their members. Each team has a general room of its name, which all of them are in.

Facts: https://developer.webex.com/docs/api/v1/teams and
https://developer.webex.com/docs/api/v1/team-memberships
"""

from typing import Any

from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Event
from webex_webhooks_async.testing.service.calls import Call, fields_of, page_response, person_of
from webex_webhooks_async.testing.service.formats import webex_id
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import Json, matching


async def list_teams(call: Call) -> Response:
    """The teams that the caller is a member of."""
    return page_response(
        call,
        call.state.teams,
        where=lambda each: call.state.team_membership(each["id"], call.person.id) is not None,
    )


async def create_team(call: Call) -> Response:
    """Create a team, with the caller as its moderator, and its general room."""
    fields = fields_of(await call.json(), required=("name",), optional=("description",))
    team = {"id": webex_id("TEAM"), **fields, "created": call.state.now()}
    call.state.teams.put(team["id"], team)
    room = call.state.add_room({"title": team["name"], "teamId": team["id"]}, creator=call.person)
    call.state.general_rooms[team["id"]] = room["id"]
    _join(call, team, call.person, is_moderator=True)
    event = call.state.room_event(Event.CREATED, room, actor=call.person)
    call.events.insert(0, event)  # its member hears of it
    return json_response(team)


async def get_team(call: Call) -> Response:
    """One team."""
    return json_response(call.state.team_for(call.person, call.id))


async def update_team(call: Call) -> Response:
    """Change the name and the description of a team."""
    fields = fields_of(await call.json(), required=("name",), optional=("description",))
    team = call.state.team_for(call.person, call.id)
    _check_moderator(call, team)
    updated = {**team, **fields}
    call.state.teams.put(call.id, updated)
    return json_response(updated)


async def delete_team(call: Call) -> Response:
    """Delete a team, its memberships and its rooms."""
    team = call.state.team_for(call.person, call.id)
    _check_moderator(call, team)
    call.state.teams.remove(call.id)
    for each in matching(call.state.team_memberships, teamId=call.id):
        call.state.team_memberships.remove(each["id"])
    for room in matching(call.state.rooms, teamId=call.id):
        call.events.extend(call.state.remove_room(room["id"], actor=call.person))
    return Response(status_code=204)


async def list_memberships(call: Call) -> Response:
    """The members of a team."""
    team_id = call.query("teamId")
    if team_id is None:
        raise RefusedCallError(400, "teamId is required and must not be empty")
    call.state.team_for(call.person, team_id)
    return page_response(
        call, call.state.team_memberships, where=lambda each: each["teamId"] == team_id
    )


async def create_membership(call: Call) -> Response:
    """Add someone to a team, and to its general room."""
    fields = fields_of(
        await call.json(), required=("teamId",), optional=("personId", "personEmail", "isModerator")
    )
    team = call.state.team_for(call.person, fields["teamId"])
    _check_moderator(call, team)
    person = person_of(call, fields)
    if call.state.team_membership(team["id"], person.id) is not None:
        raise RefusedCallError(409, "the person is a member of the team already")
    return json_response(_join(call, team, person, is_moderator=fields.get("isModerator", False)))


async def get_membership(call: Call) -> Response:
    """One membership."""
    return json_response(_find(call))


async def update_membership(call: Call) -> Response:
    """Make someone a moderator of a team, or not."""
    fields = fields_of(await call.json(), required=("isModerator",))
    membership = _find(call)
    _check_moderator(call, call.state.team_for(call.person, membership["teamId"]))
    if not fields["isModerator"]:
        _check_another_moderator(call, membership)
    updated = {**membership, **fields}
    call.state.team_memberships.put(call.id, updated)
    return json_response(updated)


async def delete_membership(call: Call) -> Response:
    """Remove someone from a team and its rooms; everyone can leave, except the last moderator."""
    membership = _find(call)
    team = call.state.team_for(call.person, membership["teamId"])
    if membership["personId"] != call.person.id:
        _check_moderator(call, team)
    _check_another_moderator(call, membership)
    call.state.team_memberships.remove(call.id)
    for room in matching(call.state.rooms, teamId=team["id"]):
        of_room = call.state.membership(room["id"], membership["personId"])
        if of_room is not None:
            call.events.extend(call.state.leave(of_room, actor=call.person))
    return Response(status_code=204)


def _join(call: Call, team: Json, person: SandboxPerson, *, is_moderator: bool) -> Json:
    membership: dict[str, Any] = {
        "id": webex_id("TEAM_MEMBERSHIP"),
        "teamId": team["id"],
        "personId": person.id,
        "personEmail": person.emails[0],
        "personDisplayName": person.display_name,
        "personOrgId": person.org_id,
        "isModerator": is_moderator,
        "created": call.state.now(),
    }
    call.state.team_memberships.put(membership["id"], membership)
    general = call.state.rooms.get(call.state.general_rooms[team["id"]])
    if general is not None and call.state.membership(general["id"], person.id) is None:
        call.events.append(call.state.join(general, person, actor=call.person))
    return membership


def _find(call: Call) -> Json:
    membership = call.state.team_memberships.get(call.id)
    if membership is None or not call.state.team_membership(membership["teamId"], call.person.id):
        raise RefusedCallError(404, f"no team membership that you can see has the id {call.id!r}")
    return membership


def _check_moderator(call: Call, team: Json) -> None:
    membership = call.state.team_membership(team["id"], call.person.id) or {}
    if not membership.get("isModerator"):
        raise RefusedCallError(403, f"only a moderator can change the team {team['name']!r}")


def _check_another_moderator(call: Call, membership: Json) -> None:
    team_id = membership["teamId"]
    moderators = matching(call.state.team_memberships, teamId=team_id, isModerator=True)
    if [each["id"] for each in moderators] == [membership["id"]]:
        raise RefusedCallError(400, "the last moderator of a team can't be removed")
