"""People who order something from the assistant of docs/examples, while it is killed.

For a while its model is out, and for another while Webex. CHAOS_NOTIFICATIONS says how large it is:
above 100, it is 44 people, 15 kills, and a minute of each outage.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import cycle
from pathlib import Path
from statistics import median

from attrs import define, field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.chaos import test_questions
from tests.chaos.test_questions import IS_LARGE, RESPONSE_TIME, Talk, talking
from tests.examples.test_assistant import chunk, order
from tests.support.postgres_server import running_postgres
from webex_webhooks_async import PostgresInbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

pytestmark = test_questions.pytestmark

PEOPLE = 44 if IS_LARGE else 4
KILLS = 15 if IS_LARGE else 2
OUTAGE = 60 if IS_LARGE else 3  # seconds
PAUSE = 5 if IS_LARGE else 2  # seconds between two people
THINKING, SERVED = "Let me look that up. " * 6, "Here it is, as you have ordered it. " * 4


@define
class Model:
    """A model that orders what it is told, and says so at length.

    Attributes:
        paid: How often each answer was streamed to its end.
        refused: How often it was called while it was out.
        is_out: Whether it is out.
    """

    paid: Counter[tuple[str, bool]] = field(factory=Counter[tuple[str, bool]])
    refused: int = 0
    is_out: bool = False

    async def complete(self, request: Request) -> Response:
        said = (await request.json())["messages"]
        if self.is_out:
            self.refused += 1
            return Response("{}", 503)
        return StreamingResponse(self._stream(said[0]["content"], len(said) > 1))

    async def _stream(self, dish: str, has_ordered: bool) -> AsyncIterator[str]:  # noqa: FBT001 - one of two answers
        for word in (SERVED if has_ordered else THINKING).split():
            yield chunk({"content": f"{word} "})
            await asyncio.sleep(0.15)
        yield chunk({}, "stop") if has_ordered else chunk(order(dish), "tool_calls")
        self.paid[dish, has_ordered] += 1
        yield "data: [DONE]\n\n"


@define
class Guests:
    """The people, what happens to the assistant, and after how long each saw a sign of life."""

    talk: Talk
    model: Model
    signs: list[float] = field(factory=list[float])

    async def arrive(self) -> None:
        """Let all come, one after the other, whatever happens, and wait until they are served."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kill())
            group.create_task(self._take_out())
            for person in range(PEOPLE):
                group.create_task(self._order(person))
                await asyncio.sleep(PAUSE)
        await self.talk.finish()

    async def _order(self, person: int) -> None:
        began = time.monotonic()
        await self.talk.first_reply(await self.talk.say(person, 0, f"dish {person}"))
        self.signs.append(time.monotonic() - began)
        question = f"Order dish {person}?"
        await self.talk.press(
            person, question, "ordered", lambda: SERVED.strip() in self.shown(person)
        )

    def shown(self, person: int) -> list[str]:
        """What stands below a person's message, without questions."""
        thread = f"MESSAGE-{person}-0"
        texts = [str(each.text) for each in self.talk.webex.messages if each.parent_id == thread]
        return [each for each in texts if not each.startswith("Order ")]

    async def _kill(self) -> None:
        """Kill one process after the other, at random moments, until all have come."""
        choice = random.Random(PEOPLE)  # noqa: S311 - no secret
        longest = 2 * PEOPLE * PAUSE / KILLS
        for _, replica in zip(range(KILLS), cycle(self.talk.replicas.values()), strict=False):
            await asyncio.sleep(choice.uniform(0.2, 0.8) * longest)
            await self.talk.kill(replica)

    async def _take_out(self) -> None:
        """Let the model be out for a while, and then Webex."""
        await asyncio.sleep(PEOPLE * PAUSE / 8)
        self.model.is_out = True
        await asyncio.sleep(OUTAGE)
        self.model.is_out = False
        await asyncio.sleep(PEOPLE * PAUSE / 8)
        webex = self.talk.webex
        webex.clear_faults()
        webex.fail(status=503, times=None)
        await asyncio.sleep(OUTAGE)
        webex.clear_faults()
        webex.fail(delay=RESPONSE_TIME, times=None, method="POST")

    def check(self) -> None:
        """Each is answered once, in full, and no message has had more edits than Webex takes."""
        shown = [self.shown(person) for person in range(PEOPLE)]
        answers = [each.count(SERVED.strip()) for each in shown]
        left = Counter(text for each in shown for text in each if text != SERVED.strip())
        puts = [each for each in self.talk.webex.requests if each.method == "PUT"]
        edits = max(Counter(each.path for each in puts if each.status_code == 200).values())
        paid = self.model.paid
        print(  # noqa: T201 - the figures are for people
            f"{PEOPLE} people, {len(self.talk.replicas)} processes, {KILLS} SIGKILLs, {OUTAGE} s "
            f"without the model, and without Webex: {answers.count(0)} unanswered, "
            f"{sum(each > 1 for each in answers)} answered twice, left {dict(left)}; "
            f"{self.model.refused} calls of the model refused, {paid.total()} paid in full, "
            f"{sum(each > 1 for each in paid.values())} of them twice; {edits} edits of a message "
            f"at most; a sign of life after {median(self.signs):.2f} s in the middle, "
            f"{max(self.signs):.1f} s at most"
        )
        assert answers == [1] * PEOPLE
        assert edits <= 10
        # Nobody knows of a message that was sent when its process was killed before it recorded it.
        assert all(each.startswith("💭") for each in left), left
        assert left.total() <= KILLS
        assert paid.total() <= 2 * PEOPLE + KILLS


async def test_an_assistant(tmp_path: Path) -> None:
    """Each order is confirmed once, in full, whatever happens to processes, model and Webex."""
    model = Model()
    app = Starlette(routes=[Route("/v1/chat/completions", model.complete, methods=["POST"])])
    with running_postgres() as postgres:
        async with aclosing(PostgresInbox(postgres.url)) as inbox, serve_on_loopback(app, 0) as url:
            settings = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "a key"}
            settings |= {"FOLDER": str(tmp_path)}
            async with talking(
                postgres.url, inbox, 3, ("", ""), program="assistant_bot", **settings
            ) as talk:
                guests = Guests(talk, model)
                await guests.arrive()
                guests.check()
