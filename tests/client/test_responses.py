import copy
import html
import json
import pickle
import re
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async.client.redaction import Redactor
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.errors import (
    APIError,
    BadRequestError,
    DecodeError,
    RateLimitError,
    ServerError,
    WebexError,
    api_error_type,
)
from webex_webhooks_async.models.webhooks import Webhook

CANARY = "c4n4ry-'\"\\/ü"

ANSWER = Response(
    method="POST",
    url="https://webexapis.com/v1/webhooks?max=5",
    path="/v1/webhooks",
    status_code=400,
    body=b"",
    links=(),
    tracking_id="ROUTER_header",
    retry_after=None,
    mask=Redactor((CANARY,)),
)
WEBHOOK = {
    "id": "an-id",
    "name": "Messages",
    "targetUrl": "https://example.com/hook",
    "resource": "messages",
    "event": "created",
}
RELAYED = (
    "POST failed: HTTP/1.1 400 Bad Request (url = https://webhook-engine.example/webhooks, "
    "error = '{}')"
)


ESCAPES: list[Callable[[str], str]] = [
    str,
    json.dumps,
    lambda secret: json.dumps(json.dumps(secret)),
    lambda secret: json.dumps(secret, ensure_ascii=False),
    lambda secret: quote(secret, safe=""),
    lambda secret: quote(secret, safe="").lower(),
    quote_plus,
    html.escape,
    repr,
    lambda secret: repr(secret.encode()).removeprefix("b"),
]


def answer(body: object, status_code: int = 400) -> Response:
    """Response with JSON."""
    return evolve(ANSWER, body=json.dumps(body).encode(), status_code=status_code)


def decode_error(call: Callable[[], object]) -> DecodeError:
    """Read the error that a call ends with."""
    with pytest.raises(DecodeError) as raised:
        call()
    return raised.value


def shown(error: WebexError) -> str:
    """Gather all that is shown of an error anywhere."""
    formatted = "".join(traceback.format_exception(error))
    pickled = pickle.dumps(error, 0).decode("latin-1")
    return f"{error} {error!r} {error.args} {vars(error)} {formatted} {pickled}"


def json_values() -> st.SearchStrategy[Any]:
    """Anything that JSON can hold, by the names that errors have, and with a secret in it."""
    plain = st.text().filter(lambda text: "c4n4ry" not in text)
    text = plain | st.sampled_from([CANARY, f"an {CANARY}.", RELAYED.format(CANARY)])
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
    names = st.sampled_from(
        [
            *("message", "errors", "error", "error_description", "errorCode", "trackingId"),
            *("description", "key", "code"),
        ]
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner),
        max_leaves=12,
    )


@pytest.mark.parametrize(
    ("body", "message", "errors", "tracking_id"),
    [
        (
            {
                "message": "Invalid filter",
                "errors": [{"description": "Invalid filter"}, {"description": "roomId: unknown"}],
                "trackingId": "ROUTER_body",
            },
            "Invalid filter",
            ("Invalid filter", "roomId: unknown"),
            "ROUTER_body",
        ),
        ({"message": "Invalid filter"}, "Invalid filter", (), "ROUTER_header"),
        (
            {
                "error": [
                    {"key": "400", "message": [{"description": "No such room", "code": "7"}]},
                    {"key": "400", "message": [{"description": "Nor person", "code": "8"}]},
                ],
                "trackingId": "ROUTER_body",
            },
            "No such room",
            ("No such room", "Nor person"),
            "ROUTER_body",
        ),
        (
            {"message": "Busy", "errorCode": 1234},
            "Busy",
            ("errorCode 1234",),
            "ROUTER_header",
        ),
        ({"errorCode": "E12"}, "errorCode E12", ("errorCode E12",), "ROUTER_header"),
        ({"errorCode": None}, "", (), "ROUTER_header"),
        ({"errorCode": {"a": 1}}, "", (), "ROUTER_header"),
        (
            {"message": RELAYED.format("Invalid value for filter: roomId"), "errors": []},
            "Invalid value for filter: roomId",
            (),
            "ROUTER_header",
        ),
        (
            {"errors": [{"description": RELAYED.format("It can't be")}]},
            "It can't be",
            ("It can't be",),
            "ROUTER_header",
        ),
        (
            {"error": "invalid_grant", "error_description": "The refresh token is invalid"},
            "The refresh token is invalid",
            (),
            "ROUTER_header",
        ),
        ({"error": "invalid_client"}, "invalid_client", (), "ROUTER_header"),
        ({"message": None, "errors": None, "trackingId": None}, "", (), "ROUTER_header"),
        ({"message": {"a": "b"}, "errors": "no", "trackingId": 5}, "", (), "ROUTER_header"),
        ({"errors": [None, "text", {"description": 5}, {}]}, "", (), "ROUTER_header"),
        ({"error": [{"message": "text"}, None, {"message": [5]}]}, "", (), "ROUTER_header"),
        ([{"message": "in a list"}], "", (), "ROUTER_header"),
        ("text", "", (), "ROUTER_header"),
        (None, "", (), "ROUTER_header"),
    ],
)
def test_each_shape_of_an_error_is_read(
    body: object, message: str, errors: tuple[str, ...], tracking_id: str
) -> None:
    """Message, descriptions and tracking id are found in every shape that was seen."""
    error = answer(body).error(None)

    assert (error.message, error.errors, error.tracking_id) == (message, errors, tracking_id)


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
def test_a_body_that_is_no_json_is_an_error_all_the_same(
    body: bytes, status: int, cls: type[APIError]
) -> None:
    """HTML, or nothing, makes the error that its status stands for, without a message."""
    error = evolve(ANSWER, body=body, status_code=status).error(2.5)

    assert type(error) is cls
    assert (error.message, error.errors, error.tracking_id) == ("", (), "ROUTER_header")
    assert error.__context__ is None


