"""Keeps tokens and secrets out of texts that are shown."""

import json
import re
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus

from attrs import field, frozen

_MIN_LENGTH = 8  # a shorter one is part of texts that have nothing to do with it


@frozen
class Redactor:
    """Replaces secrets in a text with three asterisks.

    A secret is found as it is, and as JSON or a URL escapes it, in exactly this case. A secret of
    fewer than 8 characters is left in place: it would also be found in words and tracking ids.

    Attributes:
        secrets: The secrets.
    """

    secrets: tuple[str, ...] = field(repr=False)

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub("***", text) if self._pattern else text

    @cached_property  # most requests redact nothing
    def _pattern(self) -> re.Pattern[str] | None:
        long_enough = [each for each in self.secrets if len(each) >= _MIN_LENGTH]
        forms = {form for secret in long_enough for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)  # one may be a part of another
        return re.compile("|".join(map(re.escape, longest_first))) if forms else None


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, errors="replace")
    yield quote(secret, safe="", errors="replace")
    yield quote_plus(secret, errors="replace")
    yield repr(secret.encode(errors="replace"))[2:-1]  # HTTP libraries quote bytes so in errors
