"""Three replicas fetch what was said while nobody listened: all of it, once, and in order.

CHAOS_NOTIFICATIONS says how many messages are said, 200 at most.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from tests.bot.doubles import SECRET, URL
from tests.support.postgres_proxy import running_proxy
from tests.support.postgres_server import PostgresServer
from tests.support.wire import until
from webex_webhooks_async import (
    Bot,
    Client,
    Inbox,
    Message,
    MessageContext,
    PostgresInbox,
    SQLiteInbox,
    WebhookUpdate,
    sign,
)
from webex_webhooks_async.bot import catch_up
from webex_webhooks_async.testing import Sandbox, sample_notification

pytestmark = pytest.mark.once

MESSAGES = min(200, int(os.environ.get("CHAOS_NOTIFICATIONS", "40")))
REPLICAS, GROUPS, DIRECT = 3, 5, 5
PERSONS_OF_A_GROUP = 3
EVERY = 0.3  # seconds from look to look


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a catch-up send its requests without a pause, and look often whose turn it is."""
    monkeypatch.setattr(catch_up, "_REQUESTS_PER_SECOND", 1_000)
    monkeypatch.setattr(catch_up, "_POLL_SECONDS", 0.02)


@frozen
class Office:
    """Twenty people who write to a bot in ten rooms, and three processes of it."""

    sandbox: Sandbox
    client: Client
    inbox: Callable[[], Inbox]
    heard: dict[str, list[str]]  # by the room

    def bot(self) -> Bot:
        bot = Bot(self.client, SECRET, target_url=URL, inbox=self.inbox(), watch_every=EVERY)

        @bot.message()
        async def hear(context: MessageContext) -> None:
            self.heard[context.message.room_id].append(context.message.id)

        return bot

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[list[Bot]]:
        """Start three processes at once, behind a balancer."""
        bots = [self.bot() for _ in range(REPLICAS)]
        async with AsyncExitStack() as stack:
            await asyncio.gather(*map(stack.enter_async_context, bots))
            turns = cycle(bots)

            async def balancer(*request: Any) -> None:  # noqa: ANN401 - of ASGI
                await next(turns)(*request)

            self.sandbox.deliver_to(balancer)
            await until(lambda: all(each.is_ready for each in bots))
            yield bots
            self.sandbox.deliver_to(None)

    async def open(self) -> list[str]:
        """Make the rooms, and return the ids of those for groups."""
        rooms: list[dict[str, str]] = [
            await self.client.post("rooms", json={"title": f"room {each}"})
            for each in range(GROUPS)
        ]
        return [each["id"] for each in rooms]

    async def say_all(self, groups: list[str]) -> list[Message]:
        """Let everybody write, in all rooms at once; return what was said in them."""
        before = len(self.sandbox.messages)
        async with asyncio.TaskGroup() as tasks:
            for number in range(MESSAGES // (GROUPS + DIRECT)):
                for room in groups:
                    person = f"{number % PERSONS_OF_A_GROUP}{room[-5:].lower()}@example.com"
                    mention = self.sandbox.bot
                    said = self.sandbox.say(
                        f"{number}", person=person, room_id=room, mention=mention
                    )
                    tasks.create_task(said)
                for each in range(DIRECT):
                    said = self.sandbox.say(f"{number}", person=f"direct{each}@example.com")
                    tasks.create_task(said)
        return list(self.sandbox.messages[before:])

    async def send_copies(self, messages: list[Message], bots: list[Bot]) -> None:
        """Deliver each message once more, while the processes catch up."""
        for message, bot in zip(reversed(messages), cycle(bots), strict=False):
            body = sample_notification(
                "messages",
                "created",
                data={
                    "id": message.id,
                    "roomId": message.room_id,
                    "personId": message.person_id,
                    "personEmail": message.person_email,
                },
                createdBy=self.sandbox.bot.id,
            )
            status = 503
            while status == 503:  # the database may not be back yet
                status = await bot.handle(body, sign(body, SECRET))
            assert status == 204

    async def check(self, said: list[Message], *, in_order: bool) -> None:
        """Check that each message is heard once and, if it should be so, in its author's order."""
        await until(lambda: sum(map(len, self.heard.values())) >= len(said))
        await self.sandbox.idle(timeout=60)
        authors = {each.id: str(each.person_id) for each in said}
        expected = defaultdict[tuple[str, str], list[str]](list)
        for each in said:
            expected[each.room_id, authors[each.id]].append(each.id)
        heard = defaultdict[tuple[str, str], list[str]](list)
        for room, ids in self.heard.items():
            for each_id in ids:
                heard[room, authors[each_id]].append(each_id)
        assert len({room for room, _ in expected}) == GROUPS + DIRECT
        if not in_order:
            for ids in (*heard.values(), *expected.values()):
                ids.sort()
        assert heard == expected


@pytest.fixture
def office(webex_sandbox: Sandbox, webex_client: Client, tmp_path: Path) -> Office:
    """An office whose bots share a file."""
    return Office(
        webex_sandbox, webex_client, lambda: SQLiteInbox(tmp_path / "inbox.db"), defaultdict(list)
    )


@pytest.mark.parametrize("copies", [False, True], ids=["alone", "copies"])
async def test_said_while_all_were_down(office: Office, *, copies: bool) -> None:
    """What was said while no process ran is handled after the next start: all of it, once."""
    async with office.running():
        groups = await office.open()
    said = await office.say_all(groups)
    async with office.running() as bots:
        if copies:
            await office.send_copies(said, bots)
        await office.check(said, in_order=not copies)


@pytest.mark.parametrize("copies", [False, True], ids=["alone", "copies"])
async def test_said_while_the_webhook_was_switched_off(office: Office, *, copies: bool) -> None:
    """What was said while the webhook was off is handled after the next look: all of it, once."""
    async with office.running() as bots:
        groups = await office.open()
        webhook = office.sandbox.webhooks[0]
        update = WebhookUpdate.of(webhook, status="inactive")
        await office.client.webhooks.update(webhook.id, update)
        said = await office.say_all(groups)
        if copies:
            await office.send_copies(said, bots)
        await office.check(said, in_order=not copies)
        await until(lambda: [each.status for each in office.sandbox.webhooks] == ["active"] * 2)


@pytest.mark.parametrize("copies", [False, True], ids=["alone", "copies"])
async def test_said_while_the_database_was_down(
    postgres: PostgresServer,
    schema: str,
    webex_sandbox: Sandbox,
    webex_client: Client,
    *,
    copies: bool,
) -> None:
    """What each process has refused with 503 is handled after its next look: all of it, once."""
    async with running_proxy(postgres.port) as proxy:
        office = Office(
            webex_sandbox,
            webex_client,
            lambda: PostgresInbox(proxy.url, schema=schema, timeout=2.0),
            defaultdict(list),
        )
        async with office.running() as bots:
            groups = await office.open()
            proxy.refuse()
            said = await office.say_all(groups)
            assert {each.status_code for each in office.sandbox.deliveries} == {503}
            proxy.accept()
            if copies:
                await office.send_copies(said, bots)
            await office.check(said, in_order=not copies)


async def test_an_hour_of_chaos(office: Office) -> None:
    """A message that chaos loses while a bot runs is handled after a restart, and none twice."""
    sandbox = Sandbox(chaos=7)
    async with sandbox.http_client() as http_client:
        client = Client("sandbox-token", http_client=http_client)
        office = evolve(office, sandbox=sandbox, client=client)
        async with office.running():
            groups = await office.open()
            await sandbox.idle()
            said = await office.say_all(groups)
            await sandbox.idle(timeout=30)
        missed = len(said) - sum(map(len, office.heard.values()))
        async with office.running():
            await office.check(said, in_order=False)
        print(f"{len(said)} messages, of which chaos lost {missed}")  # noqa: T201 - for people
