import base64
import os
import sys

import pytest

from tests.integration.stage import KEY, OTHER_KEY
from webex_webhooks_async.integration.keyring import Keyring


def test_each_key_decrypts_and_the_first_encrypts() -> None:
    """What an older key has made can be read as long as that key is there."""
    old, both, new = Keyring([KEY]), Keyring([OTHER_KEY, KEY]), Keyring([OTHER_KEY])
    sealed = old.seal(b"tokens", name="user 1")

    assert both.open(sealed, name="user 1") == b"tokens"
    assert new.open(both.seal(b"tokens", name="x"), name="x") == b"tokens"
    with pytest.raises(ValueError, match="missing from encryption_keys"):
        new.open(sealed, name="user 1")


@pytest.mark.parametrize("name", ["user 2", "cookie of a login"])
def test_what_is_encrypted_names_its_place(name: str) -> None:
    """What was encrypted for one place can't be read in another one."""
    ring = Keyring([KEY])

    with pytest.raises(ValueError, match="belongs elsewhere"):
        ring.open(ring.seal(b"tokens", name="user 1"), name=name)
    with pytest.raises(ValueError, match="can't be decrypted"):
        ring.open(b"short", name=name)


@pytest.mark.parametrize(
    "key",
    ["", "x", KEY[:-2], KEY + "A", KEY.replace("A", "!", 1), KEY.replace("A", "é", 1), " " + KEY],
)
def test_what_is_no_key(key: str) -> None:
    """Anything but 32 bytes in URL-safe base64 is refused, and not shown."""
    with pytest.raises(ValueError, match="32 bytes") as refusal:
        Keyring([KEY, key])
    assert not key or key not in str(refusal.value)


def test_keys_of_wrong_types() -> None:
    """One text is no list of keys, and none is no key."""
    with pytest.raises(ValueError, match="has no key"):
        Keyring([])
    for wrong in (KEY, [b"x"]):
        with pytest.raises(TypeError):
            Keyring(wrong)  # type: ignore[arg-type] # on purpose


def test_no_key_is_shown() -> None:
    """Neither a repr nor an id has a key, with or without its padding."""
    key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    ring = Keyring([key.rstrip("=")])

    assert key[:20] not in f"{ring!r} {ring.ids} {vars(ring)!r}"
    assert ring.texts() == (key.rstrip("="),)


def test_a_secret_is_of_a_person_and_a_key() -> None:
    """A secret has 64 hexadecimal digits, and is another one for each person and each key."""
    ring = Keyring([KEY, OTHER_KEY])
    made = {ring.secret_of(person, key) for person in ("a", "b") for key in ring.ids}

    assert len(made) == 4
    assert all(len(bytes.fromhex(each)) == 32 for each in made)


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the error names it."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ImportError, match=r"webex-webhooks-async\[integration\]"):
        Keyring([KEY])
