from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.testing.doubles import BOT, NEW, Api, created, group_room, kinds, notifications_of
from webex_webhooks_async import Receiver
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
async def ask(webex_sandbox: Sandbox) -> AsyncIterator[Ask]:
    """Ask the private endpoint for an action, and return its result, or why it isn't done."""
    async with (
        webex_sandbox.serve() as base_url,
        httpx.AsyncClient(base_url=base_url.removesuffix("v1"), trust_env=False) as client,
    ):

        async def ask(name: str, **document: object) -> Any:  # noqa: ANN401 - JSON
            response = await client.post(f"sandbox/{name}", json=document)
            result = response.json()
            return result if response.is_success else (response.status_code, result["message"])

        yield ask


async def test_a_delivery_is_sent_again(ask: Ask, webex_sandbox: Sandbox, api: Api) -> None:
    """A delivery that the page names by its number is sent again, and the outcome returned."""
    await created(api, "/webhooks", **NEW)
    await webex_sandbox.say("Hello")
    await webex_sandbox.say("Hello again")

    outcome = await ask("redeliver", delivery=3)  # a request came before the two

    _, first, again = webex_sandbox.deliveries
    error = {"error": first.error, "reason": first.error}
    assert outcome == {"statusCode": None, "handlerError": None, **error}
    assert (again.body, again.headers, again.url) == (first.body, first.headers, first.url)


async def test_an_event(ask: Ask, webex_sandbox: Sandbox, api: Api) -> None:
    """Any event is reported with the data of the page, to everybody or to one owner."""
    notified = await notifications_of(webex_sandbox, api, "meetings")

    to_all = await ask("emit", resource="meetings", event="started", data={"state": "lobby"})
    to_ann = await ask("emit", resource="meetings", event="ended", owner="ann@example.com")
    to_bot = await ask("emit", resource="meetings", event="ended", owner=webex_sandbox.bot.id)

    accepted = {"statusCode": 204, "error": None, "reason": None, "handlerError": None}
    assert to_all == to_bot == {"deliveries": [accepted]}
    assert to_ann == {"deliveries": []}
    assert kinds(notified) == ["meetings started", "meetings ended"]
    assert notified[0]["data"]["state"] == "lobby"


async def test_a_forged_event(ask: Ask, webex_sandbox: Sandbox, api: Api) -> None:
    """An event that is signed wrongly has signatures, and a receiver refuses them."""
    webex_sandbox.deliver_to(Receiver("a-secret"))
    await created(api, "webhooks", **{**NEW, "resource": "meetings"}, secret="a-secret")

    good = await ask("emit", resource="meetings", event="created")
    forged = await ask("emit", resource="meetings", event="created", isForged=True)

    assert [each["deliveries"][0]["statusCode"] for each in (good, forged)] == [204, 401]
    (first, second) = webex_sandbox.deliveries
    assert first.headers.keys() == second.headers.keys()


async def test_a_sample(ask: Ask, webex_sandbox: Sandbox, api: Api) -> None:
    """A sample follows the resource and the event, the open room, and the person or the owner."""
    room = await group_room(api)

    async def sample(resource: str, event: str, **more: str) -> Any:  # noqa: ANN401 - JSON
        found = await ask(
            "sample", resource=resource, event=event, person="ann@example.com", **more
        )
        return found["data"]

    meeting = await sample("meetings", "ended", room=room)
    message = await sample("messages", "created", room=room)
    elsewhere = await sample("attachmentActions", "created")
    action = await sample("attachmentActions", "created", room=room)
    unknown = await sample("reactions", "reacted")
    of_bob = [
        await sample(each, "created", owner="bob@example.com")
        for each in ("recordings", "messages")
    ]

    assert (meeting["state"], meeting["hostEmail"]) == ("ended", "ann@example.com")
    assert (message["roomId"], message["personEmail"]) == (room, "ann@example.com")
    assert (elsewhere["roomId"] != room, action["roomId"] == room) == (True, True)
    assert "roomType" not in action
    assert unknown.keys() == {"id"}
    assert of_bob[0]["hostEmail"] == "bob@example.com"
    assert of_bob[1]["personEmail"] == "ann@example.com"
    assert webex_sandbox.messages == ()


async def test_joining(ask: Ask, webex_sandbox: Sandbox, api: Api) -> None:
    """Joining a room posts nothing and is notified; a conversation of nobody is no test."""
    room = await group_room(api)
    notified = await notifications_of(webex_sandbox, api, "memberships")

    assert await ask("join", room=room, person="ann@example.com") == {}
    again = await ask("join", room=room, person="ann@example.com")

    assert kinds(notified) == ["memberships created"]
    assert notified[0]["data"]["personEmail"] == "ann@example.com"
    assert (again[0], webex_sandbox.messages) == (409, ())
    await created(api, "messages", toPersonEmail="ann@example.com", text="Hello")
    direct = webex_sandbox.messages[0].room_id
    assert (await ask("join", room=direct, person="bob@example.com"))[0] == 403
    assert (await ask("test", room=direct))[0] == 400
    await webex_sandbox.say("Hello", person="ann@example.com")
    assert (await ask("test", room=direct))["code"].startswith("async def test_hello(")
    message = webex_sandbox.messages[-1].id
    assert "next_reply" not in (await ask("test", room=direct, message=message))["code"]
    assert (await ask("test", room=direct, message="nowhere"))[0] == 400


async def test_a_fault(ask: Ask, api: Api) -> None:
    """The bot's next message is refused once; other requests aren't, and one can think again."""
    message = {"toPersonEmail": "ann@example.com", "text": "Hello"}

    async def statuses() -> list[int]:
        await api.get("people/me", headers=BOT)
        responses = [await api.post("messages", json=message, headers=BOT) for _ in range(2)]
        assert all(each.headers["Retry-After"] == "1" for each in responses if each.is_error)
        return [each.status_code for each in responses]

    for _ in range(2):  # two pages may both ask for it
        await ask("fault", isOn=True)
    assert await statuses() == [429, 200]
    await ask("fault", isOn=True)
    await ask("fault", isOn=False)
    assert await statuses() == [200, 200]


@pytest.mark.parametrize(
    ("name", "document", "expected", "reason"),
    [
        ("redeliver", {"delivery": 7}, 404, "number"),
        ("redeliver", {}, 404, "number"),
        ("emit", {"resource": "all", "event": "created"}, 400, "concrete"),
        ("emit", {"resource": "meetings", "event": "created", "data": []}, 400, "object"),
        ("emit", {"resource": "meetings", "event": 1}, 400, "event must be a string"),
        ("emit", {"resource": "meetings", "event": "ended", "owner": "nobody"}, 400, "no person"),
        ("join", {"room": "nowhere", "person": "ann@example.com"}, 404, "no room"),
        ("fault", {}, 400, "isOn"),
        ("test", {"room": "nowhere"}, 404, "no room"),
        ("now", {"key": "K"}, 409, "no program"),
    ],
)
async def test_what_can_not_be_done(
    ask: Ask,
    name: str,
    document: Any,  # noqa: ANN401 - JSON
    expected: int,
    reason: str,
) -> None:
    """What makes no sense is refused with the reason."""
    status, message = await ask(name, **document)

    assert status == expected
    assert reason in message
