"""Files that go with messages."""

import mimetypes
import os
from pathlib import Path
from typing import Self

from attrs import field, frozen

from webex_webhooks_async.validation import check_text, check_type


@frozen(init=False)
class File:
    """A file to upload, or one that was downloaded. It is a value, and not for JSON.

    Args:
        name: Its name, such as ``menu.pdf``.
        content: The bytes.
        content_type: The media type; without it, the one that the name suggests, or
            ``application/octet-stream``.

    Attributes:
        name: Its name. That of a downloaded file can be joined to a path: it has no folder, no
            leading dot, 200 bytes at most, and an underscore before the name of a device (``CON``).
        content: The bytes. The repr doesn't show them.
        content_type: The media type.

    Raises:
        ValueError: The name is empty, or the name or the media type has a control character, such
            as a line break, or isn't valid Unicode.
        TypeError: An argument has a wrong type.
    """

    name: str
    content: bytes = field(repr=False)
    content_type: str

    def __init__(self, name: str, content: bytes, content_type: str | None = None) -> None:
        if content_type is None:
            check_text("name", name)
            content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        check_type("content", content, bytes)
        for what, text in {"name": name, "content_type": content_type}.items():
            check_text(what, text)
            if not text or _has_control_characters(text):
                raise ValueError(f"{what} must be a line of text, got {text!r}")
        set_once = object.__setattr__
        set_once(self, "name", name)
        set_once(self, "content", content)
        set_once(self, "content_type", content_type)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], content_type: str | None = None) -> Self:
        """Return the file at a path, with its name there. It is read at once.

        Raises:
            OSError: It can't be read.
            ValueError: As when made directly.
        """
        path = Path(path)
        return cls(path.name, path.read_bytes(), content_type)


def _has_control_characters(text: str) -> bool:
    return any(each < " " or "\x7f" <= each <= "\x9f" or each in "\u2028\u2029" for each in text)
