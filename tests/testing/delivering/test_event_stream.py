import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs
import pytest
from starlette.responses import PlainTextResponse

from tests.testing.doubles import ANN, CARD, NEW, Api, card_for_ann, created, notifications_of
from webex_webhooks_async.formatting import LONGEST_FORM
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.delivering.event_stream import (
    MAX_MESSAGES,
    MAX_SHOWN,
    MAX_WAITING,
    EventStream,
)
from webex_webhooks_async.testing.delivering.redaction import MAX_SECRETS, MAX_TEXT


def stream_of(sandbox: Sandbox) -> EventStream:
    """What reports the changes of a sandbox."""
    return sandbox._events  # pyright: ignore[reportPrivateUsage] - over HTTP, nobody is too slow


async def state(stream: EventStream) -> Mapping[str, Any]:
    """The first event that a new reader gets."""
    events = stream.follow()
    first = await anext(events)
    await events.aclose()
    return first


async def test_the_present_state(webex_sandbox: Sandbox, api: Api) -> None:
    """The first event has what there is: persons, rooms with members, messages, webhooks."""
    await created(api, "webhooks", **NEW, secret="a-secret")
    room = await created(api, "rooms", ANN, title="Lunch")
    await webex_sandbox.say("Hello", person="ann@example.com", room_id=room["id"])
    await api.get("rooms", params={"hidden": "true"})
    stream_of(webex_sandbox).report_program("Traceback: ...")

    first = await state(stream_of(webex_sandbox))

    ann = next(each for each in first["persons"] if each["email"] == "ann@example.com")
    assert (first["kind"], first["bot"]) == ("state", webex_sandbox.bot.id)
    assert [each["members"] for each in first["rooms"] if each["id"] == room["id"]] == [[ann["id"]]]
    assert [each["text"] for each in first["messages"]] == ["Hello"]
    assert [each["targetUrl"] for each in first["webhooks"]] == [NEW["targetUrl"]]
    assert [each["method"] for each in first["requests"]] == ["POST", "POST", "GET"]
    assert first["requests"][-1]["remark"].startswith("GET /v1/rooms ignores hidden; ")
    assert first["program"] == "Traceback: ..."


async def test_each_change_is_an_event(webex_sandbox: Sandbox, api: Api) -> None:
    """A reader gets each change, what is removed, and what Webex doesn't support in a card."""
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
    hello = await until("message")
    assert (hello["message"]["text"], hello["remarks"]) == ("Hello", ())
    card = await card_for_ann(api, {**CARD, "content": {**CARD["content"], "version": "1.5"}})
    (remark,) = remarks = (await until("message"))["remarks"]
    await webex_sandbox.submit(card, {"color": "red"}, person="ann@example.com")
    action = (await until("action"))["action"]
    assert action["inputs"] == {"color": "red"}
    await webex_sandbox.emit("attachmentActions", "deleted", data={"id": action["id"]})
    await api.delete(f"messages/{message['id']}", headers=ANN)
    assert (await until("removed"))["id"] == message["id"]
    await created(api, "webhooks", **NEW)
    assert [each["name"] for each in (await until("webhooks"))["webhooks"]] == [NEW["name"]]
    await webex_sandbox.say("Hello")
    assert (await until("delivery"))["delivery"]["resource"] == "messages"
    await webex_sandbox.emit("rooms", "deleted", data={"id": room["id"]})
    assert (await until("removed"))["id"] == room["id"]
    stream_of(webex_sandbox).report_program("Traceback: ...")
    assert await until("program") == {"text": "Traceback: ..."}
    await events.aclose()

    sizes = [
        len(event["room"]["members"])
        for kind, event in seen
        if kind == "room" and event["room"]["id"] == room["id"]
    ]
    assert sizes[:4] == [0, 1, 2, 1]
    assert "Webex supports cards up to version 1.3" in remark
    assert (await state(stream_of(webex_sandbox)))["remarks"] == {card: remarks}
    assert "b@x.com" in {each["email"] for _, event in seen for each in event.get("persons", ())}


def traffic(first: Mapping[str, Any]) -> str:
    """All that is shown of requests, deliveries and webhooks."""
    return str([first[each] for each in ("requests", "deliveries", "webhooks")])


