"""Takes the mentions of the bot itself out of what a message says."""

import re
from functools import lru_cache
from html import unescape
from itertools import islice

from webex_webhooks_async.models.messages import Message


def text_without_mention(message: Message, person_id: str) -> str:
    """The text of a message without the mentions of a person, and without whitespace around it.

    A mention is found by the person's id in the message's HTML. The text only has the name that it
    shows. The text may have that name elsewhere, too, in the same order as the HTML.
    """
    text, html = message.text or "", message.html or ""
    if person_id in html:
        spans: set[tuple[int, int]] = set()
        for each in islice(_mention_of(person_id).finditer(html), _MAX_MENTIONS):
            if span := _span(_on_one_line(_shown(each[1])), text, html[: each.start()]):
                spans.add(span)
        for start, end in sorted(spans, reverse=True):
            text = f"{text[:start]}{_MARK}{text[end:]}"
        if leading := _LEADING.match(text):
            text = text[leading.end() :]
        if _MARK in text:
            text = _INNER.sub("", text)
    return text.strip()


@lru_cache
def _mention_of(person_id: str) -> re.Pattern[str]:
    attribute = rf"""data-object-id=["']{re.escape(person_id)}["']"""
    return re.compile(
        rf"<spark-mention\s(?>[^<>]*{attribute})[^<>]*+>(.{{0,1000}}?)</spark-mention>", re.DOTALL
    )


_MAX_MENTIONS = 20  # each takes a look at the whole message
_TAG = re.compile(r"<[^<>]*>")
_MARK = "\0"
_LEADING = re.compile(rf"\s*(?:{_MARK}\s*[,:]?\s*)+")
_INNER = re.compile(rf"(?<=\s){_MARK}[^\S\n]+|{_MARK}")  # leaves one space of two


def _span(name: str, text: str, before: str) -> tuple[int, int] | None:
    """Where the text has the mention: what the HTML before it shows has the name as often."""
    line = _on_one_line(text)
    count = line.count(name)
    earlier = _on_one_line(_shown(before)).count(name) if count > 1 else 0
    if not name or earlier >= count:
        return None
    start = line.find(name)
    for _ in range(earlier):
        start = line.find(name, start + len(name))
    if line == text:
        return start, start + len(name)
    # Both have the same characters that aren't whitespace.
    places = [index for index, each in enumerate(text) if not each.isspace()]
    first = start - line.count(" ", 0, start)
    last = first + len(name.replace(" ", "")) - 1
    return places[first], places[last] + 1


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(html: str) -> str:
    text = _TAG.sub("", html)
    try:
        return unescape(text)
    except ValueError:  # it has a number of more than 4,300 digits
        return text