def test_an_error_knows_its_request() -> None:
    """An error has what the answer and the request tell, and its text has it as well."""
    error = answer({"message": "Bad name", "trackingId": "ROUTER_body"}).error(7.0)

    assert type(error) is BadRequestError
    assert vars(error) == {
        "status_code": 400,
        "message": "Bad name",
        "errors": (),
        "tracking_id": "ROUTER_body",
        "method": "POST",
        "path": "/v1/webhooks",
        "retry_after": 7.0,
    }
    assert str(error) == "POST /v1/webhooks: 400 Bad Request: Bad name (tracking id ROUTER_body)"


def test_an_answer_without_any_tracking_id_has_none() -> None:
    """Where neither body nor header has one, there is no tracking id."""
    assert evolve(ANSWER, tracking_id=None).error(None).tracking_id is None


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
    """A message that only looks like the envelope of another is left as it is."""
    assert answer({"message": message}).error(None).message == message


def test_the_envelope_of_a_relayed_message_is_not_shown() -> None:
    """Of a message that relays another, the URL of the inner service is in no text."""
    error = answer({"message": RELAYED.format("x"), "errors": []}).error(None)

    assert "webhook-engine" not in shown(error)


def test_a_long_message_is_read_in_no_time() -> None:
    """A message that repeats the envelope for a megabyte doesn't keep a program busy."""
    repeated = "POST failed: HTTP/1.1 (error = " * 40_000

    assert answer({"message": repeated}).error(None).message == repeated


@pytest.mark.parametrize(
    "body",
    [
        {"message": f"The secret {CANARY} is weak"},
        {"message": RELAYED.format(f"The secret {CANARY} is weak")},
        {"message": "Bad", "errors": [{"description": f"secret={quote(CANARY, safe='')}"}]},
        {"message": f"In the body {json.dumps({'secret': CANARY})}"},
        {"message": f"In the body {json.dumps({'secret': CANARY}, ensure_ascii=False)}"},
        {"error": [{"message": [{"description": CANARY}]}]},
        {"error": CANARY},
        {"errorCode": CANARY},
        {"message": "Bad", "trackingId": f"ROUTER_{CANARY}"},
    ],
)
def test_a_secret_that_is_echoed_is_masked(body: object) -> None:
    """A secret of the request is in no text of an error, in whatever form it came back."""
    error = answer(body).error(None)

    assert "***" in str(error)
    assert "c4n4ry" not in shown(error)


def test_a_secret_in_a_header_is_masked() -> None:
    """A tracking id that holds a secret doesn't show it, whatever the answer becomes."""
    odd = evolve(ANSWER, tracking_id=f"a {CANARY}", body=b"{}")

    assert odd.error(None).tracking_id == "a ***"
    assert decode_error(lambda: odd.to(Webhook)).tracking_id == "a ***"
    assert decode_error(evolve(odd, body=b"").json).tracking_id == "a ***"


def test_a_secret_that_a_message_breaks_off_in_is_masked() -> None:
    """A secret isn't cut before it is masked, for its parts could no longer be told."""
    secret = "it's-a-c4n4ry"
    message = f"PUT failed: HTTP/1.1 400 (error = 'weak: {secret}"

    error = evolve(answer({"message": message}), mask=Redactor((secret,))).error(None)

    assert error.message == "PUT failed: HTTP/1.1 400 (error = 'weak: ***"


def test_the_longest_secret_is_masked_first() -> None:
    """A secret that is part of another one leaves nothing of that one."""
    assert Redactor(("c4n", "c4n4ry"))("a c4n4ry, a c4n") == "a ***, a ***"
    assert Redactor(("c4n4ry", "c4n"))("a c4n4ry, a c4n") == "a ***, a ***"
    assert Redactor(("c4n4ry\\",))(json.dumps("c4n4ry\\")) == '"***"'


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize(
    "secret",
    [
        "c4n4ry&<'\">'",
        "c4n4ry +/=",
        "c4n4ry é 😀",
        "\\c4n4ry\\\\",
        '\\é\\"\\n\n',
        "\\%5c%5C\\",
        "\\\\%",
    ],
    ids=ascii,
)
def test_a_secret_is_masked_in_each_form(secret: str, escape: Callable[[str], str]) -> None:
    """However a secret was escaped, once or twice, nothing of it is left."""
    masked = Redactor((secret,))(f"a {escape(secret)} b")

    assert re.sub(r"[\\\"']", "", masked) == "a *** b"


