"""Encrypts what an integration stores and sends to browsers, and makes the secret of each user."""

import binascii
import hashlib
import hmac
import os
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from webex_webhooks_async.validation import check_type

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_NONCE_BYTES = 12


class _Key(NamedTuple):
    id: str
    cipher: "AESGCM"
    for_secrets: bytes
    text: str

    def __repr__(self) -> str:
        return f"_Key({self.id})"


class Keyring:
    """The keys of an integration: the first encrypts, any decrypts. Its repr shows none."""

    def __init__(self, keys: Iterable[str]) -> None:
        check_type("encryption_keys", keys, Iterable)
        if isinstance(keys, str | bytes):
            raise TypeError("encryption_keys must be several keys: write [KEY] for one")
        self._keys = {each.id: each for each in map(_key_of, keys)}
        if not self._keys:
            raise ValueError(f"encryption_keys has no key: {_HOW}")
        self.ids: tuple[str, ...] = tuple(self._keys)
        self.first: str = self.ids[0]

    def seal(self, plain: bytes, *, name: str) -> bytes:
        """Encrypt something with the first key; `name` says what it is, and isn't stored."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed: bytes = self._keys[self.first].cipher.encrypt(nonce, plain, name.encode())
        return nonce + sealed

    def open(self, sealed: bytes, *, name: str) -> bytes:
        """Decrypt what was sealed under a name."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as in `_key_of`

        for key in self._keys.values():
            try:
                plain: bytes = key.cipher.decrypt(
                    sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode()
                )
            except (InvalidTag, ValueError):  # the latter if it is too short
                continue
            return plain
        raise ValueError(
            f"what is stored as {name!r} can't be decrypted: it belongs elsewhere, or the key that "
            "encrypted it is missing from encryption_keys"
        )

    def secret_of(self, person: str, key_id: str) -> str:
        """Return the webhook secret that a key makes for a person."""
        key = self._keys[key_id].for_secrets
        return hmac.new(key, person.encode(), hashlib.sha256).hexdigest()

    def texts(self) -> tuple[str, ...]:
        """Return the keys as they were given, for what hides them."""
        return tuple(each.text for each in self._keys.values())


def _key_of(text: str) -> _Key:
    try:  # imported here, because the package is imported without the extra
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above
    except ImportError as error:
        raise ImportError(
            'Integration needs cryptography: pip install "webex-webhooks-async[integration]"'
        ) from error
    check_type("an encryption key", text, str)
    try:
        key = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    # Decoding skips what isn't base64, so the length alone doesn't tell.
    if len(key) != _KEY_BYTES or len(text.rstrip("=")) != _DIGITS or not text.isascii():
        raise ValueError(f"an encryption key isn't 32 bytes in URL-safe base64: {_HOW}")
    return _Key(
        _derived(key, "id").hex()[:16],
        AESGCM(_derived(key, "encryption")),
        _derived(key, "webhook secrets"),
        text,
    )


def _derived(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, f"webex-webhooks-async {purpose}".encode(), hashlib.sha256).digest()


_DIGITS = 43
_HOW = (
    "make one with python -c 'import base64, os; "
    "print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
)
