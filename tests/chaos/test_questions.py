"""People who answer three questions each, ahead or not, while the processes of the bot are killed.

CHAOS_NOTIFICATIONS says how large it is: above 100, it is 30 people and 30 kills.
"""

import asyncio
import os
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attrs import frozen

from tests.chaos.sending import Sender
from tests.examples.serving import settings_of
from tests.support.postgres_server import running_postgres
from tests.support.services import Service, Services, running_services
from tests.support.stage import SECRET
from tests.support.wire import unused_port
from webex_webhooks_async import Inbox, PostgresInbox, SQLiteInbox
from webex_webhooks_async.testing import Sandbox, sample_notification

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

IS_LARGE = int(os.environ.get("CHAOS_NOTIFICATIONS", "50")) > 100
PEOPLE = 30 if IS_LARGE else 4
KILLS = 30 if IS_LARGE else 2
RESPONSE_TIME = 0.05  # seconds of Webex
ROWS = "CREATE TABLE rows (text text)"


@frozen(kw_only=True)
class Talk:
    """A bot with all its processes, and the people who talk with it."""

    webex: Sandbox
    services: Services
    replicas: list[Service]
    sender: Sender
    inbox: Inbox

    async def say(self, person: int, number: int, text: str) -> None:
        """Let a person write something, and Webex deliver it until it is accepted."""
        data = {
            "id": f"MESSAGE-{person}-{number}",
            "roomId": f"ROOM-{person}",
            "roomType": "direct",
            "personId": f"PERSON-{person}",
            "text": text,
        }
        await self.webex.emit("messages", "created", data=data)
        del data["text"]
        await self.sender.send([sample_notification("messages", "created", data=data)])

    async def is_asked(self, text: str) -> None:
        await self.services.until(lambda: text in {each.text for each in self.webex.messages})

    async def converse(self, person: int) -> None:
        """Order, and answer each question: half of the people before they have read it."""
        await self.say(person, 0, f"begin {person}")
        for number in (1, 2, 3):
            if person % 2:
                await self.is_asked(f"{person}: {number}?")
            await self.say(person, number, f"{person}-{number}")

    async def kill_at_random(self) -> None:
        moments = random.Random(PEOPLE).choices(range(4 * PEOPLE), k=KILLS)  # noqa: S311 - no secret
        for moment, replica in zip(sorted(moments), cycle(self.replicas), strict=False):
            await self.services.until(lambda moment=moment: self.sender.acknowledged >= moment)  # type: ignore[misc] # its default has a type
            starts = self.starts(replica)
            replica.kill()
            await self.services.until(
                lambda each=replica, starts=starts: self.starts(each) > starts  # type: ignore[misc] # its default has a type
            )

    def starts(self, replica: Service) -> int:
        return sum("Uvicorn running" in line for line in replica.lines)

    async def finish(self) -> None:
        """Wait until nothing is left in the inbox."""
        async with asyncio.timeout(120):
            while [each async for each in self.inbox.unfinished()]:  # noqa: ASYNC110 - it notifies nobody
                await asyncio.sleep(0.1)


@asynccontextmanager
async def talking(database: str, inbox: Inbox, replicas: int) -> AsyncGenerator[Talk]:
    """Run so many processes of a bot, with a Webex that takes a moment to respond."""
    webex = Sandbox()
    webex.fail(delay=RESPONSE_TIME, times=None, method="POST")
    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(webex.serve())
        of_bot = {"DATABASE": database, "LEASE": "2", "WEBEX_TARGET_URL": ""}
        settings = settings_of(base_url, WEBEX_WEBHOOK_SECRET=SECRET, **of_bot)
        services = await stack.enter_async_context(running_services(settings))
        ports = [unused_port() for _ in range(replicas)]
        uvicorn = "uvicorn --no-access-log --app-dir ../../tests/chaos asking_bot:bot --port"
        running = [services.start(f"{uvicorn} {port}") for port in ports]
        await services.until(lambda: all(each.says("Uvicorn running") for each in running))
        urls = cycle([f"http://127.0.0.1:{port}/" for port in ports])
        sender = Sender(urls, services.happened)
        yield Talk(webex=webex, services=services, replicas=running, sender=sender, inbox=inbox)


async def all_conversations(talk: Talk) -> None:
    """Let all people talk, while processes are killed."""
    async with asyncio.TaskGroup() as group:
        group.create_task(talk.kill_at_random())
        for person in range(PEOPLE):
            group.create_task(talk.converse(person))
    await talk.finish()


def check(rows: list[str], talk: Talk) -> None:
    """Each conversation has ended once, with its own answers in their order."""
    expected = [f"{each}: {each}-1 {each}-2 {each}-3" for each in range(PEOPLE)]
    said = Counter(str(each.text) for each in talk.webex.messages)
    twice = sum(count > 1 for text, count in said.items() if text.endswith(("?", "done")))
    print(  # noqa: T201 - the figures are for people
        f"{PEOPLE} people with three questions each, {len(talk.replicas)} processes, {KILLS} "
        f"SIGKILLs: {len(rows)} conversations ended, {sum(each in rows for each in expected)} "
        f"of them with the right answers; {twice} of {4 * PEOPLE} messages came twice; refused "
        f"{dict(talk.sender.refused)}"
    )
    assert sorted(rows) == sorted(expected)
    assert [text for text in said if text.startswith("stray")] == []


async def test_on_a_file(tmp_path: Path) -> None:
    """Each conversation ends with its own answers, once, whatever is killed."""
    path = tmp_path / "inbox.db"
    async with aclosing(SQLiteInbox(path)) as inbox:
        await inbox.counts()
        with closing(sqlite3.connect(path)) as file:
            file.execute(ROWS)
        async with talking(str(path), inbox, 2) as talk:
            await all_conversations(talk)
            with closing(sqlite3.connect(path)) as file:
                rows: list[Any] = file.execute("SELECT text FROM rows").fetchall()
            check([text for (text,) in rows], talk)


async def test_on_postgres() -> None:
    """The same on a database, with processes on several machines."""
    with running_postgres() as postgres:
        async with aclosing(PostgresInbox(postgres.url)) as inbox:
            await inbox.counts()
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute(ROWS)
            async with talking(postgres.url, inbox, 3) as talk:
                await all_conversations(talk)
                with psycopg.connect(postgres.url) as connection:
                    found: list[Any] = connection.execute("SELECT text FROM rows").fetchall()
                check([text for (text,) in found], talk)
