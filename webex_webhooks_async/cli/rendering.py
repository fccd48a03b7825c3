"""How webhooks, notifications and responses look."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.text import Text

from webex_webhooks_async.cli.console import print_fields, print_json, stdout
from webex_webhooks_async.cli.running import CommandError
from webex_webhooks_async.formatting import describe_status, on_one_line
from webex_webhooks_async.models.vocabulary import WebhookStatus

if TYPE_CHECKING:
    from webex_webhooks_async.models.webhooks import Webhook


def webhook_document(webhook: "Webhook", *, show_secret: bool) -> dict[str, Any]:
    """A webhook as Webex sends it, plus ``hasSecret``; the secret itself only if it is shown."""
    from webex_webhooks_async.serialization.converter import unstructure  # noqa: PLC0415 - no help text needs it

    try:
        document: dict[str, Any] = unstructure(webhook)
    except ValueError as error:
        raise CommandError(str(error)) from None
    document["hasSecret"] = _has_secret(webhook)
    if not show_secret:
        document.pop("secret", None)
    return document


_COLUMNS: "Mapping[str, Callable[[Webhook], Text]]" = {
    "NAME": lambda webhook: Text(on_one_line(webhook.name), "bold"),
    "STATUS": lambda webhook: status_text(webhook.status),
    "WATCHES": lambda webhook: Text(on_one_line(f"{webhook.resource} {webhook.event}")),
    "TARGET": lambda webhook: Text(on_one_line(webhook.target_url), "cyan"),
    "FILTER": lambda webhook: Text(on_one_line(webhook.filter or "")),
    "ID": lambda webhook: Text(on_one_line(webhook.id), "dim"),
}
_GAP = 2  # spaces between columns


def print_webhooks(console: Console, webhooks: "Iterable[Webhook]") -> None:
    """Print webhooks as a table."""
    rows = [[cell(webhook) for cell in _COLUMNS.values()] for webhook in webhooks]
    print_table(console, _COLUMNS, rows)


def print_table(console: Console, names: Iterable[str], rows: Sequence[Sequence[Text]]) -> None:
    """Print a table.

    Nothing is cut off, so that it can be copied: the columns that don't fit side by side are
    printed below their row, a line each.
    """
    header = [Text(name, "dim") for name in names]
    widths = [
        max(cell.cell_len for cell in column) + _GAP for column in zip(header, *rows, strict=True)
    ]
    fitting = max(1, sum(end - _GAP <= console.width for end in accumulate(widths)))
    _print_row(console, header[:fitting], widths)
    for row in rows:
        _print_row(console, row[:fitting], widths)
        for cell in filter(None, row[fitting:]):
            console.print(Text.assemble("  ", cell), style="dim")


def _print_row(console: Console, cells: Iterable[Text], widths: Iterable[int]) -> None:
    line = Text()
    for cell, width in zip(cells, widths, strict=False):
        line.append_text(cell).append(" " * (width - cell.cell_len))
    line.rstrip()
    console.print(line)


def status_text(status: str | None) -> Text:
    """A webhook's status."""
    styles: dict[str, str] = {WebhookStatus.ACTIVE: "green", WebhookStatus.INACTIVE: "red"}
    return Text(on_one_line(status or "-"), styles.get(status or "", ""))


def print_webhook(webhook: "Webhook", *, as_json: bool, show_secret: bool) -> None:
    """Print the webhook that a command returns, as JSON or field by field."""
    if as_json:
        print_json(webhook_document(webhook, show_secret=show_secret))
    else:
        print_fields(stdout(), webhook_fields(webhook, show_secret=show_secret))


def webhook_fields(webhook: "Webhook", *, show_secret: bool) -> dict[str, Text]:
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
            on_one_line(name): json.dumps(value)
            for name, value in webhook.extra.items()
            if name != "secret"
        },
    }
    return {
        name: value if isinstance(value, Text) else Text(on_one_line(value))
        for name, value in fields.items()
        if value
    }


def _has_secret(webhook: "Webhook") -> bool:
    return bool(webhook.secret or webhook.extra.get("secret"))  # there if it isn't text


def _secret_text(webhook: "Webhook", *, show_secret: bool) -> Text | str:
    if not _has_secret(webhook):
        return Text("none: nothing proves that a notification comes from Webex", "yellow")
    if not show_secret:
        return Text("set, not shown", "dim")
    return webhook.secret or json.dumps(webhook.extra["secret"])


def print_event(console: Console, *parts: str | Text | tuple[str, str]) -> None:
    """Print the time, and what happens, on one line."""
    time = (f"{datetime.now().astimezone():%H:%M:%S} ", "dim")
    console.print(Text.assemble(time, *parts))


def print_notification(
    console: Console, notification: Mapping[str, Any], number: int | None = None
) -> None:
    """Print a notification, given as Webex sends it: what happened, and its data."""
    data = notification.get("data")
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    actor_id = notification.get("actorId")
    actor = fields.get("personEmail") or actor_id
    is_own = actor_id is not None and actor_id == notification.get("createdBy")
    print_event(
        console,
        (headline(notification, number), "bold green"),
        on_one_line(f" by {actor}") if actor else "",
        (" (the webhook's own creator)" if is_own else "", "yellow"),
    )
    if fields:
        print_fields(
            console, {on_one_line(name): _value(value) for name, value in fields.items()}, indent=9
        )


def headline(notification: Mapping[str, Any], number: int | None = None) -> str:
    """Return the event in words; `number` identifies one of several notifications."""
    prefix = "" if number is None else f"#{number} "
    return on_one_line(f"{prefix}{notification['resource']} {notification['event']}")


def _value(value: object) -> Text:
    return Text(on_one_line(value if isinstance(value, str) else json.dumps(value)))


def shown_url(url: str) -> str:
    """A URL without credentials and query: they may be secret."""
    import httpx  # noqa: PLC0415 - no help text needs it

    return str(httpx.URL(url).copy_with(userinfo=b"", query=None))


def status_code_text(status_code: int | None) -> Text:
    """The status of a response, in numbers and words."""
    if status_code is None:
        return Text("no response", "red")
    style = {2: "green", 4: "yellow", 5: "red"}.get(status_code // 100, "")
    return Text(describe_status(status_code), style)