TOKEN = "canary/token-1"
SECRET = "canary&secret-2"
AS_BOT = {"Authorization": f"bearer  {TOKEN}"}


@pytest.mark.parametrize(
    "request_with_a_secret",
    [
        {"url": f"rooms/{TOKEN}"},
        {"url": "rooms/canary%2ftoken-1"},
        {"url": "rooms", "params": {"teamId": TOKEN}},
        {"url": "rooms", "headers": {"X-Copy": TOKEN}},
        {"url": "rooms", "json": {"title": TOKEN, "isLocked": "true"}},
        {"url": "rooms", "content": rb'{"title":"canary\/token-1"}'},
        {"url": "rooms", "json": {"title": f"not {SECRET}"}},
        {"url": "rooms", "json": {"title": "not canary&amp;secret-2"}},
        {"url": "rooms", "json": {"title": "Bearer canary-of-another"}},
        {"url": "rooms", "content": "x" * (MAX_TEXT - 8) + TOKEN},
        {
            "url": "rooms",
            "content": "x" * (MAX_TEXT + LONGEST_FORM - 1_000 * len(TOKEN) - 8) + TOKEN * 1_001,
        },
        {"url": "webhooks", "data": {"secret": "canary-3"}},
        {"url": "webhooks", "content": "s%65cret=canary-3"},
        {"url": "webhooks", "content": rb'{"s\u0065cret" : "a\"canary-3"}'},
        {"url": "webhooks", "params": {"secret": "canary-3"}},
        {"url": "access_token", "headers": {"Authorization": "Basic canary-3"}},
        {
            "url": "access_token",
            "data": {
                "grant_type": "refresh_token",
                "client_id": "id",
                "client_secret": "canary-3",
                "refresh_token": "canary-4",
            },
        },
    ],
    ids=lambda request: str(request)[:60],
)
async def test_no_secret_of_a_request_is_shown(
    webex_sandbox: Sandbox, api: Api, request_with_a_secret: dict[str, Any]
) -> None:
    """Tokens and secrets are redacted wherever they are in a request, and nobody can copy it."""
    await created(api, "webhooks", AS_BOT, **NEW, secret=SECRET)
    headers = {**ANN, **request_with_a_secret.pop("headers", {})}
    response = await api.request("POST", **request_with_a_secret, headers=headers)

    first = await state(stream_of(webex_sandbox))
    shown = first["requests"][-1]
    assert "canary" not in traffic(first)
    assert response.json().get("access_token", "canary") not in traffic(first)
    assert (shown["withheld"], len(shown["body"]) <= MAX_TEXT) == ("a secret", True)


async def test_no_secret_of_a_delivery_is_shown(webex_sandbox: Sandbox, api: Api) -> None:
    """Tokens and secrets are redacted wherever they are in a delivery, in its webhook too."""
    target = f"https://example.com/hook?key={TOKEN}"
    changes = {"targetUrl": target, "name": TOKEN, "secret": SECRET}
    await created(api, "webhooks", AS_BOT, **{**NEW, **changes})
    for number in range(MAX_SECRETS):  # the webhook's secret isn't one of the last ones
        await api.get("people/me", headers={"Authorization": f"Bearer token-{number}"})
    await api.get("people/me", headers=AS_BOT)
    webex_sandbox.deliver_to(PlainTextResponse(f"{SECRET} or Bearer canary-6 or {TOKEN}"))
    await webex_sandbox.emit("messages", "created", data={"id": f"of {SECRET}"})
    stream = stream_of(webex_sandbox)
    delivery = webex_sandbox.deliveries[-1]
    stream.amend_delivery(delivery, attrs.evolve(delivery, handler_error=f"KeyError: {SECRET}"))

    first = await state(stream)

    (shown,) = first["deliveries"]
    assert "canary" not in traffic(first)
    assert shown["response"] == "*** or Bearer *** or ***"
    assert (shown["about"], shown["handlerError"]) == ("of ***", "KeyError: ***")
    assert (shown["url"], shown["withheld"]) == ("https://example.com/hook?key=***", "a secret")


