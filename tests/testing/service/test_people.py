import base64

import httpx
import pytest

from tests.testing.doubles import ANN, BOT, items
from webex_webhooks_async.testing import Sandbox, SandboxPerson


async def test_me(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A token that isn't a person's is the bot's; an id is base64 of what it identifies."""
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
    assert base64.urlsafe_b64decode(bot.id + "==").startswith(b"ciscospark://us/PEOPLE/")
    assert "=" not in bot.id


async def test_a_persons_token(api: httpx.AsyncClient) -> None:
    """The token of an address is the same person's each time, in any case, who is found by id."""
    ann = (await api.get("/people/me", headers=ANN)).json()
    shouted = {"Authorization": "Bearer person:ANN@example.com"}

    expected = {"emails": ["ann@example.com"], "displayName": "Ann", "type": "person"}
    assert ann == {**ann, **expected}
    assert (await api.get("/people/me", headers=shouted)).json() == ann
    assert (await api.get(f"/people/{ann['id']}", headers=BOT)).json() == ann


async def test_nobody(api: httpx.AsyncClient) -> None:
    """A person's token needs an address; an id that nobody has isn't found, nor an address."""
    await api.get("/people/me", headers=ANN)
    for token in ("person:", "person:ann"):
        response = await api.get("/people/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 404
        assert "address" in response.json()["message"]
    for person_id in ("nobody", "ann@example.com"):
        response = await api.get(f"/people/{person_id}")
        assert response.status_code == 404
        assert response.json()["message"] == f"no person has the id {person_id!r}"


async def test_a_person_object(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """A person that a test makes is found by its id, with what the test said of it."""
    ann = SandboxPerson(
        email="ann@example.com",
        display_name="Ann Lee",
        last_name="Lee",
        avatar="https://example.com/ann.png",
        phone_numbers=["+1 408 526 7209"],
    )
    await webex_sandbox.say("Hello", person=ann)

    found = (await api.get(f"/people/{ann.id}")).json()

    assert found == {
        **found,
        "displayName": "Ann Lee",
        "firstName": "Ann",
        "lastName": "Lee",
        "nickName": "Ann",
        "avatar": "https://example.com/ann.png",
        "phoneNumbers": [{"type": "work", "value": "+1 408 526 7209"}],
        "orgId": ann.org_id,
    }


@pytest.mark.parametrize("bot_org", [None, "ORG"])
async def test_one_organization(bot_org: str | None) -> None:
    """Everyone is of the bot's organization who wasn't given another one."""
    given = {} if bot_org is None else {"org_id": bot_org}
    bot = SandboxPerson(email="bot@webex.bot", display_name="Bot", **given)
    ann = SandboxPerson(email="ann@example.com", display_name="Ann")
    eve = SandboxPerson(email="eve@example.org", display_name="Eve", org_id="OTHER")
    sandbox = Sandbox(bot=bot)
    for person in (ann, ann, eve, "bob@example.com"):
        await sandbox.say("Hello", person=person)

    async with sandbox.http_client() as api:
        orgs = [
            (await items(api, "/people", email=email))[0]["orgId"]
            for email in (bot.email, ann.email, "bob@example.com", eve.email)
        ]

    assert orgs == [bot.org_id, bot.org_id, bot.org_id, "OTHER"]


async def test_search(api: httpx.AsyncClient) -> None:
    """People are found by address, by ids, and by how the display name begins, in any case."""
    ann, lea = [
        (await api.get("/people/me", headers={"Authorization": f"Bearer person:{email}"})).json()
        for email in ("ann.lee@example.com", "lea@example.com")
    ]
    ids = f"{lea['id']},nobody,{ann['id']}"
    batch = await api.get(f"/people/?id={ids}&showAllTypes=false")  # what the JavaScript SDK sends
    queries: list[tuple[dict[str, str], list[object]]] = [
        ({"email": "ANN.LEE@example.com"}, [ann]),
        ({"email": "nobody@example.com"}, []),
        ({"id": ids}, [ann, lea]),
        ({"id": ids, "displayName": "le"}, [lea]),
        ({"displayName": "Ann L"}, [ann]),
    ]

    found = [await items(api, "/people", **query) for query, _ in queries]
    page = await api.get("/people", params={"id": ids, "max": "1"})
    refused = await api.get("/people")

    assert found == [expected for _, expected in queries]
    assert batch.json() == {"items": [ann, lea], "notFoundIds": ["nobody"]}
    assert (await api.get(page.links["next"]["url"])).json()["items"] == [lea]
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "one of email, id, displayName is required",
    )
