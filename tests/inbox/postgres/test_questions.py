"""Two calls about one question at the same moment, each held at the row of the entry that asks."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from tests.support.inboxes import taken
from tests.support.postgres_inboxes import Database
from tests.support.wire import until
from webex_webhooks_async import PostgresInbox
from webex_webhooks_async.inbox.entries import STOPPED
from webex_webhooks_async.types import InboxEntry, Question

pytestmark = pytest.mark.once


class Held:
    """An inbox with an entry that asks and one that answers; calls meet at the first one's row."""

    asks: InboxEntry
    answers: InboxEntry
    question: Question

    def __init__(self, inbox: PostgresInbox, database: Database) -> None:
        self.inbox = inbox
        self.database = database

    async def prepare(self, seconds: float) -> None:
        entries: list[InboxEntry] = []
        for key in ("asks", "answers"):
            await self.inbox.put(key, b"", line=key)  # what answers is in no line of a question
            entries.append(await taken(self.inbox))
        self.asks, self.answers = entries
        question = await self.inbox.ask(
            self.asks, "record", place="place", data=b"", seconds=seconds, line="question"
        )
        assert isinstance(question, Question)
        self.question = question

    async def one_after_the_other(
        self, first: Callable[[], Awaitable[object]], second: Callable[[], Awaitable[object]]
    ) -> tuple[object, object]:
        """Begin two calls, the second one when the first one waits for the row; let both go on."""
        row = f"SELECT 1 FROM notifications WHERE number = {self.asks.number} FOR UPDATE"
        with self.database.holding(row):
            one = asyncio.ensure_future(first())
            await until(lambda: self.database.server.blocked() == 1)
            two = asyncio.ensure_future(second())
            await until(lambda: self.database.server.blocked() == 2)
        return await one, await two

    async def answer(self) -> bool:
        return await self.inbox.answer(self.answers, self.question.id, b"yes")

    async def wait(self) -> bool:
        return await self.inbox.wait(self.asks, "record")

    async def end(self) -> int:
        return await self.inbox.end([self.question.id])

    async def ask(self) -> Question | bytes | None:
        return await self.inbox.ask(self.asks, "record", place="place", data=b"")

    async def complete(self) -> bool:
        return await self.inbox.complete(self.asks)


@asynccontextmanager
async def held(database: Database, seconds: float = 60.0) -> AsyncGenerator[Held]:
    """An entry that asks, and one that answers."""
    async with aclosing(database.inbox()) as inbox:
        held = Held(inbox, database)
        await held.prepare(seconds)
        yield held


@pytest.fixture(params=[1, -1], ids=["answer first", "answer last"])
def order(request: pytest.FixtureRequest) -> int:
    """Say in which order an answer and another call begin: the step of a slice."""
    return int(request.param)


async def test_answer_and_wait(database: Database, order: int) -> None:
    """The answer is recorded, and the entry is due at once."""
    async with held(database) as now:
        results = await now.one_after_the_other(*[now.answer, now.wait][::order])
        entry = await taken(now.inbox)
        assert results == (True, True)
        assert (entry.key, await now.inbox.recall(entry, "record")) == ("asks", b"yes")


async def test_answer_and_end(database: Database, order: int) -> None:
    """One of them succeeds: the conversation goes on with the answer, or with the end."""
    async with held(database) as now:
        await now.wait()
        results = await now.one_after_the_other(*[now.answer, now.end][::order])
        entry = await taken(now.inbox)
        assert results == ((True, 0) if order == 1 else (1, False))
        assert await now.inbox.recall(entry, "record") == (b"yes" if order == 1 else STOPPED)


async def test_answer_and_the_end_of_the_time(database: Database, order: int) -> None:
    """The run that asks again gets the answer or none, and no second question is open."""
    async with held(database, seconds=0.01) as now:
        await asyncio.sleep(0.05)
        # Neither waits for the entry that asks: they meet at the question.
        results = await asyncio.gather(*(each() for each in [now.answer, now.ask][::order]))
        answered, asked = results[::order]
        assert (answered, asked) in {(True, b"yes"), (False, b"")}
        assert not await now.inbox.questions("place")


async def test_answer_and_closing(database: Database, order: int) -> None:
    """An entry that ends beside an answer to it ends; nothing is left of the question."""
    async with held(database) as now:
        # One that completes an entry doesn't wait for its row, but tries again.
        await asyncio.gather(*(each() for each in [now.answer, now.complete][::order]))
        assert not await now.inbox.questions("place")
        assert await now.inbox.take() is None