async def test_what_is_no_secret_is_shown(webex_sandbox: Sandbox, api: Api) -> None:
    """Persons are named, and what came back doesn't keep a request from being copied."""
    granted = await api.get("authorize", params={"response_type": "nothing"})
    await api.get("rooms", headers=ANN)
    await api.post("rooms", json={"title": "status_code=404"}, headers=ANN)
    form = {"grant_type": "refresh_token", "client_id": "id"}
    await api.post("access_token", data=form, headers={"Authorization": "Bearer"})

    *requests, last = (await state(stream_of(webex_sandbox)))["requests"]

    assert granted.status_code >= 400
    ann = "ann@example.com"
    assert [(each["person"], each["withheld"]) for each in requests] == [
        *((None, None), (ann, None), (ann, None))
    ]
    assert "status_code=404" in requests[-1]["body"]
    assert requests[-1]["headers"]["authorization"] == "Bearer ***"
    assert (last["person"], last["withheld"]) == (None, "a secret")


async def test_only_so_much_is_kept(webex_sandbox: Sandbox, api: Api) -> None:
    """The first event has the last messages, requests, deliveries and outcomes, shortened."""
    stream = stream_of(webex_sandbox)
    await notifications_of(webex_sandbox, api, "messages")
    for number in range(MAX_MESSAGES + 1):
        await webex_sandbox.say(str(number), person="ann@example.com")
        stream.report_outcome({"key": str(number), "error": "secret=canary-3"})
    for _ in range(MAX_SHOWN - 1):
        await api.get("people/me")
    await api.post("messages", content=b"\xff")
    await api.post("messages", content=b"x" * 100_000)

    first = await state(stream)

    lengths = [len(first[each]) for each in ("messages", "requests", "deliveries", "outcomes")]
    assert lengths == [MAX_MESSAGES, MAX_SHOWN, MAX_SHOWN, MAX_MESSAGES]
    assert first["messages"][-1]["id"] == webex_sandbox.messages[-1].id
    assert first["outcomes"][0] == {"key": "1", "error": "secret=***", "hasWorked": False}
    last = first["requests"][-1]
    assert (len(last["body"]), last["bodySize"]) == (20_000, 100_000)
    assert [each["withheld"] for each in first["requests"][-3:]] == [
        None,
        "bytes that aren't text",
        "more than 20000 characters",
    ]


async def test_the_secrets_that_were_used_last(webex_sandbox: Sandbox, api: Api) -> None:
    """They are redacted; the token of a person is no secret, and takes no place of one."""
    others = [f"token-of-{number}" for number in range(MAX_SECRETS - 1)]
    persons = [f"person:{number}@example.com" for number in range(MAX_SECRETS)]
    for token in ("token-no-1", "token-no-2", "token-no-1", *others, *persons):
        await api.get("people/me", headers={"Authorization": f"Bearer {token}"})
    await api.get("token-no-1/token-no-2", headers=ANN)

    path = (await state(stream_of(webex_sandbox)))["requests"][-1]["path"]
    assert path == "/v1/***/token-no-2"


async def test_what_waits(webex_sandbox: Sandbox) -> None:
    """The rows of the program's inbox are reported without secrets, and go with the program."""
    stream = stream_of(webex_sandbox)
    async with webex_sandbox.http_client() as client:
        await client.get("people/me", headers={"Authorization": "Bearer a-token-of-mine"})
    stream.report_waiting([{"key": "K", "error": "no: a-token-of-mine"}], print)
    assert (await state(stream))["waiting"] == [{"key": "K", "error": "no: ***"}]
    stream.report_waiting()
    assert (stream.make_due, (await state(stream))["waiting"]) == (None, [])


async def test_a_reader_that_does_not_read(webex_sandbox: Sandbox) -> None:
    """A reader that is too far behind is ended, so that nothing grows without bound."""
    stream = stream_of(webex_sandbox)
    events = stream.follow()
    await anext(events)
    for _ in range(MAX_WAITING + 1):
        stream.report_program("")

    assert len([event async for event in events]) == MAX_WAITING
    assert (await state(stream))["kind"] == "state"


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
