"""Makes text from elsewhere safe in a log, a message or a terminal: one short line, no secrets."""

import json
import re
import string
from collections.abc import Iterable, Iterator
from functools import cached_property
from http import HTTPStatus
from typing import cast

_MAX_CHARACTERS = 1_000  # of a request or a message
_MAX_SUMMARY = 500
_MAX_ID = 200  # Webex's have about 60

_MOST_COMPARED = 512  # characters of a secret; a pattern of 16 KB takes seconds to compile
_LONGEST_ESCAPE = 12  # characters that stand for one
_MIN_SECRET = 8  # a shorter one is part of texts that have nothing to do with it

LONGEST_FORM: int = _LONGEST_ESCAPE * _MOST_COMPARED
"""At most so many characters of a text are compared with a secret."""

SECRET_NAMES = (
    *("secret", "clientSecret", "client_secret", "access_token", "refresh_token"),
    *("code", "code_verifier"),
)
"""The names that secrets have in JSON and in forms."""


class Redactor:
    """Replaces secrets in a text with three asterisks.

    A secret is found as it is, and in each way in which JSON, a URL, a form and HTML can write it,
    in exactly this case. A secret of fewer than 8 characters is left in place: it would also be
    found in words and tracking ids. One of more than 512 is found by these, and the rest of the
    text is replaced, too, so that a huge one costs little.

    Its repr shows none.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = secrets

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub("***", text) if self._pattern else text

    @cached_property  # most requests redact nothing
    def _pattern(self) -> re.Pattern[str] | None:
        secrets = (each for each in self._secrets if len(each) >= _MIN_SECRET)
        longest_first = sorted(secrets, key=len, reverse=True)  # one may be a part of another
        forms = dict.fromkeys(form for each in longest_first for form in _forms(each))
        return re.compile("|".join(forms)) if forms else None


def _forms(secret: str) -> Iterator[str]:
    """Patterns of the forms of a secret. In each, a character is either itself or an escape."""
    compared = secret[:_MOST_COMPARED]
    rest = "" if compared == secret else "(?s:.*)"
    yield re.escape(compared) + rest
    for in_form in (_in_json, _in_url, _in_html):
        yield "".join(each if each in _PLAIN else in_form(each) for each in compared) + rest


_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}_-")


def _in_json(character: str) -> str:
    as_dumped = json.dumps(character, ensure_ascii=False)[1:-1]
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    escape = "".join(rf"\\u{utf16[at : at + 4]}" for at in range(0, len(utf16), 4))
    return _either(as_dumped, r"\/" if character == "/" else "", escape=escape)


def _in_url(character: str) -> str:
    itself = "" if character == "%" else character
    escape = "".join(f"%{byte:02x}" for byte in character.encode(errors="replace"))
    return _either(itself, "+" if character == " " else "", escape=escape)


def _in_html(character: str) -> str:
    import html  # noqa: PLC0415 - few programs redact something, and it has a table of 2,000 names

    itself = "" if character == "&" else character
    code = ord(character)
    return _either(itself, html.escape(character), escape=f"&#(?:0*{code}|x0*{code:x});")


def _either(*ways: str, escape: str) -> str:
    # Each once, and none that the escape has: of two equal ways both are tried, for each character
    # of what is only nearly a secret.
    different = dict.fromkeys(way for way in ways if way and not way.startswith((r"\u", "&#")))
    return f"(?:{'|'.join(map(re.escape, different))}|(?i:{escape}))"


def describe_exception(error: BaseException) -> str:
    """The type and the text of an exception; the type alone if it has no text, or ``str`` fails.

    The first exception of a group, as a `TaskGroup` raises it, follows: it says what happened.
    """
    kind = type(error).__name__
    try:
        text = str.__str__(str(error))  # a plain one: a subclass may fail later
        first = first_of(error)
        if first is not error:
            text = f"{text}: {describe_exception(first)}"
    except BaseException:  # noqa: BLE001 - it may be anybody's, and raise SystemExit
        return kind
    return f"{kind}: {text}" if text else kind


def first_of(error: BaseException) -> BaseException:
    """The first exception of a group that isn't a group, too; any other exception itself."""
    while isinstance(error, BaseExceptionGroup):
        (error, *_) = cast("tuple[BaseException, ...]", error.exceptions)
    return error


