import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import StoppedClock
from tests.testing.doubles import ANN, Api, created
from webex_webhooks_async import (
    Bot,
    Client,
    File,
    Inbox,
    MessageContext,
    SQLiteInbox,
    SubmissionContext,
)
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.page_server.transcript import as_test

pytestmark = pytest.mark.once

DISH = {"type": "Input.Text", "id": "dish", "isMultiline": True}
ORDER = {"type": "Action.Submit", "title": "Order", "data": {"action": "order"}}
LATER = {"type": "Action.Submit", "title": "Later", "data": {"action": "order", "when": "later"}}
MENU = {"type": "AdaptiveCard", "version": "1.3", "body": [DISH], "actions": [ORDER, LATER]}


def make_bot(client: Client, *, thanks: str = "One", inbox: Inbox | None = None) -> Bot:
    """A bot that takes orders, and asks whether one is sure."""
    bot = Bot(client, "a-secret", target_url="https://bot.example.com/webex", inbox=inbox)

    @bot.command("cancel")
    async def cancel(context: MessageContext) -> None:
        sure = await context.ask("Sure?", buttons={"yes": "Yes", "no": "No"})
        await context.reply(f"{sure.action}, then")

    @bot.command("menu")
    async def menu(context: MessageContext) -> None:
        await context.reply("The menu", card=MENU)

    @bot.command("file")
    async def file(context: MessageContext) -> None:
        await context.reply(file=File("menu.txt", b"Soup"))

    @bot.submission("order")
    async def order(context: SubmissionContext) -> None:
        when = context.inputs.get("when", "now")
        await context.reply(f"{thanks} {context.inputs['dish']} {when}, please!")

    @bot.message()
    async def echo(context: MessageContext) -> None:
        await context.reply(f'"{context.text}"\nwith {len(context.message.files)} files')

    return bot


async def run(code: str, *, thanks: str = "One", inbox: Inbox | None = None) -> None:
    """Run a test with the fixtures of the page on tests."""
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - it is what people paste
    (name,) = (each for each in names if each.startswith("test_"))
    test = names[name]
    sandbox = Sandbox()
    async with sandbox.http_client() as http_client:
        client = Client("token", http_client=http_client)
        async with make_bot(client, thanks=thanks, inbox=inbox) as bot:
            sandbox.deliver_to(bot)
            fixtures = {"bot": bot, "webex_client": client, "webex_sandbox": sandbox}
            wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
            await asyncio.wait_for(test(**{each: fixtures[each] for each in wanted}), 30)


def transcript(sandbox: Sandbox, room_id: str, start: str | None = None) -> str:
    """What "Copy as a test" copies, or "Test from here"."""
    state = sandbox._state  # pyright: ignore[reportPrivateUsage] - the page has nothing else of it
    room = state.rooms.get(room_id)
    assert room is not None
    return as_test(state, room, start)


async def test_a_thread(webex_sandbox: Sandbox, webex_client: Client, api: Api) -> None:
    """What a person says in a thread is said there again; of a deleted message, outside of it."""
    async with make_bot(webex_client) as bot:
        webex_sandbox.deliver_to(bot)
        await webex_sandbox.say("Hello", person="ann@example.com")
        root = webex_sandbox.messages[0]
        await webex_sandbox.say("And now?", person="ann@example.com", parent_id=root.id)
        code = transcript(webex_sandbox, root.room_id)
        await api.delete(f"/messages/{root.id}", headers=ANN)
        without_root = transcript(webex_sandbox, root.room_id)

    assert (
        'say("And now?", person="ann@example.com", parent_id=webex_sandbox.messages[0].id)' in code
    )
    assert "parent_id" not in without_root
    await run(code)


