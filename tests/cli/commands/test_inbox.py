import asyncio
import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import aclosing, closing
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import Conninfo

from tests.cli.harness import Invoke
from tests.support.inboxes import stored_in
from tests.support.postgres_server import PostgresServer
from webex_webhooks_async import PostgresInbox
from webex_webhooks_async.inbox import postgres as postgres_package
from webex_webhooks_async.inbox.sqlite import SQLiteInbox
from webex_webhooks_async.inbox.sqlite_file import InboxFile
from webex_webhooks_async.testing import sample_notification

pytestmark = pytest.mark.once

NOON = 1_764_072_000.0  # 2025-11-25, in UTC
SHOWN = {"resource": "messages", "event": "created", "stored": "2025-11-25T12:00:00+00:00"}


@cache
def body(message_id: str) -> bytes:
    """The body of a notification about a message."""
    return sample_notification("messages", "created", data={"id": message_id})


def key(message_id: str) -> str:
    """Its key."""
    return hashlib.sha256(body(message_id)).hexdigest()


NAMES = {key(name): name for name in ("FAILED-1", "FAILED-2", "RUNNING", "DONE", "WAITING")}


@pytest.fixture
def file(tmp_path: Path) -> str:
    """An inbox with two notifications that failed, and one each that runs, waits and is done."""
    path = tmp_path / "inbox.db"
    with closing(InboxFile.open(path, clock=lambda: NOON)) as file, file.transaction() as inbox:
        for name in ("FAILED-1", "FAILED-2", "RUNNING", "DONE"):
            inbox.put(key(name), body(name))
            entry = inbox.take(1e9)
            assert entry is not None
            if name == "DONE":
                inbox.complete(entry, 60)
            elif name != "RUNNING":
                inbox.fail(entry, "KeyError: 'x'", None)
        inbox.put(key("WAITING"), body("WAITING"))
    return str(path)


def listed(invoke: Invoke, path: object) -> list[dict[str, Any]]:
    """List an inbox as JSON."""
    documents: list[dict[str, Any]] = json.loads(invoke("inbox", "list", str(path), "--json").out)
    return documents


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[InboxFile]:
    """An inbox without notifications, `tmp_path / "empty.db"`."""
    with closing(InboxFile.open(tmp_path / "empty.db")) as inbox:
        yield inbox


def states(file: str) -> dict[str, str]:
    """The state of each notification that isn't completed, by the id of its message."""
    return {NAMES[each.key]: each.state for each in stored_in(Path(file))}


def test_list(file: str, invoke: Invoke) -> None:
    """Each is shown with its state, the id of its data and its error, without other data."""
    done = invoke("inbox", "list", file)
    failed, *_, waiting = listed(invoke, file)

    lines = done.out.splitlines()
    assert lines[:3] == [
        f"{key('FAILED-1')[:12]}  failed      messages created  {SHOWN['stored']}  failures: 1",
        "  FAILED-1",
        "  KeyError: 'x'",
    ]
    assert [line.split()[1] for line in lines if "failures" in line] == [
        *("failed", "failed", "running", "waiting")
    ]
    counted, oldest = lines[-1].split("; ")
    assert counted == "1 waiting, 1 running, 2 failed"
    assert re.fullmatch(r"the oldest has been due for \d+ s", oldest)
    assert (done.exit_code, done.err) == (0, "")
    assert "@" not in done.out
    assert "http" not in done.out
    for document, name, state, failures, error in (
        (failed, "FAILED-1", "failed", 1, "KeyError: 'x'"),
        (waiting, "WAITING", "waiting", 0, None),
    ):
        rest = {"key": key(name), "state": state, "dataId": name, "line": None, "holder": None}
        due = None if state == "failed" else SHOWN["stored"]
        counts = {"failures": failures, "expiries": 0, "due": due}
        assert document == {**SHOWN, **rest, **counts, "error": error}
    assert f"  process {os.getpid()}" in lines


