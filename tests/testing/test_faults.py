import math
from typing import Any

import pytest

from webex_webhooks_async.testing.faults import Fault, Faults


def fault(**words: Any) -> Fault:  # noqa: ANN401 - also what makes no sense
    """Make a fault of some arguments of `Sandbox.fail`."""
    return Fault(**words)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"execute": True},
        {"body": "x", "retry_after": 1},
        {"drop": True, "status": 500},
        {"drop": True, "body": "x"},
        {"status": 199},
        {"status": 600},
        {"status": True},
        {"status": 204, "body": "x"},
        {"status": 429, "retry_after": -1},
        {"status": 429, "retry_after": math.nan},
        {"status": 429, "retry_after": "1\r\nX-Injected: 1"},
        {"delay": -1},
        {"delay": math.inf},
        {"status": 500, "method": ""},
        {"status": 500, "method": "PSOT"},
        {"status": 500, "method": 3},
        {"status": 500, "body": {"not": math.nan}},
    ],
)
def test_what_makes_no_sense_is_refused(words: dict[str, Any]) -> None:
    """Arguments that make no sense, alone or together, are a ValueError."""
    with pytest.raises(ValueError, match=r"\w"):
        fault(**words)


@pytest.mark.parametrize("times", [0, -1, True])
def test_a_fault_is_applied_at_least_once(times: int) -> None:
    """A number of times that isn't positive is a ValueError."""
    with pytest.raises(ValueError, match="times"):
        Faults().add(fault(status=500), times)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [(3600.0, "3600"), (0.5, "0.5"), (10**7, "10000000"), ("soon", "soon")],
)
def test_retry_after_on_the_wire(retry_after: float | str, expected: str) -> None:
    """Whole seconds are written without a fraction, and text as it is."""
    assert fault(status=429, retry_after=retry_after).headers == {"Retry-After": expected}


@pytest.mark.parametrize(
    ("body", "content", "media_type"),
    [
        ("é", "é".encode(), "text/html"),
        (b"\xff", b"\xff", "text/html"),
        ([1], b"[1]", "application/json"),
    ],
)
def test_bodies(body: object, content: bytes, media_type: str) -> None:
    """Text and bytes are sent as they are, anything else as JSON."""
    actual = fault(body=body)

    assert actual.content == (content, media_type)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"status": 503, "delay": 1}, False),
        ({"body": "x"}, False),
        ({"drop": True, "execute": True}, True),
    ],
)
def test_what_is_executed(words: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a table
    """An operation is executed on demand, or if its response is only delayed."""
    assert expected == fault(**words).reaches_service


def test_faults_are_applied_in_their_order() -> None:
    """Faults are applied in the order of the calls, each as often as it says."""
    faults = Faults()
    first, second = fault(status=500), fault(status=502)
    faults.add(first, 2)
    faults.add(second, 1)

    assert [first, first, second, None] == [faults.take("GET", "/v1/webhooks") for _ in range(4)]


def test_a_fault_for_a_method_lets_others_pass() -> None:
    """A fault for a method, in any case, lets other requests pass."""
    faults = Faults()
    faults.add(posts := fault(status=500, method="post"), 1)
    faults.add(anything := fault(status=502), 1)

    assert [anything, posts] == [
        faults.take("GET", "/v1/webhooks"),
        faults.take("POST", "/v1/webhooks"),
    ]
