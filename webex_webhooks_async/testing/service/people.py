"""The operations that find people, and how a `SandboxPerson` is written.

Facts: https://developer.webex.com/docs/api/v1/people
"""

from contextlib import suppress
from typing import Any

from attrs import evolve
from starlette.responses import Response

from webex_webhooks_async.testing.service.calls import Call, fields_of, page_response
from webex_webhooks_async.testing.service.formats import without_nones
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson, fake_person
from webex_webhooks_async.testing.service.state import Store, unknown_person


async def list_people(call: Call) -> Response:
    """Return the people with an address, one of some ids, or a display name that begins so."""
    email, ids, name = (call.query(key) for key in ("email", "id", "displayName"))
    if email is ids is name is None:
        raise RefusedCallError(400, "one of email, id, displayName is required")
    if email is not None:
        with suppress(RefusedCallError):  # it finds who has an address that can be somebody's
            call.state.named(email)
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


async def create_person(call: Call) -> Response:
    """Create a person; everyone is an administrator here."""
    document = await call.json()
    fields = fields_of(
        document, optional=("displayName", "firstName", "lastName", "avatar", "orgId")
    )
    match document.get("emails"):
        case [str(email)] if "@" in email:
            pass
        case _:
            raise RefusedCallError(400, "emails must be an array with one address")
    if call.state.persons.find(email) is not None:
        raise RefusedCallError(409, f"another person has the address {email!r}")
    by_default = fake_person(email=email)
    names = [fields[name] for name in ("firstName", "lastName") if name in fields]
    person = evolve(
        by_default,
        display_name=fields.get("displayName") or " ".join(names) or by_default.display_name,
        org_id=fields.get("orgId", by_default.org_id),
        first_name=fields.get("firstName"),
        last_name=fields.get("lastName", by_default.last_name),
        avatar=fields.get("avatar"),
    )
    return json_response(_on_wire(call, call.state.introduce(person)))


async def list_licenses(call: Call) -> Response:
    """The licenses of the organization, which has none."""
    return page_response(call, Store[Any](), where=bool)


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
            "created": call.state.known_since[person.id],
            "type": "bot" if is_bot else "person",
        }
    )
