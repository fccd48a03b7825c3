# pyright: reportPrivateUsage=false

import asyncio
import os
import resource
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, aclosing, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from attrs import evolve

from tests.support.clocks import Time, check_inbox_at_once, timed
from tests.support.inboxes import taken
from tests.support.programs import printed_by
from tests.support.refusals import refused
from tests.support.wire import PATIENCE, until
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import InboxCounts, InboxEntry, Question, StoredNotification
from webex_webhooks_async.inbox.sqlite import SQLiteInbox
from webex_webhooks_async.inbox.sqlite_file import InboxFile
from webex_webhooks_async.inbox.sqlite_rows import InboxRows
from webex_webhooks_async.testing import sample_notification


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the inbox is."""
    return tmp_path / "inbox.db"


async def test_the_contract(path: Path) -> None:
    """It keeps every promise of the protocol."""
    await check_inbox_at_once(partial(SQLiteInbox, path))


BODY = sample_notification("messages", "created", data={"id": "M"})


async def steps_of_takes(path: Path, fill: Callable[[SQLiteInbox], Awaitable[object]]) -> int:
    """Count what SQLite does, in hundreds of steps, for some takes from an inbox that is filled."""
    steps: list[None] = []
    async with aclosing(SQLiteInbox(path, clock=Time().now_in_seconds)) as inbox:
        await fill(inbox)
        await inbox.release(await taken(inbox), retry_in=60)

        def count(rows_of_it: InboxRows) -> None:
            rows_of_it._connection.set_progress_handler(lambda: steps.append(None), 100)

        await inbox._call(count)
        for _ in range(10):
            await inbox.release(await taken(inbox), retry_in=60)
    return len(steps)


async def fill_busy_lines(inbox: SQLiteInbox, many: int) -> None:
    """Let something wait in many lines whose first one runs, and in a few that are free."""
    puts = (inbox.put(f"{number}", b"", line=f"{number % many}") for number in range(4 * many))
    await asyncio.gather(*puts)
    await asyncio.gather(*(inbox.take() for _ in range(many)))
    await asyncio.gather(*(inbox.put(f"free {each}", b"", line=f"free {each}") for each in "abcd"))
    await asyncio.gather(*(inbox.put(f"in free {n}", b"", line="free a") for n in range(20)))


async def fill_one_line(inbox: SQLiteInbox, many: int) -> None:
    """Let many have failed in a line, and be due later, and others of it be due."""
    for number in range(many):
        await inbox.put(f"{number}", b"", line="room")
    for _ in range(many):
        await inbox.fail(await taken(inbox), error="it failed", retry_in=None)
    await asyncio.gather(*(inbox.put(f"s{n}", b"", line="room", after=9) for n in range(many)))
    await asyncio.gather(*(inbox.put(f"due {n}", b"", line="room") for n in range(many)))


@pytest.mark.parametrize("fill_it", [fill_busy_lines, fill_one_line])
async def test_a_take_reads_what_it_takes(
    tmp_path: Path, fill_it: Callable[..., Awaitable[object]]
) -> None:
    """It costs the same with ten times as much that failed, is due later, or waits."""
    few, many = [
        await steps_of_takes(tmp_path / f"{size}.db", partial(fill_it, many=size))
        for size in (20, 200)
    ]
    assert many < 1.5 * few + 5


async def test_a_line_keeps_its_first_whatever_happens_to_it(path: Path) -> None:
    """What is cancelled, replaced, dropped, or removed by hand leaves its line to the next.

    What is dropped leaves no records, either.
    """
    async with aclosing(SQLiteInbox(path)) as inbox:
        for key in "abcdef":
            await inbox.put(key, BODY, line="room")
        await inbox.cancel("a")
        await inbox.put("b", b"elsewhere", line="other", replace=True)
        dropped = await taken(inbox)
        await inbox.remember(dropped, "said", b"1")
        await inbox.fail(dropped, error="it failed", retry_in=None)
        await inbox.drop(["c"])
        with closing(sqlite3.connect(path)) as other, other:
            assert other.execute("SELECT * FROM webex_records").fetchall() == []
            other.execute("DELETE FROM webex_notifications WHERE key = 'd'")
        found = {(await taken(inbox)).key for _ in range(2)}

    assert found == {"b", "e"}


ONE_OF_TWO = """
import asyncio, sys
from webex_webhooks_async import SQLiteInbox

def note(key):
    with open(sys.argv[2], "a") as done:
        done.write(f"{key}\\n")

