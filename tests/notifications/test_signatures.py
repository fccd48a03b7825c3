import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers as StarletteHeaders
from starlette.datastructures import ImmutableMultiDict

from tests.notifications.doubles import SECRET
from tests.support.refusals import refused
from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.notifications.signatures import (
    SIGNATURE_HEADERS,
    SignatureAlgorithm,
    sign,
    verify,
)

BODY = b'{"a":1,"b":2,"c":{"d":3}}'
SHA1, SHA256, SHA512 = (
    hmac.new(SECRET.encode(), BODY, name).hexdigest() for name in ("sha1", "sha256", "sha512")
)
WRONG1, WRONG256, WRONG512 = "0" * 40, "0" * 64, "0" * 128


def reason(headers: Any, body: bytes = BODY, **options: Any) -> str | None:  # noqa: ANN401 - whatever a framework may have
    """Return why the headers prove nothing; `None` if they prove the request."""
    try:
        verify(body, headers, secrets=SECRET, **options)
    except SignatureError as error:
        return error.reason
    return None


def spark(value: object) -> dict[str, object]:
    """The documented header alone."""
    return {"X-Spark-Signature": value}


def webex(value: object) -> dict[str, object]:
    """The undocumented header alone."""
    return {"X-Webex-Signature": value}


def test_sign_makes_the_headers() -> None:
    """A body is signed as Webex does it, with the secret in UTF-8: SHA-1 alone in one header."""
    assert sign(BODY, SECRET) == {
        "X-Spark-Signature": SHA1,
        "X-Webex-Signature": f"SHA-256={SHA256}, SHA-512={SHA512}",
    }
    expected = hmac.new("sécret".encode(), BODY, hashlib.sha1).hexdigest()
    assert sign(BODY, "sécret")["X-Spark-Signature"] == expected


@given(st.binary(), st.binary(), st.text(min_size=1), st.text(min_size=1))
def test_nothing_else_is_verified(body: bytes, other: bytes, secret: str, wrong: str) -> None:
    """What was signed is verified; a signature of another body or secret proves nothing."""
    verify(body, sign(body, secret), secrets=secret)
    for signed, key in ((other, secret), (body, wrong)):
        padded = [each.encode().ljust(128, b"\0") for each in (key, secret)]
        if signed == body and padded[0] == padded[1]:  # HMAC pads a short key with zeros
            continue
        with pytest.raises(SignatureError, match="another body or made with another secret"):
            verify(body, sign(signed, key), secrets=secret)


@pytest.mark.parametrize(
    "headers",
    [
        *map(spark, (SHA1, SHA1.upper(), f"  {SHA1} ", SHA256, SHA512, f"sha1={SHA1}")),
        *map(webex, (SHA1, SHA256, SHA512)),
        *map(webex, (f"SHA-256={SHA256}", f"sha256={SHA256}", f"Sha-512 = {SHA512}")),
        webex(f"SHA-256={SHA256}, SHA-512={SHA512}"),
        webex(f"SHA-512={SHA512},SHA-256={SHA256},"),
        webex(f"SHA3-512={WRONG512}, SHA-256={SHA256}"),
        webex(f"v2, SHA-256={SHA256}"),
        {**spark(SHA1), **webex("")},
        {**spark(SHA1), **webex("none")},
        {**spark(SHA1), **webex("x" * 64)},
        {**spark(None), **webex(SHA256)},
    ],
)
def test_each_form_is_known(headers: Mapping[str, object]) -> None:
    """A signature is found in each form that is documented or was seen, in either header."""
    assert reason(headers) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (spark(WRONG1), "mismatch"),
        (webex(WRONG256), "mismatch"),
        ({**spark(SHA1), **webex(WRONG256)}, "mismatch"),
        ({**spark(SHA1), **webex(f"SHA-256={WRONG256}")}, "mismatch"),
        ({**spark(SHA1), **webex(f"SHA-256={SHA256}, SHA-512={WRONG512}")}, "mismatch"),
        ({**spark(WRONG512), **webex(f"SHA-256={SHA256}")}, "mismatch"),
        ({**spark(SHA1), **webex("SHA-256=oops")}, "malformed"),
        ({**spark(WRONG1), **webex(f"SHA-256={SHA256}")}, None),
        ({**spark(SHA1), **webex(f"SHA-256={WRONG256}, SHA-512={SHA512}")}, None),
    ],
)
def test_the_strongest_signature_decides(
    headers: Mapping[str, object], expected: str | None
) -> None:
    """A weaker signature, correct or wrong, changes nothing."""
    assert reason(headers) == expected


