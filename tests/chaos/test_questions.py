"""People who answer three questions each, ahead or not, while the processes of the bot change.

They are killed or frozen, or two versions of the bot take turns. CHAOS_NOTIFICATIONS says how large
it is: above 100, it is 30 people, and 30 kills and freezes or 10 turns.
"""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from functools import partial
from itertools import count, cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attrs import define, field

from tests.chaos.sending import Sender
from tests.examples.serving import settings_of
from tests.support.postgres_server import running_postgres
from tests.support.services import Service, Services, running_services
from tests.support.stage import SECRET
from tests.support.wire import PATIENCE, unused_port
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
LEASE = 2  # seconds
RESPONSE_TIME = 0.05  # seconds of Webex
TURNS = 10 if IS_LARGE else 2
ROWS = "CREATE TABLE rows (text text)"


@define(kw_only=True)
class Talk:
    """A bot with all its processes, and the people who talk with it.

    Attributes:
        routes: The routes of two versions, by which the conversations are known.
        replicas: The processes by their ports, the oldest first.
        turns: How often a process of one version has taken the place of one of the other.
        program: The module of the bot.
    """

    webex: Sandbox
    services: Services
    inbox: Inbox
    routes: tuple[str, str]
    replicas: dict[int, Service] = field(factory=dict[int, Service])
    sender: Sender = field(init=False)
    turns: int = 0
    program: str = "asking_bot"

    @property
    def has_versions(self) -> bool:
        return self.routes[0] != self.routes[1]

    def __attrs_post_init__(self) -> None:
        self.sender = Sender(self.urls(), self.services.happened)

    def urls(self) -> Iterator[str]:
        """Yield the URLs of the processes in turn, as a load balancer takes them."""
        for number in count():
            ports = [*self.replicas]
            yield f"http://127.0.0.1:{ports[number % len(ports)]}/"

    async def start(self, number: int) -> None:
        """Start a process of the one version or the other, and wait until it is up."""
        port = unused_port()
        uvicorn = f"uvicorn --no-access-log --app-dir ../../tests/chaos --port {port}"
        route = f"env ROUTE={self.routes[number % 2]}"
        replica = self.services.start(f"{route} {uvicorn} {self.program}:bot")
        await self.services.until(lambda: replica.says("Uvicorn running"))
        self.replicas[port] = replica

    async def say(self, person: int, number: int, text: str) -> str:
        """Let a person write something, and deliver it until it is accepted; return its id."""
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
        return data["id"]

    async def press(
        self, person: int, question: str, action: str, is_over: Callable[[], bool]
    ) -> None:
        """Press the button as soon as the card is there: a killed process may have sent two."""
        pressed: set[str] = set()
        async with asyncio.timeout(TURNS * PATIENCE):
            while not is_over():
                cards = [
                    each.id
                    for each in self.webex.messages
                    if each.text == question and each.id not in pressed
                ]
                for message_id in cards:
                    pressed.add(message_id)
                    data = {
                        "id": f"PRESS-{person}-{len(pressed)}",
                        "type": "submit",
                        "messageId": message_id,
                        "roomId": f"ROOM-{person}",
                        "personId": f"PERSON-{person}",
                        "inputs": {"action": action},
                    }
                    await self.webex.emit("attachmentActions", "created", data=data)
                    del data["inputs"]
                    body = sample_notification("attachmentActions", "created", data=data)
                    await self.sender.send([body])
                await asyncio.sleep(0.02)

    async def first_reply(self, message_id: str) -> str:
        """Wait until the bot replies to a message, and return what it says."""
        replies: list[str] = []

        def has_replied() -> bool:
            thread = [each for each in self.webex.messages if each.parent_id == message_id]
            replies.extend(str(each.text) for each in thread[:1])
            return bool(replies)

        await self.until(has_replied)
        return replies[0]

    def asks(self, text: str) -> bool:
        return text in {each.text for each in self.webex.messages}

    async def is_asked(self, text: str) -> None:
        await self.until(lambda: self.asks(text))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(TURNS * PATIENCE):
            while not condition():  # noqa: ASYNC110 - the sandbox notifies nobody
                await asyncio.sleep(0.02)

    async def converse(self, person: int) -> None:
        """Begin, and answer each question: half of the people before they have read it."""
        await self.turn(person * TURNS // PEOPLE)
        for number in count(4):
            message_id = await self.say(person, number, f"begin {person}")
            # A process of a version without the handler has replied.
            if all(self.routes) or "stray" not in await self.first_reply(message_id):
                break
        for number in (1, 2, 3):
            if person % 2:
                await self.is_asked(f"{person}: {number}?")
                await self.turn(self.turns + 1)
            if number == 2:
                is_over = partial(self.asks, f"{person}: 3?")
                await self.press(person, f"{person}: 2?", f"{person}-2", is_over)
            else:
                await self.say(person, number, f"{person}-{number}")

    async def hold_and_cancel(self, person: int) -> None:
        """Begin what takes long, and cancel it when it has begun."""
        what = ("works", "asks", "asks-two")[person % 3]
        await self.say(person, 0, f"hold {person} {what}")
        await self.is_asked(f"{person}: {what}: begun")
        if what != "works" and person % 2:
            await self.is_asked(f"{person}: {what}?")
        await self.say(person, 1, f"cancel {person}")
        # Who is killed between a stop and its record finds nothing to stop in the next attempt.
        said = f"{person}: stopped "
        await self.until(
            lambda: any(str(each.text).startswith(said) for each in self.webex.messages)
        )

    async def turn(self, number: int) -> None:
        """Wait until so many processes have taken the place of another one, if they do."""
        last = TURNS if self.has_versions else 0
        await self.until(lambda: self.turns >= min(number, last))

    async def take_turns(self) -> None:
        """Let a process of the other version take the place of the oldest, each second by force."""
        for number in range(TURNS):
            await self.start(len(self.replicas) + number)
            oldest = next(iter(self.replicas))
            replica = self.replicas.pop(oldest)
            replica.stop()
            if number % 2:
                replica.kill()
            await self.services.until(lambda replica=replica: replica.is_over)  # type: ignore[misc] # its default has a type
            self.turns += 1

    async def kill_at_random(self) -> None:
        """Kill a process, or freeze it, by turns."""
        moments = random.Random(PEOPLE).choices(range(4 * PEOPLE), k=KILLS)  # noqa: S311 - no secret
        replicas = cycle(self.replicas.values())
        for number, (moment, replica) in enumerate(zip(sorted(moments), replicas, strict=False)):
            await self.services.until(lambda moment=moment: self.sender.acknowledged >= moment)  # type: ignore[misc] # its default has a type
            if number % 2:  # it comes back after its lease, when others have taken over
                replica.signal(signal.SIGSTOP)
                await asyncio.sleep(1.5 * LEASE)
                replica.signal(signal.SIGCONT)
                continue
            await self.kill(replica)

    async def kill(self, replica: Service) -> None:
        """Kill a process, and wait until another one has taken its place."""

        def starts() -> int:
            return sum("Uvicorn running" in line for line in replica.lines)

        before = starts()
        replica.kill()
        await self.services.until(lambda: starts() > before)

    async def finish(self) -> None:
        """Wait until nothing is left in the inbox."""
        async with asyncio.timeout(120):
            while [each async for each in self.inbox.unfinished()]:  # noqa: ASYNC110 - it notifies nobody
                await asyncio.sleep(0.1)


@asynccontextmanager
async def talking(
    database: str,
    inbox: Inbox,
    replicas: int,
    routes: tuple[str, str],
    *,
    program: str = "asking_bot",
    **more: str,
) -> AsyncGenerator[Talk]:
    """Run so many processes of a bot, with a Webex that takes a moment to respond."""
    webex = Sandbox()
    webex.fail(delay=RESPONSE_TIME, times=None, method="POST")
    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(webex.serve())
        of_bot = {"DATABASE": database, "LEASE": str(LEASE), "WEBEX_TARGET_URL": ""}
        settings = settings_of(base_url, WEBEX_WEBHOOK_SECRET=SECRET, **of_bot, **more)
        services = await stack.enter_async_context(running_services(settings))
        talk = Talk(webex=webex, services=services, inbox=inbox, routes=routes, program=program)
        async with asyncio.TaskGroup() as group:
            for number in range(replicas):
                group.create_task(talk.start(number))
        yield talk


async def all_conversations(talk: Talk) -> None:
    """Let all people talk, while versions take turns, or processes are killed."""
    async with asyncio.TaskGroup() as group:
        group.create_task(talk.take_turns() if talk.has_versions else talk.kill_at_random())
        for person in range(PEOPLE):
            group.create_task(talk.converse(person))
    await talk.finish()


async def all_stops(talk: Talk) -> None:
    """Let all people cancel what they have begun, while processes are killed and frozen."""
    async with asyncio.TaskGroup() as group:
        group.create_task(talk.kill_at_random())
        for person in range(2 * PEOPLE):
            group.create_task(talk.hold_and_cancel(person))
    await talk.finish()


def check_stops(rows: list[str], talk: Talk) -> None:
    """Each handler was told once that it was stopped, and cards don't stay."""
    kinds = ("works", "asks", "asks-two")
    left = [each for each in talk.webex.messages if each.attachments]
    print(  # noqa: T201 - the figures are for people
        f"{2 * PEOPLE} people who cancel, {len(talk.replicas)} processes, {KILLS} SIGKILLs and "
        f"freezes: {len(rows)} were told, {len(set(rows))} of them once; {len(left)} "
        "cards are left"
    )
    assert sorted(rows) == sorted(f"{each}: {kinds[each % 3]}" for each in range(2 * PEOPLE))
    # Nobody knows of a card that was sent when its process was killed before it recorded that.
    assert len(left) <= KILLS


def check(rows: list[str], talk: Talk) -> None:
    """Each conversation has ended once, with its own answers in their order."""
    expected = [f"{each}: {each}-1 {each}-2 {each}-3" for each in range(PEOPLE)]
    said = Counter(str(each.text) for each in talk.webex.messages)
    twice = sum(count > 1 for text, count in said.items() if text.endswith(("?", "done")))
    changes = (
        f"{talk.turns} turns of two versions" if talk.turns else f"{KILLS} SIGKILLs and freezes"
    )
    print(  # noqa: T201 - the figures are for people
        f"{PEOPLE} people with three questions each, {len(talk.replicas)} processes, {changes}: "
        f"{len(rows)} conversations ended, {sum(each in rows for each in expected)} of them with "
        f"the right answers; {twice} of {4 * PEOPLE} messages came twice; refused "
        f"{dict(talk.sender.refused)}"
    )
    assert sorted(rows) == sorted(expected)
    strays = [text for text in said if text.startswith("stray")]
    assert all(not all(talk.routes) and "begin" in text for text in strays), strays


WHAT = pytest.mark.parametrize(
    ("routes", "act", "check"),
    [
        pytest.param(("begin", "begin"), all_conversations, check, id="kills"),
        pytest.param(("begin", "begin"), all_stops, check_stops, id="stops"),
        pytest.param(("begin", ""), all_conversations, check, id="one version without the handler"),
        pytest.param(
            ("begin", "start"), all_conversations, check, id="one version with another route"
        ),
    ],
)
"""The routes by which two versions ask; if they are the same, the processes are killed."""

Act = Callable[[Talk], Awaitable[None]]
Check = Callable[[list[str], Talk], None]


@WHAT
async def test_on_a_file(routes: tuple[str, str], act: Act, check: Check, tmp_path: Path) -> None:
    """Each conversation ends with its own answers, once, whatever happens to the processes."""
    path = tmp_path / "inbox.db"
    async with aclosing(SQLiteInbox(path)) as inbox:
        await inbox.counts()
        with closing(sqlite3.connect(path)) as file:
            file.execute(ROWS)
        async with talking(str(path), inbox, 2, routes) as talk:
            await act(talk)
            with closing(sqlite3.connect(path)) as file:
                rows: list[Any] = file.execute("SELECT text FROM rows").fetchall()
            check([text for (text,) in rows], talk)


@WHAT
async def test_on_postgres(routes: tuple[str, str], act: Act, check: Check) -> None:
    """The same on a database, with processes on several machines."""
    with running_postgres() as postgres:
        async with aclosing(PostgresInbox(postgres.url)) as inbox:
            await inbox.counts()
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute(ROWS)
            async with talking(postgres.url, inbox, 3, routes) as talk:
                await act(talk)
                with psycopg.connect(postgres.url) as connection:
                    found: list[Any] = connection.execute("SELECT text FROM rows").fetchall()
                check([text for (text,) in found], talk)
