import copy
import json
import pickle
import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from webex_webhooks_async import errors
from webex_webhooks_async.client.responses import api_error_type
from webex_webhooks_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    GoneError,
    LockedError,
    NotConnectedError,
    NotFoundError,
    NotificationError,
    PaginationError,
    PayloadError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    SignatureError,
    SignatureReason,
    TransportError,
    WebexError,
)

STATUSES = {
    BadRequestError: 400,
    AuthenticationError: 401,
    PermissionDeniedError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    GoneError: 410,
    LockedError: 423,
    RateLimitError: 429,
    ServerError: 503,
    APIError: 418,
}

OF_A_REQUEST = ("PUT", "/v1/webhooks/an-id", "ROUTER_1")

SAMPLES: list[WebexError] = [
    WebexError("a message"),
    *(
        cls(
            status,
            "a message",
            ("one", "two"),
            "ROUTER_1",
            "PUT",
            "/v1/webhooks/an-id",
            2.5,
            from_webex=False,
        )
        for cls, status in STATUSES.items()
    ),
    TransportError("ConnectError: refused", *OF_A_REQUEST),
    RequestTimeoutError("no response within 30 s", *OF_A_REQUEST),
    ResponseTooLargeError("more than 100 bytes", *OF_A_REQUEST),
    DecodeError(("$.name: missing", "$.event: missing"), *OF_A_REQUEST),
    PaginationError("the next link leads to another origin"),
    NotConnectedError("P1", "leaving"),
    NotificationError("a message"),
    SignatureError("too_weak"),
    PayloadError(("$.resource: missing", "$.data: missing")),
]


def pickled(protocol: int, error: WebexError) -> WebexError:
    """The error after pickling and unpickling."""
    carried: WebexError = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - made here
    return carried


CARRIERS: dict[str, Callable[[WebexError], WebexError]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "args": lambda error: type(error)(*error.args),
    "args through JSON": lambda error: type(error)(*json.loads(json.dumps(error.args))),
    **{f"pickle {each}": partial(pickled, each) for each in range(pickle.HIGHEST_PROTOCOL + 1)},
}


def family(cls: type[WebexError]) -> Iterator[type[WebexError]]:
    """A class and all that derive from it in the module."""
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from family(child)


def test_samples_are_of_every_class() -> None:
    """These tests cover every class of errors."""
    assert {type(error) for error in SAMPLES} == set(family(WebexError))


def test_every_class_has_its_status() -> None:
    """Each class that derives from `APIError` is raised for a status."""
    assert {cls: api_error_type(status) for cls, status in STATUSES.items()} == {
        cls: cls for cls in family(APIError)
    }, "add the status to _ERRORS in client/responses.py, and to STATUSES here"