async def work():
    inbox = SQLiteInbox(sys.argv[1])
    while (entry := await inbox.take()) or (await inbox.counts()).running:
        if entry:
            note(entry.key)
            await asyncio.sleep(0.001 * (int(entry.key) % 3))
            note(entry.key)
            await inbox.complete(entry)
    await inbox.aclose()

async def main():
    await asyncio.gather(work(), work())

asyncio.run(main())
"""


async def test_several_may_make_the_file_at_once(tmp_path: Path) -> None:
    """Replicas that start at the same moment wait for the one that makes the tables."""
    for number in range(10):
        path = tmp_path / f"{number}.db"
        async with AsyncExitStack() as stack:
            inboxes = [
                await stack.enter_async_context(aclosing(SQLiteInbox(path))) for _ in range(3)
            ]
            assert await asyncio.gather(*(each.take() for each in inboxes)) == [None] * 3


@pytest.mark.once
async def test_two_processes_keep_the_order_of_a_line(path: Path, tmp_path: Path) -> None:
    """One begins when the one before it has ended, whichever process has that."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        for number in range(30):
            await inbox.put(f"{number}", b"", line="room")
    await asyncio.gather(*(printed_by("-c", ONE_OF_TWO, path, tmp_path / "done") for _ in "12"))

    done = (tmp_path / "done").read_text().split()
    assert done == [f"{number}" for number in range(30) for _ in ("begun", "ended")]


async def test_a_take_that_is_cancelled(path: Path) -> None:
    """What it has leased by then is given back: it can be taken at once, and nothing is counted."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        for key in "ab":
            await inbox.put(key, BODY, line="room")
        take = InboxRows.take

        def leased(rows_of_it: InboxRows, lease: float) -> InboxEntry | None:
            taking.get_loop().call_soon_threadsafe(taking.cancel)
            return take(rows_of_it, lease)

        found: list[InboxEntry | None] = []
        for _ in range(2):  # the second one finds a line that is busy
            with patch.object(InboxRows, "take", leased):
                taking = asyncio.create_task(inbox.take())
                with pytest.raises(asyncio.CancelledError):
                    await taking
            found.append(await inbox.take())

    counted = [each and (each.key, each.expiries, each.releases) for each in found]
    assert counted == [("a", 0, 0), None]


async def test_unfinished(path: Path) -> None:
    """All is listed that isn't completed, in its order, with the process that runs it."""
    clock = Time()
    async with aclosing(SQLiteInbox(path, lease=60, clock=clock.now_in_seconds)) as inbox:
        for key in ("done", "running", "failed"):
            await inbox.put(key, BODY, line="room" if key == "running" else None)
        done, running, failed = [await taken(inbox) for _ in range(3)]
        await inbox.complete(done)
        await inbox.fail(failed, error="\ud800 failed\0", retry_in=None)
        for number in range(150):
            await inbox.put(f"{number}", BODY, after=100)
        found = [each async for each in inbox.unfinished()]

    now = datetime.fromtimestamp(clock.now_in_seconds(), UTC)
    waiting = StoredNotification(
        key="0",
        resource="messages",
        event="created",
        data_id="M",
        state="scheduled",
        stored=now,
        due=now + timedelta(seconds=100),
    )
    due, holder = now + timedelta(seconds=running.lease), f"process {os.getpid()}"
    assert found[:3] == [
        evolve(waiting, key="running", state="running", line="room", due=due, holder=holder),
        evolve(waiting, key="failed", state="failed", failures=1, due=None, error="? failed?"),
        waiting,
    ]
    assert [each.key for each in found[2:]] == [f"{number}" for number in range(150)]


