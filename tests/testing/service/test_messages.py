import logging
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.clocks import StoppedClock
from tests.testing.doubles import (
    ANN,
    BOB,
    BOT,
    CARD,
    NEW,
    Api,
    created,
    group_room,
    items,
    kinds,
    notifications_of,
)
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.service.cards import remarks_on
from webex_webhooks_async.testing.service.formats import webex_id

MENTION_OF_ALL = (
    '<spark-mention data-object-type="groupMention" data-group-type="all">All</spark-mention>'
)


async def test_a_message_in_a_direct_room(api: Api, webex_sandbox: Sandbox) -> None:
    """A message to a person is in the direct room of the two, which nobody else sees or joins."""
    bot = webex_sandbox.bot

    form = {"toPersonEmail": "ann@example.com", "text": "Hello, Ann!"}
    message = (await api.post("/messages", data=form)).json()  # as many programs send it
    reply = await created(api, "/messages", ANN, toPersonId=bot.id, text="Hello, bot!")

    author = {"personId": bot.id, "personEmail": bot.emails[0]}
    assert message == {**message, "roomType": "direct", "text": "Hello, Ann!", **author}
    assert (message.pop("toPersonEmail"), reply.pop("toPersonId")) == ("ann@example.com", bot.id)
    assert (reply["roomId"], reply["personEmail"]) == (message["roomId"], "ann@example.com")
    for who in (BOT, ANN):
        assert (await api.get(f"/messages/{message['id']}", headers=who)).json() == message
        assert await items(api, "/messages", who, roomId=message["roomId"]) == [reply, message]
    bobs = await created(api, "/messages", BOB, toPersonId=bot.id, text="Hello, bot!")
    joining = {"roomId": message["roomId"], "text": "Hello"}
    others = [
        await api.get(f"/messages/{message['id']}", headers=BOB),
        await api.get("/messages", params={"roomId": message["roomId"]}, headers=BOB),
        await api.post("/messages", json=joining, headers=BOB),
    ]
    assert [each.status_code for each in others] == [404] * 3
    assert [each.id for each in webex_sandbox.messages] == [message["id"], reply["id"], bobs["id"]]


async def test_people_write_to_each_other(api: Api, webex_sandbox: Sandbox) -> None:
    """What two persons write to each other, only a webhook of the organization is notified of."""
    notified = await notifications_of(webex_sandbox, api, "all")

    message = await created(api, "/messages", ANN, toPersonEmail="bob@example.com", text="Psst")

    assert (await api.get(f"/messages/{message['id']}", headers=BOB)).json()["text"] == "Psst"
    assert (await api.get(f"/messages/{message['id']}")).status_code == 404
    assert notified == []
    of_all = await notifications_of(webex_sandbox, api, "messages", ownedBy="org")
    await created(api, "/messages", ANN, toPersonEmail="bob@example.com", text="Psst")
    assert kinds(of_all) == ["messages created"]


def with_card(**changes: object) -> dict[str, Any]:
    """A text with a card that is changed."""
    return {"text": "t", "attachments": [{**CARD, **changes}]}


