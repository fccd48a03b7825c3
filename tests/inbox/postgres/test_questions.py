"""Two calls about one question at the same moment, each held at the row of the entry that asks."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import psycopg
import pytest

from tests.support.postgres_server import PostgresServer
from tests.support.wire import PATIENCE
from webex_webhooks_async import PostgresInbox
from webex_webhooks_async.inbox.entries import STOPPED
from webex_webhooks_async.types import InboxEntry, Question

pytestmark = pytest.mark.once

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND position(%s IN query) > 0
"""


class Held:
    """An inbox with an entry that asks, and one that answers, and a lock on the row of the first.

    Attributes:
        asks: The entry that asks.
        answers: The entry that answers.
        question: What is asked; its time is over in a moment.
    """

    asks: InboxEntry
    answers: InboxEntry
    question: Question

    def __init__(self, inbox: PostgresInbox, url: str, schema: str) -> None:
        self.inbox = inbox
        self.url = url
        self.schema = schema

    async def prepare(self, seconds: float) -> None:
        entries: list[InboxEntry] = []
        for key in ("asks", "answers"):
            await self.inbox.put(key, b"", line=key)  # what answers is in no line of a question
            entry = await self.inbox.take()
            assert entry is not None
            entries.append(entry)
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
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            row = f"SELECT 1 FROM {self.schema}.notifications WHERE number = %s FOR UPDATE"
            await connection.execute(row.encode(), [self.asks.number])
            one = asyncio.ensure_future(first())
            await self.until_waiting(1)
            two = asyncio.ensure_future(second())
            await self.until_waiting(2)
            await connection.rollback()
        return await one, await two

    async def until_waiting(self, count: int) -> None:
        """Wait until so many statements wait for a lock."""
        async with (
            asyncio.timeout(PATIENCE),
            await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection,
        ):
            found = 0
            while found < count:
                await asyncio.sleep(0.01)
                cursor = await connection.execute(WAITING.encode(), [self.schema])
                ((found,),) = await cursor.fetchall()

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
async def held(
    postgres: PostgresServer, schema: str, seconds: float = 60.0
) -> AsyncGenerator[Held]:
    """An entry that asks, and one that answers."""
    async with aclosing(PostgresInbox(postgres.url, schema=schema)) as inbox:
        held = Held(inbox, postgres.url, schema)
        await held.prepare(seconds)
        yield held


@pytest.mark.parametrize("answer_first", [True, False])
async def test_answer_and_wait(
    answer_first: bool,  # noqa: FBT001 - of a test
    postgres: PostgresServer,
    schema: str,
) -> None:
    """The answer is recorded, and the entry is due at once."""
    async with held(postgres, schema) as now:
        calls = [now.answer, now.wait]
        results = await now.one_after_the_other(*(calls if answer_first else calls[::-1]))
        entry = await now.inbox.take()
        assert results == (True, True)
        assert entry is not None
        assert (entry.key, await now.inbox.recall(entry, "record")) == ("asks", b"yes")


@pytest.mark.parametrize("answer_first", [True, False])
async def test_answer_and_end(
    answer_first: bool,  # noqa: FBT001 - of a test
    postgres: PostgresServer,
    schema: str,
) -> None:
    """One of them succeeds: the conversation goes on with the answer, or with the end."""
    async with held(postgres, schema) as now:
        await now.wait()
        calls = [now.answer, now.end]
        results = await now.one_after_the_other(*(calls if answer_first else calls[::-1]))
        entry = await now.inbox.take()
        assert results == ((True, 0) if answer_first else (1, False))
        assert entry is not None
        assert await now.inbox.recall(entry, "record") == (b"yes" if answer_first else STOPPED)


@pytest.mark.parametrize("answer_first", [True, False])
async def test_answer_and_the_end_of_the_time(
    answer_first: bool,  # noqa: FBT001 - of a test
    postgres: PostgresServer,
    schema: str,
) -> None:
    """The run that asks again gets the answer or none, and no second question is open."""
    async with held(postgres, schema, seconds=0.01) as now:
        await asyncio.sleep(0.05)
        # Neither waits for the entry that asks: they meet at the question.
        results = await asyncio.gather(
            *(each() for each in ([now.answer, now.ask] if answer_first else [now.ask, now.answer]))
        )
        answered, asked = results if answer_first else results[::-1]
        assert (answered, asked) in {(True, b"yes"), (False, b"")}
        assert not await now.inbox.questions("place")


@pytest.mark.parametrize("answer_first", [True, False])
async def test_answer_and_closing(
    answer_first: bool,  # noqa: FBT001 - of a test
    postgres: PostgresServer,
    schema: str,
) -> None:
    """An entry that ends beside an answer to it ends; nothing is left of the question."""
    async with held(postgres, schema) as now:
        calls = [now.answer, now.complete]
        # One that completes an entry doesn't wait for its row, but tries again.
        await asyncio.gather(*(each() for each in (calls if answer_first else calls[::-1])))
        assert not await now.inbox.questions("place")
        assert await now.inbox.take() is None