def summarize_exception(error: BaseException) -> str:
    """The description of an exception on one line, of which a long one is cut."""
    return _summary(describe_exception(error))


def summarize_redacted(error: BaseException, secrets: Iterable[str] | None) -> str:
    """The same without addresses and these secrets; the type alone if they aren't known (`None`).

    Secrets are found before the text is cut; a part of one at the end of what is read of a very
    long text is cut off, too.
    """
    kind = type(error).__name__
    if secrets is None:
        return _summary(kind)
    hidden = {form for each in secrets for form in (each, repr(each)[1:-1])}
    text = describe_exception(error)
    shown = Redactor(hidden)(text[:_MOST_READ])
    if len(text) > _MOST_READ:
        longest = max(_LONGEST_ADDRESS, *map(len, hidden))
        shown = shown[: max(0, len(shown) - _LONGEST_ESCAPE * longest)]
    return _summary(without_addresses(shown) or kind)


_MOST_READ = 20_000  # characters of an error, in which secrets and addresses are looked for
_LONGEST_ADDRESS = 320


def _summary(text: str) -> str:
    return on_one_line(text[:_MAX_SUMMARY])[:_MAX_SUMMARY]


def conninfo_in(database: str) -> str | None:
    """Return what libpq takes, if a text names a database of PostgreSQL, and not a file."""
    if not re.match("postgres(ql)?[:+]", database):
        return None
    return "" if database in {"postgresql:", "postgres:"} else database


def described_database(text: str) -> str | None:
    """Name a text that belongs to a database on a server, without its password; `None` for a path.

    It shows the scheme of a URL alone, and nothing of a conninfo.
    """
    text = text.lstrip()
    if url := re.match(r"^[A-Za-z][\w+.-]+:(?=/)", text):  # a drive of Windows has one letter
        return f"a URL that begins with {url[0]!r}"
    user, at, _ = text.partition("@")
    if at and ":" in user and not re.match(r"^[A-Za-z]:[\\/]", user):
        return "a user with a password"
    conninfo = re.search(r"(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service)\s*=", text)
    return "a conninfo" if conninfo else None


def describe_status(status_code: int) -> str:
    """An HTTP status with its phrase, if it has one."""
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)


def describe_failure(
    method: str | None, path: str | None, *what: str, tracking_id: str | None
) -> str:
    """One line about a failed request: the request, what happened, and the tracking id.

    Unknown values are left out; long texts are cut.
    """
    request = " ".join(part for part in (method, path) if part)
    sentence = ": ".join(_cut(part) for part in (request, *what) if part)
    return on_one_line(f"{sentence} (tracking id {tracking_id})" if tracking_id else sentence)


def without_addresses(text: str) -> str:
    """The text without e-mail addresses."""
    # A name is a word or quoted. It begins where that does, so that a long one is looked at once.
    # The sign is itself, or as a URL, JSON, Python or HTML writes it.
    return re.sub(
        r"""(?i)(?:"[^"]+"|(?<![^\s'"<>@])[^\s'"<>@]+)"""
        r"""(?:[@\uff20]|%(?:25)*40|\\(?:u00|x)40|&(?:#0*64|#x0*40|commat);)[^\s'"<>@]+""",
        "...@...",
        text,
    )


def on_one_line(text: str) -> str:
    """The text on one line, with each control character escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def storable(text: str) -> str:
    """The text as any database can hold it: without NUL and halves of surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode(errors="replace").decode().replace("\0", "?")


def short_id(text: str) -> str:
    """An id from elsewhere, cut and on one line, as errors and log records keep it."""
    return _cut(on_one_line(text[: _MAX_ID + 1]), _MAX_ID)


def _cut(text: str, length: int = _MAX_CHARACTERS) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
