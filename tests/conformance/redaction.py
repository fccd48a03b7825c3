"""What a run may print: no id, address, name, token, secret or URL, and no text of others."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from webex_webhooks_async.models.ids import comparable

_WORDS = frozenset({"type", "roomType", "resource", "event", "status", "ownedBy"})
_TEXTS = frozenset({"text", "html", "markdown"})
_ERRORS = frozenset({"message", "description"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
_PRIVATE = re.compile(
    r"https?://\S+|[\w.+-]+@[\w-]+[\w.-]*|Y2lz[\w=-]+"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{12,}|[\w=+-]{24,}"
)


class Redactor:
    """Shows the form of what Webex sends, and of its contents what is nobody's."""

    def __init__(self, secrets: Iterable[str], rooms: Iterable[str]) -> None:
        self._secrets = secrets  # may grow, as the rooms of the run may
        self._rooms = rooms

    def words(self, text: str) -> str:
        """A sentence of Webex's, without what is somebody's."""
        for each in sorted(self._secrets, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(each)}(?!\w)", "<...>", text)
        return _PRIVATE.sub("<...>", text)

    def value(self, value: object, *, key: str = "", is_own: bool = False) -> object:
        """A JSON value with only what is nobody's."""
        if isinstance(value, dict):
            document = cast("Mapping[str, Any]", value)
            is_own = comparable(str(document.get("roomId"))) in frozenset(self._rooms)
            return {
                self.words(name): self.value(each, key=name, is_own=is_own)
                for name, each in document.items()
            }
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self.value(each, key=key, is_own=is_own) for each in items]
        return self._text(value, key, is_own=is_own) if isinstance(value, str) else value

    def _text(self, text: str, key: str, *, is_own: bool) -> str:
        if key in _ERRORS or (key in _TEXTS and is_own):
            return self.words(text)
        if _TIME.fullmatch(text) or (key in _WORDS and re.fullmatch("[A-Za-z]{1,30}", text)):
            return text
        return _form_of(text)


def _form_of(text: str) -> str:
    """The form of an id, which says what kind of thing it is of; the length of anything else."""
    try:
        name = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except ValueError:
        name = ""
    if match := re.fullmatch(r"(ciscospark://(?:us|urn:[\w:.-]+)/[A-Z_]+)/.*", name):
        return f"<id {match[1]}/...>"
    return f"<{len(text)} characters>"
