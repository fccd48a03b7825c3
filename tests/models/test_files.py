import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from webex_webhooks_async import File, to_json


@pytest.mark.parametrize(
    ("name", "given", "content_type"),
    [
        ("menu.pdf", None, "application/pdf"),
        ("menü.PNG", None, "image/png"),
        ("menu", None, "application/octet-stream"),
        ("menu.pdf", "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
    ],
)
def test_the_content_type_is_given_or_that_of_the_name(
    name: str, given: str | None, content_type: str
) -> None:
    """What nothing is known of is a stream of bytes."""
    assert File(name, b"...", given).content_type == content_type


def test_a_file_is_a_value_that_shows_no_content() -> None:
    """Two with the same parts are equal, and it survives copies and pickles."""
    file = File("menu.txt", b"soup")

    assert file == File("menu.txt", b"soup", "text/plain")
    assert repr(file) == "File(name='menu.txt', content_type='text/plain')"
    assert pickle.loads(pickle.dumps(file)) == copy.deepcopy(file) == file  # noqa: S301 - made here
    with pytest.raises(FrozenInstanceError):
        setattr(file, "name", "other")  # noqa: B010 - type checkers refuse the plain form


def test_a_file_is_not_for_json() -> None:
    """JSON holds no bytes: the error names them."""
    with pytest.raises(TypeError, match="bytes"):
        to_json(File("menu.txt", b"soup"))


def test_a_file_of_the_disk_has_its_name_there(tmp_path: Path) -> None:
    """`from_path` reads it; folders aren't part of its name."""
    path = tmp_path / "menu.pdf"
    path.write_bytes(b"soup")

    assert File.from_path(path) == File("menu.pdf", b"soup", "application/pdf")
    assert File.from_path(str(path), "text/plain").content_type == "text/plain"
    with pytest.raises(FileNotFoundError, match="absent"):
        File.from_path(tmp_path / "absent")


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        (("", b""), ValueError, "name must be a line of text"),
        (("a\r\nX-Evil: 1", b""), ValueError, "name must be a line of text"),
        (("a\u2028b", b""), ValueError, "name must be a line of text"),
        (("a", b"", "text/plain\r\nX-Evil: 1"), ValueError, "content_type must be a line"),
        (("a", b"", ""), ValueError, "content_type must be a line"),
        (("\udcff", b""), ValueError, "name is not valid Unicode"),
        ((b"a", b""), TypeError, "name must be str, got bytes"),
        (("a", "text"), TypeError, "content must be bytes, got str"),
        (("a", b"", 1), TypeError, "content_type must be str, got int"),
    ],
    ids=ascii,
)
def test_an_unsound_part_is_refused(
    parts: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    """A line break, say, would forge a header of the form."""
    with pytest.raises(error, match=message):
        File(*parts)
