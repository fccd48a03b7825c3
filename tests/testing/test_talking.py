"""People who talk to the bot, through the sandbox's own methods."""

import json
from typing import Any

import pytest

from tests.testing.doubles import (
    ANN,
    CARD,
    NEW,
    Api,
    Notified,
    card_for_ann,
    created,
    group_room,
    items,
    kinds,
    notifications_of,
)
from webex_webhooks_async import Message
from webex_webhooks_async.testing import Sandbox, SandboxPerson

pytestmark = pytest.mark.once


@pytest.fixture
async def notified(webex_sandbox: Sandbox, api: Api) -> Notified:
    """The notifications of messages and cards that the bot gets."""
    await created(api, "/webhooks", **{**NEW, "resource": "attachmentActions"})
    return await notifications_of(webex_sandbox, api, "messages")


def said(webex_sandbox: Sandbox) -> Message:
    """The last message."""
    return webex_sandbox.messages[-1]


async def test_ways_to_name_a_person(webex_sandbox: Sandbox, api: Api) -> None:
    """An address, an id and a `SandboxPerson` mean the same person."""
    ann = SandboxPerson(emails=["ann@example.com"], display_name="Ann Lee")

    for person in (ann, ann.id, "ann@example.com", "ANN@example.com"):
        await webex_sandbox.say("Hello", person=person)

    assert {each.person_id for each in webex_sandbox.messages} == {ann.id}
    assert len(await items(api, "/rooms")) == 1


async def test_a_reply_in_a_thread(webex_sandbox: Sandbox, notified: Notified, api: Api) -> None:
    """A person replies in a thread, by default in its room; a reply and an unknown one can't be."""
    room = await group_room(api)
    root = await created(api, "/messages", roomId=room, text="Who is hungry?")

    await webex_sandbox.say("I am", person="ann@example.com", parent_id=root["id"])
    await webex_sandbox.say("Me too", parent_id=root["id"], mention=webex_sandbox.bot)
    reply = said(webex_sandbox)
    message = await created(api, "/messages", toPersonEmail="ann@example.com", text="Hello")
    elsewhere = message["roomId"]
    for parent, where in ((reply.id, None), ("nope", None), (root["id"], elsewhere)):
        with pytest.raises(ValueError, match="parentId must be"):
            await webex_sandbox.say("And I", parent_id=parent, room_id=where)

    in_room = webex_sandbox.messages[:3]
    assert [each.parent_id for each in in_room] == [None, root["id"], root["id"]]
    assert {each.room_id for each in in_room} == {room}
    assert notified[-2]["data"]["parentId"] == root["id"]


