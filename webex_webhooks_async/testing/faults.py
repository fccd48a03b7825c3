"""Faults: what goes wrong with the next requests."""

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPMethod
from types import NoneType
from typing import Any

from attrs import Attribute, define, field, frozen

from webex_webhooks_async.validation import check_type

RetryAfter = float | str
"""Seconds, or the header's raw text."""

Body = bytes | str | Mapping[str, Any] | Sequence[Any]
"""Raw bytes or text; anything else is sent as JSON."""

_WITHOUT_BODY = frozenset({204, 304})
_STATUSES = range(200, 600)


def _check_status(_fault: object, _field: object, status: int | None) -> None:
    if isinstance(status, bool) or not (status is None or status in _STATUSES):
        raise ValueError(f"status must be from 200 to 599, got {status!r}")


def _check_seconds(_fault: object, attribute: "Attribute[Any]", seconds: RetryAfter | None) -> None:
    if isinstance(seconds, str):
        if not (seconds.isascii() and seconds.isprintable()):
            raise ValueError(f"{attribute.name} must be printable ASCII text, got {seconds!r}")
    elif seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(
            f"{attribute.name} must be a number of seconds, not negative; got {seconds!r}"
        )


def _check_method(_fault: object, _field: object, method: str | None) -> None:
    if method is not None and str(method).upper() not in HTTPMethod.__members__:
        raise ValueError(f"method must be an HTTP method, such as 'GET'; got {method!r}")


def _with_a_slash(path: str | None) -> str | None:
    """The path as a request has it; `Client.post` takes it without the slash at its start."""
    return f"/{path}" if isinstance(path, str) and not path.startswith("/") else path


def _check_path(_fault: object, _field: object, path: str | None) -> None:
    check_type("path", path, str, NoneType)
    if path is not None and (path == "/" or "://" in path or f"{path}/".startswith("/v1/")):
        raise ValueError(f"path must be one below /v1, such as 'messages'; got {path!r}")


@frozen(kw_only=True)
class Fault:
    """A fault that is applied to a request, in the words of `Sandbox.fail`."""

    status: int | None = field(default=None, validator=_check_status)
    retry_after: RetryAfter | None = field(default=None, validator=_check_seconds)
    body: Body | None = None
    drop: bool = False
    delay: float = field(default=0.0, validator=_check_seconds)
    execute: bool = False
    method: str | None = field(default=None, validator=_check_method)
    path: str | None = field(default=None, converter=_with_a_slash, validator=_check_path)

    def __attrs_post_init__(self) -> None:
        if self.drop and (self.replaces_response or self.retry_after is not None):
            raise ValueError("a dropped connection has no response: no status, retry_after or body")
        if not (self.replaces_response or self.drop or self.delay):
            raise ValueError("say what should fail: status, body, drop or delay")
        if self.retry_after is not None and self.status is None:
            raise ValueError("retry_after needs a status, such as 429")
        if self.status in _WITHOUT_BODY and self.body is not None:
            raise ValueError(f"a response of status {self.status} has no body")
        _ = self.content  # refuses what isn't JSON

    @property
    def replaces_response(self) -> bool:
        """Whether the response is another than the service's own."""
        return self.status is not None or self.body is not None

    @property
    def reaches_service(self) -> bool:
        """Whether the operation is executed: if asked for, or if its response is only delayed."""
        return self.execute or not (self.drop or self.replaces_response)

    @property
    def content(self) -> tuple[bytes, str] | None:
        """The body as bytes, and its media type; None for the service's own error body."""
        match self.body:
            case None:
                return None
            case bytes():
                return self.body, "text/html"
            case str():
                return self.body.encode(), "text/html"
            case _:
                return json.dumps(self.body, allow_nan=False).encode(), "application/json"

    @property
    def headers(self) -> dict[str, str]:
        """The ``Retry-After`` header, if there is one."""
        match self.retry_after:
            case None:
                return {}
            case str():
                return {"Retry-After": self.retry_after}
            case seconds:
                return {"Retry-After": f"{seconds:.15g}"}

    def applies_to(self, method: str, path: str) -> bool:
        """Whether it applies to requests of this HTTP method and path."""
        if self.method is not None and self.method.upper() != method:
            return False
        below = f"/v1{self.path or ''}".rstrip("/")
        return self.path is None or f"{path}/".startswith(f"{below}/")


@define
class _Pending:
    fault: Fault
    times: float


class Faults:
    """The faults that are still to be applied, in the order of the calls of `Sandbox.fail`."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def add(self, fault: Fault, times: int | None) -> None:
        """Apply a fault to this many requests; None for all from now on."""
        if times is not None and (isinstance(times, bool) or times < 1):
            raise ValueError(f"times must be a positive number, or None for all; got {times!r}")
        self._pending.append(_Pending(fault, math.inf if times is None else times))

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault that applies to a request of this method and path."""
        for pending in self._pending:
            if pending.fault.applies_to(method, path):
                pending.times -= 1
                if not pending.times:
                    self._pending.remove(pending)
                return pending.fault
        return None

    def remove(self, fault: Fault) -> None:
        """Forget a fault, if it is pending."""
        self._pending = [each for each in self._pending if each.fault != fault]

    def clear(self) -> None:
        """Forget all pending faults."""
        self._pending.clear()