def test_a_list_of_many_on_a_terminal(
    tmp_path: Path, empty: InboxFile, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is there as soon as it is read, until nobody reads on, in colours on a terminal."""
    with empty.transaction() as rows:
        for number in range(250):
            rows.put(f"key-{number}", body(f"{number}"))
    path = str(tmp_path / "empty.db")
    plain = invoke("inbox", "list", path).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = invoke("inbox", "list", path).out
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        left = invoke("inbox", "list", path, "--json", stdout=pipe)

    assert (left.exit_code, left.err) == (128 + signal.SIGTERM, "")
    assert "\x1b[1mkey-0\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()[:-1] == plain.splitlines()[:-1]
    assert [line.split()[0] for line in plain.splitlines()[:-1:2]] == [
        f"key-{number}" for number in range(250)
    ]
    assert len(listed(invoke, path)) == 250


def test_nothing_to_list_and_a_long_id(tmp_path: Path, empty: InboxFile, invoke: Invoke) -> None:
    """An empty inbox has zeros and an empty list; a long id is whole in JSON alone."""
    path = str(tmp_path / "empty.db")
    nothing, no_documents = invoke("inbox", "list", path), listed(invoke, path)
    with empty.transaction() as rows:
        rows.put("K", body("M" * 10_000))

    assert (nothing.exit_code, nothing.err) == (0, "")
    assert (nothing.out, no_documents) == ("nothing to do\n", [])
    assert f"  {'M' * 200}...\n" in invoke("inbox", "list", path).out
    assert [each["dataId"] for each in listed(invoke, path)] == ["M" * 10_000]


BIG = bytes(20_000)
EVIL = "\x1b[31m\n000000000000  failed   forged"
ROWS: tuple[tuple[object, ...], ...] = (  # rowid, key, body, stored, due, forget, failures, error
    (1, "plain", body("PLAIN"), NOON, None, 1, EVIL),
    (2, EVIL, body("STRANGE"), NOON, None, 1, None),
    (4, b"bytes", body("A"), NOON, 1.0, 0, None),
    (5, "row-1", b"", NOON, 1.0, 0, None),
    (6, "f", 5, EVIL, 1.0, 0, None),
    (7, "g", body("A"), 1e300, 1.0, 0, None),
    (8, "h", "text", NOON, 1.0, 0, b"\xff"),
    (9, "i", body(EVIL), NOON, 1.0, 0, None),
    (10, "j", b'{"resource": "messages", "event": "\\ud800", "data": [' + BIG, 0, 0, 0, None),
    (11, "k", b'{"resource": {"' + BIG, 0.0, 0, 0, None),
    (12, "l", b"[" * 20_000, 0.0, 0, 0, None),
)


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """An inbox with rows that nobody but an attacker makes."""
    path = tmp_path / "hostile.db"
    InboxFile.open(path).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.executemany(
            "INSERT INTO webex_notifications (number, key, body, stored, due, failures, error) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            ROWS,
        )
        other.execute(
            "INSERT INTO webex_notifications (number, key, body, stored, due) "
            "VALUES (13, CAST(x'ff' AS TEXT), x'', 0, 0)"
        )
    return str(path)


def test_a_hostile_file(hostile: str, invoke: Invoke) -> None:
    """Nothing in it forges a line or ends the command; what can't be read is removed by its key."""
    done, documents = invoke("inbox", "list", hostile), listed(invoke, hostile)

    assert (done.exit_code, done.err) == (0, "")
    assert "\x1b" not in done.out
    lines = done.out.splitlines()
    assert [line for line in lines if line.startswith("0000")] == []
    states = {each["key"]: each["state"] for each in documents}
    assert states == {
        **dict.fromkeys(("row-4", "row-13", *"fgh"), "unreadable"),
        **dict.fromkeys(("plain", "row-2"), "failed"),
        **dict.fromkeys(("row-5", *"ijkl"), "waiting"),
    }
    assert [(e["resource"], e["dataId"]) for e in documents if e["key"] == "h"] == [(None, None)]
    assert lines[-1].startswith("10 waiting, 2 failed; the oldest has been due for ")

    unreadable = [key for key, state in states.items() if state == "unreadable"]
    assert invoke("inbox", "drop", hostile, "i").exit_code == 1
    assert invoke("inbox", "drop", hostile, *unreadable).out == "5 notifications removed\n"
    assert invoke("inbox", "drop", hostile, "row-2").out == "1 notification removed\n"
    assert {each["key"] for each in listed(invoke, hostile)} == {"plain", "row-5", *"ijkl"}


def test_what_can_not_be_read_is_kept_as_failed(
    hostile: str, invoke: Invoke, caplog: pytest.LogCaptureFixture
) -> None:
    """It is failed when it is taken, with an ERROR that names its key, and blocks no other."""

    async def take_all() -> list[str]:
        async with aclosing(SQLiteInbox(hostile)) as inbox:
            await inbox.put("good", body("GOOD"))
            return [entry.key for _ in range(20) if (entry := await inbox.take())]

    taken = asyncio.run(take_all())

    assert "good" in taken
    for shown in ("row-4", "row-13"):
        assert f"`webex-webhooks inbox drop` removes it by its key, {shown}\n" in caplog.text
    (line,) = invoke("inbox", "list", hostile).out.splitlines()[-1:]
    counted = f"{len(taken)} running, 2 failed, {len(ROWS) - len(taken)} unreadable"
    assert line == counted


def test_it_changes_nothing(file: str, invoke: Invoke) -> None:
    """To list is to read: neither the rights nor the files beside it change, and nothing waits."""
    path = Path(file)
    path.chmod(0o640)
    before = path.stat()
    for _ in range(2):
        assert invoke("inbox", "list", file).exit_code == 0

    after = path.stat()  # the time of the last access may change
    assert (*after[:7], after.st_mtime_ns) == (*before[:7], before.st_mtime_ns)
    assert [each.name for each in path.parent.iterdir()] == ["inbox.db"]


def test_what_is_large_is_read_from_its_beginning(
    tmp_path: Path, empty: InboxFile, invoke: Invoke
) -> None:
    """While a bot writes, large bodies are listed without its locks, and without their ends."""
    large = body("LARGE")[:-2] + b', "text": "' + b"x" * 1_000_000 + b'"}}'
    with empty.transaction() as rows:
        for number in range(20):
            rows.put(f"{number}", large)
    empty.connection.execute("BEGIN IMMEDIATE")
    tracemalloc.start()
    try:
        documents = listed(invoke, tmp_path / "empty.db")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    empty.connection.execute("ROLLBACK")

    assert [(each["event"], each["dataId"]) for each in documents] == 20 * [("created", "LARGE")]
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("arguments", "said", "after"),
    [
        (("retry",), "2 notifications due again\n", {"FAILED-1": "waiting", "FAILED-2": "waiting"}),
        (("retry", key("FAILED-2")[:8]), "1 notification due again\n", {"FAILED-2": "waiting"}),
        (("drop", key("FAILED-1"), key("FAILED-1")), "1 notification removed\n", {"FAILED-1": ""}),
    ],
)
def test_deciding_about_failed_ones(
    file: str, invoke: Invoke, arguments: tuple[str, ...], said: str, after: dict[str, str]
) -> None:
    """Failed ones are due again, with all their attempts, or removed; the others stay."""
    action, *keys = arguments
    before = states(file)

    done = invoke("inbox", action, file, *keys)

    assert (done.exit_code, done.out, done.err) == (0, said, "")
    assert states(file) == {k: v for k, v in {**before, **after}.items() if v}
    with closing(InboxFile.open(Path(file), clock=lambda: NOON)) as it, it.transaction() as rows:
        taken = [rows.take(60), rows.take(60), rows.take(60)]
    assert {entry.failures for entry in taken if entry} == {0}


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_all_or_none(file: str, invoke: Invoke, action: str) -> None:
    """A key of one that can't be decided about is an error, and nothing is changed."""
    before = states(file)

    done = invoke("inbox", action, file, key("FAILED-1"), key("RUNNING"))

    assert (done.exit_code, done.out) == (1, "")
    assert re.match(r"error: no notification that is .*failed.* has a key that begins", done.err)
    assert states(file) == before


