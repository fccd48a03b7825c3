"""The operations that find people, and how a `SandboxPerson` is written.

Facts: https://developer.webex.com/docs/api/v1/people
"""

from typing import Any

from starlette.responses import Response

from webex_webhooks_async.testing.service.calls import Call, page_response
from webex_webhooks_async.testing.service.formats import without_nones
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson


async def list_people(call: Call) -> Response:
    """Who has an address, one of some ids, or a display name that begins so."""
    email, ids, name = (call.query(key) for key in ("email", "id", "displayName"))
    if email is ids is name is None:
        raise RefusedCallError(400, "one of email, id, displayName is required")
    wanted = ids.split(",") if ids else []
    unknown = [each for each in wanted if call.state.persons.get(each) is None]
    return page_response(
        call,
        call.state.persons,
        where=lambda each: (
            (email is None or each.email.lower() == email.lower())
            and (ids is None or each.id in wanted)
            and (name is None or each.display_name.lower().startswith(name.lower()))
        ),
        on_wire=lambda each: _on_wire(call, each),
        beside={"notFoundIds": unknown} if unknown else None,
    )


async def get_me(call: Call) -> Response:
    """Whom the access token belongs to."""
    return json_response(_on_wire(call, call.person))


async def get_person(call: Call) -> Response:
    """One person, by id."""
    person = call.state.persons.find(call.id)
    if person is None or person.id != call.id:
        raise RefusedCallError(404, f"no person has the id {call.id!r}")
    return json_response(_on_wire(call, person))


def _on_wire(call: Call, person: SandboxPerson) -> dict[str, Any]:
    first_name = person.first_name or next(iter(person.display_name.split()), None)
    return without_nones(
        {
            "id": person.id,
            "emails": [person.email],
            "displayName": person.display_name,
            "phoneNumbers": [{"type": "work", "value": each} for each in person.phone_numbers]
            or None,
            "nickName": first_name,
            "firstName": first_name,
            "lastName": person.last_name,
            "avatar": person.avatar,
            "userName": person.email,
            "orgId": person.org_id,
            "type": "bot" if person.id == call.state.bot.id else "person",
        }
    )