async def test_a_conversation(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """A test says, presses and expects what the conversation had; it fails if the bot changes."""
    clock = StoppedClock()
    webex_sandbox._state.clock = clock.now  # pyright: ignore[reportPrivateUsage] - of the fixture
    async with make_bot(webex_client) as bot:
        webex_sandbox.deliver_to(bot)
        await webex_sandbox.say('It\'s a "quote"\n{and} \\ more', person="ann@example.com")
        await webex_sandbox.say("menu", person="ann@example.com")
        card = webex_sandbox.messages[-1].id
        for press, dish in (("Order", "soup"), ("Later", "O'Pasta"), ("Order", "")):
            await webex_sandbox.submit(card, {"dish": dish}, press=press, person="ann@example.com")
            clock.advance(1)
        await webex_sandbox.say("file", person="ann@example.com")
        await webex_sandbox.say("menu", person="bob@example.com")  # in another room
        elsewhere = webex_sandbox.messages[-1].id
        await webex_sandbox.submit(elsewhere, {"dish": "x"}, press="Order")
        await webex_sandbox.say("", person="ann@example.com", files=[File("a.txt", b"Hello")])
    code = transcript(webex_sandbox, webex_sandbox.messages[0].room_id)

    assert 'await webex_sandbox.submit(card.id, {"dish": "soup"}, press="Order"' in code
    assert code.startswith("from webex_webhooks_async import File\n\n\nasync def test_it_s_a_quote")
    await run(code)
    with pytest.raises(AssertionError):
        await run(code, thanks="Two")


async def test_an_answered_card(
    tmp_path: Path, webex_sandbox: Sandbox, webex_client: Client
) -> None:
    """A card that is deleted with its answer is pressed again, and isn't there at the end."""
    async with make_bot(webex_client, inbox=SQLiteInbox(tmp_path / "inbox.db")) as bot:
        webex_sandbox.deliver_to(bot)
        await webex_sandbox.say("cancel", person="ann@example.com")
        card = await webex_sandbox.next_reply()
        await webex_sandbox.submit(card.id, press="Yes", person="ann@example.com")
        await webex_sandbox.idle()
        await webex_sandbox.say("Thanks", person="ann@example.com")
        await webex_sandbox.idle()
        thanks = webex_sandbox.messages[-2].id
        await webex_sandbox.say("Bye", person="ann@example.com", parent_id=thanks)
        await webex_sandbox.idle()
    code = transcript(webex_sandbox, card.room_id)

    assert 'submit(card.id, {}, press="Yes"' in code
    assert "parent_id=webex_sandbox.messages[3].id" in code
    await run(code, inbox=SQLiteInbox(tmp_path / "again.db"))


async def test_from_here(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """A test begins with the message that one chooses, unless it needs a card from before."""
    async with make_bot(webex_client) as bot:
        webex_sandbox.deliver_to(bot)
        for text in ("menu", "Hello", "menu"):
            await webex_sandbox.say(text, person="ann@example.com")
            if text == "menu":
                card = webex_sandbox.messages[-1]
                await webex_sandbox.submit(card.id, {"dish": "soup"}, press="Order")
        first, card, _, hello, _, last, again, _ = webex_sandbox.messages
        room = first.room_id
        codes = [transcript(webex_sandbox, room, each.id) for each in (hello, last)]
        await webex_sandbox.submit(card.id, {"dish": "cake"}, press="Order")

    for code, name, count in zip(codes, ("hello", "menu"), (5, 3), strict=True):
        assert code.startswith(f"async def test_{name}(")
        assert f"len(webex_sandbox.messages) == {count}" in code
        await run(code)
    with pytest.raises(ValueError, match="on a card from before this message"):
        transcript(webex_sandbox, room, hello.id)
    for start in (again.id, "nowhere"):
        with pytest.raises(ValueError, match="begins with a message that a person has written"):
            transcript(webex_sandbox, room, start)


async def test_a_group_room(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """In a group room the bot is mentioned where it was; a card is compared with the one it was."""
    room = (await webex_client.post("rooms", json={"title": "Lunch 'club'"}))["id"]
    async with make_bot(webex_client) as bot:
        webex_sandbox.deliver_to(bot)
        await webex_sandbox.say("Hi all", person="ann@example.com", room_id=room)
        for text in ("Hi bot", "menu"):
            await webex_sandbox.say(
                text, person="bob@example.com", room_id=room, mention=webex_sandbox.bot
            )

    code = transcript(webex_sandbox, room)
    assert code.startswith("async def test_hi_all(")
    await run(code)


async def test_what_can_not_be_repeated(webex_sandbox: Sandbox, api: Api) -> None:
    """A large file, and a press of one of two equal buttons, are refused."""
    await webex_sandbox.say("Hello", person="ann@example.com", files=[File("a", bytes(1_001))])
    room = webex_sandbox.messages[0].room_id
    with pytest.raises(ValueError, match="file of more than 1000 bytes"):
        transcript(webex_sandbox, room)

    await api.delete(f"messages/{webex_sandbox.messages[0].id}", headers=ANN)
    untitled = {"type": "Action.Submit", "data": ORDER["data"]}
    for actions in ([ORDER, ORDER], [untitled, {**ORDER, "data": {"action": "later"}}]):
        content = {**MENU, "actions": actions}
        contents = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
        card = await created(api, "messages", roomId=room, text="The menu", attachments=[contents])
        await created(
            api,
            "attachment/actions",
            ANN,
            type="submit",
            messageId=card["id"],
            inputs={"dish": "soup", "action": "order"},
        )
        with pytest.raises(ValueError, match="which button"):
            transcript(webex_sandbox, room)
        await api.delete(f"messages/{card['id']}")
