# pyright: reportPrivateUsage=false

"""Both inboxes do what a model of them does, whatever is called in whatever order."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from itertools import count
from pathlib import Path
from random import Random

import pytest
from attrs import define

from tests.support.clocks import Time
from tests.support.inboxes import taken
from tests.support.postgres_inboxes import Database
from webex_webhooks_async import Inbox, SQLiteInbox
from webex_webhooks_async.inbox.entries import NO_ANSWER, Question
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import InboxEntry

BODY = sample_notification("messages", "created")
LEASE, KEEP = 30.0, 100.0
KEYS = ("message", "card", "job:summary", "job:reminder")
LINES = ("room", "other room", None)
SECONDS = (0.0, 0.0, 5.0, 40.0)
WEIGHTS = {
    "take": 8,
    "put": 6,
    "fail": 4,
    "time_passes": 4,
    "release": 3,
    "retry": 3,
    "complete": 2,
    "cancel": 1,
    "drop": 1,
}


@define(eq=False)
class Row:
    """An unfinished entry; it is never due again if it has failed."""

    number: int
    line: str | None
    due: float | None
    holds: bool = False
    token: str | None = None
    failures: int = 0
    expiries: int = 0
    releases: int = 0
    has_error: bool = False
    successor: tuple[str | None, float] | None = None


class Model:
    """An inbox, beside real ones on one storage, on which each step is checked.

    With `is_exact`, no other clock goes on, and a take returns what was due for the longest.
    """

    def __init__(
        self,
        inboxes: Sequence[Inbox],
        pass_time: Callable[[float], object],
        seed: int,
        *,
        is_exact: bool = False,
    ) -> None:
        self.inboxes = inboxes
        self.pass_time = pass_time
        self.is_exact = is_exact
        self.random = Random(seed)  # noqa: S311 - of a test
        self.numbers = count()
        self.now = 1.0
        self.rows: dict[str, Row] = {}
        self.known: dict[str, float] = {}  # what is completed, and until when
        self.held: list[InboxEntry] = []

    async def check(self, steps: int) -> None:
        """Take steps at random; in the end all can be taken that hasn't failed."""
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        for name in self.random.choices(names, weights, k=steps):
            await getattr(self, name)()
        for _ in 2 * KEYS:  # with their successors
            await self.time_passes(101.0)
            await self.take()
            del self.held[:-1]
            await self.complete()
        assert all(row.due is None for row in self.rows.values())

    @property
    def inbox(self) -> Inbox:
        return self.random.choice(self.inboxes)

    async def put(self) -> None:
        key, line = self.random.choice(KEYS), self.random.choice(LINES)
        after, replace = self.random.choice(SECONDS), self.random.random() < 0.3
        is_new = await self.inbox.put(key, BODY, line=line, after=after, replace=replace)
        row = self.rows.get(key)
        is_known = row is not None or self.known.get(key, 0.0) > self.now
        assert is_new is (replace or not is_known)
        if row is not None and replace and self.runs(row):
            row.successor = line, self.now + after
        elif is_new:
            self.add(key, line, self.now + after)

    async def take(self) -> None:
        entry = await self.inbox.take()
        if entry is None:
            assert self.next_ones() == []
            return
        assert entry.key in self.next_ones()
        row = self.rows[entry.key]
        if self.is_exact:
            longest = min(self.rows[each].due or 0.0 for each in self.next_ones())
            assert (row.due, entry.late) == (longest, self.now - longest)
        row.expiries += row.token is not None
        assert entry.line == row.line
        assert (entry.failures, entry.expiries, entry.releases) == (
            *(row.failures, row.expiries),
            row.releases,
        )
        assert (entry.error is not None) is row.has_error
        row.token, row.due, row.holds = entry.token, self.now + LEASE, True
        self.held.append(entry)

    async def complete(self) -> None:
        if entry := self.some_held():
            is_ours = await self.inbox.complete(entry)
            if self.ended(entry, is_ours=is_ours) is not None:
                self.remove(entry.key, keep=KEEP)

    async def fail(self) -> None:
        retry_in = self.random.choice((*SECONDS, None))
        if not (entry := self.some_held()):
            return
        holds = self.random.random() < 0.7
        counts = retry_in is None or self.random.random() < 0.7
        is_ours = await self.inbox.fail(
            entry, error="it failed", retry_in=retry_in, holds=holds, counts=counts
        )
        if row := self.ended(entry, is_ours=is_ours):
            row.failures, row.releases = row.failures + counts, row.releases + (not counts)
            row.has_error = True
            row.due = None if retry_in is None else self.now + retry_in
            row.holds = holds and retry_in is not None
            if retry_in is None and row.successor is not None:
                self.remove(entry.key, keep=0)

    async def release(self) -> None:
        retry_in, outage = self.random.choice(SECONDS), self.random.random() < 0.5
        if not (entry := self.some_held()):
            return
        is_ours = await self.inbox.release(entry, retry_in=retry_in, outage=outage)
        if row := self.ended(entry, is_ours=is_ours):
            row.releases += not outage
            row.due, row.holds = self.now + retry_in, outage

    async def cancel(self) -> None:
        key = self.random.choice(KEYS)
        is_removed = await self.inbox.cancel(key)
        row = self.rows.get(key)
        if row is not None and self.runs(row):
            assert is_removed is (row.successor is not None)
            row.successor = None
        else:
            assert is_removed is (row is not None)
            self.rows.pop(key, None)

    async def retry(self) -> None:
        key = self.random.choice(KEYS)
        counted = await self.inbox.retry([key, "nobody's"])
        row = self.rows.get(key)
        if row is None:
            assert counted == 0
        elif self.runs(row):
            line, due = row.successor or (None, 0.0)
            assert counted == (due > self.now)
            row.successor = row.successor and (line, min(due, self.now))
        else:
            assert counted == (row.due is None or row.due > self.now)
            row.due = self.now if row.due is None else min(row.due, self.now)
            row.has_error |= row.expiries > 0
            row.failures = row.expiries = row.releases = 0

    async def drop(self) -> None:
        key = self.random.choice(KEYS)
        row = self.rows.get(key)
        is_failed = row is not None and row.due is None
        assert await self.inbox.drop([key]) == is_failed
        if is_failed:
            self.remove(key, keep=0 if key.startswith("job:") else KEEP)

    async def time_passes(self, passed: float | None = None) -> None:
        passed = passed or self.random.choice((6.0, 31.0, 101.0))
        self.now += passed
        self.pass_time(passed)

    def runs(self, row: Row) -> bool:
        return row.token is not None and row.due is not None and row.due > self.now

    def add(self, key: str, line: str | None, due: float) -> None:
        self.rows[key] = Row(next(self.numbers), line, due)
        self.known.pop(key, None)

    def remove(self, key: str, *, keep: float) -> None:
        row = self.rows.pop(key)
        if row.successor is not None:
            line, due = row.successor
            self.add(key, line, max(due, self.now))
        elif keep:
            self.known[key] = self.now + keep

    def some_held(self) -> InboxEntry | None:
        """Return one that was taken, most often the last one; its lease may be lost."""
        return self.random.choice(self.held[-2:]) if self.held else None

    def ended(self, entry: InboxEntry, *, is_ours: bool) -> Row | None:
        """Return what an entry has ended, unless its lease is lost."""
        row = self.rows.get(entry.key)
        found = row if row is not None and row.token == entry.token else None
        assert is_ours is (found is not None)
        if found is not None:
            found.token = None
        return found

    def next_ones(self) -> list[str]:
        """The entries that may be taken: in each line the one that holds it up, or the first."""
        due = {key: row for key, row in self.rows.items() if row.due and row.due <= self.now}
        return [
            key
            for key, row in due.items()
            if row.line is None
            or row.holds
            or not any(
                each.line == row.line
                and (each.holds or (other in due and each.number < row.number))
                for other, each in self.rows.items()
            )
        ]


