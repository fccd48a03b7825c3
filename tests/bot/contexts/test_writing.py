"""The messages that a bot writes, before they are sent."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.refusals import refused
from webex_webhooks_async import File
from webex_webhooks_async.bot.contexts.writing import new_messages, split, split_markdown
from webex_webhooks_async.models.messages import MAX_TEXT_BYTES

pytestmark = pytest.mark.once

WORDS = st.lists(st.sampled_from(["word", "ö", "한국어", "👩‍👩‍👧", " ", "\n", "\n\n", "\n \n"]))
CARD: Mapping[str, Any] = {"type": "AdaptiveCard", "version": "1.3", "body": []}
FILE = File("menu.txt", b"Pasta")
CARD_TYPE = "application/vnd.microsoft.card.adaptive"
NO_CARD_TEXT = "This message is a card, which your client can't show."


@given(st.one_of(st.text(), WORDS.map("".join)), st.integers(4, 30))
def test_pieces_are_the_text(text: str, limit: int) -> None:
    """No piece is too long or empty, no character is cut, and joined they are the text."""
    pieces = list(split(text, limit))

    assert "".join(pieces) == text
    assert all(0 < len(each.encode()) <= limit for each in pieces)


def test_the_limit_counts_bytes() -> None:
    """A text that fits is one piece; what doesn't is cut between characters."""
    assert [len(each) for each in split("ü" * 3719 + "u")] == [3720]
    assert [len(each) for each in split("ü" * MAX_TEXT_BYTES)] == [3719, 3719, 1]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("one two\n\nthree\nfour five", ["one two\n\n", "three\nfour five"]),
        ("one two three\nfour five six", ["one two three\n", "four five six"]),
        ("a\nbcdef ghij klmno pqr", ["a\nbcdef ghij ", "klmno pqr"]),
        ("a bcdefghijklmnopqrstuvwxyz", ["a ", "bcdefghijklmnop", "qrstuvwxyz"]),
        ("  bcdefghijklmnopqrstuvwxyz", ["  bcdefghijklmn", "opqrstuvwxyz"]),
    ],
    ids=["a paragraph", "a line", "a word, not a line far before", "a word", "a character"],
)
def test_a_text_is_cut_where_a_reader_pauses(text: str, pieces: list[str]) -> None:
    """A piece ends behind a paragraph, a line or a word, if there is one."""
    assert list(split(text, 15)) == pieces


MARKDOWN = st.lists(
    st.sampled_from(["```", "````", "~~~", "```py", "  ~~~ c++ x", "``` a`", "code", "ö " * 20, ""])
)


@given(MARKDOWN.map("\n".join))
def test_pieces_of_markdown_show_the_same(markdown: str) -> None:
    """What is in a code block stays in one, what isn't stays outside, and nothing else changes."""
    pieces = list(split_markdown(markdown, 100))

    assert all(len(each.encode()) <= 100 for each in pieces)
    assert [shown for each in pieces for shown in words(each)] == words(markdown)


@given(st.lists(st.sampled_from(["`", "~", "``````", "~" * 23, "a", " ", "\n", "ö" * 9])))
@example(["x" * 20, "~" * 63])
def test_no_piece_of_markdown_is_too_long(parts: list[str]) -> None:
    """Whatever stands in the middle of a line that is cut."""
    pieces = split_markdown("".join(parts) * 3, 80)

    assert all(len(each.encode()) <= 80 for each in pieces)


def words(markdown: str) -> list[tuple[str, str]]:
    """Each word, with the fence of the code block that it is in."""
    found: list[tuple[str, str]] = []
    fence = ""
    for line in markdown.splitlines():
        stripped = line.strip()
        mark = stripped[: len(stripped) - len(stripped.lstrip(stripped[:1]))]
        if not fence and mark[:3] in {"```", "~~~"} and "`" not in stripped[len(mark) :]:
            fence = mark
        elif fence and mark.startswith(fence) and mark == stripped:
            fence = ""
        else:
            found += [(word, fence) for word in line.split()]
    return found


def test_a_code_block_that_is_cut_goes_on_in_the_next_message() -> None:
    """Its fence, not one in it, is closed and opened again, with its language; text isn't."""
    code = "x = 1\n" * 2000
    first, last = messages(markdown=f"Look:\n```python\n~~~\n{code}```\nDone.")

    assert first["markdown"].endswith("x = 1\n```")
    assert last["markdown"].startswith("```python\nx = 1\n")
    assert last["markdown"].endswith("x = 1\n```\nDone.")
    assert "```\nx" not in "".join(each["text"] for each in messages(f"```\n{code}")[1:])


