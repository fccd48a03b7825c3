"""Whether a request was sent by someone who knows a webhook's secret.

Facts: https://developer.webex.com/docs/api/guides/webhooks, "Handling Requests from Webex"
"""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any, cast

from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.validation import check_text, check_type

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
        ValueError: The secret is empty or no valid Unicode.
        TypeError: The body isn't bytes, or the secret is no string.

    >>> sign(b'{"a":1,"b":2,"c":{"d":3}}', "myBongoSecret")["X-Spark-Signature"]
    '01e0cb6a53731b9615b483335d77d97023410c72'
    """
    check_body(body)
    (secret,) = checked_secrets((secret,))
    sha1, sha256, sha512 = (_digest(secret, body, each).hex() for each in SignatureAlgorithm)
    # Neither the name of the second header nor its form is documented; both are seen.
    return {SPARK_SIGNATURE: sha1, WEBEX_SIGNATURE: f"SHA-256={sha256}, SHA-512={sha512}"}


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
        ValueError: A secret is empty or no valid Unicode, or there is none.
        TypeError: The body isn't bytes, a secret is no string, or there are no headers.
    """
    check_body(body)
    each_secret = checked_secrets(secrets)
    algorithm, digests = _strongest(headers)
    if algorithm < minimum:
        raise SignatureError("too_weak")
    for secret in each_secret:
        expected = _digest(secret, body, algorithm)
        for digest in digests:
            if hmac.compare_digest(expected, digest):
                return
    raise SignatureError("mismatch")


def checked_secrets(secrets: str | Iterable[str] | None) -> tuple[str, ...]:
    """Secrets that can prove something, as a tuple also where there is one alone.

    Raises:
        ValueError: A secret is empty or no valid Unicode, or there is none.
        TypeError: A secret is no string.
    """
    # One secret is no sequence of letters.
    each_secret = (secrets,) if isinstance(secrets, str | bytes) else tuple(secrets or ())
    if not each_secret:
        raise ValueError("there is no secret: pass the one that the webhook was created with")
    for secret in each_secret:
        _check_secret(secret)
    return each_secret


def _check_secret(secret: object) -> None:
    if not secret:
        raise ValueError("a secret is empty, so that anyone could sign with it")
    check_text("a secret", secret)


def check_body(body: object) -> None:
    """Refuse a body that isn't bytes.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(body, bytes):
        raise TypeError(
            f"body must be bytes, got {type(body).__name__}: pass the raw bytes of the request, "
            "for what was signed is the bytes, not the text or the JSON in them"
        )


def _digest(secret: str, body: bytes, algorithm: SignatureAlgorithm) -> bytes:
    return hmac.digest(secret.encode(), body, algorithm.name)


def _strongest(headers: Headers) -> tuple[SignatureAlgorithm, list[bytes]]:
    """The strongest algorithm of which there is a signature, and the digests that claim to be it.

    Raises:
        SignatureError: There is none, or what should be the strongest is no digest.
    """
    values = _signature_headers(headers)
    if not values:
        raise SignatureError("missing")
    found = [signature for value in values for signature in _signatures(value)]
    if not found:
        raise SignatureError("malformed")
    strongest = max(found)[0]
    digests = [digest for algorithm, digest in found if algorithm is strongest and digest]
    if not digests:
        raise SignatureError("malformed")
    return strongest, digests


_algorithm_of_label = {each.name.lower(): each for each in SignatureAlgorithm}
_algorithm_of_length = {each // 8: each for each in SignatureAlgorithm}  # in bytes


def _signatures(value: str) -> Iterator[tuple[SignatureAlgorithm, bytes]]:
    """What a header claims: ``SHA-256=<hex>, SHA-512=<hex>``, or a digest alone.

    A label that is known claims a signature even if no digest of that algorithm follows; it is
    empty then.
    """
    for part in value.split(","):
        label, labelled, digits = part.rpartition("=")
        digest = _from_hex(digits.strip())
        algorithm = _algorithm_of_length.get(len(digest))
        if not labelled:
            if algorithm:
                yield algorithm, digest
            continue
        # The label's case varies in the wild, and so does its hyphen.
        claimed = _algorithm_of_label.get(label.strip().lower().replace("-", ""))
        if claimed:
            yield claimed, digest if algorithm is claimed else b""


def _from_hex(digits: str) -> bytes:
    """The bytes that hexadecimal digits stand for, none for other text."""
    try:
        read = bytes.fromhex(digits)
    except ValueError:
        return b""
    return read if len(digits) == 2 * len(read) else b""  # it takes spaces, too


_signature_header_names = frozenset({SPARK_SIGNATURE.lower(), WEBEX_SIGNATURE.lower()})
_signature_header_names_as_bytes = frozenset(name.encode() for name in _signature_header_names)


def _signature_headers(headers: Headers) -> list[str]:
    """The values of the headers for signatures; one that came twice, or as a list, twice."""
    values: list[str] = []
    for header in _pairs(headers):
        match header:
            case (name, value) if _is_for_a_signature(name):
                values += [_text(each) for each in _several(value) if each is not None]
            case _:
                pass
    return values


def _pairs(headers: Any) -> Iterable[Any]:  # noqa: ANN401 - any framework's
    # multidict's mappings, and those of Starlette, Django and Werkzeug, may show one value alone.
    all_of = getattr(headers, "getall", None) or getattr(headers, "getlist", None)
    if all_of:
        return [(name, all_of(name)) for name in frozenset(headers.keys())]
    if hasattr(headers, "items"):
        return cast("Iterable[Any]", headers.items())
    check_type("headers", headers, Iterable)
    return cast("Iterable[Any]", headers)


def _is_for_a_signature(name: object) -> bool:
    if isinstance(name, bytes):
        return name.lower() in _signature_header_names_as_bytes
    return isinstance(name, str) and name.lower() in _signature_header_names


def _several(value: object) -> Iterable[object]:
    return cast("Iterable[object]", value) if isinstance(value, list | tuple) else (value,)


def _text(value: object) -> str:
    """Text in which ASCII is itself; whatever isn't stays harmless."""
    if isinstance(value, str):
        return value
    return value.decode("latin-1") if isinstance(value, bytes) else ""
