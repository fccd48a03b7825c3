"""People.

Facts: https://developer.webex.com/docs/api/v1/people
"""

from typing import Any

from starlette.responses import Response

from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.requests import Call
from webex_webhooks_async.testing.service.shared.responses import RefusedCallError, json_response


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
    return {
        "id": person.id,
        "emails": [person.email],
        "displayName": person.display_name,
        "nickName": person.display_name,
        "userName": person.email,
        "orgId": person.org_id,
        "type": "bot" if person.id == call.state.bot.id else "person",
    }