ONE_TARGET = "exactly one of roomId, toPersonId, toPersonEmail is required"
TO_ITSELF = (
    "nobody can write to themselves; to write to the bot, use someone's access token, "
    "such as person:ann@example.com"
)
CONTENT = "one of text, markdown, files is required"
ONE_FILE = "files must be an array with one http(s) URL"
ONE_CARD = "attachments must be an array with one object, a card"
CARD_TYPE = "contentType of a card must be application/vnd.microsoft.card.adaptive"
PARENT = "parentId must be a message of the same room that wasn't deleted, got "


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"roomId": None, "text": "Hello"}, ONE_TARGET),
        ({"toPersonEmail": "ann@example.com", "text": "Hello"}, ONE_TARGET),
        ({}, CONTENT),
        ({"attachments": [CARD]}, CONTENT),
        ({"text": 7}, "text must be a string"),
        ({"files": "https://a"}, ONE_FILE),
        ({"files": ["/etc/hosts"]}, ONE_FILE),
        ({"files": ["https://a", "https://b"]}, ONE_FILE),
        ({"text": "é" * 3720}, "text must not exceed 7439 bytes, got 7440"),
        ({"markdown": "a" * 7440}, "markdown must not exceed 7439 bytes, got 7440"),
        ({"text": "t", "attachments": [CARD, CARD]}, ONE_CARD),
        ({"text": "t", "attachments": ["card"]}, ONE_CARD),
        (with_card(contentType="application/json"), CARD_TYPE),
        (with_card(content=[CARD["content"]]), "content of a card must be an object"),
        (with_card(content={"type": "MessageCard"}), "type of a card must be AdaptiveCard"),
        (with_card(content={"type": "AdaptiveCard"}), "Missing Adaptive Card Version"),
        (with_card(content={**CARD["content"], "version": 1.3}), "Missing Adaptive Card Version"),
        ({"text": "t", "parentId": "nope"}, f"{PARENT}'nope'"),
        ({"roomId": None, "toPersonEmail": "sandbox@webex.bot", "text": "t"}, TO_ITSELF),
    ],
)
async def test_what_is_refused(
    api: Api, webex_sandbox: Sandbox, fields: dict[str, Any], problem: str
) -> None:
    """A message needs one target and a content; each problem is named."""
    room = await group_room(api)

    response = await api.post("/messages", json={"roomId": room, **fields})

    assert (response.status_code, response.json()["message"]) == (400, problem)
    assert webex_sandbox.messages == ()


async def test_what_is_not_found(api: Api) -> None:
    """A room, a person and a parent have to exist, and a bot has to be in the room."""
    room = await group_room(api)
    parent = await created(api, "/messages", roomId=await group_room(api), text="Question")
    anns = (await created(api, "/rooms", ANN, title="Ann's"))["id"]
    posts: list[tuple[dict[str, str], int]] = [
        ({"roomId": "nope"}, 404),
        ({"toPersonId": webex_id("PEOPLE")}, 404),
        ({"toPersonEmail": "nobody"}, 400),
        ({"roomId": room, "markdown": f"<@personId: {webex_id('PEOPLE')}|Ann> help"}, 404),
        ({"roomId": room, "parentId": parent["id"]}, 400),
        ({"roomId": anns}, 404),
    ]
    gets = {"/messages/nope": 404, "/messages?roomId=nope": 404, "/messages": 400}

    statuses = [
        (await api.post("/messages", json={"text": "Hi", **each})).status_code for each, _ in posts
    ]

    assert statuses == [status for _, status in posts]
    assert [(await api.get(path)).status_code for path in gets] == [*gets.values()]
    assert (await api.delete("/messages/nope")).status_code == 404
    markdown = "<@personEmail: sandbox@webex.bot |Robot> join us"
    await created(api, "/messages", ANN, roomId=anns, markdown=markdown)
    await created(api, "/messages", roomId=anns, text="Hello")


async def test_a_bot_in_a_group_room(api: Api, webex_sandbox: Sandbox) -> None:
    """A bot is notified of, lists and reads only what mentions it; persons see everything."""
    room = await group_room(api)
    notified = await notifications_of(webex_sandbox, api, "messages")
    secret = await created(api, "/messages", ANN, roomId=room, text="Don't tell the bot")

    mention = await created(
        api, "/messages", ANN, roomId=room, markdown="<@personEmail:sandbox@webex.bot> help"
    )

    assert [each["data"]["id"] for each in notified] == [mention["id"]]
    assert (await api.get(f"/messages/{mention['id']}")).json() == mention
    assert (await api.get(f"/messages/{secret['id']}")).status_code == 403
    assert (await api.get("/messages", params={"roomId": room})).status_code == 403
    for me in ("me", webex_sandbox.bot.id):
        assert await items(api, "/messages", roomId=room, mentionedPeople=me) == [mention]
    assert await items(api, "/messages", ANN, roomId=room) == [mention, secret]
    assert await items(api, "/messages", ANN, roomId=room, mentionedPeople="me") == []