async def test_what_is_completed_is_a_key_without_a_body(path: Path) -> None:
    """Of a completed notification the body is removed at once, and the key after `keep`."""
    clock, keep = Time(), timedelta(minutes=1)
    async with aclosing(SQLiteInbox(path, keep=keep, clock=clock.now_in_seconds)) as inbox:
        await inbox.put("a", b"the body")
        for _ in range(2):
            await inbox.fail(await taken(inbox), error="it failed", retry_in=0)
        await inbox.complete(await taken(inbox))
        completed = rows(path)
        clock.seconds += 59.9
        assert await inbox.put("a", b"") is False
        clock.seconds += 0.1
        assert await inbox.put("a", b"again") is True
        again = await taken(inbox)
        assert (again.body, again.failures, again.expiries) == (b"again", 0, 0)
        await inbox.complete(again)
        clock.seconds += 60
        await inbox.put("b", b"")

        assert completed == [("a", b"")]
        assert rows(path) == [("b", b"")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.parametrize("there", [(), ("",), ("", "-wal", "-shm")])
async def test_the_file_is_for_its_owner_alone(path: Path, there: tuple[str, ...]) -> None:
    """The file and those beside it have mode 600 at each open, as those of a restored backup."""
    for suffix in there:
        path.with_name(f"inbox.db{suffix}").touch()
        path.with_name(f"inbox.db{suffix}").chmod(0o644)
    async with aclosing(SQLiteInbox(path)) as inbox:
        await inbox.put("a", b"")
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}

    assert modes == dict.fromkeys(["inbox.db", "inbox.db-shm", "inbox.db-wal"], 0o600)
    assert [each.name for each in path.parent.iterdir()] == ["inbox.db"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no owners")
async def test_the_file_of_somebody_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that belongs to another user isn't used, and the error says what to do."""
    InboxFile.open(path).close()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    async with aclosing(SQLiteInbox(path)) as inbox:
        message = f"can't use the inbox .*{path} belongs to another user: change its owner"
        with pytest.raises(OSError, match=message):
            await inbox.put("a", b"")
        monkeypatch.undo()
        assert await inbox.put("a", b"") is True


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
async def test_a_symlink_beside_the_file(path: Path, tmp_path: Path, suffix: str) -> None:
    """It is refused, and its target stays as it is."""
    target = tmp_path / "target"
    target.touch(0o644)
    mode = target.stat().st_mode
    link = path.with_name(f"inbox.db{suffix}")
    link.symlink_to(target)
    async with aclosing(SQLiteInbox(path)) as inbox:
        with pytest.raises(OSError, match=f"{link} is a symlink where a file must be: remove it"):
            await inbox.put("a", b"")
    assert target.stat().st_mode == mode


@pytest.mark.skipif(sys.platform == "win32", reason="Windows replaces no file that is open")
@pytest.mark.parametrize(
    ("replaced", "by"), [("folder/inbox.db", "link"), ("folder", "link"), ("folder", "file")]
)
async def test_a_path_that_leads_nowhere(tmp_path: Path, replaced: str, by: str) -> None:
    """While a symlink to itself, or a file, is in its place, calls are errors; then they work."""
    (tmp_path / "folder").mkdir()
    place = tmp_path / replaced
    inbox = SQLiteInbox(tmp_path / "folder" / "inbox.db")
    async with asyncio.timeout(PATIENCE), aclosing(inbox):
        await inbox.put("before", b"")
        moved = place.rename(tmp_path / "moved")
        if by == "link":
            place.symlink_to(place)
        else:
            place.touch()
        for message in ("was removed or replaced while it was open", "is a symlink|doesn't exist"):
            with pytest.raises(OSError, match=message):
                await inbox.put("lost", b"")
        place.unlink()
        moved.rename(place)
        assert await inbox.put("after", b"") is True


@pytest.mark.skipif(sys.platform == "win32", reason="Windows replaces no file that is open")
async def test_a_symlink_that_leads_to_another_file(path: Path, tmp_path: Path) -> None:
    """The call that notices is an error, the next one uses the new file; the old one is whole."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    for each in (old, new):
        each.touch()
    await asyncio.to_thread(path.symlink_to, old)
    async with asyncio.timeout(PATIENCE), aclosing(SQLiteInbox(path)) as inbox:
        await inbox.put("before", b"")
        await asyncio.to_thread(path.unlink)
        await asyncio.to_thread(path.symlink_to, new)
        with pytest.raises(OSError, match="was removed or replaced while it was open"):
            await inbox.put("lost", b"")
        assert await inbox.put("before", b"") is True
    async with aclosing(SQLiteInbox(old)) as inbox:
        assert await inbox.put("before", b"") is False


@pytest.fixture
def stays(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let the folder be one in which no file can be removed, until this is undone."""

    def deny(path: Path, **_: bool) -> None:
        raise PermissionError(f"{path} stays")

    monkeypatch.setattr(Path, "unlink", deny)
    return monkeypatch


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
async def test_the_log_of_a_lost_file_that_can_not_be_removed(
    path: Path, stays: pytest.MonkeyPatch
) -> None:
    """Calls are errors until it can be, because a new file would take it for its own."""
    async with asyncio.timeout(PATIENCE), aclosing(SQLiteInbox(path)) as inbox:
        await inbox.put("before", b"")
        await asyncio.to_thread(os.unlink, path)
        results = [await outcome(inbox.put("lost", b"")) for _ in range(2)]
        stays.undo()
        results += [await outcome(inbox.put("a", b"")) for _ in range(2)]

    assert ["was removed or replaced" in each for each in results] == [True, True, True, False]
    assert [key for key, _ in rows(path)] == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
@pytest.mark.usefixtures("stays")
async def test_a_lost_file_is_closed(path: Path) -> None:
    """It is closed also if its log can't be removed, which is an error."""
    inbox = SQLiteInbox(path)
    await inbox.counts()
    file = InboxFile.open(path)
    await asyncio.to_thread(os.unlink, path)
    with pytest.raises(PermissionError):
        file.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        file.connection.execute("SELECT 1")
    with pytest.raises(PermissionError):
        await inbox.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
@pytest.mark.parametrize("removed", [("",), ("-wal",), ("", "-wal", "-shm"), ()])
async def test_a_file_that_is_removed_or_replaced(path: Path, removed: tuple[str, ...]) -> None:
    """The next call is an error that says it, and what follows is in a file that is whole."""
    backup = path.with_name("backup.db")
    with closing(InboxFile.open(backup)) as file, file.transaction() as rows_of_it:
        rows_of_it.put("restored", b"")
    async with aclosing(SQLiteInbox(path)) as inbox:
        await asyncio.gather(*(inbox.put(f"{each}", bytes(1000)) for each in range(100)))
        for suffix in removed:
            path.with_name(f"inbox.db{suffix}").unlink()
        if not removed:
            backup.replace(path)
        with pytest.raises(OSError, match="was removed or replaced while it was open: what waited"):
            await inbox.put("lost", b"")
        assert await inbox.put("after", b"") is True

    keys = [key for key, _ in rows(path)]
    assert ("restored" in keys, keys[-1]) == (not removed, "after")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows renames no file that is open")
@pytest.mark.parametrize("by", ["a call", "the end"])
async def test_a_file_that_is_renamed(path: Path, by: str) -> None:
    """What was in SQLite's log is in it when it is put back."""
    elsewhere = path.with_name("elsewhere.db")
    inbox = SQLiteInbox(path)
    for number in range(10):
        await inbox.put(f"{number}", b"")
    await asyncio.to_thread(path.rename, elsewhere)
    if by == "a call":
        with pytest.raises(OSError, match="was removed or replaced"):
            await inbox.counts()
    await inbox.aclose()
    assert [each.name for each in path.parent.iterdir()] == ["elsewhere.db"]
    await asyncio.to_thread(elsewhere.rename, path)

    assert [key for key, _ in rows(path)] == [f"{number}" for number in range(10)]


async def test_a_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from where the inbox was made, wherever the program is when it opens the file."""
    (path.parent / "elsewhere").mkdir()
    monkeypatch.chdir(path.parent)
    inbox = SQLiteInbox(path.name)
    for _ in range(2):
        monkeypatch.chdir(path.parent / "elsewhere")
        await inbox.put("a", b"")
        await inbox.aclose()

    assert [key for key, _ in rows(path)] == ["a"]
    assert [*(path.parent / "elsewhere").iterdir()] == []


async def test_returns_within_a_minute_count_as_one(path: Path) -> None:
    """Of what an outage gives back again and again, one return a minute counts, until it fails."""
    clock = Time()
    counted: list[int] = []
    async with aclosing(SQLiteInbox(path, clock=clock.now_in_seconds)) as inbox:
        await inbox.put("a", BODY)
        for seconds in (0, 1, 59, 0, 60):
            clock.seconds += seconds
            await inbox.release(entry := await taken(inbox), outage=True)
            counted.append(entry.outages)
        await inbox.fail(await taken(inbox), error="it failed", retry_in=0)
        counted.append((await taken(inbox)).outages)

    assert counted == [0, 1, 1, 2, 2, 0]


async def test_ended_claims_are_removed_as_they_come(path: Path) -> None:
    """Claims that have ended are gone with the next one, which reads no other."""
    clock = Time()
    async with aclosing(SQLiteInbox(path, clock=clock.now_in_seconds)) as inbox:
        await asyncio.gather(*(inbox.claim(f"{number}", 10) for number in range(500)))
        clock.seconds += 10
        assert await inbox.claim("again", 10) is True
    with closing(sqlite3.connect(path)) as other:
        plan = other.execute(
            "EXPLAIN QUERY PLAN DELETE FROM webex_claims WHERE until <= 1"
        ).fetchall()
        assert other.execute("SELECT name FROM webex_claims").fetchall() == [("again",)]
    assert "webex_until" in str(plan)


async def test_text_that_no_database_holds(path: Path) -> None:
    """Half a surrogate in any text of a call disturbs no call beside it."""
    wrong = "\ud800"
    async with aclosing(SQLiteInbox(path)) as inbox:
        calls = (inbox.put("a", BODY), inbox.put("b", BODY, line=wrong), inbox.claim(wrong, 60))
        stored = [*await asyncio.gather(*calls)]
        lines = [each.line async for each in inbox.unfinished()]
        await inbox.unclaim(wrong)
        again = await inbox.claim(wrong, 60)
        await inbox.set_caught_up(wrong, datetime(2024, 5, 17, tzinfo=UTC))
        kept = await inbox.caught_up(wrong)
        entry = await taken(inbox)
        await inbox.put(wrong, BODY, owner=wrong)
        await inbox.remember(entry, wrong, b"record")
        await inbox.ask(entry, wrong * 2, place=wrong, data=b"", owner=wrong, line=wrong, seconds=9)
        (question,) = await inbox.questions(wrong) or ()
        assert await inbox.put(wrong, BODY) is False
        assert await inbox.recall(entry, wrong) == b"record"
        assert await inbox.wait(entry, wrong * 2) is True
        assert await inbox.cancel(wrong) is True
        assert question.place == "?"

    assert stored == [True, True, True]
    assert lines == [None, "?"]
    assert again is True
    assert kept == datetime(2024, 5, 17, tzinfo=UTC)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_file_is_never_readable_by_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file has mode 600 from the first moment, not only when it is an inbox."""
    monkeypatch.setattr(Path, "chmod", Mock())
    InboxFile.open(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_it_is_on_the_disk_when_put_returns(path: Path) -> None:
    """Each commit is flushed to the disk, and a thousand notifications cost a few of them."""
    executed: list[str] = []
    async with aclosing(SQLiteInbox(path)) as inbox:
        await inbox._call(lambda rows: rows._connection.set_trace_callback(executed.append))
        executed.clear()
        await inbox.put("a", b"")
        committed = executed.count("COMMIT")
        stored = await asyncio.gather(*(inbox.put(f"{number}", b"") for number in range(1000)))
    with closing(InboxFile.open(path)) as file:
        names = ("journal_mode", "synchronous", "fullfsync")
        found = [file.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert found == ["wal", 2, 1]  # 2 is FULL
    assert committed == 1
    assert all(stored)
    assert executed.count("COMMIT") < 500


def put_in_a_loop(inbox: SQLiteInbox, key: str) -> bool:
    """Put something into an inbox in an event loop of its own, and close the inbox."""

    async def put() -> bool:
        stored = await inbox.put(key, b"")
        await inbox.aclose()
        return stored

    return asyncio.run(put())


async def test_an_inbox_works_in_loops_one_after_another(path: Path) -> None:
    """An inbox can be closed and used again, in another event loop."""
    inbox = SQLiteInbox(path)
    results = [await asyncio.to_thread(put_in_a_loop, inbox, key) for key in "aba"]
    await inbox.aclose()
    await inbox.aclose()

    assert results == [True, True, False]


BESIDE_CALLS = """
import asyncio, sys, threading
from webex_webhooks_async import SQLiteInbox

inbox = SQLiteInbox(sys.argv[1])
stored = []

async def use(name):
    for number in range(10):
        calls = [asyncio.create_task(inbox.put(f"{name}-{number}-{n}", b"{}")) for n in range(3)]
        for _ in range(number):
            await asyncio.sleep(0)
        await inbox.aclose()
        stored.extend(await asyncio.gather(*calls))

async def use_together():
    await asyncio.gather(use("a"), use("b"))

loops = (use_together(), use("c"))
threads = [threading.Thread(target=asyncio.run, args=(each,)) for each in loops]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(sum(stored))
"""


@pytest.mark.once
async def test_an_inbox_that_is_closed_beside_calls(path: Path) -> None:
    """At every moment of a call, in one event loop or several: the call stores what it should."""
    assert await printed_by("-X", "dev", "-c", BESIDE_CALLS, path) == ["90"]
    assert len(rows(path)) == 90
    assert [each.name for each in path.parent.iterdir()] == ["inbox.db"]


async def test_a_close_that_is_cancelled(path: Path) -> None:
    """The file is closed all the same, after the calls that wait."""
    inbox = SQLiteInbox(path)
    stored = asyncio.create_task(inbox.put("a", b""))
    closing_it = asyncio.create_task(inbox.aclose())
    await asyncio.sleep(0)
    closing_it.cancel()
    await asyncio.gather(closing_it, return_exceptions=True)

    assert await stored is True
    await until(lambda: [each.name for each in path.parent.iterdir()] == ["inbox.db"])


def test_a_loop_that_ends_before_its_calls(path: Path) -> None:
    """A call whose event loop is closed holds up no other."""
    inbox = SQLiteInbox(path)
    with locked(path) as unlock:
        for _ in range(2):
            loop = asyncio.new_event_loop()
            waiting = loop.create_task(inbox.put("a", b""))
            loop.run_until_complete(asyncio.sleep(0))
            waiting.cancel()
            loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
            loop.close()
        unlock()

    assert put_in_a_loop(inbox, "b") is True


async def test_a_call_that_fails_leaves_nothing_behind(path: Path) -> None:
    """What shares a transaction with a call that fails isn't stored, and says so."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        wrong: Any = object()
        calls = (inbox.put("a", b""), inbox.put("b", wrong))
        results = [await each for each in map(outcome, calls)]
        together = await asyncio.gather(*map(outcome, (inbox.put("c", b""), inbox.put("d", wrong))))

        assert results[0] == "True"
        assert results[1].startswith(f"can't use the inbox {path}: ")
        assert "True" not in together
        assert await inbox.put("c", b"") is True
    assert [key for key, _ in rows(path)] == ["a", "c"]


async def test_a_file_that_is_locked_for_a_moment(path: Path) -> None:
    """A lock is waited for, while the event loop goes on; a call that is cancelled is left out."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        await inbox.put("a", b"")
        with locked(path) as unlock:
            waiting, cancelled = (asyncio.create_task(inbox.put(key, b"")) for key in "bc")
            await asyncio.wait({waiting}, timeout=0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            unlock()
            assert await waiting is True
        assert await inbox.put("c", b"") is True


async def test_a_locked_file(path: Path) -> None:
    """While another program locks the file, all calls fail; afterwards they work."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        await inbox._call(lambda rows: rows._connection.execute("PRAGMA busy_timeout = 10"))
        await inbox.put("a", b"")
        with locked(path):
            calls = (inbox.put("b", b""), inbox.put("c", b""))
            failed = await asyncio.gather(*calls, return_exceptions=True)

        words = f"can't use the inbox {path}: database is locked by another program, or by a "
        words += "transaction of yours: commit it before you reply"
        assert [f"{each}" for each in failed] == [words] * 2
        assert await inbox.put("b", b"") is True


def test_a_file_that_is_locked_for_long_is_noticed_when_it_is_used(path: Path) -> None:
    """A call waits for a lock for five seconds; making the object, in an event loop, never does."""
    with closing(InboxFile.open(path)) as file:
        assert file.connection.execute("PRAGMA busy_timeout").fetchone() == (5_000,)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        SQLiteInbox(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no files")
async def test_a_full_disk(path: Path) -> None:
    """What can't be stored is an error and isn't stored; when there is room, it is."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        await inbox.put("before", b"")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            put = (inbox.put(f"{number}", bytes(10_000)) for number in range(20))
            results = [await each for each in map(outcome, put)]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        stored = results.count("True")
        assert len(rows(path)) == 1 + stored
        refused = next(each for each in results if each != "True")

        assert refused.startswith(f"can't use the inbox {path}: ")
        assert results.index(refused) == stored < 20
        assert await inbox.put(f"{stored}", bytes(10_000)) is True
    assert len(rows(path)) == 2 + stored


def test_a_file_that_is_no_inbox(path: Path) -> None:
    """One of another program, of another release, or no database is refused, and stays as it is."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE theirs (a)")
        other.execute("PRAGMA application_id = 5")
    expect_refused(path, "is not an inbox: it is the database of another program")
    path.write_text("not a database" * 100)
    expect_refused(path, "is not an inbox, or it is torn: file is not a database")
    path.unlink()
    InboxFile.open(path).close()
    for version, words in (
        (5, "was made by a newer release of webex-webhooks-async"),
        (3, "was made by release 0.5 of .* move the file away, or pass another path"),
        (2, "was made by release 0.4 of .* to begin again with an empty one, move the file away"),
        (1, "was made by release 0.2 or 0.3 of .* move the file away, or pass another path"),
    ):
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(f"PRAGMA user_version = {version}")
        expect_refused(path, words)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (("webex_records",), "can't become an inbox: webex_records is there, which the inbox"),
        (
            ("webex_notifications", "webex_version"),
            "can't become an inbox: webex_notifications is there, which the inbox would make",
        ),
        (
            ("webex_notifications", "webex_records", "webex_claims", "webex_line"),
            "was made by release 0.4 of .* drop its tables, whose names begin with webex_",
        ),
    ],
)
def test_a_database_in_which_our_names_are_taken(
    path: Path, tables: tuple[str, ...], message: str
) -> None:
    """The error says which is there, or which release made it, and nothing of it is changed."""
    with closing(sqlite3.connect(path)) as theirs, theirs:
        for table in tables:
            theirs.execute(f"CREATE TABLE {table} (a)")
    expect_refused(path, message)
    with closing(sqlite3.connect(path)) as theirs:
        assert theirs.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_database_of_the_user_with_tables_of_another_release(path: Path) -> None:
    """Its version is in a table of ours, because the one in its header is the user's."""
    with closing(sqlite3.connect(path)) as theirs, theirs:
        theirs.execute("CREATE TABLE theirs (a)")
    InboxFile.open(path).close()
    with closing(sqlite3.connect(path)) as theirs, theirs:
        theirs.execute("UPDATE webex_version SET version = 5")
    expect_refused(path, "was made by a newer release of webex-webhooks-async")


def test_a_database_of_the_user(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that the user's own program made is taken: its mode and its version stay the user's."""
    with closing(sqlite3.connect(path)) as theirs, theirs:
        theirs.execute("CREATE TABLE theirs (a)")
        theirs.execute("PRAGMA user_version = 7")
    path.chmod(0o640)
    for number in range(2):
        with closing(InboxFile.open(path)) as file, file.transaction() as inbox:
            assert inbox.put(f"{number}", b"") is True
        with closing(InboxFile.look_into(path, change=False)) as file, file.transaction() as inbox:
            assert inbox.counts().waiting == number + 1
    assert f"others on this machine may read {path}" in caplog.text
    assert "chmod 600" in caplog.text
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with closing(sqlite3.connect(path)) as theirs:
        assert theirs.execute("PRAGMA user_version").fetchone() == (7,)
        assert theirs.execute("SELECT count(*) FROM theirs").fetchone() == (0,)
    caplog.clear()
    path.chmod(0o600)
    InboxFile.open(path).close()
    assert not caplog.records


@pytest.mark.parametrize("size", [10, 100, 4096, 10_000, -4096])
def test_a_file_that_is_cut_off(path: Path, size: int) -> None:
    """A file that lost its end is refused and stays as it is."""
    fill(path)
    path.write_bytes(path.read_bytes()[:size])

    expect_refused(path, "is not an inbox, or it is torn: ")


def test_a_file_with_a_hole(path: Path) -> None:
    """A file that is torn in the middle is noticed when that is read, and it isn't written to."""
    fill(path)
    content = path.read_bytes()
    torn = content[:8192] + bytes(8192) + content[16384:]
    path.write_bytes(torn)
    with (
        closing(InboxFile.open(path)) as file,
        pytest.raises(OSError, match="malformed: restore it, or move it away"),
        file.transaction() as torn_rows,
    ):
        torn_rows.put("99", b"")

    assert path.read_bytes() == torn


@pytest.mark.skipif(os.name == "nt", reason="Windows has no /proc")
async def test_a_folder_that_can_not_be_written() -> None:
    """A folder in which no file can be created is an error that names the file."""
    inbox = SQLiteInbox("/proc/inbox.db")
    with pytest.raises(OSError, match=r"can't use the inbox /proc/inbox\.db: "):
        await inbox.take()
    await inbox.aclose()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            {"path": ":memory:"},
            "ValueError: an inbox in :memory: would lose everything: pass the path",
        ),
        ({"path": "no/inbox.db"}, "ValueError: the folder of the inbox no/inbox.db doesn't exist"),
        (
            {"path": "sqlite:///inbox.db"},
            "ValueError: a SQLiteInbox takes the path of a file, got a URL that begins with 'sql",
        ),
        (
            {"path": "  postgresql://u:canary@db/bot"},
            "ValueError: a SQLiteInbox takes the path of a file, got a URL that begins with 'pos",
        ),
        (
            {"path": "u:canary@db/bot"},
            "ValueError: a SQLiteInbox takes the path of a file, got a user with a password",
        ),
        (
            {"path": "host=db password=canary"},
            "ValueError: a SQLiteInbox takes the path of a file, got a conninfo: for PostgreSQL",
        ),
        ({"path": "."}, "ValueError: . is not a file"),
        ({"path": 1}, "TypeError: path must be str or PathLike, got int"),
        ({"keep": "1"}, "TypeError: keep must be float or int or timedelta, got str"),
        *(
            ({name: value}, f"ValueError: {name} must be a positive number of seconds")
            for name in ("lease", "keep")
            for value in (0, timedelta(days=-1), float("nan"), float("inf"))
        ),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], error: str
) -> None:
    """A path that can't be a file's, and times that aren't positive, are named; no file is made."""
    monkeypatch.chdir(tmp_path)
    options = {"path": "inbox.db", **options}
    with refused(error):
        SQLiteInbox(**options)

    assert [*tmp_path.iterdir()] == []


async def test_a_change_of_many(path: Path) -> None:
    """Between a few that are removed and the next, processes write that SQLite held up."""
    pauses: list[bool] = []

    async def write_meanwhile(seconds: float) -> None:
        with closing(sqlite3.connect(path, timeout=0)) as other, other:
            other.execute("DELETE FROM webex_notifications WHERE key = 'no'")
        pauses.append(seconds > 0)

    async with aclosing(timed(SQLiteInbox, sleep=write_meanwhile)(path)) as inbox:
        await asyncio.gather(*(inbox.put(f"job:{number}", b"") for number in range(100)))
        for _ in range(100):
            await inbox.fail(await taken(inbox), error="it failed", retry_in=None)
        removed = await inbox.drop([each.key async for each in inbox.unfinished()])

    assert (removed, rows(path)) == (100, [])
    assert pauses == [True] * 5


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("key", r"keys must be several texts, got one: write \[key"),
        (b"key", r"keys must be several texts, got one: write \[key"),
        ([1], "each of keys must be str, got int"),
        ([["key"]], "each of keys must be str, got list"),
    ],
)
async def test_keys_are_texts(path: Path, keys: Any, message: str) -> None:  # noqa: ANN401 - mistakes
    """A text alone is an error, because its characters would be the keys, and so is no text."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        for decide in (inbox.retry, inbox.drop):
            with pytest.raises(TypeError, match=message):
                await decide(keys)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"after": None}, "TypeError: after must be float or int, got NoneType"),
        ({"after": 1e12}, "ValueError: after must be a number of seconds, such as 30, or a"),
        ({"after": float("inf")}, "ValueError: after must be a number of seconds"),
        ({"at": 5.0}, "TypeError: at must be datetime, got float"),
        (
            {"at": datetime(9000, 1, 1, tzinfo=UTC)},
            "ValueError: at must be before the year 9000, got 9000-01-01",
        ),
        ({"replace": "no"}, "TypeError: replace must be True or False, got 'no'"),
        ({"line": 5}, "TypeError: line must be str, got int"),
    ],
)
async def test_wrong_options_of_put(path: Path, options: dict[str, Any], error: str) -> None:
    """An option that can't be right is named before anything is stored."""
    async with aclosing(SQLiteInbox(path)) as inbox:
        with refused(error):
            await inbox.put("a", BODY, **options)

        assert await inbox.counts() == InboxCounts()


