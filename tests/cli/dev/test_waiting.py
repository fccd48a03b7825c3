import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.wire import until
from webex_webhooks_async import Bot, Client, JobContext, MessageContext, SQLiteInbox
from webex_webhooks_async.cli.dev.waiting import Waiting
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.types import StoredNotification


class Unreadable(SQLiteInbox):
    """An inbox on a disk that fails."""

    def unfinished(self) -> AsyncIterator[StoredNotification]:
        raise OSError("the disk fails")

    async def retry(self, keys: Iterable[str]) -> int:
        raise OSError("the disk fails")


async def test_the_inboxes_of_a_program(
    webex_sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a thousand, the hundred due first are reported; one runs now, and a failure is logged."""
    reported: list[list[dict[str, Any]]] = []
    done: list[str] = []

    def report(**what: list[dict[str, Any]]) -> None:
        reported.append(what["waiting"])

    def bot(inbox: SQLiteInbox | None) -> Bot:
        client = Client("token", http_client=webex_sandbox.http_client())
        made = Bot(client, "secret", target_url="https://example.com/bot", inbox=inbox)
        made.message()(hear)
        return made

    async def hear(_: MessageContext) -> None:
        """Hear messages, so that the bot has a webhook."""

    full = bot(SQLiteInbox(tmp_path / "inbox.db"))

    @full.job("remind")
    async def remind(context: JobContext) -> None:
        done.append(context.value)

    waiting = Waiting(report)
    async with full, bot(None), bot(Unreadable(tmp_path / "other.db")):
        remind_each = (full.enqueue("remind", str(n), after=86_400 - n) for n in range(1_001))
        await asyncio.gather(*remind_each)
        waiting.begin()
        await until(lambda: bool(reported))
        keys = [each["key"] for each in reported[0]]
        await waiting._look()  # pyright: ignore[reportPrivateUsage] - instead of a second's wait
        assert len(reported) == 1  # nothing has changed
        await asyncio.to_thread(waiting.make_due, keys[7])
        await until(lambda: len(reported) > 1)
        await until(lambda: f"{keys[7]} can't be made due: OSError: the disk fails" in caplog.text)

    assert (len({*keys}), done) == (100, ["992"])
