import uuid
from datetime import datetime, timedelta

import pytest

from tests.support.clocks import StoppedClock
from tests.testing.doubles import ANN, BOT, Api, created, descriptions, group_room, items
from webex_webhooks_async.testing import Sandbox, SandboxPerson
from webex_webhooks_async.testing.service.formats import name_in, webex_id

pytestmark = pytest.mark.once


async def test_a_persons_token(api: Api) -> None:
    """The token of an address is the same person's each time, in any case, who is found by id."""
    ann = (await api.get("/people/me", headers=ANN)).json()
    shouted = {"Authorization": "Bearer person:ANN@example.com"}

    expected = {"emails": ["ann@example.com"], "displayName": "Ann", "type": "person"}
    assert ann == {**ann, **expected}
    assert (await api.get("/people/me", headers=shouted)).json() == ann
    assert (await api.get(f"/people/{ann['id']}", headers=BOT)).json() == ann


async def test_nobody(api: Api) -> None:
    """A person's token needs an address; an id of nobody isn't found, and no id is refused."""
    await api.get("/people/me", headers=ANN)
    for token in ("person:", "person:ann"):
        response = await api.get("/people/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 404
        assert "address" in response.json()["message"]
    for person_id in (webex_id("PEOPLE"), str(uuid.uuid4())):
        assert (await api.get(f"/people/{person_id}")).status_code == 404
    for person_id in ("nobody", "ann@example.com", "bm9ib2R5", "☃"):
        response = await api.get(f"/people/{person_id}")
        assert response.status_code == 400
        assert response.json()["message"] == "Expect base64 ID or UUID."
        assert descriptions(response) == [
            "Expect base64 ID or UUID.",
            f"no person has the id {person_id!r}; an address introduces a new person",
        ]


async def test_the_uuid_of_a_person(api: Api, webex_sandbox: Sandbox) -> None:
    """The UUID in the id of a person, in any case, names the person like the id."""
    ann = (await api.get("/people/me", headers=ANN)).json()
    name = name_in(ann["id"]) or ""
    room = await group_room(api)
    membership = await created(api, "/memberships", roomId=room, personId=name)

    await created(api, "/messages", toPersonId=name.upper(), text="Hello")
    markdown = f"<@personId:{name}> hello"
    mention = await created(api, "/messages", ANN, roomId=room, markdown=markdown)

    assert (await api.get(f"/people/{name.upper()}")).json() == ann
    assert await items(api, "/people", id=name) == [ann]
    assert mention["mentionedPeople"] == [ann["id"]]
    assert await items(api, "/memberships", roomId=room, personId=name) == [membership]
    (direct,) = await items(api, "/messages/direct", personId=name)
    assert direct["text"] == "Hello"
    of_ann = await items(api, "/messages", ANN, roomId=room, mentionedPeople=name)
    assert [each["id"] for each in of_ann] == [mention["id"]]
    assert (await webex_sandbox.say("Hi", person=name)) == []
    assert webex_sandbox.messages[-1].person_id == ann["id"]


async def test_who_has_an_address(api: Api, webex_sandbox: Sandbox) -> None:
    """The person is found whom a message to an address makes; one in .invalid is nobody's."""
    (found,) = await items(api, "/people", email="new@example.com")
    message = await created(api, "/messages", ANN, toPersonId=found["id"], text="Hello")
    refused = await api.post("/messages", json={"toPersonEmail": "a@b.INVALID", "text": "Hello"})
    with pytest.raises(ValueError, match=r"nobody has the address 'a@b\.invalid'"):
        await webex_sandbox.say("Hello", person="a@b.invalid")

    assert await items(api, "/people", email="NEW@example.com") == [found]
    assert found["emails"] == ["new@example.com"]
    assert message["toPersonId"] == found["id"]
    assert (refused.status_code, await items(api, "/people", email="a@b.invalid")) == (404, [])


async def test_names(api: Api, webex_sandbox: Sandbox) -> None:
    """A person has a first and a last name, also with an address of one word; a bot has neither."""
    names = [
        (person["displayName"], person["firstName"], person["lastName"], person["nickName"])
        for email in ("ann@example.com", "ann.lee@example.com", "a.b.c@mail.example.com")
        for person in [
            (
                await api.get("/people/me", headers={"Authorization": f"Bearer person:{email}"})
            ).json()
        ]
    ]
    bot = (await api.get("/people/me")).json()

    assert names == [
        ("Ann", "Ann", "Example", "Ann"),
        ("Ann Lee", "Ann", "Lee", "Ann"),
        ("A B C", "A", "B C", "A"),
    ]
    assert (bot["nickName"], bot["type"]) == (webex_sandbox.bot.display_name, "bot")
    assert bot.keys().isdisjoint({"firstName", "lastName"})


async def test_a_person_object(api: Api, webex_sandbox: Sandbox) -> None:
    """A person that a test makes is found by its id, with what the test said of it."""
    ann = SandboxPerson(
        emails=["ann@example.com", "lee@example.com"],
        display_name="Ann Lee",
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
        "emails": ["ann@example.com", "lee@example.com"],
        "userName": "ann@example.com",
    }
    assert await items(api, "/people", email="LEE@example.com") == [found]


def test_addresses() -> None:
    """A person has a list of addresses, with one in it at least."""
    with pytest.raises(ValueError, match="emails must have an address"):
        SandboxPerson(emails=[], display_name="Ann")
    with pytest.raises(TypeError, match=r"pass \['ann@example.com'\]"):
        SandboxPerson(emails="ann@example.com", display_name="Ann")


@pytest.mark.parametrize("bot_org", [None, "ORG"])
async def test_one_organization(bot_org: str | None) -> None:
    """Everyone is of the bot's organization who wasn't given another one."""
    given = {} if bot_org is None else {"org_id": bot_org}
    bot = SandboxPerson(emails=["bot@webex.bot"], display_name="Bot", **given)
    ann = SandboxPerson(emails=["ann@example.com"], display_name="Ann")
    eve = SandboxPerson(emails=["eve@example.org"], display_name="Eve", org_id="OTHER")
    sandbox = Sandbox(bot=bot)
    for person in (ann, ann, eve, "bob@example.com"):
        await sandbox.say("Hello", person=person)

    async with sandbox.http_client() as api:
        orgs = [
            (await items(api, "/people", email=email))[0]["orgId"]
            for email in (bot.emails[0], ann.emails[0], "bob@example.com", eve.emails[0])
        ]

    assert orgs == [bot.org_id, bot.org_id, bot.org_id, "OTHER"]


async def test_search(api: Api) -> None:
    """People are found by address, by ids, and by how the display name begins, in any case."""
    ann, lea = [
        (await api.get("/people/me", headers={"Authorization": f"Bearer person:{email}"})).json()
        for email in ("ann.lee@example.com", "lea@example.com")
    ]
    ids = f"{lea['id']},nobody,{ann['id']}"
    batch = await api.get(f"/people/?id={ids}&showAllTypes=false")  # what the JavaScript SDK sends
    queries: list[tuple[dict[str, str], list[object]]] = [
        ({"email": "ANN.LEE@example.com"}, [ann]),
        ({"email": "nobody@example.invalid"}, []),
        ({"email": "nobody"}, []),
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


async def test_a_person_who_is_looked_for(api: Api) -> None:
    """Who is looked for by an address has no direct room with the bot before a message."""
    await items(api, "/people", email="ann@example.com")

    assert await items(api, "/rooms") == []
    assert await items(api, "/rooms", ANN) == []


async def test_since_when_a_person_is_there() -> None:
    """A person has the time of their first appearance, and the bot that of the start."""
    clock = StoppedClock()
    async with Sandbox(clock=clock.now).http_client() as api:
        clock.advance(60)
        await api.get("/people/me", headers=ANN)
        clock.advance(60)
        times = [(await api.get("/people/me", headers=who)).json()["created"] for who in (ANN, BOT)]

    ann, bot = map(datetime.fromisoformat, times)
    assert ann - bot == timedelta(seconds=60)


async def test_create(api: Api) -> None:
    """A person is created with an address that nobody has, and with names; nobody has a license."""
    given = {"emails": ["ann@example.com"], "firstName": "Ann", "lastName": "Lee", "orgId": "ORG"}
    ann = await created(api, "/people", **given, licenses=["L1"])
    bob = await created(api, "/people", emails=["bob@example.com"])
    refused = [
        await api.post("/people", json={"emails": emails})
        for emails in (["ANN@example.com"], [], "eve@example.com", ["eve"], None)
    ]

    assert ann == {**ann, **given, "displayName": "Ann Lee", "type": "person"}
    assert (await api.get("/people/me", headers=ANN)).json() == ann
    assert (bob["displayName"], bob["lastName"]) == ("Bob", "Example")
    assert [each.status_code for each in refused] == [409, 400, 400, 400, 400]
    assert await items(api, "/licenses") == []
