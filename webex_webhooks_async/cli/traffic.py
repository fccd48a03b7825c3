"""How the requests to a sandbox and its deliveries look, each on a line."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve
from rich.console import Console
from rich.text import Text

from webex_webhooks_async.cli.rendering import headline, print_event, status_code_text
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.testing import Delivery, RecordedRequest
from webex_webhooks_async.testing.delivering.redaction import Redaction


def print_request(console: Console, request: RecordedRequest) -> None:
    """Print a request, its status, both tracking ids and what was wrong on one line."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    sent_id = request.headers.get("trackingid")
    print_event(
        console,
        (f"{request.method:6} ", "cyan"),
        f"{on_one_line(target)} ",
        status_code_text(request.status_code),
        (f" {request.tracking_id}", "dim"),
        (f" (sent TrackingID {on_one_line(sent_id)})" if sent_id else "", "dim"),
        (f" {on_one_line(request.error)}" if request.error else "", "red"),
    )


def print_delivery(console: Console, delivery: Delivery) -> None:
    """Print what a bot was notified of, where, and the outcome, on one line."""
    if delivery.reason is None:
        outcome = status_code_text(delivery.status_code)
    else:
        outcome = Text(on_one_line(delivery.reason), "red")
    error = f"; a handler raised {delivery.handler_error}" if delivery.handler_error else ""
    notification = json.loads(delivery.body)
    what = f"{headline(notification)} {on_one_line(delivery.url)} "
    print_event(console, _ARROW, what, outcome, (error, "red"), (_whose(notification), "dim"))


def _whose(notification: Mapping[str, Any]) -> str:
    """Says that a bot is notified of what it wrote itself, which it ignores."""
    is_own = notification.get("actorId") == notification.get("createdBy") is not None
    return " (its own message)" if is_own and notification["resource"] == "messages" else ""


def redacted_request(request: RecordedRequest, redaction: Redaction) -> RecordedRequest:
    """A request as it may be printed: its headers and its body aren't."""
    return evolve(
        request,
        path=redaction.text(request.path),
        query=redaction.text(request.query),
        error=request.error and redaction.text(request.error),
    )


def redacted_delivery(delivery: Delivery, redaction: Redaction) -> Delivery:
    """A delivery as it may be printed."""
    return evolve(
        delivery,
        webhook=evolve(delivery.webhook, name=redaction.text(delivery.webhook.name)),
        url=redaction.text(delivery.url),
        body=dump_json(redaction.document(json.loads(delivery.body))),
        error=delivery.error and redaction.text(delivery.error),
        location=delivery.location and redaction.text(delivery.location),
        handler_error=delivery.handler_error and redaction.text(delivery.handler_error),
    )


def print_log(console: Console, text: str) -> None:
    """Print on one line what is logged, such as that nobody watches what happened."""
    print_event(console, _ARROW, (on_one_line(text), "yellow"))


_ARROW = (f"{'→':6} ", "cyan")