@pytest.mark.parametrize("headers", [{}, [], {"X-Signature": SHA1}, spark(None), [("",)], [1, ""]])
def test_a_missing_header_fails(headers: Any) -> None:  # noqa: ANN401 - whatever a framework may have
    """A request without a signature proves nothing."""
    assert reason(headers) == "missing"


@pytest.mark.parametrize(
    "value",
    [
        *("", ",", "=", "secret", [], ["", None], 7, True, object(), {"a": "b"}),
        *(SHA1[:-1], SHA1 + "0", SHA1[:-1] + "g", SHA1[:-1] + " ", SHA1[:-1] + "é"),
        "  ".join(SHA1[each : each + 2] for each in range(0, 40, 2)),
        SHA1.encode().hex(),
        *("SHA-256=", f"SHA-256={SHA1}", f"SHA-256={SHA256[:-1]}", f"MD5={SHA1}"),
        f"SHA-1={SHA1}, SHA-256={SHA1}",
        *("é" * 40, "\udcff" * 40, "\N{FULLWIDTH DIGIT ZERO}" * 40),
    ],
)
def test_a_malformed_header_fails(value: object) -> None:
    """A header that holds no signature proves nothing, and doesn't crash."""
    expected = "missing" if value == [] else "malformed"

    assert {reason({name: value}) for name in SIGNATURE_HEADERS} == {expected}


@pytest.mark.parametrize(
    ("minimum", "headers", "expected"),
    [
        (SignatureAlgorithm.SHA1, spark(SHA1), None),
        (SignatureAlgorithm.SHA256, spark(SHA1), "too_weak"),
        (SignatureAlgorithm.SHA256, webex(f"SHA-256={SHA256}"), None),
        (SignatureAlgorithm.SHA512, webex(f"SHA-256={SHA256}"), "too_weak"),
        (SignatureAlgorithm.SHA512, {**spark(SHA1), **webex(f"SHA-512={SHA512}")}, None),
        (SignatureAlgorithm.SHA512, {}, "missing"),
    ],
)
def test_a_minimum_is_held(
    minimum: SignatureAlgorithm, headers: Mapping[str, object], expected: str | None
) -> None:
    """A correct signature of a weaker algorithm than the minimum proves nothing."""
    assert reason(headers, minimum_algorithm=minimum) == expected


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        (spark(SHA1), SignatureAlgorithm.SHA1),
        (spark(SHA256), SignatureAlgorithm.SHA256),
        ({**spark(SHA1), **webex(f"SHA-256={SHA256}")}, SignatureAlgorithm.SHA256),
        (sign(BODY, SECRET), SignatureAlgorithm.SHA512),
    ],
)
def test_the_algorithm_that_decided_is_returned(
    headers: Mapping[str, object], algorithm: SignatureAlgorithm
) -> None:
    """`verify` returns the algorithm of the signature that proved the request."""
    assert verify(BODY, headers, secrets=SECRET) is algorithm


class ManyValued(dict[str, str]):
    """A mapping that shows one value of a name unless it is asked for all, as multidict has it."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def getall(self, name: str) -> list[str]:
        return [value for each, value in self.pairs if each == name]


def encoded(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them."""
    return [(name.lower().encode(), value.encode()) for name, value in pairs]


def email_message(*pairs: tuple[str, str]) -> Message:
    """Headers as the standard library's HTTP server has them."""
    message = Message()
    for name, value in pairs:
        message[name] = value
    return message


FRAMEWORKS: dict[str, Callable[..., object]] = {
    "a list": lambda *pairs: list(pairs),
    "an iterator": lambda *pairs: iter(pairs),
    "lists": lambda *pairs: [list(pair) for pair in pairs],
    "ASGI": encoded,
    "API gateways": lambda *pairs: {
        name: [value for each, value in pairs if each == name] for name, _ in pairs
    },
    "multidict": ManyValued,
    "starlette's multidict": lambda *pairs: ImmutableMultiDict(pairs),
    "httpx": lambda *pairs: httpx.Headers(pairs, encoding="utf-8"),
    "http.server": email_message,
    "Starlette": lambda *pairs: StarletteHeaders(raw=encoded(*pairs)),
    "aiohttp": lambda *pairs: pytest.importorskip("multidict").CIMultiDict(pairs),
    "Flask": lambda *pairs: pytest.importorskip("werkzeug.datastructures").Headers(pairs),
}
each_framework = pytest.mark.parametrize("make", FRAMEWORKS.values(), ids=FRAMEWORKS)