def test_one_that_is_due_later(tmp_path: Path, empty: InboxFile, invoke: Invoke) -> None:
    """Without keys, what is to be tried again is due; by its key, any that doesn't run is."""
    with empty.transaction() as rows:
        for name in ("failed", "scheduled", "waiting"):
            rows.put(name, body(name), after=1000 if name == "scheduled" else 0)
        entry = rows.take(60)
        assert entry is not None
        rows.fail(entry, "it failed", 1000)
    path = str(tmp_path / "empty.db")

    before = invoke("inbox", "list", path).out
    made_due = [invoke("inbox", "retry", path, *keys).out for keys in ((), ("sch",), ("wai",))]

    assert before.splitlines()[-1].startswith("1 waiting, 1 retrying, 1 scheduled; the oldest")
    shown = [line.split()[1] for line in before.splitlines() if "  due: 20" in line]
    assert shown == ["retrying", "scheduled"]
    assert made_due == [
        *("1 notification due again\n", "1 notification due again\n"),
        "0 notifications due again\n",
    ]
    assert {each.state for each in stored_in(Path(path))} == {"waiting"}


def test_a_key_of_several(tmp_path: Path, empty: InboxFile, invoke: Invoke) -> None:
    """The beginning of a key that several have is an error."""
    with empty.transaction() as rows:
        for name in ("a1", "a2"):
            rows.put(name, body(name))
            entry = rows.take(60)
            assert entry is not None
            rows.fail(entry, "it failed", None)

    done = invoke("inbox", "drop", str(tmp_path / "empty.db"), "a")

    assert done.err == (
        "error: several notifications that are failed or unreadable have a key that begins with "
        "'a': nothing was changed\n"
    )


