import httpx
import pytest

from tests.testing.doubles import ANN, BOT
from webex_webhooks_async.testing import Sandbox, SandboxPerson


async def test_me(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A token that isn't a person's is the bot's."""
    response = await api.get("/people/me")

    bot = webex_sandbox.bot
    expected = {
        "id": bot.id,
        "emails": [bot.email],
        "displayName": bot.display_name,
        "orgId": bot.org_id,
        "type": "bot",
    }
    assert response.json() == {**response.json(), **expected}


async def test_a_persons_token(api: httpx.AsyncClient) -> None:
    """The token of an address is the same person's each time, in any case, who is found by id."""
    ann = (await api.get("/people/me", headers=ANN)).json()
    shouted = {"Authorization": "Bearer person:ANN@example.com"}

    assert (ann["emails"], ann["displayName"], ann["type"]) == (
        ["ann@example.com"],
        "Ann",
        "person",
    )
    assert (await api.get("/people/me", headers=shouted)).json() == ann
    assert (await api.get(f"/people/{ann['id']}", headers=BOT)).json() == ann


@pytest.mark.parametrize("token", ["person:", "person:ann"])
async def test_no_persons_token(api: httpx.AsyncClient, token: str) -> None:
    """A person's token needs an address."""
    response = await api.get("/people/me", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 404
    assert "address" in response.json()["message"]


async def test_a_revoked_persons_token(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A person's token can be revoked like any other."""
    webex_sandbox.revoke("person:ann@example.com")

    assert (await api.get("/people/me", headers=ANN)).status_code == 401


@pytest.mark.parametrize("person_id", ["nobody", "ann@example.com"])
async def test_unknown_people(api: httpx.AsyncClient, person_id: str) -> None:
    """An id that nobody has is not found; an address is not an id."""
    await api.get("/people/me", headers=ANN)

    response = await api.get(f"/people/{person_id}")

    assert response.status_code == 404
    assert response.json()["message"] == f"no person has the id {person_id!r}"


async def test_a_person_object(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A person that a test makes is found by its id."""
    ann = SandboxPerson(email="ann@example.com", display_name="Ann Lee")
    await webex_sandbox.say("Hello", person=ann)

    found = (await api.get(f"/people/{ann.id}")).json()

    assert (found["displayName"], found["orgId"]) == ("Ann Lee", ann.org_id)