def test_a_repr_shows_no_body() -> None:
    """A body, in which there may be addresses, is in no repr, and neither is what was said."""
    entry = InboxEntry(key="a", body=b"canary", token="1")
    question = Question(id=1, number=1, record="a", place="b", owner=None, opened=1, data=b"canary")

    assert "canary" not in repr((entry, question))


def expect_refused(path: Path, message: str) -> None:
    """A file must be refused, and stay as it is."""
    before = path.read_bytes()
    attempts: dict[type[Exception], Callable[[], object]] = {
        OSError: partial(InboxFile.open, path),
        ValueError: partial(SQLiteInbox, path),
    }
    for error, attempt in attempts.items():
        with pytest.raises(error, match=message) as caught:
            attempt()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def fill(path: Path) -> None:
    """Store some notifications."""
    with closing(InboxFile.open(path)) as file, file.transaction() as its_rows:
        for number in range(100):
            its_rows.put(f"{number}", bytes(1000))


async def outcome(call: Awaitable[object]) -> str:
    """What a call returned, or its error."""
    try:
        return str(await call)
    except OSError as error:
        return str(error)


def rows(path: Path) -> list[tuple[str, bytes]]:
    """The keys and bodies in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT key, body FROM webex_notifications ORDER BY stored"
        ).fetchall()


@contextmanager
def locked(path: Path) -> Generator[Callable[[], None]]:
    """Lock the file for the block, or until the function is called."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def unlock() -> None:
            other.execute("ROLLBACK")

        yield unlock


async def test_an_inbox_without_a_clock_of_its_own(path: Path) -> None:
    """The time is that of the process, with a zone."""
    before = datetime.now(UTC)
    found = await Inbox.now(SQLiteInbox(path))

    assert before <= found <= datetime.now(UTC)
