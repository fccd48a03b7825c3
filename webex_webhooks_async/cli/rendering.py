"""How webhooks, plans, requests, notifications and responses look."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

import httpx
from attrs import frozen
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from webex_webhooks_async.cli.console import (
    UNBOUNDED,
    json_text,
    print_approval,
    print_fields,
    print_json,
    stdout,
)
from webex_webhooks_async.cli.running import CommandError
from webex_webhooks_async.client.planning import Action, Change, Plan
from webex_webhooks_async.converters import unstructure
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.vocabulary import Status
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing import Delivery, RecordedRequest


def webhook_document(webhook: Webhook, *, show_secret: bool) -> dict[str, Any]:
    """A webhook as Webex sends it, plus ``hasSecret``; the secret itself only if it is shown."""
    try:
        document: dict[str, Any] = unstructure(webhook)
    except ValueError as error:
        raise CommandError(str(error)) from None
    document["hasSecret"] = _has_secret(webhook)
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
        "secret": _secret_text(webhook, show_secret=show_secret),
        "owned by": webhook.owned_by,
        "created": webhook.created.isoformat(" ", "seconds") if webhook.created else None,
        "created by": webhook.created_by,
        "org": webhook.org_id,
        "app": webhook.app_id,
        **{
            on_one_line(name): json_text(value)
            for name, value in webhook.extra.items()
            if name != "secret"
        },
    }
    return {
        name: value if isinstance(value, Text) else Text(on_one_line(value))
        for name, value in fields.items()
        if value
    }


def _has_secret(webhook: Webhook) -> bool:
    return bool(webhook.secret or webhook.extra.get("secret"))  # there if it isn't text


def _secret_text(webhook: Webhook, *, show_secret: bool) -> Text | str:
    if not _has_secret(webhook):
        return Text("none: nothing proves that a notification comes from Webex", "yellow")
    if not show_secret:
        return Text("set, not shown", "dim")
    return webhook.secret or json_text(webhook.extra["secret"])


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


_MOST_LINES = 20  # of a response's body


def print_request(console: Console, request: RecordedRequest) -> None:
    """Print a request, its status, both tracking ids and what was wrong on one line."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    sent_id = request.headers.get("trackingid")
    console.print(
        Text.assemble(
            (f"{_clock_time()} ", "dim"),
            (f"{request.method:6} ", "cyan"),
            f"{on_one_line(target)} ",
            status_code_text(request.status_code),
            (f" {request.tracking_id}", "dim"),
            (f" (sent TrackingID {on_one_line(sent_id)})" if sent_id else "", "dim"),
            (f" {on_one_line(request.error)}" if request.error else "", "red"),
        ),
        soft_wrap=True,
    )


def print_delivery(console: Console, delivery: Delivery) -> None:
    """Print where a notification was sent, and the outcome, on one line."""
    outcome = (
        status_code_text(delivery.status_code)
        if delivery.error is None
        else Text(on_one_line(delivery.error), "red")
    )
    console.print(
        Text.assemble(
            (f"{_clock_time()} ", "dim"),
            (f"{'→':6} ", "cyan"),
            f"{on_one_line(delivery.url)} ",
            outcome,
            ("; the webhook was switched off" if delivery.switched_off else "", "red"),
        ),
        soft_wrap=True,
    )


def print_no_delivery(console: Console, reason: str) -> None:
    """Print on one line why a notification was sent to nobody."""
    console.print(
        Text.assemble(
            (f"{_clock_time()} ", "dim"), (f"{'→':6} ", "cyan"), (on_one_line(reason), "yellow")
        ),
        soft_wrap=True,
    )


def print_notification(
    console: Console, notification: Mapping[str, Any], number: int | None = None
) -> None:
    """Print a notification, given as Webex sends it: what happened, and its data."""
    data = notification.get("data")
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    actor_id = notification.get("actorId")
    actor = fields.get("personEmail") or actor_id
    is_own = actor_id is not None and actor_id == notification.get("createdBy")
    console.print(
        Text.assemble(
            (f"{_clock_time()} ", "dim"),
            (headline(notification, number), "bold green"),
            (on_one_line(f" by {actor}") if actor else ""),
            (" (the webhook's own creator)" if is_own else "", "yellow"),
        ),
        soft_wrap=True,
    )
    if fields:
        print_fields(
            console, {on_one_line(name): _value(value) for name, value in fields.items()}, indent=9
        )


def headline(notification: Mapping[str, Any], number: int | None = None) -> str:
    """What happened, in words; `number` identifies one of several notifications."""
    prefix = "" if number is None else f"#{number} "
    return on_one_line(f"{prefix}{notification['resource']} {notification['event']}")


def _value(value: object) -> Text:
    return Text(on_one_line(value if isinstance(value, str) else json_text(value)))


def print_response(console: Console, status_code: int, body: str, to: str = "") -> None:
    """Print the response to a notification, which `to` names."""
    arrow = f"→ {to}: " if to else "→ "
    console.print(Text(arrow, "cyan"), status_code_text(status_code), sep="")
    for line in body.splitlines()[:_MOST_LINES]:
        console.print(f"  {on_one_line(line)}", soft_wrap=True)


def parse_url(text: str) -> httpx.URL | None:
    """A URL that requests can be sent to; `None` if the text is none."""
    try:
        url = httpx.URL(text)
        has_host = bool(url.host)
    except (httpx.InvalidURL, ValueError):  # the latter for a host in broken Punycode
        return None
    return url if has_host else None


def shown_url(url: str) -> str:
    """A URL without credentials and query: they may be secret."""
    return str(httpx.URL(url).copy_with(userinfo=b"", query=None))


def status_code_text(status_code: int | None) -> Text:
    """The status of a response, in numbers and words."""
    if status_code is None:
        return Text("no response", "red")
    phrase = HTTPStatus(status_code).phrase if status_code in _KNOWN_STATUSES else ""
    style = {2: "green", 4: "yellow", 5: "red"}.get(status_code // 100, "")
    return Text(f"{status_code} {phrase}".rstrip(), style)


_KNOWN_STATUSES = frozenset(map(int, HTTPStatus))


def _clock_time() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"