@pytest.mark.parametrize(
    ("markdown", "html", "text"),
    [
        ("# Menu\n\n* soup\n* *rice*", None, "Menu\nsoup\nrice"),
        ("one  \ntwo\nthree", "<p>one<br>two<br>three</p>", "one two three"),
        ("**one** &\n\ntwo", "<p><strong>one</strong> &amp;</p><p>two</p>", "one & two"),
        ("one\n\n> two\n\n```\n3\n```\nfour", None, "one\ntwo\n3\nfour"),
        (
            "[a](https://a.example) `<@all>`",
            '<p><a href="https://a.example">a</a> <code>&lt;@all&gt;</code></p>',
            "a <@all>",
        ),
        (
            "[ask <@all>](https://a.example)",
            f'<p><a href="https://a.example">ask {MENTION_OF_ALL}</a></p>',
            "ask All",
        ),
        ("```\nx = 1\n```", "<pre><code>x = 1\n</code></pre>", "x = 1"),
        (
            "<script>alert(1)</script>",
            "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
            "<script>alert(1)</script>",
        ),
        ("**Hi** <@all>", f"<p><strong>Hi</strong> {MENTION_OF_ALL}</p>", "Hi All"),
    ],
)
async def test_markdown(api: Api, markdown: str, html: str | None, text: str) -> None:
    """Markdown is rendered to HTML, in which no HTML of the author remains, and to plain text."""
    message = await created(api, "/messages", roomId=await group_room(api), markdown=markdown)

    assert (message["markdown"], message["text"]) == (markdown, text)
    assert html in {None, message["html"]}
    assert message.get("mentionedGroups") == (
        ["all"] if MENTION_OF_ALL in message["html"] else None
    )


async def test_delete(api: Api, webex_sandbox: Sandbox) -> None:
    """An author deletes a message, and webhooks are notified; others can't."""
    message = await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello, Ann!")
    notified = await notifications_of(webex_sandbox, api, "messages", "deleted")
    path = f"/messages/{message['id']}"

    refused = await api.delete(path, headers=ANN)
    deleted = await api.delete(path)

    assert (refused.status_code, deleted.status_code, deleted.content) == (403, 204, b"")
    assert (await api.get(path)).status_code == 404
    assert webex_sandbox.messages == ()
    (notification,) = notified
    assert (notification["event"], notification["data"]) == (
        "deleted",
        {key: value for key, value in message.items() if key not in {"text", "toPersonEmail"}},
    )


async def test_the_cause_comes_before_its_effect(api: Api, webex_sandbox: Sandbox) -> None:
    """When a webhook is notified of a message, the request that wrote it is recorded already."""
    before: list[list[str]] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        before.append([each.path for each in webex_sandbox.requests])
        await Response()(scope, receive, send)

    webex_sandbox.deliver_to(note)
    await created(api, "/webhooks", **NEW)

    await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")

    assert before == [["/v1/webhooks", "/v1/messages"]]


async def test_everyone_has_webhooks_of_their_own(api: Api, webex_sandbox: Sandbox) -> None:
    """A person's webhook is that person's alone, and is notified of what the person sees."""
    room = await group_room(api)
    await created(api, "/messages", ANN, roomId=room, text="I'm here")
    await created(api, "/webhooks", **NEW)
    notified = await notifications_of(webex_sandbox, api, "messages", headers=ANN)
    (anns,) = await items(api, "/webhooks", ANN)

    await created(api, "/messages", ANN, roomId=room, text="Not for the bot")

    assert [each["id"] for each in notified] == [anns["id"]]
    assert (await api.get(f"/webhooks/{anns['id']}")).status_code == 404


async def test_a_thread_has_one_level(api: Api) -> None:
    """A reply to a reply is refused with the id of the root, and a list may be of one thread."""
    room = await group_room(api)
    root = await created(api, "/messages", ANN, roomId=room, text="Question")
    other = await created(api, "/messages", ANN, roomId=room, text="Other")

    reply = await created(api, "/messages", ANN, roomId=room, text="1", parentId=root["id"])
    to_reply = {"roomId": room, "text": "2", "parentId": reply["id"]}
    refused = await api.post("/messages", json=to_reply, headers=ANN)

    assert (refused.status_code, root["id"] in refused.json()["message"]) == (400, True)
    assert await items(api, "/messages", ANN, roomId=room, parentId=root["id"]) == [reply]
    assert await items(api, "/messages", ANN, roomId=room, parentId=other["id"]) == []


