"""Bots that respond before they reply, and notifications that come twice."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Unpack

import pytest

from tests.support.wire import PATIENCE
from tests.testing.doubles import BOT, created
from webex_webhooks_async import Client, MessageData, Notification, Receiver, SQLiteInbox
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.types import ReceiverOptions

pytestmark = pytest.mark.once

SECRET = "the webhook's secret"


@asynccontextmanager
async def bot(
    sandbox: Sandbox, client: Client, **options: Unpack[ReceiverOptions]
) -> AsyncGenerator[Receiver]:
    """A bot that repeats what it hears, except for "nothing"."""
    receiver = Receiver(SECRET, ignore_own_actions=True, **options)

    @receiver.on("messages", "created")
    async def echo(notification: Notification[MessageData]) -> None:
        message = await client.fetch(notification)
        if message.text != "nothing":
            await client.post("messages", json={"roomId": message.room_id, "text": message.text})

    webhooks = await receiver.wanted_webhooks(name="bot", target_url="https://bot.example.com/")
    await client.webhooks.ensure(webhooks)
    sandbox.deliver_to(receiver)
    async with receiver:
        yield receiver


@pytest.mark.parametrize("kind", ["background", "inbox"])
async def test_a_bot_that_responds_first(
    webex_sandbox: Sandbox, webex_client: Client, tmp_path: Path, kind: str
) -> None:
    """Each reply is returned once, oldest first, whether it is there already or comes later."""
    inbox = SQLiteInbox(tmp_path / "inbox.db")
    options = ReceiverOptions(inbox=inbox) if kind == "inbox" else ReceiverOptions(respond_within=0)
    async with bot(webex_sandbox, webex_client, **options):
        for text in ("One", "Two"):
            (delivery,) = await webex_sandbox.say(text, person=f"{text}@example.com")
            assert delivery.ok
        texts = [(await webex_sandbox.next_reply(PATIENCE)).text for _ in range(2)]
        waiting = asyncio.create_task(webex_sandbox.next_reply(PATIENCE))
        await asyncio.sleep(0)
        await webex_sandbox.say("Three")
        texts.append((await waiting).text)

    assert texts == ["One", "Two", "Three"]


async def test_a_reply_from_another_thread(webex_sandbox: Sandbox) -> None:
    """A bot may call the sandbox in an event loop of its own."""

    async def write() -> None:
        async with webex_sandbox.http_client() as api:
            await created(api, "/messages", BOT, toPersonEmail="ann@example.com", text="Hello")

    waiting = asyncio.create_task(webex_sandbox.next_reply(PATIENCE))
    await asyncio.sleep(0)
    await asyncio.to_thread(asyncio.run, write())

    assert (await waiting).text == "Hello"


async def test_a_message_that_is_emitted(webex_sandbox: Sandbox) -> None:
    """A message of the bot that is only reported is a reply, also to who waits already."""
    waiting = asyncio.create_task(webex_sandbox.next_reply(PATIENCE))
    await asyncio.sleep(0)
    hello = {"text": "Hello"}
    await webex_sandbox.emit("messages", "created", data=hello, actor_id=webex_sandbox.bot.id)

    assert (await waiting).text == "Hello"


async def test_a_cancelled_call_takes_no_reply(
    webex_sandbox: Sandbox, webex_client: Client
) -> None:
    """A call that is cancelled when a message comes leaves it to the next one."""
    room = (await webex_client.post("rooms", json={"title": "Plans"}))["id"]
    waiting = asyncio.create_task(webex_sandbox.next_reply(PATIENCE))
    await asyncio.sleep(0)
    await webex_sandbox.say("Hello", room_id=room, person=webex_sandbox.bot)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert (await webex_sandbox.next_reply(timeout=0)).text == "Hello"
    assert waiting.cancelled()


async def test_no_reply(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """Without a reply the error says what the bot was notified of, and how it responded."""
    with pytest.raises(TimeoutError) as before:
        await webex_sandbox.next_reply(timeout=0)
    async with bot(webex_sandbox, webex_client):
        await webex_sandbox.say("nothing")
        webex_sandbox.raise_handler_errors = False
        webex_sandbox.fail(status=404, times=None, method="GET")
        await webex_sandbox.say("Hello")
        webex_sandbox.deliver_to(None)
        await webex_sandbox.say("Hello?")
        with pytest.raises(TimeoutError) as after:
            await webex_sandbox.next_reply(timeout=timedelta(milliseconds=10))

    assert str(before.value) == (
        "no reply within 0 seconds; the bot was notified of nothing: none of its active webhooks "
        "watches what happened"
    )
    assert str(after.value).startswith(
        "no reply within 0.01 seconds; the bot was notified of messages created (it responded "
        "204), messages created (500 Internal Server Error), messages created (not sent, because "
    )


async def test_what_the_bot_has_said(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """Without another reply the error has what the bot has said since somebody said something."""

    async def error() -> str:
        while True:
            try:
                await webex_sandbox.next_reply(timeout=0)
            except TimeoutError as raised:
                return str(raised).rpartition(";")[2]

    ann = {"toPersonEmail": "ann@example.com"}
    await webex_client.post("messages", json={**ann, "text": "Good morning"})
    unasked = await error()
    await webex_sandbox.say("leave", person="ann@example.com")
    silent = await error()
    for text in ("Which day?", "x" * 100):
        await webex_client.post("messages", json={**ann, "text": text})
    await webex_client.post("messages", json={**ann, "files": ["https://example.com/a.png"]})

    assert unasked == " it has said 'Good morning'"
    assert "has said" not in silent
    assert await error() == f" it has said 'Which day?', '{'x' * 80}...', 'a file' since 'leave'"


async def test_duplicates(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """A duplicate has the same bytes and headers, and is handled once."""
    async with bot(webex_sandbox, webex_client):
        (first,) = await webex_sandbox.say("Hello")
        again = await webex_sandbox.redeliver(first)
        assert again == first
        assert webex_sandbox.deliveries[-1] is again
        assert again.headers == first.headers
        assert len(webex_sandbox.messages) == 2


async def test_a_server_ends_when_its_bot_has_finished(webex_sandbox: Sandbox) -> None:
    """An application in process isn't cancelled at the end: a thread may wait for it."""
    finished = asyncio.Event()
    receiver = Receiver(SECRET)

    @receiver.on("messages", "created")
    async def slow(_: Notification[MessageData]) -> None:
        started.set()
        for _step in range(100):
            await asyncio.sleep(0)
        finished.set()

    started = asyncio.Event()
    async with (
        asyncio.timeout(PATIENCE),
        webex_sandbox.serve() as base_url,
        Client("a-token", base_url=base_url) as client,
    ):
        await client.webhooks.ensure(
            await receiver.wanted_webhooks(name="bot", target_url="https://bot/")
        )
        webex_sandbox.deliver_to(receiver)
        ann = {"toPersonEmail": "ann@example.com", "text": "Hello"}
        await client.post("messages", json=ann)
        await started.wait()

    assert finished.is_set()
