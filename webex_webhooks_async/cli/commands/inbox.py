"""The commands inbox list, inbox retry, inbox drop and inbox schema."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from json import dumps
from pathlib import Path
from textwrap import indent
from typing import Any, TypeVar, get_args

from rich.segment import Segment, Segments
from rich.style import Style

from webex_webhooks_async.cli.console import stdout
from webex_webhooks_async.cli.options import AsJson, NotEmpty
from webex_webhooks_async.cli.running import CommandError, UsageError, run, usage_errors
from webex_webhooks_async.formatting import conninfo_in, described_database, on_one_line, short_id
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import State, StoredNotification
from webex_webhooks_async.inbox.postgres import inbox as postgres_inbox
from webex_webhooks_async.inbox.postgres import sql as postgres_sql
from webex_webhooks_async.inbox.sqlite import look_into

T = TypeVar("T")

SCHEMA = "webex_webhooks"


def list_all(database: NotEmpty, /, *, schema: NotEmpty = SCHEMA, json: AsJson = False) -> None:
    """Show the notifications in an inbox that aren't completed.

    $ webex-webhooks inbox list inbox.db
    $ webex-webhooks inbox list inbox.db --json

    Each is waiting, running, retrying after a failure, scheduled for later, asking,
    failed or unreadable. A running one is shown with its process, and what waits
    for its time with that. Bots may go on working.

    As DATABASE, postgresql: alone takes what libpq's variables say, such as PGHOST
    and PGPASSWORD.

    Args:
        database: The file of a SQLiteInbox, or the postgresql:// URL of a PostgresInbox.
        schema: The schema of the PostgresInbox.
        json: Print JSON, and nothing else.
    """

    async def show() -> None:
        async with _opened(database, schema, change=False) as inbox:
            await (_list_as_json if json else _list)(inbox)

    _run(show())


def retry(database: NotEmpty, /, *keys: NotEmpty, schema: NotEmpty = SCHEMA) -> None:
    """Make notifications due now, with all their attempts.

    $ webex-webhooks inbox retry inbox.db
    $ webex-webhooks inbox retry inbox.db 5891b5b5

    Without keys, those that failed and those that are to be tried again. By its
    key, any that doesn't run. Bots may go on working, and get it within a second.

    Args:
        database: The file of a SQLiteInbox, or the postgresql:// URL of a PostgresInbox.
        keys: Their keys from list, or the first characters of each.
        schema: The schema of the PostgresInbox.
    """

    async def decide() -> int:
        async with _opened(database, schema, change=True) as inbox:
            chosen = await _chosen(inbox, keys, _MADE_DUE if keys else _TRIED_AGAIN)
            return await inbox.retry(chosen)

    stdout().print(f"{_notifications(_run(decide()))} due again")


def drop(
    database: NotEmpty, key: NotEmpty, /, *more_keys: NotEmpty, schema: NotEmpty = SCHEMA
) -> None:
    """Remove notifications that have failed, or can't be read.

    $ webex-webhooks inbox list inbox.db
    $ webex-webhooks inbox drop inbox.db 5891b5b5

    Args:
        database: The file of a SQLiteInbox, or the postgresql:// URL of a PostgresInbox.
        key: The key of one from list, or its first characters.
        more_keys: Keys of more entries.
        schema: The schema of the PostgresInbox.
    """

    async def decide() -> int:
        async with _opened(database, schema, change=True) as inbox:
            chosen = await _chosen(inbox, (key, *more_keys), _REMOVED)
            return await inbox.drop(chosen)

    stdout().print(f"{_notifications(_run(decide()))} removed")


def print_schema(*, schema: NotEmpty = SCHEMA) -> None:
    """Print the SQL that makes the tables of a PostgresInbox.

    $ webex-webhooks inbox schema > tables.sql

    A role that may make tables runs it with psql, if that of the bot may not. It
    can be run again, by several at once: then it changes nothing. Tables of 0.4 and
    0.5 are refused.

    Args:
        schema: The schema for the tables.
    """
    with usage_errors():
        postgres_inbox.check_schema(schema)
    stdout().out(postgres_sql.script(schema), highlight=False, end="")


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    return run(coroutine, loop_factory=asyncio.SelectorEventLoop)  # psycopg needs it on Windows


@asynccontextmanager
async def _opened(database: str, schema: str, *, change: bool) -> AsyncGenerator[Inbox]:
    try:
        inbox = _inbox(database, schema, change=change)
        try:
            yield inbox
        finally:
            await inbox.aclose()
    except (OSError, RuntimeError, ValueError) as error:
        raise CommandError(str(error)) from error


def _inbox(database: str, schema: str, *, change: bool) -> Inbox:
    if (conninfo := conninfo_in(database)) is not None:
        try:
            with usage_errors():
                return postgres_inbox.look_into(conninfo, schema=schema)
        except ImportError as error:
            raise UsageError(str(error)) from error
    if schema != SCHEMA:
        raise UsageError("--schema is for a PostgresInbox: a file has no schema")
    if not Path(database).exists():
        wrong = described_database(database)
        instead = "pass the file of a SQLiteInbox, or the postgresql:// URL of a PostgresInbox"
        raise UsageError(f"this is {wrong}: {instead}" if wrong else f"there is no file {database}")
    with usage_errors():
        return look_into(Path(database), change=change)


_MADE_DUE: set[State] = {"waiting", "retrying", "scheduled", "asking", "failed"}
_TRIED_AGAIN: set[State] = {"failed", "retrying"}
_REMOVED: set[State] = {"failed", "unreadable"}
_LATER: set[State] = {"retrying", "scheduled", "asking"}


async def _chosen(inbox: Inbox, keys: Sequence[str], states: set[State]) -> list[str]:
    """Return the keys of all in these states, or of those that are meant by some keys."""
    possible = {
        each.key: None
        async for each in inbox.unfinished()
        if each.state in states and (not keys or each.key.startswith(tuple(keys)))
    }
    if not keys:
        return [*possible]
    which = " or ".join(state for state in get_args(State) if state in states)
    return [_only(key, possible, which) for key in dict.fromkeys(keys)]


def _only(key: str, possible: Iterable[str], which: str) -> str:
    meant = [each for each in possible if each.startswith(key)]
    meant = [each for each in meant if each == key] or meant
    if len(meant) == 1:
        return meant[0]
    how_many = "several notifications that are" if meant else "no notification that is"
    has = "have" if meant else "has"
    raise CommandError(
        f"{how_many} {which} {has} a key that begins with {key!r}: nothing was changed"
    )


def _notifications(count: int) -> str:
    return "1 notification" if count == 1 else f"{count} notifications"


async def _list_as_json(inbox: Inbox) -> None:
    """Print a list, page by page, as `print_json` would print it."""
    console, before = stdout(), "["
    async for page in _pages(inbox):
        items = [indent(dumps(_document(stored), indent=2), "  ") for stored in page]
        console.write("\n".join([before, ",\n".join(items)]))
        before = ","
    console.print("[]" if before == "[" else "\n]")


async def _list(inbox: Inbox) -> None:
    console = stdout()
    async for page in _pages(inbox):
        console.print(Segments([part for stored in page for part in _lines(stored)]), end="")
    counts = await inbox.counts()
    shown = (f"{getattr(counts, state)} {state}" for state in get_args(State))
    line = ", ".join(each for each in shown if not each.startswith("0 ")) or "nothing to do"
    if counts.oldest is not None:
        line += f"; the oldest has been due for {counts.oldest:.0f} s"
    console.print(line)


def _document(stored: StoredNotification) -> dict[str, Any]:
    return {
        "key": stored.key,
        "state": stored.state,
        "resource": stored.resource,
        "event": stored.event,
        "dataId": stored.data_id,
        "line": stored.line,
        "failures": stored.failures,
        "expiries": stored.expiries,
        "error": stored.error,
        "holder": stored.holder,
        "stored": _iso(stored.stored),
        "due": _iso(stored.due),
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")


async def _pages(inbox: Inbox) -> AsyncGenerator[list[StoredNotification]]:
    """Yield what is listed, many at a time: printing each by itself takes three times as long."""
    page: list[StoredNotification] = []
    async for stored in inbox.unfinished():
        page.append(stored)
        if len(page) == _PRINTED_AT_ONCE:
            yield page
            page = []
    if page:
        yield page


def _lines(stored: StoredNotification) -> Iterator[Segment]:
    """Yield the parts of a line with what identifies a notification, then what doesn't fit there.

    Of a `Text`, rich makes a dozen objects more, which takes ten times as long.
    """
    style = {"failed": "red", "running": "green", "unreadable": "red"}.get(stored.state, "none")
    subject = [short_id(each) for each in (stored.resource, stored.event) if each is not None]
    what = f"{' '.join(subject)}  " if subject else ""
    yield Segment(on_one_line(stored.key[:_SHOWN]), Style.parse("bold"))
    yield Segment("  ")
    yield Segment(f"{stored.state:10}", Style.parse(style))
    yield Segment(f"  {what}{_iso(stored.stored)}  failures: {stored.failures}")
    yield Segment(f"  due: {_iso(stored.due)}\n" if stored.state in _LATER else "\n")
    below = [] if stored.data_id is None else [short_id(stored.data_id)]
    # These were cut when they were stored.
    below += [on_one_line(text) for text in (stored.holder, stored.error) if text is not None]
    for text in below:
        yield Segment(f"  {text}\n", Style.parse("dim"))


_PRINTED_AT_ONCE = 100
_SHOWN = 12  # characters of a key, which are enough to tell it from others