async def test_in_the_direct_room_of_someone(webex_sandbox: Sandbox) -> None:
    """In a direct room, also one that only an event named, its own person writes by default."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    room = said(webex_sandbox).room_id

    await webex_sandbox.say("Again", room_id=room)

    assert said(webex_sandbox).person_email == "ann@example.com"
    with pytest.raises(ValueError, match=r"bob@example\.com is not a member"):
        await webex_sandbox.say("Hello", room_id=room, person="bob@example.com")
    await webex_sandbox.emit("messages", "created", data={"roomId": "R1", "roomType": "direct"})
    emitted = said(webex_sandbox)
    await webex_sandbox.say("Again", room_id="R1")
    assert said(webex_sandbox).person_id == emitted.person_id


async def test_a_mention(webex_sandbox: Sandbox, notified: Notified, api: Api) -> None:
    """A mention in a group room notifies the bot; the text starts with its name."""
    room, bot = await group_room(api), webex_sandbox.bot

    assert await webex_sandbox.say("Not for the bot", room_id=room, person="ann@example.com") == []
    (delivery,) = await webex_sandbox.say(
        "help & <more>", room_id=room, person="ann@example.com", mention=bot
    )

    assert delivery.ok
    message = said(webex_sandbox)
    assert message.text == f"{bot.display_name} help & <more>"
    assert message.html == (
        f'<p><spark-mention data-object-type="person" data-object-id="{bot.id}">'
        f"{bot.display_name}</spark-mention> help &amp; &lt;more&gt;</p>"
    )
    assert [each["data"]["mentionedPeople"] for each in notified] == [[bot.id]]


async def test_several_mentions(webex_sandbox: Sandbox, api: Api) -> None:
    """Who writes or is mentioned is a member from then on, which is notified before the message."""
    room = await group_room(api)
    heard = await notifications_of(webex_sandbox, api, "all")
    ann, bot = "ann@example.com", webex_sandbox.bot

    deliveries = await webex_sandbox.say("meet", room_id=room, mention=[bot, ann])

    assert said(webex_sandbox).text == f"{bot.display_name} Ann meet"
    assert room in {each["id"] for each in await items(api, "/rooms", ANN)}
    assert kinds(heard) == ["memberships created", "memberships created", "messages created"]
    assert [json.loads(each.body)["resource"] for each in deliveries] == [
        *("memberships", "memberships", "messages")
    ]


async def test_submit_in_a_group_room(webex_sandbox: Sandbox, api: Api) -> None:
    """In a group room anyone can submit a card."""
    room = await group_room(api)
    message = await created(api, "/messages", roomId=room, text="A card", attachments=[CARD])

    await webex_sandbox.submit(message["id"], {}, person="bob@example.com")

    emails = [each["personEmail"] for each in await items(api, "/memberships", roomId=room)]
    assert emails == [webex_sandbox.bot.emails[0], "bob@example.com"]


async def test_wrong_calls(webex_sandbox: Sandbox, api: Api) -> None:
    """Each is a ValueError or a TypeError that says what is wrong, and nothing is written."""
    card = await card_for_ann(api)
    room = await group_room(api)
    anns = (await created(api, "/rooms", ANN, title="Ann's"))["id"]
    await webex_sandbox.say("No card", person="ann@example.com")
    plain = said(webex_sandbox).id
    stranger = SandboxPerson(emails=["sandbox@webex.bot"], display_name="Impostor")
    sandbox: Any = webex_sandbox
    wrong_values: list[tuple[dict[str, Any], str]] = [
        ({"text": ""}, "text must not be empty"),
        ({"person": "ann"}, "no person has the id 'ann'; an address introduces"),
        ({"person": stranger}, "another person has the id or the address of Impostor"),
        ({"room_id": "nope"}, "no room has the id 'nope'; POST /rooms creates one"),
        ({"room_id": room, "mention": "nobody"}, "no person has the id 'nobody'"),
        ({"person": webex_sandbox.bot}, "the bot can't write to itself"),
        ({"person": webex_sandbox.bot, "room_id": anns}, "is not a member of the room"),
        ({"message_id": "nope"}, "no message has the id 'nope'"),
        ({"message_id": plain}, "the message 'No card' has no card to submit"),
        ({"message_id": card, "person": "ann"}, "no person has the id 'ann'"),
        ({"message_id": card, "person": "bob@x.com"}, "bob@x.com is not a member of the room"),
    ]
    wrong_types: list[tuple[dict[str, Any], str]] = [
        ({"text": 3}, "text must be str, got int"),
        ({"person": 3}, "person must be SandboxPerson or str, got int"),
        ({"room_id": {"id": "R"}}, "room_id must be str, got dict"),
        ({"mention": 3}, "mention must be SandboxPerson or str or Iterable"),
        ({"mention": [3]}, "person must be SandboxPerson or str, got int"),
        ({"message_id": said(sandbox)}, "message_id must be str, got Message"),
        ({"message_id": card, "inputs": "q=1"}, "inputs must be Mapping, got str"),
        ({"message_id": card, "person": 3}, "person must be SandboxPerson or str"),
        ({"message_id": card, "press": 3}, "press must be str, got int"),
    ]

    for error, calls in ((ValueError, wrong_values), (TypeError, wrong_types)):
        for words, problem in calls:
            submits = "message_id" in words
            others: dict[str, Any] = {"inputs": {}} if submits else {"text": "Hello"}
            call = sandbox.submit if submits else sandbox.say
            with pytest.raises(error, match=problem):
                await call(**{**others, **words})

    assert len(webex_sandbox.messages) == 2


LUNCH: dict[str, Any] = {
    **CARD,
    "content": {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [
            {"type": "TextBlock", "id": "title", "text": "Lunch?"},
            {"type": "Input.Text", "id": "dish", "value": "soup"},
            {"type": "Input.Text", "id": "form", "value": "F1", "isVisible": False},
            {"type": "ColumnSet", "columns": [{"items": [{"type": "Input.Number", "id": "n"}]}]},
            {"type": "Input.Text"},
        ],
        "actions": [
            {"type": "Action.Submit", "title": "Order", "data": {"do": "order", "n": 1}},
            {"type": "Action.Submit", "title": "Cancel", "data": {"do": "cancel"}},
            {
                "type": "Action.ShowCard",
                "title": "More",
                "card": {
                    "type": "AdaptiveCard",
                    "body": [{"type": "Input.Toggle", "id": "vegan", "value": "false"}],
                    "actions": [
                        {"type": "Action.Submit", "title": "Order it so", "data": {"do": "more"}},
                        {"type": "Action.Submit", "title": "Twin", "data": {"vegan": 1}},
                        {"type": "Action.Submit", "title": "Twin", "data": "text"},
                    ],
                },
            },
            {"type": "Action.OpenUrl", "title": "Menu", "url": "https://example.com"},
        ],
    },
}


async def test_a_button_submits_its_data_and_the_inputs(
    webex_sandbox: Sandbox, notified: Notified, api: Api
) -> None:
    """The bot gets what is filled in, the values of the other inputs, and the button's data."""
    message = await card_for_ann(api, LUNCH)
    presses: list[tuple[str, dict[str, Any] | None, dict[str, Any]]] = [
        ("Order", None, {"do": "order", "n": 1, "dish": "soup", "form": "F1"}),
        ("Order", {"n": 2, "dish": ""}, {"do": "order", "n": 2, "dish": "", "form": "F1"}),
        ("Cancel", {"do": "cancel"}, {"do": "cancel", "dish": "soup", "form": "F1"}),
        ("Order it so", {"vegan": "1"}, {"do": "more", "dish": "soup", "form": "F1", "vegan": "1"}),
    ]

    for press, given, submitted in presses:
        await webex_sandbox.submit(message, given, press=press)

        action = (await api.get(f"/attachment/actions/{notified[-1]['data']['id']}")).json()
        assert action["inputs"] == submitted


