import html
import json
import time
from unittest.mock import Mock
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async.formatting import Redactor, describe_exception


class Touchy(str):
    """A text that fails when it is used."""

    __slots__ = ()

    def __str__(self) -> str:
        return self

    def __bool__(self) -> bool:
        raise SystemExit


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("reset"), "OSError: reset"),
        (TimeoutError(), "TimeoutError"),
        (OSError(Mock(__str__=Mock(side_effect=KeyboardInterrupt))), "OSError"),
        (OSError(Touchy("reset")), "OSError: reset"),
        (
            ExceptionGroup("tasks", [ExceptionGroup("more", [KeyError("dish")])]),
            "ExceptionGroup: tasks (1 sub-exception): KeyError: 'dish'",
        ),
    ],
)
def test_type_and_text(error: Exception, text: str) -> None:
    """An exception without a text is described by its type, a group by its first exception, too."""
    assert describe_exception(error) == text


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        (("c4n4ry-1", "c4n4ry-1234"), "a c4n4ry-1234, a c4n4ry-1", "a ***, a ***"),
        (("c4n4ry-1234", "c4n4ry-1"), "a c4n4ry-1234, a c4n4ry-1", "a ***, a ***"),
        (("",), "ROUTER_c4n4ry7", "ROUTER_c4n4ry7"),
        (("c4n4ry7", "c4n4ry-8"), "c4n4ry7, c4n4ry-8", "c4n4ry7, ***"),
        (("password",), "Password: password", "Password: ***"),
    ],
    ids=["longest first", "in any order", "empty", "less than 8 characters", "this case only"],
)
def test_a_secret_is_a_word_of_its_own(secrets: tuple[str, ...], text: str, shown: str) -> None:
    """The longest is redacted first; a short one would be found in words and tracking ids too."""
    assert Redactor(secrets)(text) == shown


@pytest.mark.parametrize(
    "form",
    [
        """a "b\\/c 100% & é☃😀 <it's>""",
        r"""a \"b\\/c 100% & é☃😀 <it's>""",
        r"""a \"b\\\/c 100% & \u00e9\u2603\uD83D\uDE00 \u003cit's\u003E""",
        "a+%22b%5C%2Fc+100%25+%26+%C3%A9%E2%98%83%F0%9F%98%80+%3Cit%27s%3E",
        "a%20%22b%5c/c%20100%25%20&%20%c3%a9%e2%98%83%f0%9f%98%80%20%3cit's%3e",
        r"a &quot;b\/c 100% &amp; &#233;&#x2603;😀 &lt;it&#039;s&gt;",
    ],
    ids=["itself", "JSON", "JSON of PHP and Java", "a form", "a URL of a browser", "HTML"],
)
def test_a_secret_is_redacted_however_it_is_written(form: str) -> None:
    """A service may repeat it as it was sent, or as its own JSON, URL or HTML."""
    redact = Redactor(("""a "b\\/c 100% & é☃😀 <it's>""",))

    assert redact(f"in {form}.") == "in ***."


def test_of_a_long_secret_the_beginning_is_looked_for() -> None:
    """One of more than 512 characters is redacted with all that follows; its pattern is small."""
    exact, longer = "c4n4ry/7" * 64, f"{'c4n4ry/7' * 64}c"
    for write in (str, quote_plus):
        assert Redactor((exact,))(f"a {write(exact)} b\nc") == "a *** b\nc"
        assert Redactor((longer,))(f"a {write(longer)} b\nc") == "a ***"


@pytest.mark.parametrize(
    ("character", "written"), [("é", "é"), ("'", "&#x27;"), ("\x01", r"\u0001")]
)
def test_nearly_a_secret_is_compared_once(character: str, written: str) -> None:
    """Text that ends shortly before a secret does doesn't take twice as long for each character."""
    redact = Redactor((character * 24,))

    def duration(length: int) -> float:
        started = time.process_time()
        redact(f"{written * length}{'x' * 24}")
        return time.process_time() - started

    redact("")  # compiles the pattern
    assert min(duration(23) for _ in range(5)) < 100 * min(duration(12) for _ in range(5))


@given(
    st.lists(st.text(st.characters(exclude_categories=(), exclude_characters="*"), min_size=8)),
    st.lists(st.text(st.characters(exclude_categories=()))),
    st.data(),
)
def test_no_text_shows_a_secret(secrets: list[str], texts: list[str], data: st.DataObject) -> None:
    """A secret of 8 characters or more is redacted everywhere, also as JSON or a URL escapes it."""
    forms = [
        *secrets,
        *(json.dumps(secret)[1:-1] for secret in secrets),
        *(quote(secret, safe="", errors="replace") for secret in secrets),
        *(quote_plus(secret, safe="!'()*", errors="replace") for secret in secrets),
        *(json.dumps(secret, ensure_ascii=False)[1:-1] for secret in secrets),
        *(html.escape(secret) for secret in secrets),
    ]
    text = "".join(data.draw(st.permutations([*forms, *texts])))

    shown = Redactor(tuple(secrets))(text)

    assert [form for form in forms if form in shown] == []
