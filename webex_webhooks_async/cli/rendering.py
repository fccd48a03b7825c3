"""What people see, and what programs read: everything that the commands print."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from attrs import frozen
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from webex_webhooks_async.models import Status, Webhook
from webex_webhooks_async.serialization import converter
from webex_webhooks_async.testing import RecordedRequest

_UNBOUNDED = 10_000  # columns: a pipe has no edge to wrap at


def stdout() -> Console:
    """Where results go: coloured on a terminal; in a pipe plain, and as wide as they are."""
    console = page()
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def page() -> Console:
    """Standard output for text to read: in a pipe, too, it has an edge to wrap at."""
    return Console(highlight=False, emoji=False, markup=False)


def stderr() -> Console:
    """Where errors, questions and progress go."""
    return Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)


def shown(text: str) -> str:
    """Text of others on one line, with nothing in it that a terminal would obey."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def error_text(error: Exception) -> Text:
    """An error on one line."""
    return Text.assemble(("error: ", "bold red"), shown(" ".join(str(error).split())))


def print_error(error: Exception) -> None:
    """Tell what went wrong."""
    stderr().print(error_text(error))


def print_json(document: object, *, indent: int | None = 2) -> None:
    """Print JSON, in ASCII, which every pipe takes; without `indent` on one line."""
    print(json.dumps(document, indent=indent), flush=True)  # noqa: T201 - exactly this


def webhook_document(webhook: Webhook, *, show_secret: bool) -> dict[str, Any]:
    """A webhook as the wire has it, but that ``hasSecret`` stands for a secret that isn't shown."""
    document: dict[str, Any] = converter.unstructure(webhook)
    document["hasSecret"] = bool(webhook.secret)
    if not show_secret:
        document.pop("secret", None)
    return document


def print_webhooks(console: Console, webhooks: Sequence[Webhook]) -> None:
    """Print webhooks as a table.

    Nothing is cut off, for it is there to be copied: of the columns, as many as there is room for
    stand side by side, and what is in the others stands below, a line each.
    """
    unbounded = console.options.update(width=_UNBOUNDED)
    tables = [webhook_table(webhooks, columns=n + 1) for n in range(len(_COLUMNS))]
    widths = [console.measure(table, options=unbounded).maximum for table in tables]
    number = max(1, sum(width <= console.width for width in widths))
    header, *rows = console.render_lines(tables[number - 1], unbounded, pad=False)
    _print_line(console, header)
    for webhook, row in zip(webhooks, rows, strict=True):
        _print_line(console, row)
        for column in _COLUMNS[number:]:
            if cell := column.cell(webhook):
                console.print(Text.assemble("  ", cell), style="dim", soft_wrap=True)


def _print_line(console: Console, segments: Iterable[Segment]) -> None:
    styled = [(segment.text, segment.style or "") for segment in segments]
    line = Text.assemble(*styled)
    line.rstrip()
    console.print(line, soft_wrap=True)


@frozen
class _Column:
    header: str
    cell: Callable[[Webhook], Text]


_COLUMNS = (
    _Column("NAME", lambda webhook: Text(shown(webhook.name), "bold")),
    _Column("STATUS", lambda webhook: status_text(webhook.status)),
    _Column("WATCHES", lambda webhook: Text(shown(f"{webhook.resource} {webhook.event}"))),
    _Column("TARGET", lambda webhook: Text(shown(webhook.target_url), "cyan")),
    _Column("FILTER", lambda webhook: Text(shown(webhook.filter or ""))),
    _Column("ID", lambda webhook: Text(shown(webhook.id), "dim")),
)


def webhook_table(webhooks: Iterable[Webhook], *, columns: int) -> Table:
    """Webhooks in so many columns: of name, status, what it watches, target, filter and id."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for column in _COLUMNS[:columns]:
        table.add_column(column.header, no_wrap=True)
    for webhook in webhooks:
        table.add_row(*(column.cell(webhook) for column in _COLUMNS[:columns]))
    return table


def status_text(status: str | None) -> Text:
    """A webhook's status."""
    styles: dict[str, str] = {Status.ACTIVE: "green", Status.INACTIVE: "red"}
    return Text(shown(status or "-"), styles.get(status or "", ""))


def print_webhook(console: Console, webhook: Webhook, *, show_secret: bool) -> None:
    """Print all that is known of a webhook."""
    print_fields(console, webhook_fields(webhook, show_secret=show_secret))


def webhook_fields(webhook: Webhook, *, show_secret: bool) -> dict[str, Text]:
    """All that is known of a webhook, by what people call it."""
    fields: dict[str, Text | str | None] = {
        "name": Text(shown(webhook.name), "bold"),
        "id": webhook.id,
        "watches": f"{webhook.resource} {webhook.event}",
        "filter": webhook.filter,
        "target": Text(shown(webhook.target_url), "cyan"),
        "status": status_text(webhook.status),
        "secret": _secret_text(webhook.secret, show_secret=show_secret),
        "owned by": webhook.owned_by,
        "created": webhook.created.isoformat(" ", "seconds") if webhook.created else None,
        "created by": webhook.created_by,
        "org": webhook.org_id,
        "app": webhook.app_id,
        **{shown(name): json.dumps(value) for name, value in webhook.extra.items()},
    }
    return {
        name: value if isinstance(value, Text) else Text(shown(value))
        for name, value in fields.items()
        if value
    }


def _secret_text(secret: str | None, *, show_secret: bool) -> Text | str:
    if not secret:
        return Text("none: nothing proves where a notification comes from", "yellow")
    return secret if show_secret else Text("set, not shown", "dim")


def print_fields(console: Console, fields: Mapping[str, Text]) -> None:
    """Print names and values, one a line.

    A long value goes on to the terminal's next line by itself, so that it is copied in one piece.
    """
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        console.print(Text.assemble((name.ljust(width), "dim"), value), soft_wrap=True)


def status_code_text(status_code: int | None) -> Text:
    """The status of an answer, in numbers and words."""
    if status_code is None:
        return Text("no answer", "red")
    phrase = HTTPStatus(status_code).phrase if status_code in _KNOWN_STATUSES else ""
    style = {2: "green", 4: "yellow", 5: "red"}.get(status_code // 100, "")
    return Text(f"{status_code} {phrase}".rstrip(), style)


_KNOWN_STATUSES = frozenset(map(int, HTTPStatus))


def print_request(console: Console, request: RecordedRequest) -> None:
    """Print a request and its answer on one line."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    console.print(
        Text.assemble(
            (f"{datetime.now().astimezone():%H:%M:%S} ", "dim"),
            (f"{request.method:6} ", "cyan"),
            f"{shown(target)} ",
            status_code_text(request.status_code),
            (f" {request.tracking_id}", "dim"),
        ),
        soft_wrap=True,
    )