async def check_retry_of_what_is_due(inbox: Inbox) -> None:
    """A retry ends no question of what is due already: an answer may still come."""
    await inbox.put("asks", BODY)
    entry = await taken(inbox)
    question = await inbox.ask(entry, "record", place="place", data=b"", seconds=60.0)
    assert isinstance(question, Question)
    await inbox.release(entry)
    assert await inbox.retry(["asks"]) == 0
    again = await inbox.ask(await taken(inbox), "record", place="place", data=b"", seconds=60.0)
    assert again == question


async def check_an_end_that_is_put_off(inbox: Inbox, pass_time: Callable[[float], object]) -> None:
    """A message that is never handled puts off an end for ten minutes, with few looks."""
    await inbox.put("waits", BODY)
    entry = await taken(inbox)
    await inbox.ask(entry, "record", place="place", data=b"", seconds=60.0, line="person")
    await inbox.put("hangs", BODY, line="person")
    hangs, passed, looks = await taken(inbox), 0, 0
    while await inbox.ask(entry, "record", place="place", data=b"") != NO_ANSWER:
        assert await inbox.wait(entry, "record")
        while (again := await inbox.take()) is None:
            assert await inbox.renew(hangs)
            pass_time(10.0)
            passed += 10
        entry, looks = again, looks + 1
    assert 660 <= passed <= 900
    assert looks <= 30
    for each in (entry, hangs):
        assert await inbox.complete(each)


async def test_sqlite(tmp_path: Path) -> None:
    """A `SQLiteInbox` does what the model does."""
    for seed in range(40, 48):
        clock = Time()
        options = {"lease": LEASE, "keep": KEEP}
        now = clock.now_in_seconds
        path = tmp_path / f"{seed}.db"
        async with AsyncExitStack() as stack:
            inboxes = [
                await stack.enter_async_context(aclosing(SQLiteInbox(path, clock=now, **options)))
                for _ in range(3)
            ]

            def pass_time(passed: float, clock: Time = clock) -> None:
                clock.seconds += passed

            await Model(inboxes, pass_time, seed, is_exact=True).check(100)
            if seed == 40:
                await check_an_end_that_is_put_off(inboxes[0], pass_time)
            await check_retry_of_what_is_due(inboxes[0])


@pytest.mark.once
async def test_postgres(database: Database) -> None:
    """A `PostgresInbox` does what the model does."""
    columns = {
        "notifications": ("due", "next_due", "stored"),
        "lines": ("due",),
        "known": ("forget",),
        "questions": ("until",),
    }
    async with database.inboxes(3, lease=LEASE, keep=KEEP) as inboxes:
        with database.server.connected(database.schema) as connection:

            def pass_time(passed: float) -> None:
                for table, names in columns.items():
                    for name in names:
                        earlier = f"UPDATE {table} SET {name} = {name} - interval '{passed} s'"  # noqa: S608 - ours
                        connection.execute(earlier.encode())
                connection.commit()
                for each in inboxes:
                    each._lowest = each._looks_at = 0.0

            for seed in range(40, 45):
                database.execute(f"TRUNCATE {', '.join(columns)} CASCADE")
                await Model(inboxes, pass_time, seed).check(100)
            await check_an_end_that_is_put_off(inboxes[0], pass_time)
            await check_retry_of_what_is_due(inboxes[0])