async def test_what_cannot_be_filled_in(
    webex_sandbox: Sandbox, notified: Notified, api: Api
) -> None:
    """A choice that the card doesn't have, and a date that isn't one, are a ValueError."""
    size = {"type": "Input.ChoiceSet", "id": "size", "choices": [{"value": "S"}, {"value": "L"}]}
    sizes, on = {**size, "id": "sizes", "isMultiSelect": True}, {"type": "Input.Date", "id": "on"}
    card = {**LUNCH, "content": {**LUNCH["content"], "body": [size, sizes, on], "actions": []}}
    message = await card_for_ann(api, card)
    wrong = [
        ({"size": "M"}, "'size' has no choice 'M'; it has: 'S', 'L'"),
        ({"size": "S,L"}, "'size' has no choice 'S,L'"),
        ({"sizes": "S,M"}, "'sizes' has no choice 'M'"),
        ({"on": "tomorrow"}, "'on' must be a date such as '2026-12-31', got 'tomorrow'"),
        ({"on": "20261231"}, "'on' must be a date"),
    ]

    for inputs, problem in wrong:
        with pytest.raises(ValueError, match=problem):
            await webex_sandbox.submit(message, inputs)

    for inputs in (
        {"size": "L", "sizes": "S,L", "on": "2026-12-31"},
        {"size": "", "sizes": "", "on": ""},
    ):
        await webex_sandbox.submit(message, inputs)
        action = (await api.get(f"/attachment/actions/{notified[-1]['data']['id']}")).json()
        assert action["inputs"] == inputs


async def test_what_cannot_be_pressed(webex_sandbox: Sandbox, api: Api) -> None:
    """What the card doesn't have, and what its data contradicts, is a ValueError that says so."""
    message = await card_for_ann(api, LUNCH)
    titles = "'Order', 'Cancel', 'Order it so', 'Twin', 'Twin'"
    calls: list[tuple[dict[str, Any], str]] = [
        ({}, f"has several buttons, so press must name one of them: {titles}"),
        ({"press": "Twin"}, "the card has 2 buttons 'Twin'"),
        ({"press": "More"}, f"no button 'More' that submits; it has: {titles}"),
        (
            {"press": "Order", "inputs": {"whta": "soup", "title": "x"}},
            "submits no 'title', 'whta'; it submits: 'dish', 'do', 'form', 'n'",
        ),
        ({"press": "Order", "inputs": {"vegan": "true"}}, "the card submits no 'vegan'"),
        (
            {"press": "Order", "inputs": {"do": "cancel"}},
            "'do' isn't an input: the card submits 'order', not 'cancel'",
        ),
    ]

    for arguments, problem in calls:
        with pytest.raises(ValueError, match=problem):
            await webex_sandbox.submit(message, person="bob@example.com", **arguments)

    with pytest.raises(ValueError, match=r"no button 'OK' that submits; it has: none"):
        await webex_sandbox.submit(await card_for_ann(api), press="OK")
    nothing: dict[str, Any] = {**CARD, "content": {"type": "AdaptiveCard", "version": "1.0"}}
    empty = await card_for_ann(api, nothing)
    with pytest.raises(ValueError, match="submits no 'a'; it submits: nothing"):
        await webex_sandbox.submit(empty, {"a": "b"})