def test_a_code_block_that_ends_at_the_cut_does_not_go_on() -> None:
    """The next message has no empty code block."""
    code = "x = 1\n" * 1238
    first, last = messages(markdown=f"```\n{code}```\nDone.")

    assert first["markdown"].endswith("x = 1\n```")
    assert last["markdown"] == "\nDone."


def messages(
    text: str | None = None,
    *,
    markdown: str | None = None,
    card: Mapping[str, Any] | None = None,
    file: File | str | None = None,
) -> list[dict[str, Any]]:
    """The messages to be sent."""
    return new_messages(text, markdown=markdown, card=card, file=file)


def test_the_last_message_has_the_card_and_the_file() -> None:
    """A text that is too long comes before what goes with it."""
    long = "word " * 2000
    first, last = messages(long, markdown="**short**", card=CARD, file="https://example.com/a")

    assert first["text"] + last["text"] == long
    assert first.keys() == {"text"}
    assert last.keys() == {"text", "markdown", "attachments", "files"}
    assert last["files"] == ["https://example.com/a"]


@pytest.mark.parametrize(
    "text", ["x" * MAX_TEXT_BYTES + "\n", " " * MAX_TEXT_BYTES + "x" * MAX_TEXT_BYTES]
)
def test_no_message_is_whitespace_alone(text: str) -> None:
    """Webex would refuse it, and what goes with the last message would be lost."""
    (only,) = messages(text, card=CARD)

    assert only["text"] == "x" * MAX_TEXT_BYTES


@pytest.mark.parametrize(
    ("text", "card", "expected"),
    [
        ("Lunch?", {**CARD, "fallbackText": "A menu"}, "Lunch?"),
        (None, {**CARD, "fallbackText": "A menu"}, "A menu"),
        ("", {"contentType": CARD_TYPE, "content": {**CARD, "fallbackText": "A menu"}}, "A menu"),
        (None, CARD, NO_CARD_TEXT),
        (None, {**CARD, "fallbackText": 7}, NO_CARD_TEXT),
    ],
    ids=["given", "of the card", "of an attachment", "default", "unreadable"],
)
def test_a_text_goes_with_a_card(text: str | None, card: Mapping[str, Any], expected: str) -> None:
    """Clients that can't show cards show something."""
    (only,) = messages(text, card=card)

    assert only["text"] == expected


def test_a_card_may_be_a_whole_attachment() -> None:
    """What has a content type is sent as it is, what has none is its content, beside Markdown."""
    whole = {"contentType": CARD_TYPE, "content": CARD}

    assert messages(markdown="*Lunch?*", card=CARD) == [
        {"markdown": "*Lunch?*", "attachments": [whole]}
    ]
    assert messages(card=whole)[0]["attachments"] == [whole]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "ValueError: there is nothing to send: pass a text, markdown, a card or a file"),
        ({"text": " \n"}, "ValueError: there is nothing to send"),
        ({"text": "\u3000" * 3000}, "ValueError: there is nothing to send"),
        ({"text": "ab " * 3000, "markdown": "cd " * 3000}, "ValueError: text and markdown both"),
        ({"file": FILE, "card": CARD}, "ValueError: a file can't be uploaded with a card: "),
        ({"card": [CARD]}, "TypeError: card must be a dict, such as {'type': 'AdaptiveCard', "),
        ({"card": {"contentType": "x/y"}}, "ValueError: Webex refuses this card (contentType of "),
        ({"card": {"contentType": CARD_TYPE}}, "ValueError: Webex refuses this card (content of "),
        ({"card": {"version": "1.3"}}, "ValueError: Webex refuses this card (type of a card must "),
        ({"card": {"type": "AdaptiveCard"}}, "ValueError: Webex refuses this card (Missing Adapti"),
        ({"text": 7}, "TypeError: text must be str, got int"),
        ({"text": "\ud800"}, "ValueError: text is not valid Unicode"),
        ({"file": "menu.pdf"}, "ValueError: file must be an absolute http(s) URL, got 'menu.pdf':"),
        ({"file": ["https://example.com"]}, "TypeError: file must be a File, as of File.from_path"),
        ({"text": "ab " * 3000, "card": {**CARD, "body": object()}}, "TypeError: "),
    ],
)
def test_what_cannot_be_sent_is_an_error_before_anything_is(
    arguments: dict[str, Any], error: str
) -> None:
    """The error says what is wrong."""
    with refused(error):
        messages(**arguments)
