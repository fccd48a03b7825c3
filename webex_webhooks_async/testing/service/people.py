"""The operations that find people, and how a `SandboxPerson` is written.

Facts: https://developer.webex.com/docs/api/v1/people
"""

from contextlib import suppress
from typing import Any

from starlette.responses import Response

from webex_webhooks_async.testing.service.calls import Call, page_response
from webex_webhooks_async.testing.service.formats import without_nones
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import unknown_person


async def list_people(call: Call) -> Response:
    """Return the people with an address, one of some ids, or a display name that begins so."""
    email, ids, name = (call.query(key) for key in ("email", "id", "displayName"))
    if email is ids is name is None:
        raise RefusedCallError(400, "one of email, id, displayName is required")
    if email is not None:
        _introduce(call, email)
    asked = {each: call.state.persons.find(each) for each in ids.split(",")} if ids else {}
    wanted = {found.id for found in asked.values() if found}
    unknown = [each for each, found in asked.items() if found is None]
    return page_response(
        call,
        call.state.persons,
        where=lambda each: (
            (email is None or email.lower() in map(str.lower, each.emails))
            and (ids is None or each.id in wanted)
            and (name is None or each.display_name.lower().startswith(name.lower()))
        ),
        on_wire=lambda each: _on_wire(call, each),
        beside={"notFoundIds": unknown} if unknown else None,
    )


def _introduce(call: Call, email: str) -> None:
    """Make who has the address known, as a message to it does, if it can be somebody's."""
    with suppress(RefusedCallError):
        call.state.named(email)


async def get_me(call: Call) -> Response:
    """Whom the access token belongs to."""
    return json_response(_on_wire(call, call.person))


async def get_person(call: Call) -> Response:
    """One person, by id."""
    person = call.state.persons.get(call.person_id(call.id))
    if person is None:
        raise unknown_person(call.id)
    return json_response(_on_wire(call, person))


def _on_wire(call: Call, person: SandboxPerson) -> dict[str, Any]:
    is_bot = person.id == call.state.bot.id
    first, _, rest = person.display_name.strip().partition(" ")
    first_name, last_name = (
        given or (None if is_bot else of_name.strip() or None)
        for given, of_name in ((person.first_name, first), (person.last_name, rest))
    )
    return without_nones(
        {
            "id": person.id,
            "emails": [*person.emails],
            "displayName": person.display_name,
            "phoneNumbers": [{"type": "work", "value": each} for each in person.phone_numbers]
            or None,
            "nickName": person.display_name if is_bot else first_name,
            "firstName": first_name,
            "lastName": last_name,
            "avatar": person.avatar,
            "userName": person.emails[0],
            "orgId": person.org_id,
            "type": "bot" if is_bot else "person",
        }
    )
