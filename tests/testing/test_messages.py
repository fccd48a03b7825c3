import json
from typing import Any

import httpx
import pytest

from tests.testing.doubles import NEW, FakeClock
from webex_webhooks_async.testing import Sandbox


async def post(api: httpx.AsyncClient, **document: object) -> dict[str, Any]:
    """Write a message, and give its answer."""
    response = await api.post("/messages", json=document)
    assert response.status_code == 200
    message: dict[str, Any] = response.json()
    return message


def sandbox_with(target: httpx.AsyncClient) -> Sandbox:
    """A sandbox that delivers to one target."""
    return Sandbox(clock=FakeClock(), deliver_with=target)


async def test_the_bot_writes_into_a_room(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """What is posted comes back with its author, and is found by its id."""
    message = await post(api, roomId="R1", text="Hello", markdown="**Hello**", parentId="M0")

    assert message == {
        "id": message["id"],
        "roomId": "R1",
        "roomType": "group",
        "text": "Hello",
        "markdown": "**Hello**",
        "parentId": "M0",
        "personId": webex_sandbox.bot.id,
        "personEmail": webex_sandbox.bot.email,
        "created": message["created"],
    }
    assert (await api.get(f"/messages/{message['id']}")).json() == message
    assert webex_sandbox.messages == (message,)


async def test_someone_writes_to_the_bot(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """What is addressed to the bot was written by someone else, always the same."""
    first = await post(api, toPersonEmail=webex_sandbox.bot.email, text="Hello")
    second = await post(api, toPersonId=webex_sandbox.bot.id, text="Are you there?")

    assert first["personId"] != webex_sandbox.bot.id
    assert first.keys().isdisjoint({"toPersonEmail", "toPersonId"})
    assert [first[key] for key in ("roomId", "personId")] == [
        second[key] for key in ("roomId", "personId")
    ]


async def test_the_bot_writes_to_someone(api: httpx.AsyncClient, webex_sandbox: Sandbox) -> None:
    """What is addressed to anyone else is the bot's, in a direct room."""
    message = await post(api, toPersonEmail="alex@example.com", text="Hello")

    assert (message["personId"], message["roomType"]) == (webex_sandbox.bot.id, "direct")


async def test_a_room_is_listed_from_its_end(api: httpx.AsyncClient) -> None:
    """A list has the messages of one room, the last one first."""
    said = [await post(api, roomId=room, text="Hello") for room in ("R1", "R2", "R1")]

    response = await api.get("/messages", params={"roomId": "R1"})

    assert response.json() == {"items": [said[2], said[0]]}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"markdown": "**Hello**"}, "**Hello**"),
        ({"files": ["https://example.com/picture.png"]}, None),
    ],
)
async def test_a_message_needs_no_text(
    api: httpx.AsyncClient, document: dict[str, Any], text: str | None
) -> None:
    """Markdown counts as text, and a file needs none."""
    message = await post(api, roomId="R1", **document)

    assert (message.get("text"), message | document) == (text, message)


@pytest.mark.parametrize("document", [{"roomId": "R1"}, {"text": "Hello"}, {}])
async def test_a_message_has_a_place_and_words(
    api: httpx.AsyncClient, document: dict[str, str]
) -> None:
    """A message that goes nowhere, or says nothing, is refused."""
    response = await api.post("/messages", json=document)

    assert response.status_code == 400


async def test_what_is_not_there(api: httpx.AsyncClient) -> None:
    """No message has an unknown id, and a list needs a room."""
    statuses = [(await api.get(f"/messages{path}")).status_code for path in ("/M1", "")]

    assert statuses == [404, 400]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/messages"), ("GET", "/messages"), ("GET", "/messages/M1")]
)
async def test_messages_take_a_token(webex_sandbox: Sandbox, method: str, path: str) -> None:
    """Without a token nothing is said, nor shown."""
    async with webex_sandbox.http_client() as api:
        response = await api.request(method, path, json={"roomId": "R1", "text": "Hello"})

    assert (response.status_code, webex_sandbox.messages) == (401, ())


async def test_webhooks_hear_of_what_is_said() -> None:
    """A message of whomever is notified, without its text."""
    heard: list[dict[str, Any]] = []

    def hear(request: httpx.Request) -> httpx.Response:
        heard.append(json.loads(request.content))
        return httpx.Response(204)

    async with httpx.AsyncClient(transport=httpx.MockTransport(hear)) as target:
        sandbox = sandbox_with(target)
        async with sandbox.http_client() as api:
            api.headers["Authorization"] = "Bearer token"
            await api.post("/webhooks", json=NEW)
            (delivery,) = await sandbox.say("Hello, bot!")
            answer = await post(api, roomId=sandbox.messages[0]["roomId"], text="Hello, Alex!")

    assert delivery.ok
    assert [each["actorId"] == each["createdBy"] for each in heard] == [False, True]
    assert [each["data"] for each in heard] == [
        {key: value for key, value in said.items() if key != "text"} for said in sandbox.messages
    ]
    assert sandbox.messages[1] == answer
    assert answer["roomType"] == "direct"


async def test_the_cause_comes_before_its_effect() -> None:
    """When a webhook hears of a message, the request that wrote it is recorded as answered."""
    before: list[int | None] = []

    def hear(_: httpx.Request) -> httpx.Response:
        before.extend(each.status_code for each in sandbox.requests)
        return httpx.Response(204)

    async with httpx.AsyncClient(transport=httpx.MockTransport(hear)) as target:
        sandbox = sandbox_with(target)
        async with sandbox.http_client() as api:
            api.headers["Authorization"] = "Bearer token"
            await api.post("/webhooks", json=NEW)
            await post(api, roomId="R1", text="Hello")

    assert before == [200, 200]
    assert [each.path for each in sandbox.requests] == ["/v1/webhooks", "/v1/messages"]


async def test_something_must_be_said(webex_sandbox: Sandbox) -> None:
    """An empty text is refused at once."""
    with pytest.raises(ValueError, match="empty"):
        await webex_sandbox.say("")
