import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from tests.testing.doubles import ANN, BOT, CARD, NEW, card_for_ann, created, notifications_of
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.event_stream import MAX_SHOWN, EventStream


def stream_of(sandbox: Sandbox) -> EventStream:
    """What reports the changes of a sandbox."""
    return sandbox._events  # pyright: ignore[reportPrivateUsage] - over HTTP, nobody is too slow


async def state(stream: EventStream) -> Mapping[str, Any]:
    """The first event that a new reader gets."""
    events = stream.follow()
    first = await anext(events)
    await events.aclose()
    return first


async def test_the_present_state(webex_sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    """The first event has what there is: persons, rooms with members, messages, webhooks."""
    await created(api, "webhooks", **NEW, secret="a-secret")
    room = await created(api, "rooms", ANN, title="Lunch")
    await webex_sandbox.say("Hello", person="ann@example.com", room=room["id"])

    first = await state(stream_of(webex_sandbox))

    ann = next(each for each in first["persons"] if each["email"] == "ann@example.com")
    assert (first["kind"], first["bot"]) == ("state", webex_sandbox.bot.id)
    assert [each["members"] for each in first["rooms"] if each["id"] == room["id"]] == [[ann["id"]]]
    assert [each["text"] for each in first["messages"]] == ["Hello"]
    assert [each["targetUrl"] for each in first["webhooks"]] == [NEW["targetUrl"]]
    assert [each["method"] for each in first["requests"]] == ["POST", "POST"]


async def test_each_change_is_an_event(webex_sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    """A reader gets each change of rooms, members, messages and webhooks, also what is removed."""
    events = stream_of(webex_sandbox).follow()
    await anext(events)
    seen: list[tuple[str, Any]] = []

    async def until(kind: str) -> Any:  # noqa: ANN401 - an event's members
        while True:
            event = dict(await anext(events))
            seen.append((event.pop("kind"), event))
            if seen[-1][0] == kind:
                return event

    room = await created(api, "rooms", ANN, title="Lunch")
    membership = await created(api, "memberships", ANN, roomId=room["id"], personEmail="b@x.com")
    await api.delete(f"memberships/{membership['id']}", headers=ANN)
    message = await created(api, "messages", ANN, roomId=room["id"], text="Hello")
    assert (await until("message"))["message"]["text"] == "Hello"
    card = await card_for_ann(api)
    await webex_sandbox.submit(card, {"color": "red"}, person="ann@example.com")
    action = (await until("action"))["action"]
    assert action["inputs"] == {"color": "red"}
    await webex_sandbox.emit("attachmentActions", "deleted", {"id": action["id"]})
    await api.delete(f"messages/{message['id']}", headers=ANN)
    assert (await until("removed"))["id"] == message["id"]
    await created(api, "webhooks", **NEW)
    assert [each["name"] for each in (await until("webhooks"))["webhooks"]] == [NEW["name"]]
    await webex_sandbox.say("Hello")
    assert (await until("delivery"))["delivery"]["resource"] == "messages"
    await webex_sandbox.emit("rooms", "deleted", {"id": room["id"]})
    assert (await until("removed"))["id"] == room["id"]
    await events.aclose()

    sizes = [
        len(event["room"]["members"])
        for kind, event in seen
        if kind == "room" and event["room"]["id"] == room["id"]
    ]
    assert sizes[:4] == [0, 1, 2, 1]
    assert "b@x.com" in {each["email"] for _, event in seen for each in event.get("persons", ())}


async def test_no_secret_is_shown(webex_sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    """Tokens and secrets in headers, bodies and queries are redacted; persons are named."""
    await created(api, "webhooks", {"Authorization": "Bearer canary-1"}, **NEW, secret="canary-2")
    form = {"grant_type": "refresh_token", "client_secret": "canary-3", "refresh_token": "canary-4"}
    granted = await api.post("access_token", data={**form, "client_id": "id"})
    await api.get("rooms", headers=ANN)
    await api.get("rooms", headers={"Authorization": ""})
    await api.post("access_token", data=form, headers={"Authorization": "Basic canary-5"})
    await api.post("rooms", json={"title": "canary-1", "isLocked": "true"})
    webex_sandbox.deliver_to(PlainTextResponse("canary-2 or Bearer canary-6 or canary-1"))
    await webex_sandbox.say("Hello")

    first = await state(stream_of(webex_sandbox))

    requests = first["requests"]
    assert "canary" not in str(first)
    assert granted.json()["access_token"] not in str(first)
    assert [each["person"] for each in requests[:4]] == [None, None, "ann@example.com", None]
    assert [each["withheld"] for each in requests] == [
        *("a secret", "a secret", None, None, "a secret", "a secret")
    ]
    assert '"expires_in"' in requests[1]["response"]
    assert [each["response"] for each in first["deliveries"]] == ["*** or Bearer *** or ***"]
    assert first["requests"][0]["headers"]["authorization"] == "Bearer ***"
    assert '"secret":"***"' in first["requests"][0]["body"].replace(" ", "")


async def test_remarks_on_a_card(webex_sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    """What Webex doesn't support in a card is said at its message, and stays there."""
    content = {**CARD["content"], "version": "1.5"}
    stream = stream_of(webex_sandbox)
    events = stream.follow()
    await anext(events)

    for card in (CARD, {**CARD, "content": content}):
        fields = {"toPersonEmail": "ann@example.com", "text": "A card", "attachments": [card]}
        message = await created(api, "messages", **fields)

    remarks: list[Any] = []
    while len(remarks) < 2:
        event = await anext(events)
        if event["kind"] == "message":
            remarks.append(event["remarks"])
    nothing, (remark,) = remarks
    await events.aclose()
    first = await state(stream)
    assert nothing == ()
    assert "Webex" in remark
    assert first["remarks"] == {message["id"]: (remark,)}


async def test_only_so_much_is_kept(
    webex_sandbox: Sandbox, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first event has the last messages, requests and deliveries, and their first bytes."""
    monkeypatch.setattr("webex_webhooks_async.testing.event_stream.MAX_MESSAGES", 3)
    for number in range(4):
        await webex_sandbox.say(str(number), person="ann@example.com")
    await notifications_of(webex_sandbox, api, "messages")
    for _ in range(MAX_SHOWN + 1):
        await api.get("people/me", headers=BOT)
        await webex_sandbox.emit("messages", "created")
    await api.post("messages", content=b"\xff", headers=BOT)
    await api.post("messages", content=b"x" * 100_000, headers=BOT)

    first = await state(stream_of(webex_sandbox))

    assert [len(first[each]) for each in ("messages", "requests", "deliveries")] == [
        3,
        MAX_SHOWN,
        MAX_SHOWN,
    ]
    assert first["messages"][-1]["id"] == webex_sandbox.messages[-1]["id"]
    assert (len(first["requests"][-1]["body"]), first["requests"][-1]["bodySize"]) == (
        20_000,
        100_000,
    )
    assert [each["withheld"] for each in first["requests"][-3:]] == [
        None,
        "bytes that aren't text",
        "more than 20000 characters",
    ]


async def test_the_program(webex_sandbox: Sandbox) -> None:
    """Why the bot's program doesn't run is reported, to who comes later as well, until it runs."""
    stream = stream_of(webex_sandbox)
    events = stream.follow()
    await anext(events)
    stream.report_program("Traceback: ...")

    assert await anext(events) == {"kind": "program", "text": "Traceback: ..."}
    assert (await state(stream))["program"] == "Traceback: ..."
    await events.aclose()


async def test_a_reader_that_does_not_read(
    webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that is too far behind is ended, so that nothing grows without bound."""
    monkeypatch.setattr("webex_webhooks_async.testing.event_stream.MAX_WAITING", 10)
    events = stream_of(webex_sandbox).follow()
    await anext(events)
    for number in range(10):
        await webex_sandbox.say(str(number), person="ann@example.com")

    rest = [event["kind"] async for event in events]

    assert len(rest) == 10
    assert (await state(stream_of(webex_sandbox)))["kind"] == "state"


async def test_a_reader_that_has_gone_gets_no_more(webex_sandbox: Sandbox) -> None:
    """Events that wait for a reader don't keep the sandbox from anything else."""
    events = stream_of(webex_sandbox).follow()
    for number in range(10):
        await webex_sandbox.say(str(number), person="ann@example.com")
        if not number:
            await anext(events)
    taken: list[object] = []

    async def read() -> None:
        async for event in events:
            taken.append(event)  # noqa: PERF401 - a list that is complete alone would show nothing

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    reader.cancel()
    with suppress(asyncio.CancelledError):
        await reader

    assert len(taken) < 9
