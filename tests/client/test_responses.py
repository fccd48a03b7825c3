import copy
import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async.client.requester import Request
from webex_webhooks_async.client.responses import Response, api_error_type
from webex_webhooks_async.errors import (
    APIError,
    BadRequestError,
    DecodeError,
    RateLimitError,
    ServerError,
    WebexError,
)
from webex_webhooks_async.formatting import Redactor
from webex_webhooks_async.models.webhooks import Webhook

CANARY = "c4n4ry-'\"\\/ü"

RESPONSE = Response(
    method="POST",
    path="/v1/webhooks",
    status_code=400,
    headers=httpx.Headers({"TrackingID": "ROUTER_header"}),
    body=b"",
    sent_tracking_id="sent",
    redact=Redactor((CANARY,)),
)
RELAYED = (
    "POST failed: HTTP/1.1 400 Bad Request (url = https://webhook-engine.example/webhooks, "
    "error = '{}')"
)


def response(body: object, status_code: int = 400) -> Response:
    """A response with JSON."""
    return RESPONSE._replace(body=json.dumps(body).encode(), status_code=status_code)


def decode_error(call: Callable[[], object]) -> DecodeError:
    """The error that a call raises."""
    with pytest.raises(DecodeError) as raised:
        call()
    return raised.value


def shown(error: WebexError) -> str:
    """Everything that is shown of an error anywhere."""
    formatted = "".join(traceback.format_exception(error))
    pickled = pickle.dumps(error, 0).decode("latin-1")
    return f"{error} {error!r} {error.args} {vars(error)} {formatted} {pickled}"


texts = st.text().filter(lambda text: "c4n4ry" not in text) | st.sampled_from(
    [CANARY, f"an {CANARY}.", RELAYED.format(CANARY)]
)
names = st.sampled_from(
    [
        *("message", "errors", "error", "error_description", "errorCode", "trackingId"),
        *("description", "key", "code"),
    ]
)
# With the member names of errors, and with a secret in it.
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner),
    max_leaves=12,
)


TWO = [{"description": "Invalid filter"}, {"description": "roomId: unknown"}]
TWO_IN_ARRAYS = [
    {"key": "400", "message": [{"description": "No such room", "code": "7"}]},
    {"key": "400", "message": [{"description": "Nor person", "code": "8"}]},
]


@pytest.mark.parametrize(
    ("body", "message", "errors"),
    [
        ({"message": "m", "errors": TWO}, "m", ("Invalid filter", "roomId: unknown")),
        ({"message": "Invalid filter"}, "Invalid filter", ()),
        ({"error": TWO_IN_ARRAYS}, "No such room", ("No such room", "Nor person")),
        ({"message": "Busy", "errorCode": 1234}, "Busy", ("errorCode 1234",)),
        ({"errorCode": "E12"}, "errorCode E12", ("errorCode E12",)),
        (
            {"message": RELAYED.format("Invalid value: roomId"), "errors": []},
            "Invalid value: roomId",
            (),
        ),
        (
            {"errors": [{"description": RELAYED.format("It can't be")}]},
            "It can't be",
            ("It can't be",),
        ),
        (
            {"error": "invalid_grant", "error_description": "It is invalid"},
            "It is invalid",
            ("invalid_grant",),
        ),
        ({"error": "invalid_client"}, "invalid_client", ("invalid_client",)),
        *(
            (odd, "", ())
            for odd in [
                {"errorCode": None},
                {"errorCode": {"a": 1}},
                {"message": None, "errors": None, "trackingId": None},
                {"message": {"a": "b"}, "errors": "no", "trackingId": 5},
                {"errors": [None, "text", {"description": 5}, {}]},
                {"error": [{"message": "text"}, None, {"message": [5]}]},
                [{"message": "in a list"}],
                "text",
                None,
            ]
        ),
    ],
)
def test_each_shape_of_an_error_is_read(
    body: object, message: str, errors: tuple[str, ...]
) -> None:
    """Message and descriptions are found in every known shape, and so is the tracking id."""
    error = response(body).error(None)

    assert (error.message, error.errors, error.tracking_id) == (message, errors, "ROUTER_header")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body><h1>503 Service Unavailable</h1></body></html>",
        b"upstream connect error",
        b"\xff\xfe\x00",
        b'{"message": NaN}',
        b"[" * 100_000,
        b"9" * 5000,
    ],
    ids=lambda body: ascii(body)[:40],
)
@pytest.mark.parametrize(("status", "cls"), [(429, RateLimitError), (503, ServerError)])
def test_a_body_that_isn_t_json_makes_an_error_too(
    body: bytes, status: int, cls: type[APIError]
) -> None:
    """HTML, or an empty body, makes the error of its status, without a message."""
    error = RESPONSE._replace(body=body, status_code=status).error(2.5)

    assert type(error) is cls
    assert (error.message, error.errors, error.tracking_id) == ("", (), "ROUTER_header")
    assert error.__context__ is None


def test_an_error_knows_its_request() -> None:
    """An error and its text have the facts of the response and of the request."""
    error = response({"message": "Bad name", "trackingId": "ROUTER_body"}).error(7.0)

    assert type(error) is BadRequestError
    assert vars(error) == {
        "status_code": 400,
        "message": "Bad name",
        "errors": (),
        "tracking_id": "ROUTER_body",
        "method": "POST",
        "path": "/v1/webhooks",
        "retry_after": 7.0,
        "from_webex": True,
    }
    assert str(error) == (
        "POST /v1/webhooks: 400 Bad Request, retry after 7 s: Bad name (tracking id ROUTER_body)"
    )


