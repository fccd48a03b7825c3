"""What log records hold, of everything that a bot does."""

import logging
from pathlib import Path

import pytest

from tests.bot.doubles import CARD, Webex
from tests.support.surface import surface
from tests.support.wire import PATIENCE
from webex_webhooks_async import (
    Bot,
    Client,
    File,
    MessageContext,
    NotFoundError,
    SQLiteInbox,
    SubmissionContext,
)
from webex_webhooks_async.testing import Sandbox

TOKEN = "canary-of-the-token"
ANN = "canary@example.com"


@pytest.mark.parametrize("has_inbox", [False, True])
async def test_nothing_private_is_in_any_record(
    webex_sandbox: Sandbox, caplog: pytest.LogCaptureFixture, tmp_path: Path, *, has_inbox: bool
) -> None:
    """No text, address, title, input, file, query, token or secret is in a field of a record."""
    webex_sandbox.raise_handler_errors = False
    caplog.set_level(logging.DEBUG, "webex_webhooks_async")
    inbox = SQLiteInbox(tmp_path / "inbox.db") if has_inbox else None
    async with (
        webex_sandbox.http_client() as http_client,
        Client(TOKEN, http_client=http_client) as client,
    ):
        bot = Bot(
            client,
            "canary of the secret",
            target_url="https://canary.example.com/canary",
            inbox=inbox,
            attempts=1 if has_inbox else ...,
        )

        @bot.message()
        async def answer(context: MessageContext) -> None:
            await context.reply("canary", card=CARD)
            await context.reply("canary", file=File("canary.txt", b"canary"))
            await client.get("people", params={"email": ANN})
            raise ValueError("a bug")

        @bot.submission()
        async def take(context: SubmissionContext) -> None:
            await context.reply(f"canary {context.inputs['dish']}")

        async with Webex(webex_sandbox, client).running(bot):
            webex_sandbox.fail(status=503, retry_after=0, body="canary", method="GET", times=2)
            webex_sandbox.fail(status=429, retry_after=0, method="POST")
            await webex_sandbox.say("canary", person=ANN)
            card = await webex_sandbox.next_reply(PATIENCE)
            await webex_sandbox.next_reply(PATIENCE)
            await webex_sandbox.submit(card.id, {"dish": "canary"}, person=ANN)
            await webex_sandbox.next_reply(PATIENCE)
            await webex_sandbox.emit("rooms", "updated", data={"title": "canary"})
            await webex_sandbox.emit("messages", "created", data={"personEmail": ["canary"]})
            with pytest.raises(NotFoundError):
                await client.get("rooms/R")

    records = [each for each in caplog.records if each.name == "webex_webhooks_async"]
    fields = [(name, value) for each in records for name, value in vars(each).items()]
    names = {name for name, _ in fields}
    of_every_record = vars(logging.makeLogRecord({})).keys() | {"message"}
    assert names - of_every_record <= {*surface().splitlines()}
    assert {"webex_resource", "webex_data_id", "webex_path", "webex_status"} <= names
    assert ("webex_attempt" in names) == has_inbox
    assert [each for each in fields if "canary" in repr(each).lower()] == []