@each_framework
def test_the_headers_of_any_framework(make: Callable[..., object]) -> None:
    """A signature is found in whatever a framework keeps headers in, its name in any case."""
    others = ("Host", "example.com"), ("X-Custom", "é")
    names = [change(name) for name in SIGNATURE_HEADERS for change in (str, str.lower, str.upper)]
    for name in names:
        assert reason(make(*others, (name, SHA1), *others[:1])) is None
        assert reason(make(*others, (name, WRONG1))) == "mismatch"
        assert reason(make(*others[:1])) == "missing"


@each_framework
@pytest.mark.parametrize("values", [(SHA1, SHA256), (SHA256, SHA1), (SHA256, "")])
def test_a_header_may_come_twice(make: Callable[..., object], values: tuple[str, str]) -> None:
    """Each value of a header counts, so that a stronger one is never overlooked."""
    headers = make(*(("X-Webex-Signature", value) for value in values))

    assert reason(headers, minimum_algorithm=SignatureAlgorithm.SHA256) is None


NAMES = st.sampled_from([*SIGNATURE_HEADERS, b"X-SPARK-SIGNATURE", "", None, 7, b"\xff", "\udc80"])
DIGESTS = st.sampled_from(
    [WRONG1, WRONG256, WRONG512, "", "SHA-1", "SHA-256=", "sha512=", ",", "="]
)
WORDS = st.lists(DIGESTS | st.text(), max_size=5).map("".join)
# With lone surrogates: st.text() leaves them out.
TEXTS = WORDS | st.text(st.characters(exclude_categories=[])) | st.binary()
VALUES = TEXTS | st.lists(TEXTS) | st.none() | st.integers() | st.tuples(TEXTS, st.floats())
HEADERS = (
    st.dictionaries(NAMES, VALUES)
    | st.lists(st.tuples(NAMES, VALUES))
    | st.lists(st.lists(NAMES | VALUES))
    | st.lists(st.none() | st.integers() | TEXTS)
)


@given(HEADERS, st.binary())
def test_whatever_the_headers_hold(headers: Any, body: bytes) -> None:  # noqa: ANN401 - anything
    """Any headers made without the secret raise a SignatureError, and nothing else."""
    with pytest.raises(SignatureError):
        verify(body, headers, secrets=SECRET)


LARGE = 10_000_000

HUGE_HEADERS: dict[str, Callable[[], Any]] = {
    "commas": lambda: {"X-Spark-Signature": "," * LARGE},
    "bytes": lambda: [(b"x-spark-signature", b"," * LARGE)],
    "digits": lambda: {"X-Webex-Signature": "SHA-512=" + "0" * LARGE},
    "equal signs": lambda: {"X-Webex-Signature": "=" * LARGE},
    "spaces": lambda: {"X-Spark-Signature": SHA1 + " " * LARGE},
    "a list": lambda: {"X-Spark-Signature": [""] * 1_000_000},
    "many headers": lambda: [(b"x-spark-signature", b"")] * 1_000_000,
}


@pytest.mark.parametrize("make", HUGE_HEADERS.values(), ids=HUGE_HEADERS)
def test_a_refusal_costs_the_same_whatever_the_signature_headers(
    make: Callable[[], object],
) -> None:
    """Too large signature headers are malformed, and aren't parsed: that takes no CPU time."""
    headers = make()

    assert reason(headers) == "malformed"
    assert cost(lambda: reason(headers)) < 10 * cost(lambda: reason({"X-Spark-Signature": WRONG1}))


def test_the_cost_of_a_refusal_is_linear_in_other_headers() -> None:
    """Ten times as many headers, of names in any number, take no more than ten times as long."""
    few, many = (
        StarletteHeaders(raw=encoded(*((f"X-Header-{number}", "") for number in range(count))))
        for count in (1_000, 10_000)
    )

    assert cost(lambda: reason(many)) < 30 * cost(lambda: reason(few))


