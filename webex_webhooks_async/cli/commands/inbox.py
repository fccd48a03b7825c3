"""The command inbox."""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from json import JSONDecoder, dumps
from pathlib import Path
from textwrap import indent
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from webex_webhooks_async.cli.console import stdout
from webex_webhooks_async.cli.options import AsJson, NotEmpty
from webex_webhooks_async.cli.running import CommandError, UsageError, usage_errors
from webex_webhooks_async.errors import PayloadError
from webex_webhooks_async.formatting import on_one_line, short_id
from webex_webhooks_async.notifications.dispatch import id_of_data
from webex_webhooks_async.notifications.inbox_file import (
    UNREADABLE,
    InboxFile,
    StoredNotification,
)
from webex_webhooks_async.notifications.parsing import parse_unverified_notification


def command(
    action: Literal["list", "retry", "drop"], file: Path, /, *keys: NotEmpty, json: AsJson = False
) -> None:
    """Show the notifications in an inbox, or decide about failed ones.

    $ webex-webhooks inbox list inbox.db
    $ webex-webhooks inbox list inbox.db --json
    $ webex-webhooks inbox retry inbox.db

    list shows what waits, runs or has failed. retry gives what has failed another
    round of attempts, all of it if no key is given. drop removes what has failed.

    The bot may go on working. It gets notifications that are tried again within a
    second.

    Args:
        action: What to do.
        file: The file of the SQLiteInbox.
        keys: Their keys from list, or the first characters of each.
        json: With list: print JSON, and nothing else.
    """
    if action == "list":
        if keys:
            raise UsageError("list shows all notifications: it takes no keys")
        with _opened(file, change=False) as inbox:
            (_list_as_json if json else _list)(inbox)
        return
    if json:
        raise UsageError(f"--json is for list, not for {action}")
    if action == "drop" and not keys:
        raise UsageError("drop needs the keys of what it removes: see list")
    with _opened(file, change=True) as inbox:
        chosen = _chosen(inbox, keys, action)
        (inbox.retry if action == "retry" else inbox.drop)(chosen)
    number = "1 notification" if len(chosen) == 1 else f"{len(chosen)} notifications"
    stdout().print(f"{number} {'due again' if action == 'retry' else 'removed'}")


@contextmanager
def _opened(file: Path, *, change: bool) -> Generator[InboxFile]:
    if not file.exists():
        raise UsageError(f"there is no file {file}")
    try:
        with usage_errors():
            inbox = InboxFile.look_into(file, change=change)
        with closing(inbox):
            yield inbox
    except OSError as error:
        raise CommandError(str(error)) from error


def _chosen(
    inbox: InboxFile, keys: Sequence[str], action: Literal["retry", "drop"]
) -> list[StoredNotification]:
    """Return what has failed, or of that what the keys say, and for drop what can't be read."""
    if not keys:
        return [each for each in inbox.unfinished() if each.state == "failed"]
    possible = [
        each
        for each in inbox.unfinished()
        if each.key.startswith(tuple(keys))
        and (each.state == "failed" or (action == "drop" and _is_unreadable(inbox, each)))
    ]
    return [_only(key, possible) for key in dict.fromkeys(keys)]


def _only(key: str, possible: Iterable[StoredNotification]) -> StoredNotification:
    meant = [each for each in possible if each.key.startswith(key)]
    meant = [each for each in meant if each.key == key] or meant
    if len(meant) == 1:
        return meant[0]
    how_many = "several failed notifications have" if meant else "no failed notification has"
    raise CommandError(f"{how_many} a key that begins with {key!r}: nothing was changed")


def _is_unreadable(inbox: InboxFile, stored: StoredNotification) -> bool:
    document = _document(inbox, stored)
    return document is not None and document["state"] == UNREADABLE


def _list_as_json(inbox: InboxFile) -> None:
    """Print a list, an item at a time, as `print_json` would print it."""
    console, before = stdout(), "["
    for document in _documents(inbox):
        item = indent(dumps(document, indent=2), "  ")
        console.print(f"{before}\n{item}", end="")
        before = ","
    console.print("[]" if before == "[" else "\n]")


def _list(inbox: InboxFile) -> None:
    console = stdout()
    for document in _documents(inbox):
        _print(console, document)
    counts = inbox.counts()
    line = f"{counts.waiting} waiting, {counts.running} running, {counts.failed} failed"
    if counts.oldest is not None:
        line += f"; the oldest has been waiting for {counts.oldest:.0f} s"
    console.print(line)


def _documents(inbox: InboxFile) -> Iterator[dict[str, Any]]:
    return filter(None, (_document(inbox, each) for each in inbox.unfinished()))


def _document(inbox: InboxFile, stored: StoredNotification) -> dict[str, Any] | None:
    """Return what is shown of a notification; `None` if it was completed meanwhile."""
    begins = inbox.beginning(stored)
    if begins is None:
        return None
    what = _what(*begins)
    when = None if stored.stored is None else _iso(stored.stored)
    is_readable = what[0] is not None and when is not None
    return {
        "key": stored.key,
        "state": stored.state if is_readable else UNREADABLE,
        **dict(zip(("resource", "event", "dataId"), what, strict=True)),
        "attempts": stored.failures,
        "error": stored.error,
        "stored": when,
    }


def _what(beginning: bytes, size: int) -> tuple[str | None, str | None, str | None]:
    """Return the resource, the event and the id of the data, from how a body begins."""
    if size > len(beginning):
        found = dict(_members(beginning.decode(errors="replace")))
        data = dict(found.get("data", ()))
        match found.get("resource"), found.get("event"), data.get("id"):
            case str(resource), str(event), str() | None as data_id:
                return resource, event, data_id
            case _:
                return None, None, None
    try:
        notification = parse_unverified_notification(beginning)
    except PayloadError:
        return None, None, None
    return notification.resource, notification.event, id_of_data(notification)


def _members(text: str, place: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object that is cut off; of the data those that are there."""
    while found := _MEMBER.match(text, place):
        name, place = found[1], found.end()
        if name == "data":
            yield name, _members(text, place)
            return
        try:
            value, place = _decoder.raw_decode(text, place)
        except (ValueError, RecursionError):  # it is cut off here, or isn't JSON
            return
        yield name, value


_MEMBER = re.compile(r'\s*[{,]\s*"(\w+)"\s*:\s*')
_decoder = JSONDecoder()


def _iso(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # it isn't a time that there can be
        return None


def _print(console: Console, document: dict[str, Any]) -> None:
    """Print what identifies a notification on one line, and below it what doesn't fit there."""
    shown = {name: short_id(str(value)) for name, value in document.items()}
    style = {"failed": "red", "running": "green", UNREADABLE: "red"}.get(document["state"], "")
    what = "" if document["resource"] is None else f"{shown['resource']} {shown['event']}  "
    line = Text.assemble(
        (shown["key"][:_SHOWN], "bold"),
        "  ",
        (f"{shown['state']:7}", style),
        f"  {what}{shown['stored']}  attempts: {shown['attempts']}",
    )
    console.print(line)
    shown["error"] = on_one_line(str(document["error"]))  # it was cut when it was stored
    for name in ("dataId", "error"):
        if shown[name] != "None":
            console.print(Text(f"  {shown[name]}", "dim"))


_SHOWN = 12  # characters of a key, which are enough to tell it from others
