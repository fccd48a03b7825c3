"""What a user would write instead of using this library, so that it does the same work."""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from starlette.types import Receive, Scope, Send

from tests.benchmarks.sender import SECRET
from webex_webhooks_async import Notification, NotificationError, parse_notification
from webex_webhooks_async.receiving.asgi import follow_lifespan

KEY = SECRET.encode()


def plain_cattrs() -> Converter:
    """Make a converter that knows the names on the wire, and timestamps; it coerces and drops."""
    converter = Converter(omit_if_default=True)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_unstructure_hook(datetime, datetime.isoformat)

    def renamed(model: type[Any]) -> dict[str, Any]:
        return {each.name: override(rename=camel_case(each.name)) for each in attrs.fields(model)}

    def reader(model: type[Any]) -> Callable[[Any, Any], Any]:
        return make_dict_structure_fn(model, converter, **renamed(model))

    def writer(model: type[Any]) -> Callable[[Any], Any]:
        overrides: dict[str, Any] = {**renamed(model), "extra": override(omit=True)}
        return make_dict_unstructure_fn(model, converter, _cattrs_omit_if_default=True, **overrides)

    converter.register_structure_hook_factory(attrs.has, reader)
    converter.register_unstructure_hook_factory(attrs.has, writer)
    return converter


def camel_case(name: str) -> str:
    """Return the name of a field on the wire."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def verify_strongest(body: bytes, sha1: str, others: str) -> None:
    """Verify the strongest signature: the documented one is SHA-1, and others are labelled."""
    signatures = {"SHA-1": sha1}
    for part in others.split(","):
        label, _, digest = part.strip().partition("=")
        signatures[label] = digest
    label = next(each for each in ("SHA-512", "SHA-256", "SHA-1") if signatures.get(each))
    expected = hmac.digest(KEY, body, label.replace("-", "")).hex()
    if not hmac.compare_digest(expected, signatures[label]):
        raise ValueError("the signature is wrong")


class Application:
    """An ASGI application that verifies, parses as strictly, deduplicates, and calls a handler."""

    def __init__(self, handler: Callable[[Notification[Any]], Awaitable[None]]) -> None:
        self._handlers = {("messages", "created"): handler}
        self._claimed = set[str]()
        self._expiries = OrderedDict[str, float]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await follow_lifespan(receive, send, nullcontext())
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        status = await self._respond(body, scope["headers"])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body"})

    async def _respond(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> int:
        try:
            notification = parse_notification(body, headers, secrets=SECRET)
        except NotificationError:
            return 401
        handler = self._handlers.get((notification.resource, notification.event))
        if handler is None:
            return 204
        key = hashlib.sha256(body).hexdigest()
        if not self._claim(key):
            return 204
        try:
            await handler(notification)
        except Exception:  # noqa: BLE001 - as a server does
            self._claimed.discard(key)
            return 500
        self._claimed.discard(key)
        self._expiries[key] = time.monotonic() + 600
        return 204

    def _claim(self, key: str) -> bool:
        now = time.monotonic()
        while self._expiries and next(iter(self._expiries.values())) <= now:
            self._expiries.popitem(last=False)
        if key in self._claimed or key in self._expiries:
            return False
        self._claimed.add(key)
        return True