@pytest.mark.parametrize(
    "message",
    [
        "POST failed: HTTP/1.1 400 Bad Request",
        "POST failed: HTTP/1.1 400 Bad Request (url = https://a.example, error = null)",
        "POST failed: HTTP/1.1 400 Bad Request (error = 'no end",
        "error = 'this'",
        "The call failed: see error = 'this'",
        "",
    ],
)
def test_what_is_not_relayed_is_shown_whole(message: str) -> None:
    """A message that only resembles an envelope stays as it is."""
    assert response({"message": message}).error(None).message == message


def test_a_long_message_is_read_in_no_time() -> None:
    """A message that repeats the envelope for a megabyte is read at once."""
    repeated = "POST failed: HTTP/1.1 (error = " * 40_000

    assert response({"message": repeated}).error(None).message == repeated


def test_a_secret_in_a_header_is_redacted() -> None:
    """A tracking id that holds a secret doesn't show it in any error."""
    headers = httpx.Headers({b"TrackingID": f"a {CANARY}".encode()})
    odd = RESPONSE._replace(headers=headers, body=b"{}")

    assert odd.error(None).tracking_id == "a ***"
    assert decode_error(lambda: odd.to(Webhook)).tracking_id == "a ***"
    assert decode_error(odd._replace(body=b"").json).tracking_id == "a ***"


def test_a_secret_in_a_message_that_breaks_off_is_redacted() -> None:
    """A secret is redacted before a message is cut, since a part of it wouldn't be found."""
    secret = "it's-a-c4n4ry"
    message = f"PUT failed: HTTP/1.1 400 (error = 'weak: {secret}"

    error = response({"message": message})._replace(redact=Redactor((secret,))).error(None)

    assert error.message == "PUT failed: HTTP/1.1 400 (error = 'weak: ***"


def test_a_huge_error_is_redacted_as_little_as_a_small_one() -> None:
    """Of 60,000 details, 20 are redacted and kept, so that they don't hold the event loop."""
    redacted: list[str] = []

    class Counting(Redactor):
        def __call__(self, text: str) -> str:
            redacted.append(text)
            return super().__call__(text)

    details = [{"description": f"detail {number}"} for number in range(60_000)]
    huge = response({"message": "Bad", "errors": details})
    error = huge._replace(redact=Counting((CANARY,))).error(None)

    assert len(huge.body) > 1_300_000
    assert error.errors == tuple(f"detail {number}" for number in range(20))
    assert len(redacted) == 22  # and the message, and the tracking id


@given(json_values, st.sampled_from([400, 401, 404, 423, 429, 500, 503, 599, 302]))
def test_any_json_makes_an_error_without_secrets(body: object, status: int) -> None:
    """Any JSON makes the error of its status, which can be copied and shows no secret."""
    error = response(body, status).error(None)

    assert type(error) is api_error_type(status)
    assert "c4n4ry" not in shown(error)
    assert vars(copy.deepcopy(error)) == vars(error)


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (b"", ("$: not JSON (Expecting value at character 0)",)),
        (b"<html>", ("$: not JSON (Expecting value at character 0)",)),
        (b"\xff", ("$: not UTF-8",)),
        (
            b'{"id": 5, "name": "", "targetUrl": "", "resource": null, "event": ""}',
            ("$.id: expected a string, got a number", "$.resource: expected a string, got null"),
        ),
    ],
)
def test_a_response_that_does_not_fit_names_its_request(
    body: bytes, problems: tuple[str, ...]
) -> None:
    """A body that doesn't fit raises an error with every problem and with the request."""
    error = decode_error(lambda: RESPONSE._replace(body=body, status_code=200).to(Webhook))

    assert vars(error) == {
        "problems": problems,
        "method": "POST",
        "path": "/v1/webhooks",
        "tracking_id": "ROUTER_header",
    }
    assert error.__context__ is None
    if body == b"<html>":
        advice = "(a proxy may have responded in Webex's place)"
        text = f"POST /v1/webhooks: {problems[0]} {advice} (tracking id ROUTER_header)"
        assert str(decode_error(RESPONSE._replace(body=body).json)) == text


@pytest.mark.parametrize(
    ("status", "is_success"),
    [(200, True), (201, True), (204, True), (299, True), (199, False), (300, False), (400, False)],
)
def test_any_2xx_is_a_success(status: int, *, is_success: bool) -> None:
    """The first digit decides whether a response is a success."""
    assert RESPONSE._replace(status_code=status).is_success is is_success


def test_neither_a_request_nor_its_response_shows_a_secret() -> None:
    """The reprs have the method and the path, but neither the bodies nor the secrets."""
    request = Request("POST", "/v1/webhooks?token=c4n4ry", content=b"c4n4ry", secrets=("c4n4ry",))
    assert repr(request) == "Request(POST /v1/webhooks)"
    assert repr(response({"secret": "c4n4ry"})) == "Response(400 to POST /v1/webhooks)"
    assert "c4n4ry" not in repr(RESPONSE.redact)