async def test_direct_messages(api: Api, webex_sandbox: Sandbox) -> None:
    """The messages with someone are listed by the person, without the room; a GET makes neither."""
    await api.get("/people/me", headers=BOB)
    ann = (await api.get("/people/me", headers=ANN)).json()
    hello = await created(api, "/messages", toPersonId=ann["id"], text="Hello")
    del hello["toPersonId"]
    reply = await created(
        api, "/messages", ANN, roomId=hello["roomId"], text="Hi", parentId=hello["id"]
    )
    path, bot = "/messages/direct", webex_sandbox.bot

    assert await items(api, path, personId=ann["id"]) == [reply, hello]
    assert await items(api, path, ANN, personEmail=bot.emails[0]) == [reply, hello]
    assert await items(api, path, personId=ann["id"], parentId=hello["id"]) == [reply]
    rooms = await items(api, "/rooms")
    for who, email in ((BOT, "new@example.com"), (ANN, "bob@example.com")):
        unknown = await api.get(path, params={"personEmail": email}, headers=who)
        assert (unknown.status_code, email in unknown.json()["message"]) == (404, True)
    assert await items(api, "/rooms") == rooms
    for query in (
        {},
        {"personId": ann["id"], "personEmail": "ann@example.com"},
        {"personId": ann["id"], "max": "10"},
        {"personId": "nobody"},
    ):
        assert (await api.get(path, params=query)).status_code == 400
    assert (await api.get(path, params={"personId": bot.id})).status_code == 400


@pytest.mark.parametrize(
    ("path", "query", "sizes"),
    [
        ("/messages", {}, [50, 50, 1]),
        ("/messages", {"max": "100"}, [100, 1]),
        ("/messages", {"max": "1000"}, [100, 1]),
        ("/messages/direct", {}, [50, 50, 1]),
    ],
)
async def test_pages(api: Api, path: str, query: dict[str, str], sizes: list[int]) -> None:
    """A page of messages has 50 of them by default, and at most 100."""
    for number in range(101):
        await created(api, "/messages", toPersonEmail="ann@example.com", text=str(number))
    (room,) = await items(api, "/rooms")
    whose = ("roomId", room["id"]) if path == "/messages" else ("personEmail", "ann@example.com")

    pages = [await api.get(path, params=dict([whose, *query.items()]))]
    while "next" in pages[-1].links:
        pages.append(await api.get(pages[-1].links["next"]["url"]))

    assert [len(page.json()["items"]) for page in pages] == sizes


async def test_messages_before() -> None:
    """A list may end before a time, in milliseconds, or a message; what is neither is refused."""
    clock = StoppedClock()
    clock.advance(0.164_999)
    async with Sandbox(clock=clock.now).http_client() as api:
        messages: list[dict[str, Any]] = []
        for text in "ABC":
            messages.append(
                await created(api, "/messages", ANN, toPersonEmail="bob@example.com", text=text)
            )
            clock.advance(3600)

        async def texts(**query: str) -> list[str]:
            query["roomId"] = messages[0]["roomId"]
            return [each["text"] for each in await items(api, "/messages", ANN, **query)]

        found = [
            await texts(before=messages[2]["created"]),
            await texts(before="2024-05-17T12:30:00.164+02:00"),
            await texts(before="2024-05-17T10:30:00.165"),
            await texts(beforeMessage=messages[1]["id"]),
        ]
        query: dict[str, str] = {"roomId": messages[0]["roomId"]}
        room = (await api.get(f"/rooms/{query['roomId']}", headers=ANN)).json()
        refused = [
            await api.get("/messages", params={**query, **wrong}, headers=ANN)
            for wrong in ({"before": "noon"}, {"beforeMessage": "nope"})
        ]

    assert found == [["B", "A"], ["A"], ["B", "A"], ["A"]]
    assert messages[2]["created"] == room["lastActivity"] == "2024-05-17T11:30:00.164Z"
    assert room["created"] == "2024-05-17T09:30:00.164Z"
    assert [each.status_code for each in refused] == [400, 404]


