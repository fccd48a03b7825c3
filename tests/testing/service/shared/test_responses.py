import json

import pytest
from starlette.requests import Request

from webex_webhooks_async.testing.service.shared.responses import error_response, json_response


def request() -> Request:
    """Make a request with a tracking id."""
    return Request({"type": "http", "state": {"tracking_id": "ROUTER_1"}})


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "The requested resource could not be found."),
        (502, "Bad Gateway"),
        (599, "Status 599"),
    ],
)
def test_messages(status: int, message: str) -> None:
    """Every error has a message, even one with an unknown status."""
    actual = json.loads(bytes(error_response(request(), status).body))

    assert actual == {
        "message": message,
        "errors": [{"description": message}],
        "trackingId": "ROUTER_1",
    }


def test_problems() -> None:
    """The first problem is the message."""
    actual = json.loads(bytes(error_response(request(), 400, ("one", "two")).body))

    assert actual["message"] == "one"
    assert actual["errors"] == [{"description": "one"}, {"description": "two"}]


def test_headers() -> None:
    """An error may have headers of its own besides those of every response."""
    actual = error_response(request(), 429, headers={"Retry-After": "7"})

    assert actual.headers["Retry-After"] == "7"
    assert actual.headers["Content-Type"] == "application/json;charset=UTF-8"


def test_json_is_compact() -> None:
    """A response is compact JSON."""
    assert json_response({"items": [1, 2]}).body == b'{"items":[1,2]}'