def test_the_docstring_has_the_real_tree() -> None:
    """The tree in the module's docstring shows each class, once, under its base."""
    shown: list[tuple[str, str | None]] = []
    branch: dict[int, str] = {}
    lines = re.findall(r"^    ([│├└─ ]*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    for ornament, name in lines:
        depth = len(ornament) // 4
        branch[depth] = name
        shown.append((name, branch.get(depth - 1)))
    real = [
        (cls.__name__, None if cls is WebexError else cls.__bases__[0].__name__)
        for cls in family(WebexError)
    ]

    assert sorted(shown, key=str) == sorted(real, key=str)


@pytest.mark.parametrize(("cls", "status"), STATUSES.items())
def test_the_docstring_has_the_real_statuses(cls: type[APIError], status: int) -> None:
    """In the tree, each class of one status has it behind its name."""
    shown = {APIError: "Webex responded with an error status", ServerError: "5xx"}

    assert re.search(rf" {cls.__name__} +{shown.get(cls, status)}\n", errors.__doc__ or "")


@pytest.mark.parametrize("carry", CARRIERS.values(), ids=CARRIERS)
def test_errors_survive_what_task_queues_do(carry: Callable[[WebexError], WebexError]) -> None:
    """An error that is sent to another process keeps its class, attributes and text."""
    for error in SAMPLES:
        carried = carry(error)

        assert type(carried) is type(error)
        assert vars(carried) == vars(error)
        assert carried.args == error.args
        assert str(carried) == str(error)
        assert repr(carried) == repr(error)


@pytest.mark.parametrize("carry", [copy.copy, copy.deepcopy, CARRIERS["pickle 5"]])
def test_notes_travel_along(carry: Callable[[WebexError], WebexError]) -> None:
    """Pickle and copy keep notes."""
    error = NotFoundError(404)
    error.add_note("a note")

    assert carry(error).__notes__ == ["a note"]


@pytest.mark.parametrize(
    "error", [each for each in SAMPLES if vars(each)], ids=lambda error: type(error).__name__
)
def test_an_error_made_by_name_is_the_same(error: WebexError) -> None:
    """An error whose arguments were passed by name has all of them in its args."""
    by_name = type(error)(**vars(error))

    assert by_name.args == error.args
    assert vars(pickled(5, by_name)) == vars(error)


def test_sequences_become_tuples() -> None:
    """Sequences become tuples, so that equal errors have equal attributes."""
    assert APIError(418, "", ["one"]).errors == ("one",)
    assert DecodeError(["one"]).problems == ("one",)
    assert PayloadError(iter(["one"])).problems == ("one",)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(500, ServerError), (599, ServerError), *((each, APIError) for each in (600, 428, 302))],
)
def test_other_statuses_have_a_class(status: int, expected: type[APIError]) -> None:
    """Each 5xx is a `ServerError`, and a status without a class of its own an `APIError`."""
    assert api_error_type(status) is expected


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            APIError(400, "Bad", ("Bad", "roomId is unknown"), "ROUTER_1", "PUT", "/v1/webhooks"),
            "PUT /v1/webhooks: 400 Bad Request: Bad; roomId is unknown (tracking id ROUTER_1)",
        ),
        (
            RequestTimeoutError("no response within 5 s", *OF_A_REQUEST),
            "PUT /v1/webhooks/an-id: no response within 5 s (tracking id ROUTER_1)",
        ),
        (APIError(404), "404 Not Found"),
        (APIError(418, "Short"), "418 I'm a Teapot: Short"),
        (APIError(599), "599"),
        (RateLimitError(429, retry_after=30.0), "429 Too Many Requests, retry after 30 s"),
        (
            RateLimitError(429, "Slow down", retry_after=2.5),
            "429 Too Many Requests, retry after 2.5 s: Slow down",
        ),
        (APIError(599, "", ("", "One")), "599: One"),
        (APIError(503, method="GET", path="/v1"), "GET /v1: 503 Service Unavailable"),
        (TransportError("Refused"), "Refused"),
        (TransportError("Refused", method="GET"), "GET: Refused"),
        (
            DecodeError(("$.a: missing", "$.b: missing")),
            (
                "$.a: missing; $.b: missing (if the class is yours, correct the type, or give a "
                "default to what can be absent or null)"
            ),
        ),
        (
            DecodeError(("$: not JSON",), "GET", "/v1/webhooks", "ROUTER_1"),
            (
                "GET /v1/webhooks: $: not JSON (a proxy may have responded in Webex's place) "
                "(tracking id ROUTER_1)"
            ),
        ),
        (DecodeError(("$: not JSON",)), "$: not JSON"),
        (
            PayloadError(("$.a: missing", "$.b: missing")),
            "$.a: missing; $.b: missing (look at what sends this with the webhook's secret)",
        ),
        (
            PayloadError(("$.data.a: missing",)),
            "$.data.a: missing (a handler of on() without a resource gets the data as it came)",
        ),
    ],
)
def test_text_has_all_that_is_known(error: WebexError, text: str) -> None:
    """The text has what support asks for, and leaves out what is unknown, without a gap."""
    assert str(error) == text


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("missing", "the request has no signature: give the webhook a secret"),
        (
            "malformed",
            (
                "the signature header holds no signature in a known form: look for what changes it "
                "between Webex and this program"
            ),
        ),
        (
            "mismatch",
            (
                "the signature is of another body or made with another secret: use the webhook's "
                "secret, and pass the body on unchanged"
            ),
        ),
        (
            "too_weak",
            (
                "the signature's algorithm is weaker than the required minimum: lower the minimum, "
                "unless Webex sends a stronger one"
            ),
        ),
        ("of a later release", "of a later release"),
    ],
)
def test_a_signature_error_explains_its_reason(reason: SignatureReason, text: str) -> None:
    """The reason is a word for programs, the text a sentence for people."""
    error = SignatureError(reason)

    assert error.reason == reason
    assert str(error) == text


def test_the_text_of_an_error_is_a_short_line() -> None:
    """A message is cut after 1,000 characters, and forges no line; the attributes are whole."""
    message, path = "first\nsecond\x1b[2J\r" + "y" * 1_000_000, "/v1/" + "y" * 100_000
    error, of_a_long_path = APIError(400, message), NotFoundError(404, path=path)

    assert str(error) == rf"400 Bad Request: first\nsecond\x1b[2J\r{'y' * 983}..."
    assert len(str(of_a_long_path)) < 1_100
    assert (error.message, of_a_long_path.path) == (message, path)


ODD_ID = "ROUTER\nERROR forged\x1b[31m" + "x" * 1_000_000


@pytest.mark.parametrize(
    "error",
    [
        APIError(400, "m", (), ODD_ID),
        TransportError("m", tracking_id=ODD_ID),
        DecodeError(("m",), tracking_id=ODD_ID),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_tracking_id_is_short_and_on_one_line(error: WebexError) -> None:
    """It is cut after 200 characters: in the attribute, the text, args and pickles."""
    assert len(pickle.dumps(error)) < 2_000
    assert len(str(error)) + len(repr(error.args)) < 2_000
    assert vars(error)["tracking_id"] == rf"ROUTER\nERROR forged\x1b[31m{'x' * 172}..."
    assert vars(error)["tracking_id"] in str(error)
    assert repr(pickled(4, error)) == repr(type(error)(*error.args)) == repr(error)
