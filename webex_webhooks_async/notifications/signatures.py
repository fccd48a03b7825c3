"""Signs requests as Webex does, and verifies that a request was signed with a webhook's secret.

Facts: https://developer.webex.com/docs/receive-and-verify-webhooks and
https://developer.webex.com/docs/api/guides/webhooks, "Execution Requests from Webex"
"""

import hmac
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Any, cast

from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.validation import check_text, check_type

Headers = Mapping[Any, Any] | Iterable[Any]
"""The headers of a request as any framework has them: a mapping or an iterable of pairs, names in
any case, names and values as ``str`` or ``bytes``, and a value can be a list of them."""

SPARK_SIGNATURE = "X-Spark-Signature"
WEBEX_SIGNATURE = "X-Webex-Signature"
SIGNATURE_HEADERS = (SPARK_SIGNATURE, WEBEX_SIGNATURE)


class SignatureAlgorithm(IntEnum):
    """The hash functions that Webex signs with, ordered by strength.

    A value is the length of a digest in bits.
    """

    SHA1 = 160
    """The documented one, in ``X-Spark-Signature``."""

    SHA256 = 256
    """In ``X-Webex-Signature``, which isn't documented."""

    SHA512 = 512
    """The same."""


def sign(body: bytes, secret: str) -> dict[str, str]:
    """Return the headers with which Webex would sign a body.

    Raises:
        ValueError: The secret is empty or not valid Unicode.
        TypeError: The body isn't bytes, or the secret isn't a string.

    >>> sign(b'{"a":1,"b":2,"c":{"d":3}}', "myBongoSecret")["X-Spark-Signature"]
    '01e0cb6a53731b9615b483335d77d97023410c72'
    """
    check_body(body)
    (key,) = secret_keys((secret,))
    sha1, sha256, sha512 = (_digest(key, body, each).hex() for each in SignatureAlgorithm)
    # The second header isn't documented; its name and its form were seen.
    return {SPARK_SIGNATURE: sha1, WEBEX_SIGNATURE: f"SHA-256={sha256}, SHA-512={sha512}"}


def verify(
    body: bytes,
    headers: Headers,
    *,
    secrets: str | Iterable[str],
    minimum_algorithm: SignatureAlgorithm = SignatureAlgorithm.SHA1,
) -> SignatureAlgorithm:
    """Verify that a request was signed with one of the secrets.

    The strongest signature present decides: when it is wrong, a weaker one doesn't count. Digests
    are compared in constant time. Signature headers of more than 4,096 bytes or 16 parts in all,
    empty ones included, are refused without being parsed. A signature proves who sent a request,
    not when.

    The arguments and the other errors are those of `parse_notification`.

    Returns:
        The algorithm of the signature that decided.

    Raises:
        SignatureError: Nothing proves that the request was signed with one of the secrets. Headers
            that make no sense raise nothing else.
    """
    check_body(body)
    keys = _keys_of_one(secrets) if isinstance(secrets, str) else secret_keys(secrets)
    return verify_with_keys(body, headers, keys, minimum_algorithm)


def verify_with_keys(
    body: bytes, headers: Headers, keys: Iterable[bytes], minimum: SignatureAlgorithm
) -> SignatureAlgorithm:
    """Verify a request as `verify` does, with the keys that `secret_keys` returns."""
    algorithm, digests = _strongest(headers)
    if algorithm < minimum:
        raise SignatureError("too_weak")
    for key in keys:
        expected = _digest(key, body, algorithm)
        for digest in digests:
            if hmac.compare_digest(expected, digest):
                return algorithm
    raise SignatureError("mismatch")


def secret_keys(secrets: str | Iterable[str] | None) -> tuple[bytes, ...]:
    """Return the key of each secret, after checking that it can prove something."""
    if isinstance(secrets, (str, bytes)):  # it must not be taken for a sequence of letters
        secrets = (secrets,)
    elif isinstance(secrets, Mapping):  # whose keys an iteration would take
        kind = type(cast("object", secrets)).__name__
        raise TypeError(
            f"secrets must be str or Iterable, got {kind}, a mapping, whose keys are no secrets: "
            'pass its values, such as secrets["webhook"]'
        )
    elif secrets is not None:
        check_type("secrets", secrets, str, Iterable)
    each_secret = tuple(secrets or ())
    if not each_secret:
        raise ValueError("pass the secret that the webhook was created with; none was given")
    if not all(each_secret):
        raise ValueError("a secret is empty, so anyone could sign with it")
    return tuple([check_text("a secret", secret) for secret in each_secret])


_keys_of_one = lru_cache(maxsize=64)(secret_keys)