def cost(call: Callable[[], object]) -> float:
    """The CPU time of a call, the lowest of several, in seconds."""
    times: list[float] = []
    for _ in range(5):
        before = time.process_time()
        for _call in range(3):
            call()
        times.append(time.process_time() - before)
    return min(times)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Spark-Signature": f"{SHA1},".ljust(4096)}, None),
        ({"X-Spark-Signature": f"{SHA1},".ljust(4097)}, "malformed"),
        ([("X-Spark-Signature", SHA1), ("X-Webex-Signature", "x" * (4096 - 40))], None),
        ([("X-Spark-Signature", SHA1), ("X-Webex-Signature", "x" * (4097 - 40))], "malformed"),
        ({"X-Spark-Signature": SHA1 + "," * 15}, None),
        ({"X-Spark-Signature": SHA1 + "," * 16}, "malformed"),
        ([("X-Spark-Signature", SHA1), *[("X-Webex-Signature", "")] * 15], None),
        ([("X-Spark-Signature", SHA1), *[("X-Webex-Signature", "")] * 16], "malformed"),
        ({"X-Spark-Signature": [SHA1, *[""] * 16]}, "malformed"),
        ([("X-Spark-Signature", SHA1), ("X-Other", "," * 5000)], None),
    ],
)
def test_signature_headers_have_a_limit(headers: Any, expected: str | None) -> None:  # noqa: ANN401 - of any framework
    """4,096 bytes and 16 parts in all are accepted, one more is malformed; empty parts count."""
    assert reason(headers) == expected


@pytest.mark.parametrize("secrets", [["old", SECRET], (SECRET, "new"), {SECRET}, iter([SECRET])])
def test_any_of_several_secrets_will_do(secrets: Any) -> None:  # noqa: ANN401 - any iterable
    """While a secret is being replaced, a signature with either one is valid."""
    verify(BODY, sign(BODY, SECRET), secrets=secrets)


@pytest.mark.parametrize(
    ("secrets", "error"),
    [
        ([], "ValueError: pass the secret"),
        (None, "ValueError: pass the secret"),
        *((empty, "ValueError: a secret is empty") for empty in ("", b"", [""], [SECRET, ""])),
        ([None], "ValueError: a secret is empty"),
        (7, "TypeError: secrets must be str or Iterable, got int"),
        (b"sec", "TypeError: a secret must be str, got bytes"),
        ([SECRET, b"old"], "TypeError: a secret must be str, got bytes"),
        ([7], "TypeError: a secret must be str, got int"),
        ("c4nary\udcff", "ValueError: a secret is not valid Unicode"),
    ],
)
def test_a_secret_is_text(secrets: Any, error: str) -> None:  # noqa: ANN401 - what users pass by mistake
    """Without a secret, or with a wrong one, nothing is verified; the error doesn't show it."""
    with refused(error) as raised:
        verify(BODY, sign(BODY, SECRET), secrets=secrets)

    assert "c4nary" not in str(raised.value)


@pytest.mark.parametrize(("secret", "match"), [("", "empty"), ("c4nary\udcff", "^a secret is not")])
def test_nothing_is_signed_without_a_secret(secret: str, match: str) -> None:
    """A secret that can't be used is an error, which doesn't show it."""
    with pytest.raises(ValueError, match=match) as raised:
        sign(BODY, secret)

    assert "c4nary" not in str(raised.value)


def test_one_secret_is_no_sequence_of_letters() -> None:
    """A secret given as a str is one secret, so its letters prove nothing."""
    with pytest.raises(SignatureError):
        verify(BODY, sign(BODY, SECRET[0]), secrets=SECRET)


@pytest.mark.parametrize("headers", [None, 7, True])
def test_headers_are_a_mapping_or_pairs(headers: Any) -> None:  # noqa: ANN401 - what users pass by mistake
    """Headers of a wrong type raise an error that says what to pass."""
    with pytest.raises(TypeError, match="headers must be Iterable, got"):
        verify(BODY, headers, secrets=SECRET)


@pytest.mark.parametrize("body", [BODY.decode(), bytearray(BODY), {"a": 1}, None])
def test_a_body_is_raw_bytes(body: Any) -> None:  # noqa: ANN401 - what users pass by mistake
    """A decoded or parsed body raises an error that says what to pass."""
    for call in (
        lambda: verify(body, sign(BODY, SECRET), secrets=SECRET),
        lambda: sign(body, SECRET),
    ):
        with pytest.raises(TypeError, match="raw bytes"):
            call()


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of equal length are compared as bytes, with the standard library's function."""
    compared: list[tuple[object, object]] = []

    def compare(expected: bytes, given: bytes) -> bool:
        compared.append((expected, given))
        return False

    monkeypatch.setattr(f"{verify.__module__}.hmac.compare_digest", compare)

    assert reason(spark(SHA1)) == "mismatch"
    assert compared == [(bytes.fromhex(SHA1), bytes.fromhex(SHA1))]
