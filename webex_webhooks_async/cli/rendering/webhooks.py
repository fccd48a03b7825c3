"""How webhooks and plans look."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from webex_webhooks_async.cli.rendering.consoles import (
    UNBOUNDED,
    print_approval,
    print_fields,
    print_json,
    stdout,
)
from webex_webhooks_async.client.desired_state.planning import Action, Change, Plan
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.vocabulary import Status
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.serialization import to_wire


def webhook_document(webhook: Webhook, *, show_secret: bool) -> dict[str, Any]:
    """A webhook as Webex sends it, plus ``hasSecret``; the secret itself only if it is shown."""
    document: dict[str, Any] = to_wire(webhook)
    document["hasSecret"] = bool(webhook.secret)
    if not show_secret:
        document.pop("secret", None)
    return document


def print_webhooks(console: Console, webhooks: Sequence[Webhook]) -> None:
    """Print webhooks as a table.

    Nothing is cut off, so that it can be copied: the columns that don't fit side by side are
    printed below the webhook, a line each.
    """
    unbounded = console.options.update(width=UNBOUNDED)
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
    _Column("NAME", lambda webhook: Text(on_one_line(webhook.name), "bold")),
    _Column("STATUS", lambda webhook: status_text(webhook.status)),
    _Column("WATCHES", lambda webhook: Text(on_one_line(f"{webhook.resource} {webhook.event}"))),
    _Column("TARGET", lambda webhook: Text(on_one_line(webhook.target_url), "cyan")),
    _Column("FILTER", lambda webhook: Text(on_one_line(webhook.filter or ""))),
    _Column("ID", lambda webhook: Text(on_one_line(webhook.id), "dim")),
)


def webhook_table(webhooks: Iterable[Webhook], *, columns: int) -> Table:
    """A table with the first columns of: name, status, watches, target, filter, id."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for column in _COLUMNS[:columns]:
        table.add_column(column.header, no_wrap=True)
    for webhook in webhooks:
        table.add_row(*(column.cell(webhook) for column in _COLUMNS[:columns]))
    return table


def print_result(webhook: Webhook, *, as_json: bool, show_secret: bool) -> None:
    """Print the webhook that a command returns, as JSON or field by field."""
    if as_json:
        print_json(webhook_document(webhook, show_secret=show_secret))
    else:
        print_webhook(stdout(), webhook, show_secret=show_secret)


def status_text(status: str | None) -> Text:
    """A webhook's status."""
    styles: dict[str, str] = {Status.ACTIVE: "green", Status.INACTIVE: "red"}
    return Text(on_one_line(status or "-"), styles.get(status or "", ""))


def print_webhook(console: Console, webhook: Webhook, *, show_secret: bool) -> None:
    """Print every field of a webhook."""
    print_fields(console, webhook_fields(webhook, show_secret=show_secret))


def webhook_fields(webhook: Webhook, *, show_secret: bool) -> dict[str, Text]:
    """Every field of a webhook that has a value, by a name for people."""
    fields: dict[str, Text | str | None] = {
        "name": Text(on_one_line(webhook.name), "bold"),
        "id": webhook.id,
        "watches": f"{webhook.resource} {webhook.event}",
        "filter": webhook.filter,
        "target": Text(on_one_line(webhook.target_url), "cyan"),
        "status": status_text(webhook.status),
        "secret": _secret_text(webhook.secret, show_secret=show_secret),
        "owned by": webhook.owned_by,
        "created": webhook.created.isoformat(" ", "seconds") if webhook.created else None,
        "created by": webhook.created_by,
        "org": webhook.org_id,
        "app": webhook.app_id,
        **{on_one_line(name): json.dumps(value) for name, value in webhook.extra.items()},
    }
    return {
        name: value if isinstance(value, Text) else Text(on_one_line(value))
        for name, value in fields.items()
        if value
    }


def _secret_text(secret: str | None, *, show_secret: bool) -> Text | str:
    if not secret:
        return Text("none: nothing proves that a notification comes from Webex", "yellow")
    return secret if show_secret else Text("set, not shown", "dim")


_STYLE_OF_ACTION = {
    Action.KEEP: "dim",
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.REACTIVATE: "yellow",
    Action.REPLACE: "magenta",
    Action.DELETE: "red",
}


def print_plan(console: Console, plan: Plan) -> None:
    """Print what a plan does with each webhook."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for header in ("ACTION", "NAME", "REASON"):
        table.add_column(header)
    for change in plan.changes:
        action = Text(change.action, _STYLE_OF_ACTION[change.action])
        table.add_row(action, Text(on_one_line(change.name), "bold"), on_one_line(change.reason))
    console.print(table)


def print_changes(console: Console, changes: Sequence[Change]) -> None:
    """Print the changes that were made."""
    for change in changes:
        print_approval(console, f"{_DONE[change.action]} {change.name}")
    if not changes:
        print_approval(console, "nothing to change")


_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.REACTIVATE: "re-activated",
    Action.REPLACE: "replaced",
    Action.DELETE: "deleted",
}