def check_body(body: object) -> None:
    """Check that a body is bytes."""
    if not isinstance(body, bytes):
        raise TypeError(
            f"body must be bytes, got {type(body).__name__}: pass the raw bytes of the request, "
            "because the signature is of the bytes, not of the text or the JSON in them"
        )


def _digest(key: bytes, body: bytes, algorithm: SignatureAlgorithm) -> bytes:
    mac = _keyed(key, algorithm).copy()
    mac.update(body)
    return mac.digest()


@lru_cache(maxsize=64)
def _keyed(key: bytes, algorithm: SignatureAlgorithm) -> hmac.HMAC:
    """An HMAC of nothing yet: preparing the key takes a quarter of the time of one."""
    return hmac.new(key, digestmod=_hash_names[algorithm])


_hash_names = {each: each.name.lower() for each in SignatureAlgorithm}
_algorithm_of_hash_name = {name: each for each, name in _hash_names.items()}
_algorithm_of_length = {each // 4: each for each in SignatureAlgorithm}  # in hexadecimal digits


@lru_cache(maxsize=64)
def _algorithm_of_label(label: str) -> SignatureAlgorithm | None:
    # Its case varies in the wild, and so does its hyphen.
    return _algorithm_of_hash_name.get(label.strip().lower().replace("-", ""))


def _strongest(headers: Headers) -> tuple[SignatureAlgorithm, list[bytes]]:
    """The strongest algorithm that signed the request, by its headers, and that one's digests.

    A part is ``SHA-256=<digits>`` or ``<digits>``. A known label claims a signature even without a
    digest of that algorithm.
    """
    strongest: SignatureAlgorithm | None = None
    digests: list[bytes] = []
    for part in reversed(_signature_parts(headers)):  # Webex writes the strongest one last
        label, labelled, digits = part.rpartition("=")
        digits = digits.strip()
        if labelled:
            algorithm = _algorithm_of_label(label)
        else:
            algorithm = _algorithm_of_length.get(len(digits))
        if algorithm is None or (strongest is not None and algorithm < strongest):
            continue
        digest = _decoded(digits)
        if not labelled and not digest:
            continue
        if algorithm is not strongest:
            strongest, digests = algorithm, []
        if len(digest) * 8 == algorithm:
            digests.append(digest)
    if strongest is None or not digests:
        raise SignatureError("malformed")
    return strongest, digests


def _decoded(digits: str) -> bytes:
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        return b""
    return digest if len(digits) == 2 * len(digest) else b""  # fromhex skips spaces


_header_names = frozenset(name.lower() for name in SIGNATURE_HEADERS)
_names = _header_names | {name.encode() for name in _header_names}
(_NAME_LENGTH,) = {len(name) for name in SIGNATURE_HEADERS}  # by which most others are told apart

_MAX_BYTES, _MAX_PARTS = 4096, 16  # of a request; what `sign` returns is far below


def _signature_parts(headers: Headers) -> list[str]:
    """The parts of the signature headers; a header may come twice, or as a list."""
    values: list[str] = []
    size = 0
    for header in _pairs(headers):
        try:
            name, value = header
            if len(name) != _NAME_LENGTH or name.lower() not in _names:
                continue
        except (AttributeError, TypeError, ValueError):
            continue
        several = cast("Iterable[object]", value) if isinstance(value, (list, tuple)) else (value,)
        for each in several:
            if each is None:
                continue
            text = each if isinstance(each, (str, bytes)) else ""
            size += len(text)
            if size > _MAX_BYTES or len(values) == _MAX_PARTS:
                raise SignatureError("malformed")
            values.append(text.decode("latin-1") if isinstance(text, bytes) else text)
    if not values:
        raise SignatureError("missing")
    parts = ",".join(values).split(",")
    if len(parts) > _MAX_PARTS:
        raise SignatureError("malformed")
    return parts


def _pairs(headers: Any) -> Iterable[Any]:  # noqa: ANN401 - any framework's
    # The mappings of multidict, Starlette, Django and Werkzeug show one value of several. They look
    # through all headers for each name, so that asking for every name would take too long.
    all_of = getattr(headers, "getall", None) or getattr(headers, "getlist", None)
    if all_of:
        names: frozenset[Any] = frozenset(headers.keys())
        return [(name, all_of(name)) for name in names if str(name).lower() in _names]
    if hasattr(headers, "items"):
        pairs: Iterable[Any] = headers.items()
        return pairs
    if not hasattr(headers, "__iter__"):  # cheaper to ask than isinstance
        check_type("headers", headers, Iterable)
    iterable: Iterable[Any] = headers  # a cast would be a call for each request
    return iterable
