"""Whether a request was sent by someone who knows a webhook's secret.

Facts: https://developer.webex.com/docs/api/guides/webhooks, "Handling Requests from Webex"
"""

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any, cast

from webex_webhooks_async.errors import SignatureError

Headers = Mapping[Any, Any] | Iterable[Any]
"""The headers of a request as any framework has them: a mapping or an iterable of pairs, names in
any case, names and values as ``str`` or ``bytes``, a value perhaps a list of them."""

SPARK_SIGNATURE = "X-Spark-Signature"
WEBEX_SIGNATURE = "X-Webex-Signature"


class SignatureAlgorithm(IntEnum):
    """The hash functions that Webex signs with, in the order of their strength.

    A value is the length of a digest in bits.
    """

    SHA1 = 160
    SHA256 = 256
    SHA512 = 512


def sign(body: bytes, secret: str) -> dict[str, str]:
    """The headers with which Webex would sign a body.

    Args:
        body: The raw bytes of the request.
        secret: The webhook's secret.

    Raises:
        ValueError: The secret is empty.
        TypeError: The body isn't bytes, or the secret is no string.

    >>> sign(b'{"a":1,"b":2,"c":{"d":3}}', "myBongoSecret")["X-Spark-Signature"]
    '01e0cb6a53731b9615b483335d77d97023410c72'
    """
    _check_body(body)
    (key,) = _keys((secret,))
    # Neither the name of the second header nor its form is documented; both are seen.
    sha256 = _digest(key, body, SignatureAlgorithm.SHA256).hex()
    sha512 = _digest(key, body, SignatureAlgorithm.SHA512).hex()
    return {
        SPARK_SIGNATURE: _digest(key, body, SignatureAlgorithm.SHA1).hex(),
        WEBEX_SIGNATURE: f"SHA-256={sha256}, SHA-512={sha512}",
    }


def verify(
    body: bytes,
    headers: Headers,
    secrets: str | Iterable[str],
    *,
    minimum: SignatureAlgorithm = SignatureAlgorithm.SHA1,
) -> None:
    """Make sure that a request was signed with one of the secrets.

    The strongest signature present decides: a wrong one never falls back on a weaker one. Digests
    are compared in constant time. A signature proves who sent a request, not when: one that was
    sent before proves as much the second time.

    Args:
        body: The raw bytes of the request, as they came.
        headers: The headers of the request, as any framework has them.
        secrets: The webhook's secret, or several of which any will do, while one is replaced.
        minimum: The weakest algorithm to accept.

    Raises:
        SignatureError: It was not, or nothing proves it; whatever the headers hold, nothing else.
        ValueError: A secret is empty, or there is none.
        TypeError: The body isn't bytes, or a secret is no string.
    """
    _check_body(body)
    keys = _keys(secrets)
    algorithm, digests = _strongest(headers)
    if algorithm < minimum:
        raise SignatureError("too_weak")
    for key in keys:
        expected = _digest(key, body, algorithm)
        for digest in digests:
            if hmac.compare_digest(expected, digest):
                return
    raise SignatureError("mismatch")


def _check_body(body: object) -> None:
    if not isinstance(body, bytes):
        raise TypeError(
            f"body must be bytes, got {type(body).__name__}: pass the raw bytes of the request, "
            "for what was signed is the bytes, not the text or the JSON in them"
        )


def _keys(secrets: str | Iterable[str]) -> tuple[bytes, ...]:
    # One secret is no sequence of letters.
    each = (secrets,) if isinstance(secrets, str | bytes) else tuple(secrets or ())
    if not each:
        raise ValueError("there is no secret: pass the one that the webhook was created with")
    return tuple(_key(secret) for secret in each)


def _key(secret: object) -> bytes:
    if not secret:
        raise ValueError("a secret is empty, so that anyone could sign with it")
    if not isinstance(secret, str):
        raise TypeError(f"a secret must be a str, got {type(secret).__name__}")
    return secret.encode()


def _digest(key: bytes, body: bytes, algorithm: SignatureAlgorithm) -> bytes:
    return hmac.digest(key, body, algorithm.name)


def _strongest(headers: Headers) -> tuple[SignatureAlgorithm, list[bytes]]:
    """The strongest algorithm of which there is a signature, and the digests that claim to be it.

    Raises:
        SignatureError: There is none, or what should be the strongest is no digest.
    """
    values = list(_signature_headers(headers))
    if not values:
        raise SignatureError("missing")
    found = [signature for value in values for signature in _signatures(value)]
    if not found:
        raise SignatureError("malformed")
    strongest = max(algorithm for algorithm, _ in found)
    digests = [digest for algorithm, digest in found if algorithm is strongest and digest]
    if not digests:
        raise SignatureError("malformed")
    return strongest, digests


_algorithm_of_label = {each.name.lower(): each for each in SignatureAlgorithm}
_algorithm_of_length = {each // 4: each for each in SignatureAlgorithm}  # in hexadecimal digits
_is_hexadecimal = re.compile("[0-9A-Fa-f]+").fullmatch  # bytes.fromhex would take spaces, too


def _signatures(value: str) -> Iterator[tuple[SignatureAlgorithm, bytes | None]]:
    """What a header claims: ``SHA-256=<hex>, SHA-512=<hex>``, or a digest alone.

    A label that is known claims a signature even if what follows is no digest of that algorithm,
    which is `None` then.
    """
    for part in value.split(","):
        label, labelled, digits = part.rpartition("=")
        digits = digits.strip()
        algorithm = _algorithm_of_length.get(len(digits)) if _is_hexadecimal(digits) else None
        # The label's case varies in the wild, and so does its hyphen.
        claimed = _algorithm_of_label.get(label.strip().lower().replace("-", ""))
        if labelled and claimed:
            yield claimed, bytes.fromhex(digits) if algorithm is claimed else None
        elif algorithm and not labelled:
            yield algorithm, bytes.fromhex(digits)


_signature_header_names = frozenset({SPARK_SIGNATURE.lower(), WEBEX_SIGNATURE.lower()})


def _signature_headers(headers: Headers) -> Iterator[str]:
    """The values of the headers for signatures; one that came twice, or as a list, twice."""
    for name, value in _pairs(headers):
        if _text(name).lower() in _signature_header_names:
            for each in _several(value):
                if each is not None:
                    yield _text(each)


def _pairs(headers: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - each framework has its own
    # multidict's mappings, and those of Starlette, Django and Werkzeug, may show one value alone.
    all_of = getattr(headers, "getall", None) or getattr(headers, "getlist", None)
    if all_of:
        for name in frozenset(headers.keys()):
            yield name, all_of(name)
        return
    for pair in headers.items() if hasattr(headers, "items") else headers:
        match pair:
            case (name, value):
                yield name, value
            case _:
                pass


def _several(value: object) -> Iterable[object]:
    return cast("Iterable[object]", value) if isinstance(value, list | tuple) else (value,)


def _text(value: object) -> str:
    """Text in which ASCII is itself; whatever isn't stays harmless."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""
