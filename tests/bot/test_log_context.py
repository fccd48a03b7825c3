"""What a filter puts on the records of the whole program."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from tests.bot.doubles import CARD, Webex
from tests.support.logs import Log
from webex_webhooks_async import LogContext, MessageContext, SubmissionContext

pytestmark = pytest.mark.once

logger: logging.Logger = logging.getLogger("a.library")
FIELDS = ("webex_route", "webex_resource", "webex_event", "webex_data_id")


@pytest.fixture
def _filtered(caplog: Log) -> Iterator[None]:
    # Every test of a run has the same handler.
    log_context = LogContext()
    caplog.handler.addFilter(log_context)
    yield
    caplog.handler.removeFilter(log_context)


@pytest.mark.usefixtures("_filtered")
async def test_what_is_being_handled_is_on_each_record(webex: Webex, caplog: Log) -> None:
    """In a handler, its tasks and threads, and in our own records; others have empty text."""
    caplog.set_level(logging.INFO)
    bot = webex.bot()

    @bot.command("order")
    async def order(context: MessageContext) -> None:
        logger.info("in a handler")
        await asyncio.create_task(asyncio.to_thread(logger.info, "in a thread"))
        await context.reply("Done")

    @bot.submission("order")
    async def ordered(_: SubmissionContext) -> None:
        logger.info("submitted", extra={"webex_route": "my own"})

    async with webex.running(bot):
        message = (await webex.sandbox.say("order", person="ann@example.com"))[0]
        card = await bot.send(card=CARD, to_person_email="ann@example.com")
        await webex.sandbox.submit(card.id, {"dish": "Tea"}, person="ann@example.com")
        logger.info("outside")

    found = {
        each.getMessage().partition(" ")[0] + " " + each.name: [
            getattr(each, name) for name in FIELDS
        ]
        for each in caplog.records
        if each.name in {"a.library", "webex_webhooks_async"}
    }
    of_order = ["command order", "messages", "created", webex.sandbox.messages[0].id]
    assert message.status_code == 204
    assert found["in a.library"] == of_order
    assert found["messages webex_webhooks_async"] == of_order
    assert found["submitted a.library"][:3] == ["my own", "attachmentActions", "created"]
    assert found["outside a.library"] == ["", "", "", ""]
