"""Keeps tokens and secrets out of texts that are shown."""

import html
import json
import re
from urllib.parse import quote, quote_plus

from attrs import field, frozen


@frozen
class Redactor:
    """Takes secrets out of text that is shown, in each form in which a service might echo them."""

    secrets: tuple[str, ...] = field(repr=False)

    def __call__(self, text: str) -> str:
        """The text with each secret as three asterisks."""
        longest_first = sorted(self.secrets, key=len, reverse=True)  # one may be a part of another
        pattern = "|".join(_in_any_form(secret) for secret in longest_first)
        return re.sub(pattern, "***", text, flags=re.IGNORECASE) if pattern else text


def _in_any_form(secret: str) -> str:
    """A pattern for a secret as it is, or as JSON, a URL, HTML or Python escapes it.

    What was escaped again has more backslashes. They are counted once and not again (a ``+`` behind
    the count), which would take exponential time.
    """
    return "".join(
        _backslashes(len(part)) if part.startswith("\\") else _escaped(part)
        for part in re.findall(r"\\+|[^\\]", secret)
    )


def _backslashes(count: int) -> str:
    return rf"(?:\\{{1,{8 * count}}}+|(?:%5C){{{count}}})"


def _escaped(character: str) -> str:
    forms = {
        character,
        json.dumps(character)[1:-1],
        quote(character, safe="", errors="replace"),
        quote_plus(character, errors="replace"),
        html.escape(character),
        repr(character.encode(errors="replace"))[2:-1],
    }
    pattern = "|".join(
        re.escape(form.lstrip("\\")) for form in sorted(forms, key=len, reverse=True)
    )
    inner = pattern.replace(re.escape("\\"), _backslashes(1))
    return rf"\\{{0,8}}+(?:{inner})"
