"""Makes what the page shows of requests and deliveries safe: texts without secrets, and cut."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from webex_webhooks_async.formatting import LONGEST_FORM, SECRET_NAMES, Redactor
from webex_webhooks_async.testing.service.token_store import PERSON_TOKEN, bearer_token

MAX_TEXT = 20_000
"""So many characters of a text, such as a body, are shown."""

MAX_SECRETS = 100
"""So many tokens and secrets of webhooks are redacted, those that were used last."""

A_SECRET = "a secret"  # noqa: S105 - a word for one
"""What isn't shown of something that had a secret."""

_MOST_READ = MAX_TEXT + LONGEST_FORM


class KnownSecrets:
    """The tokens, and the secrets of webhooks, that were used last."""

    def __init__(self) -> None:
        self._redactors: dict[str, Redactor] = {}  # the last is of the one that was used last

    def add(self, secret: str | None) -> None:
        """Redact a secret from now on."""
        if secret:
            redactor = self._redactors.pop(secret, None) or Redactor((secret,))
            self._redactors[secret] = redactor
            if len(self._redactors) > MAX_SECRETS:
                del self._redactors[next(iter(self._redactors))]

    def add_token_of(self, authorization: str) -> None:
        """Redact the token in a header from now on, unless it names a person."""
        if not bearer_token(authorization).startswith(PERSON_TOKEN):
            self.add(authorization.partition(" ")[2].strip() or authorization)

    def redaction(self) -> "Redaction":
        """Return a redactor of the values that are known now."""
        longest_first = sorted(self._redactors, key=len, reverse=True)  # one may be in another
        return Redaction([self._redactors[each] for each in longest_first])


class Redaction:
    """Makes values ready to be shown: texts without secrets, and cut."""

    def __init__(self, redactors: Sequence[Redactor]) -> None:
        self.withheld: str | None = None  # the part that isn't shown, if one is left out
        self._redactors = redactors

    def members(self, members: Mapping[str, object]) -> dict[str, Any]:
        """An object with members that are ready to be shown."""
        return {name: self(value) for name, value in members.items()}

    def __call__(self, value: object) -> object:
        """A text, a body, headers, or a value that needs no redaction."""
        match value:
            case str():
                return self.text(value)
            case bytes():
                return self._body(value)
            case Mapping():
                headers = cast("Mapping[str, str]", value)
                return {self.text(name): self.text(each) for name, each in headers.items()}
            case _:
                return value

    def document(self, value: object) -> object:
        """A JSON document with its keys; no value of one that names a secret is shown."""
        match value:
            case str():
                return self.text(value)
            case dict():
                members = cast("dict[str, object]", value)
                return {
                    key: "***" if key in SECRET_NAMES and each else self.document(each)
                    for key, each in members.items()
                }
            case list():
                return [self.document(each) for each in cast("list[object]", value)]
            case _:
                return value

    def _body(self, body: bytes) -> str:
        text = body[: 4 * _MOST_READ].decode(errors="replace")
        shown = self.text(text)
        if text.encode() != body:
            self.withheld = self.withheld or "bytes that aren't text"
        return shown

    def text(self, text: str) -> str:
        """A text; secrets are found before it is cut, also one that goes on after the cut."""
        read = text[:_MOST_READ]
        shown = read
        for pattern in _PATTERNS:
            shown = pattern.sub(r"\1***", shown)
        for redactor in self._redactors:
            shown = redactor(shown)
        if shown != read:
            self.withheld = A_SECRET
        elif len(text) > MAX_TEXT:
            self.withheld = self.withheld or f"more than {MAX_TEXT} characters"
        if len(text) >= _MOST_READ:  # what is read may end in a part of a secret
            shown = shown[: max(0, len(shown) - LONGEST_FORM)]
        return shown[:MAX_TEXT]


def _spelled(name: str) -> str:
    """The pattern of a name in JSON or a form, in which each character may be escaped."""
    return "".join(rf"(?:{each}|(?i:\\u00{ord(each):x}|%{ord(each):x}))" for each in name)


_NAMES = "|".join(map(_spelled, SECRET_NAMES))
_PATTERNS = (  # each begins with few characters, which are found fast
    re.compile(rf"""("(?=[acrs\\])(?:{_NAMES})"\s*:\s*")(?:[^"\\]|\\.)+""", re.DOTALL),
    re.compile(rf"((?=[acrs%])(?<!\w)(?:{_NAMES})=)[^&\s]+"),
    re.compile(r"""([Bb](?i:(?<!\w.)earer\s+))[^\s"'<>]{8,}"""),
)
