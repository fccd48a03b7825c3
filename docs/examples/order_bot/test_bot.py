"""The bot's tests. They need no account and no network."""

from collections.abc import AsyncGenerator
from hashlib import sha256

import pytest

from webex_webhooks_async import Bot, Client, File
from webex_webhooks_async.testing import Sandbox

from .bot import SORRY, make_bot


@pytest.fixture(autouse=True)
async def bot(webex_sandbox: Sandbox, webex_client: Client) -> AsyncGenerator[Bot]:
    """The bot, started, with the sandbox as its Webex."""
    url = "https://bot.example.com/webex"
    bot = make_bot(Bot(webex_client, "a-secret", target_url=url, error_reply=SORRY))
    webex_sandbox.deliver_to(bot)
    async with bot:
        yield bot


async def test_help(webex_sandbox: Sandbox) -> None:
    """It lists what the bot can do."""
    await webex_sandbox.say("Help!")
    await webex_sandbox.say("help")

    assert "* **order**: Order lunch.\n" in str(webex_sandbox.messages[-1].markdown)


async def test_an_order(webex_sandbox: Sandbox) -> None:
    """The order is confirmed in the thread that the card is in."""
    await webex_sandbox.say("order")
    question, card = webex_sandbox.messages
    await webex_sandbox.submit(card.id, {"dish": "Pasta"}, press="Order")

    assert webex_sandbox.messages[-1].text == "One Pasta, please!"
    assert webex_sandbox.messages[-1].parent_id == card.parent_id == question.id


async def test_own_orders(webex_sandbox: Sandbox) -> None:
    """Everybody sees their own orders."""
    await webex_sandbox.say("order", person="ann@example.com")
    await webex_sandbox.submit(webex_sandbox.messages[-1].id, {"dish": "Pasta"}, press="Order")
    replies = [await reply_to(webex_sandbox, "my orders", who) for who in ("ann", "bob")]

    assert replies == ["Pasta", "You haven't ordered anything."]


async def test_a_file(webex_sandbox: Sandbox) -> None:
    """The bot downloads a file, and says its size and its SHA-256."""
    await webex_sandbox.say("", files=[File("menu.txt", b"Pasta")])

    digest = sha256(b"Pasta").hexdigest()
    assert webex_sandbox.messages[-1].text == f"menu.txt: 5 bytes, SHA-256 {digest}"


async def test_a_mention_in_a_group(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """In a group room, the mention isn't part of the command."""
    room = await webex_client.post("rooms", json={"title": "Lunch"})
    await webex_sandbox.say("my orders", room_id=room["id"], mention=webex_sandbox.bot)

    assert webex_sandbox.messages[-1].text == "You haven't ordered anything."


async def test_a_greeting(webex_sandbox: Sandbox) -> None:
    """The bot greets the room that it is added to."""
    added = {"personId": webex_sandbox.bot.id, "roomId": "R1"}
    await webex_sandbox.emit("memberships", "created", data=added, actor_id="ANN")

    assert str(webex_sandbox.messages[-1].markdown).startswith("Hello!")


async def test_an_apology(webex_sandbox: Sandbox) -> None:
    """Nothing can be cancelled yet: the handler fails, and the bot apologizes in the room."""
    webex_sandbox.raise_handler_errors = False
    (delivery,) = await webex_sandbox.say("cancel")

    assert webex_sandbox.messages[-1].text == SORRY
    assert delivery.status_code == 204


async def test_an_apology_that_fails(
    webex_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has both errors: that of the handler, and that of the apology."""
    webex_sandbox.raise_handler_errors = False
    webex_sandbox.fail(status=403, method="POST")
    await webex_sandbox.say("cancel")

    levels = [each.levelname for each in caplog.records if each.levelname in {"ERROR", "WARNING"}]
    assert levels == ["ERROR", "WARNING"]
    assert len(webex_sandbox.messages) == 1


async def reply_to(sandbox: Sandbox, text: str, who: str) -> str:
    """Say something, and return the last reply."""
    await sandbox.say(text, person=f"{who}@example.com")
    return str(sandbox.messages[-1].text)