async def test_an_edit(api: Api, webex_sandbox: Sandbox) -> None:
    """An author edits a message ten times at most, and its thread stays; nobody is notified."""
    room = await group_room(api)
    root = await created(api, "/messages", roomId=room, text="A thread")
    message = await created(api, "/messages", roomId=room, text="Helo", parentId=root["id"])
    notified = await notifications_of(webex_sandbox, api, "all")
    path, text = f"/messages/{message['id']}", {"roomId": room, "text": "Hello"}
    mention = "<@personEmail:ann@example.com>"
    mentioning = {"roomId": room, "markdown": f"**Hi** {mention} & {mention}"}

    edited = (await api.put(path, json=mentioning)).json()
    again = [await api.put(path, json=text) for _ in range(10)]

    assert (edited["text"], len(edited["mentionedPeople"])) == ("Hi Ann & Ann", 1)
    assert [each.status_code for each in again] == [200] * 9 + [400]
    assert again[-1].json()["message"] == (
        "a message can be edited 10 times at most; post another one"
    )
    now = (await api.get(path)).json()
    assert now == {**message, "text": "Hello", "updated": now["updated"]}
    assert notified == []


async def test_edits_that_are_refused(api: Api) -> None:
    """Others can't edit a message, and one with a file or a card can't be edited."""
    room = await group_room(api)
    message = await created(api, "/messages", ANN, roomId=room, text="Hello")
    card = await created(api, "/messages", ANN, roomId=room, text="A card", attachments=[CARD])
    text = {"roomId": room, "text": "Hi"}
    edits: list[tuple[str, dict[str, Any], int]] = [
        (message["id"], {"text": "Hi"}, 400),
        (message["id"], {"roomId": room}, 400),
        (message["id"], {**text, "roomId": "R2"}, 400),
        (message["id"], {**text, "files": ["https://example.com/a.png"]}, 400),
        (card["id"], text, 400),
        ("nope", text, 404),
    ]

    statuses = [
        (await api.put(f"/messages/{which}", json=body, headers=ANN)).status_code
        for which, body, _ in edits
    ]

    assert statuses == [status for *_, status in edits]
    assert (await api.put(f"/messages/{message['id']}", json=text, headers=BOB)).status_code == 404
    assert (await api.put(f"/messages/{message['id']}", json=text)).status_code == 403


SUBMIT = {"type": "Action.Submit", "title": "Order"}


@pytest.mark.parametrize(
    ("members", "remarks"),
    [
        ({}, ()),
        ({"version": "latest", "actions": [SUBMIT] * 5}, ()),
        (
            {"version": "1.10"},
            ("Webex supports cards up to version 1.3, and this one has version 1.10",),
        ),
        (
            {"body": [{"type": "ActionSet", "actions": [SUBMIT] * 6}], "actions": [SUBMIT] * 7},
            ("Webex supports up to 5 actions in a list, and this card has more",),
        ),
        (
            {
                "actions": [
                    {
                        "type": "Action.ShowCard",
                        "card": {"type": "AdaptiveCard", "body": [{"type": "Table"}]},
                    },
                    {"type": "Action.Execute"},
                ]
            },
            (
                "Webex doesn't support Action.Execute, which this card has",
                "Webex doesn't support Table, which this card has",
            ),
        ),
    ],
)
async def test_remarks_on_a_card(
    api: Api,
    caplog: pytest.LogCaptureFixture,
    members: dict[str, object],
    remarks: tuple[str, ...],
) -> None:
    """What Webex documents as unsupported, or as beyond its limits, is taken with a warning."""
    card = {**CARD["content"], **members}
    with caplog.at_level(logging.WARNING, "webex_webhooks_async"):
        message = await created(
            api, "/messages", toPersonEmail="a@example.com", **with_card(content=card)
        )

    assert caplog.messages == [f"the card of the message {message['id']}: {x}" for x in remarks]
    assert remarks_on(message["attachments"]) == remarks
