"""How requests, notifications and responses look."""

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

import httpx
from rich.console import Console
from rich.text import Text

from webex_webhooks_async.cli.rendering.consoles import print_fields
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.testing import Delivery, RecordedRequest

_MOST_LINES = 20  # of a response's body


def print_request(console: Console, request: RecordedRequest) -> None:
    """Print a request and its status on one line."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    console.print(
        Text.assemble(
            (f"{_clock_time()} ", "dim"),
            (f"{request.method:6} ", "cyan"),
            f"{on_one_line(target)} ",
            status_code_text(request.status_code),
            (f" {request.tracking_id}", "dim"),
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
    return Text(on_one_line(value if isinstance(value, str) else json.dumps(value)))


def print_response(console: Console, status_code: int, body: str, to: str = "") -> None:
    """Print the response to a notification, which `to` names."""
    arrow = f"→ {to}: " if to else "→ "
    console.print(Text(arrow, "cyan"), status_code_text(status_code), sep="")
    for line in body.splitlines()[:_MOST_LINES]:
        console.print(f"  {on_one_line(line)}", soft_wrap=True)


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
