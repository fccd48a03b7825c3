"""Takes the mentions of the bot itself out of what a message says."""

import re
from collections.abc import Iterable
from html import unescape
from itertools import islice

from webex_webhooks_async.models.ids import is_same
from webex_webhooks_async.models.messages import Message


def text_without_mention(message: Message, person_id: str) -> str:
    """The text of a message without the mentions of a person, and without whitespace around it.

    A mention is found by the person's id in the message's HTML, which may name another cluster. The
    text only has the name that it shows. The text may have that name elsewhere, too, in the same
    order as the HTML.
    """
    text, html = message.text or "", message.html or ""
    if "<spark-mention" in html and max(len(text), len(html)) <= _MOST_READ:
        line = _on_one_line(text)
        places = _places(line, html, person_id)
        for start, end in sorted(_in_the_text(places, line, text), reverse=True):
            text = f"{text[:start]}{_MARK}{text[end:]}"
        if leading := _LEADING.match(text):
            text = text[leading.end() :]
        if _MARK in text:
            text = _INNER.sub("", text)
    return text.strip()


_MOST_READ = 50_000  # characters; a message of Webex has 7,439 bytes
_MAX_MENTIONS = 20  # each takes a look at the whole message
_MENTION = re.compile(
    r"""<spark-mention\s(?>[^<>]*data-object-id=["']([^"'<>]*)["'])[^<>]*+>(.{0,1000}?)"""
    r"</spark-mention>",
    re.DOTALL,
)
_TAG = re.compile(r"<[^<>]*>")
_MARK = "\0"
_LEADING = re.compile(rf"\s*(?:{_MARK}\s*[,:]?\s*)+")
_INNER = re.compile(rf"(?<=\s){_MARK}[^\S\n]+|{_MARK}")  # leaves one space of two


def _places(line: str, html: str, person_id: str) -> set[tuple[int, int]]:
    """Return where a line has the mentions: the HTML before one shows the name as often."""
    places: set[tuple[int, int]] = set()
    before, end = "", 0
    own = (each for each in _MENTION.finditer(html) if is_same(each[1], person_id))
    for mention in islice(own, _MAX_MENTIONS):
        before += _shown(html[end : mention.start()])
        shown, end = _shown(mention[2]), mention.end()
        if name := _on_one_line(shown):
            earlier = _on_one_line(before).count(name) if line.count(name) > 1 else 0
            *parts, rest = line.split(name, earlier + 1)
            if len(parts) == earlier + 1:
                stop = len(line) - len(rest)
                places.add((stop - len(name), stop))
        before += shown
    return places


def _in_the_text(places: set[tuple[int, int]], line: str, text: str) -> Iterable[tuple[int, int]]:
    """The same places in the text, which has the same characters that aren't whitespace."""
    if line == text:
        return places
    indexes = [index for index, each in enumerate(text) if not each.isspace()]
    firsts = [(start - line.count(" ", 0, start), stop) for start, stop in places]
    return [
        (indexes[first], indexes[stop - line.count(" ", 0, stop) - 1] + 1) for first, stop in firsts
    ]


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(html: str) -> str:
    text = _TAG.sub("", html)
    try:
        return unescape(text)
    except ValueError:  # it has a number of more than 4,300 digits
        return text