def test_another_file(tmp_path: Path, invoke: Invoke) -> None:
    """A file that isn't an inbox is wrong usage, and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("some notes\n" * 100)

    done = invoke("inbox", "list", str(path))

    assert done.exit_code == 2
    assert done.err.startswith(f"error: {path} is not an inbox")
    assert path.read_text() == "some notes\n" * 100


def test_a_file_without_tables_of_this_release(file: str, invoke: Invoke) -> None:
    """A command makes and changes no tables: it says of what release a file is, or of none."""
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA user_version = 1")
    empty = Path(file).with_name("nothing.db")
    empty.touch()

    for action in ("list", "retry"):
        done = invoke("inbox", action, file)
        assert (done.exit_code, done.out) == (2, "")
        assert "was made by release 0.2 or 0.3 of webex-webhooks-async, which" in done.err
        assert invoke("inbox", action, str(empty)).err.endswith(
            "is not an inbox: it has no tables of one\n"
        )
    assert empty.read_bytes() == b""


class TestPostgres:
    @pytest.fixture(autouse=True)
    def _variables(self, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the variables of libpq."""
        for each in Conninfo.parse(postgres.url.encode()):
            if each.envvar and each.val:
                monkeypatch.setenv(each.envvar.decode(), each.val.decode())

    def test_its_notifications(self, postgres: PostgresServer, schema: str, invoke: Invoke) -> None:
        """They are listed with the machine and the process that runs them, and decided about."""

        async def fill() -> None:
            async with aclosing(PostgresInbox(postgres.url, schema=schema)) as inbox:
                for name in ("FAILED-1", "FAILED-2", "RUNNING"):
                    await inbox.put(key(name), body(name))
                    entry = await inbox.take()
                    assert entry is not None
                    if name != "RUNNING":
                        await inbox.fail(entry, error="it failed", retry_in=None)

        asyncio.run(fill())
        of_schema = ("--schema", schema)
        done = invoke("inbox", "list", postgres.url, *of_schema)
        documents = json.loads(invoke("inbox", "list", "postgresql:", *of_schema, "--json").out)

        assert (done.exit_code, done.err) == (0, "")
        assert done.out.splitlines()[-1] == "1 running, 2 failed"
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        assert f"  {holder}\n" in done.out
        assert [(each["dataId"], each["state"], each["holder"]) for each in documents] == [
            ("FAILED-1", "failed", None),
            ("FAILED-2", "failed", None),
            ("RUNNING", "running", holder),
        ]
        retried = invoke("inbox", "retry", "postgresql:", key("FAILED-1")[:8], *of_schema)
        dropped = invoke("inbox", "drop", postgres.url, key("FAILED-2"), *of_schema)
        assert (retried.out, dropped.out) == (
            "1 notification due again\n",
            "1 notification removed\n",
        )
        assert (
            invoke("inbox", "list", "postgresql:", *of_schema)
            .out.splitlines()[-1]
            .startswith("1 waiting, 1 running; the oldest has been due for ")
        )

    def test_its_tables(self, postgres: PostgresServer, schema: str, invoke: Invoke) -> None:
        """They are made by the SQL that is printed, which can be run again, and by no command."""
        lacking = invoke("inbox", "list", postgres.url, "--schema", schema)
        printed = invoke("inbox", "schema", "--schema", schema)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            for _ in range(2):
                connection.execute(printed.out.encode())
        listed = invoke("inbox", "list", postgres.url, "--schema", schema)

        assert (lacking.exit_code, lacking.out) == (1, "")
        assert f"the schema '{schema}' has no inbox of this release: start its bot" in lacking.err
        assert (listed.exit_code, listed.out) == (0, "nothing to do\n")

    def test_event_loop(
        self, postgres: PostgresServer, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The commands use the event loop that psycopg can use on Windows, too."""
        made: list[asyncio.AbstractEventLoop] = []

        class Loop(asyncio.SelectorEventLoop):
            def __init__(self) -> None:
                made.append(self)
                super().__init__()

        monkeypatch.setattr(asyncio, "SelectorEventLoop", Loop)
        for command in (("list",), ("retry",), ("drop", "a key")):
            invoke("inbox", command[0], postgres.url, *command[1:])
        assert len(made) == 3

    def test_wrong_usage(self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        """What can't be a database or a schema is wrong usage, and so is a library that lacks."""
        for arguments in (
            ("list", "postgresql://localhost:port/"),
            ("drop", "postgresql:/db.example.com/bot", "a key"),  # a slash is missing
            ("retry", "postgresql:bot"),
        ):
            assert invoke("inbox", *arguments).exit_code == 2
        monkeypatch.setitem(sys.modules, "webex_webhooks_async.inbox.postgres.statements", None)
        monkeypatch.delattr(postgres_package, "statements", raising=False)
        done = invoke("inbox", "list", "postgresql:")
        assert (done.exit_code, "PostgresInbox needs psycopg: pip install" in done.err) == (2, True)
