"""The command inbox."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rich.text import Text

from webex_webhooks_async.cli.console import print_json, stderr, stdout
from webex_webhooks_async.cli.options import AsJson, NotEmpty
from webex_webhooks_async.cli.running import CommandError, UsageError, usage_errors
from webex_webhooks_async.errors import PayloadError
from webex_webhooks_async.formatting import on_one_line, short_id
from webex_webhooks_async.notifications.dispatch import id_of_data
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.notifications.sqlite_inbox import InboxFile, StoredNotification


def command(
    action: Literal["list", "retry", "drop"], file: Path, /, *keys: NotEmpty, json: AsJson = False
) -> None:
    """Show the notifications in an inbox, or decide about failed ones.

    $ webex-webhooks inbox list inbox.db
    $ webex-webhooks inbox list inbox.db --json
    $ webex-webhooks inbox retry inbox.db

    The bot may go on working. It gets notifications that are tried again within a second.

    Args:
        action: list shows what waits, runs or has failed; retry gives failed ones another round of
            attempts, all of them if no key is given; drop removes failed ones.
        file: The file of the SQLiteInbox.
        keys: Their keys from list, or the first characters of each.
        json: With list: print JSON, and nothing else.
    """
    if action == "list":
        if keys:
            raise UsageError("list shows all notifications: it takes no keys")
        _list(_decide(file), as_json=json)
        return
    if json:
        raise UsageError(f"--json is for list, not for {action}")
    if action == "drop" and not keys:
        raise UsageError("drop needs the keys of what it removes: see list")
    chosen = _decide(file, action, keys)
    number = "1 notification" if len(chosen) == 1 else f"{len(chosen)} notifications"
    stdout().print(f"{number} {'due again' if action == 'retry' else 'removed'}")


def _list(found: Sequence[StoredNotification], *, as_json: bool) -> None:
    if as_json:
        print_json([_document(each) for each in found])
        return
    for each in found:
        _print(each)
    if not found:
        stderr().print("Nothing waits, runs or has failed.", style="dim")


def _decide(
    file: Path, action: Literal["retry", "drop"] | None = None, keys: Sequence[str] = ()
) -> Sequence[StoredNotification]:
    """Return what is in the file, or what failed and was chosen."""
    if not file.exists():
        raise UsageError(f"there is no file {file}")
    try:
        with (
            usage_errors(),
            closing(InboxFile.open(file, create=False)) as inbox,
            inbox.transaction(),
        ):
            found = inbox.unfinished()
            if action is None:
                return found
            failed = [each for each in found if each.state == "failed"]
            chosen = [_only(key, failed) for key in dict.fromkeys(keys)] if keys else failed
            change = inbox.retry if action == "retry" else inbox.drop
            change(each.key for each in chosen)
            return chosen
    except OSError as error:
        raise CommandError(str(error)) from error


def _only(key: str, failed: Iterable[StoredNotification]) -> StoredNotification:
    meant = [each for each in failed if each.key.startswith(key)]
    if len(meant) == 1:
        return meant[0]
    how_many = "several failed notifications have" if meant else "no failed notification has"
    raise CommandError(f"{how_many} a key that begins with {key!r}: nothing was changed")


def _document(stored: StoredNotification) -> dict[str, Any]:
    document: dict[str, Any] = {"key": stored.key, "state": stored.state}
    try:
        notification = parse_unverified_notification(stored.body)
    except PayloadError:
        document |= {"resource": None, "event": None, "dataId": None}
    else:
        document |= {"resource": notification.resource, "event": notification.event}
        document["dataId"] = id_of_data(notification)
    return document | {
        "attempts": stored.failures,
        "error": stored.error,
        "stored": datetime.fromtimestamp(stored.stored, UTC).isoformat(timespec="seconds"),
    }


def _print(stored: StoredNotification) -> None:
    """Print what identifies a notification on one line, and below it what doesn't fit there."""
    shown = {name: short_id(str(value)) for name, value in _document(stored).items()}
    shown["error"] = on_one_line(str(stored.error))  # it was cut when it was stored
    style = {"failed": "red", "running": "green"}.get(stored.state, "")
    line = Text.assemble(
        (stored.key[:_SHOWN], "bold"),
        "  ",
        (f"{stored.state:7}", style),
        f"  {shown['resource']} {shown['event']}  {shown['stored']}  attempts: {stored.failures}",
    )
    stdout().print(line, soft_wrap=True)
    for name in ("dataId", "error"):
        if shown[name] != "None":
            stdout().print(Text(f"  {shown[name]}", "dim"), soft_wrap=True)


_SHOWN = 12  # characters of a key, which are enough to tell it from others
