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
        spans = {
            span
            for each in islice(_mention_of(person_id).finditer(html), _MAX_MENTIONS)
            for span in _spans(_shown(each[1]), text, html[: each.start()])
        }
        for start, end in sorted(spans, reverse=True):
            text = f"{text[:start]}{_MARK}{text[end:]}"
        text = _INNER.sub("", _LEADING.sub("", text))
    return text.strip()


@lru_cache
def _mention_of(person_id: str) -> re.Pattern[str]:
    attribute = rf"""data-object-id=["']{re.escape(person_id)}["']"""
    return re.compile(
        rf"<spark-mention\s[^<>]*{attribute}[^<>]*>(.{{0,1000}}?)</spark-mention>", re.DOTALL
    )


_MAX_MENTIONS = 20  # each takes a look at the whole message
_TAG = re.compile(r"<[^<>]*>")
_MARK = "\0"
_LEADING = re.compile(rf"\A\s*(?:{_MARK}\s*[,:]?\s*)+")
_INNER = re.compile(rf"(?<=\s){_MARK}[^\S\n]+|{_MARK}")  # leaves one space of two


def _spans(name: str, text: str, html_before: str) -> list[tuple[int, int]]:
    """Where the text has the mention: the HTML before it has the same name as often."""
    pattern = _pattern_of(name)
    places = [each.span() for each in pattern.finditer(text)]
    if len(places) > 1:
        earlier = sum(1 for _ in pattern.finditer(_shown(html_before)))
        places = places[earlier : earlier + 1]
    return places


@lru_cache
def _pattern_of(name: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, name.split())))


def _shown(html: str) -> str:
    return unescape(_TAG.sub("", html))
