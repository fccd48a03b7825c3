"""Faults that a sandbox shall show: what they are, and whose turn it is."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, frozen

RetryAfter = float | str
"""Seconds, or the header's raw text."""

Body = bytes | str | Mapping[str, Any] | Sequence[Any]
"""Raw bytes or text; or what is sent as JSON."""

_WITHOUT_BODY = frozenset({204, 304})
_HIGHEST_STATUS = 599
_LOWEST_STATUS = 200


@frozen(kw_only=True)
class Fault:
    """What happens to a request instead of, or beside, its being answered.

    Attributes:
        status: The status to answer with; None for the real answer, or for none.
        retry_after: The value of the ``Retry-After`` header.
        body: The body to answer with; None for the service's own error body.
        media_type: The type of `body`.
        drop: Whether the connection is broken off, with no byte of an answer.
        delay: Seconds that pass before the answer.
        carry_out: Whether the operation is carried out, before the delay.
        method: The HTTP method of the requests that it strikes; None for all.
    """

    status: int | None
    retry_after: str | None
    body: bytes | None
    media_type: str
    drop: bool
    delay: float
    carry_out: bool
    method: str | None

    @classmethod
    def of(  # noqa: PLR0913 - they are the words of the one public function
        cls,
        *,
        status: int | None,
        retry_after: RetryAfter | None,
        body: Body | None,
        drop: bool,
        delay: float,
        carry_out: bool,
        method: str | None,
    ) -> "Fault":
        """A fault from what a user writes.

        Raises:
            ValueError: The arguments make no sense, alone or together.
        """
        instead = status is not None or body is not None
        _check_together(
            instead=instead, status=status, retry_after=retry_after, drop=drop, delay=delay
        )
        content, media_type = _content(body)
        return cls(
            status=_status(status, body),
            retry_after=_header(retry_after),
            body=content,
            media_type=media_type,
            drop=drop,
            delay=_seconds("delay", delay),
            carry_out=carry_out or not (drop or instead),
            method=_method(method),
        )


@define
class _Pending:
    fault: Fault
    times: float


class Faults:
    """The faults still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def add(self, fault: Fault, times: int | None) -> None:
        """Let a fault strike that many requests; None for all from now on.

        Raises:
            ValueError: `times` is no positive number.
        """
        if times is not None and (isinstance(times, bool) or times < 1):
            raise ValueError(f"times must be a positive number, or None for ever; got {times!r}")
        self._pending.append(_Pending(fault, math.inf if times is None else times))

    def take(self, method: str) -> Fault | None:
        """The fault that strikes a request of this method: the first that is meant for it."""
        for pending in self._pending:
            if pending.fault.method in {None, method}:
                pending.times -= 1
                if not pending.times:
                    self._pending.remove(pending)
                return pending.fault
        return None

    def clear(self) -> None:
        """Forget all faults still to come."""
        self._pending.clear()


def _check_together(
    *,
    instead: bool,
    status: int | None,
    retry_after: RetryAfter | None,
    drop: bool,
    delay: float,
) -> None:
    if drop and (instead or retry_after is not None):
        raise ValueError("a dropped connection has no answer: no status, retry_after or body")
    if not (instead or drop or delay):
        raise ValueError("say what shall fail: status, body, drop or delay")
    if retry_after is not None and status is None:
        raise ValueError("retry_after needs a status, such as 429")


def _status(status: int | None, body: Body | None) -> int | None:
    if status is None:
        return None if body is None else 200
    if isinstance(status, bool) or status not in range(_LOWEST_STATUS, _HIGHEST_STATUS + 1):
        raise ValueError(f"status must be from 200 to 599, got {status!r}")
    if status in _WITHOUT_BODY and body is not None:
        raise ValueError(f"an answer of status {status} has no body")
    return status


def _header(retry_after: RetryAfter | None) -> str | None:
    if isinstance(retry_after, str):
        if not (retry_after.isascii() and retry_after.isprintable()):
            raise ValueError(f"retry_after must be printable ASCII text, got {retry_after!r}")
        return retry_after
    if retry_after is None:
        return None
    seconds = _seconds("retry_after", retry_after)
    return str(int(seconds) if seconds == int(seconds) else seconds)


def _seconds(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a number of seconds, not negative; got {value!r}")
    return value


def _method(method: str | None) -> str | None:
    if method is not None and not (method.isascii() and method.isalpha()):
        raise ValueError(f"method must be an HTTP method, such as 'GET'; got {method!r}")
    return method and method.upper()


def _content(body: Body | None) -> tuple[bytes | None, str]:
    match body:
        case None | bytes():
            return body, "text/html"
        case str():
            return body.encode(), "text/html"
        case _:
            return json.dumps(body, allow_nan=False).encode(), "application/json"