@pytest.mark.parametrize("secret", ["\\" * 20 + "x", "\\x" * 20, "%5C" * 20 + "x", "\\é" * 20])
def test_a_mask_takes_no_time(secret: str) -> None:
    """Text that is much like a secret doesn't keep a program busy."""
    text = "\\" * 10_000 + "%5c" * 10_000 + "\\x" * 10_000

    assert Redactor((secret + "!",))(text) == text


def test_a_mask_of_nothing_hides_nothing() -> None:
    """Without secrets a text stays as it is."""
    assert Redactor(())("a text") == "a text"


@given(
    st.lists(st.text(st.characters(exclude_categories=(), exclude_characters="*"), min_size=1)),
    st.lists(st.text(st.characters(exclude_categories=()))),
    st.data(),
)
def test_no_text_shows_a_secret(secrets: list[str], texts: list[str], data: st.DataObject) -> None:
    """Wherever a secret stands, and as JSON and URLs have it, it is masked."""
    forms = [
        *secrets,
        *(json.dumps(secret)[1:-1] for secret in secrets),
        *(json.dumps(secret, ensure_ascii=False)[1:-1] for secret in secrets),
        *(quote(secret, safe="", errors="replace") for secret in secrets),
    ]
    text = "".join(data.draw(st.permutations([*forms, *texts])))

    masked = Redactor(tuple(secrets))(text)

    assert [form for form in forms if form in masked] == []


@given(json_values(), st.sampled_from([400, 401, 404, 423, 429, 500, 503, 599, 302]))
def test_any_json_makes_an_error_without_secrets(body: object, status: int) -> None:
    """Whatever JSON comes with an error status, it makes that status's error, and shows no secret.

    The error survives what task queues do to it.
    """
    error = answer(body, status).error(None)

    assert type(error) is api_error_type(status)
    assert "c4n4ry" not in shown(error)
    assert vars(copy.deepcopy(error)) == vars(error)


@given(st.binary(), st.integers(100, 599))
def test_any_bytes_make_an_error(body: bytes, status: int) -> None:
    """Whatever bytes come with a status, they make that status's error."""
    error = evolve(ANSWER, body=body, status_code=status).error(None)

    assert type(error) is api_error_type(status)


def test_an_answer_becomes_its_model() -> None:
    """The body of a success is the model."""
    assert answer(WEBHOOK, 200).to(Webhook) == Webhook(
        id="an-id",
        name="Messages",
        target_url="https://example.com/hook",
        resource="messages",
        event="created",
    )


def test_an_answer_has_its_json() -> None:
    """The body of a success is what its JSON says."""
    assert answer({"items": [None, 1]}, 200).json() == {"items": [None, 1]}


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
def test_an_answer_that_does_not_fit_names_its_request(
    body: bytes, problems: tuple[str, ...]
) -> None:
    """A success whose body doesn't fit is an error with every problem and with the request."""
    error = decode_error(lambda: evolve(ANSWER, body=body, status_code=200).to(Webhook))

    assert vars(error) == {
        "problems": problems,
        "method": "POST",
        "path": "/v1/webhooks",
        "tracking_id": "ROUTER_header",
    }
    assert error.__context__ is None


def test_a_body_that_is_no_json_names_its_request() -> None:
    """A success whose body is no JSON is an error with the request."""
    error = decode_error(evolve(ANSWER, body=b"<html>", tracking_id=None).json)

    assert str(error) == "POST /v1/webhooks: $: not JSON (Expecting value at character 0)"
    assert error.__context__ is None


@given(
    st.binary()
    | json_values().map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(sorted(WEBHOOK)), json_values(), max_size=2).map(
        lambda members: json.dumps(WEBHOOK | members).encode()
    )
)
def test_any_body_is_a_model_or_a_decode_error(body: bytes) -> None:
    """Whatever comes in place of a webhook is one, or a `DecodeError` that shows nothing of it."""
    try:
        made: object = evolve(ANSWER, body=body, status_code=200).to(Webhook)
    except DecodeError as error:
        made = shown(error)

    assert isinstance(made, Webhook) or (isinstance(made, str) and "c4n4ry" not in made)


@pytest.mark.parametrize(
    ("status", "is_success"),
    [(200, True), (201, True), (204, True), (299, True), (199, False), (300, False), (400, False)],
)
def test_any_2xx_is_a_success(status: int, *, is_success: bool) -> None:
    """What was carried out is told by the first digit."""
    assert evolve(ANSWER, status_code=status).is_success is is_success


def test_an_answer_shows_no_body_and_no_secret() -> None:
    """The repr of an answer has neither what it holds nor what it must not show."""
    assert "c4n4ry" not in repr(answer({"secret": "c4n4ry"}))
    assert "c4n4ry" not in repr(ANSWER.mask)
