"""Takes the mentions of the bot itself out of what a message says."""

import re
from html.parser import HTMLParser

from webex_webhooks_async.models.messages import Message


def text_without_mention(message: Message, person_id: str) -> str:
    """The text of a message without the mentions of a person, and without whitespace around it.

    A mention is found by the person's id in the message's HTML. The text only has the name that it
    shows. The text may have that name elsewhere, too, in the same order as the HTML.
    """
    text = message.text or ""
    if message.html and person_id in message.html:
        mentions = _Mentions(person_id)
        mentions.feed(message.html)
        mentions.close()
        for start, end in sorted(mentions.spans_in(text), reverse=True):
            text = f"{text[:start]}{_MARK}{text[end:]}"
        text = _INNER.sub("", _LEADING.sub("", text))
    return text.strip()


_MARK = "\0"
_LEADING = re.compile(rf"\A\s*(?:{_MARK}\s*[,:]?\s*)+")
_INNER = re.compile(rf"(?<=\s){_MARK}[^\S\n]+|{_MARK}")  # leaves one space of two


class _Mentions(HTMLParser):
    """Finds where a message's HTML mentions a person."""

    def __init__(self, person_id: str) -> None:
        super().__init__()
        self._person_id = person_id
        self._shown = ""
        self._open: list[int | None] = []  # where each mention begins that is the person's
        self._found: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == _ELEMENT:
            is_own = dict(attrs).get("data-object-id") == self._person_id
            self._open.append(len(self._shown) if is_own else None)

    def handle_data(self, data: str) -> None:
        self._shown += data

    def handle_endtag(self, tag: str) -> None:
        start = self._open.pop() if tag == _ELEMENT and self._open else None
        if start is not None:
            self._found.append((start, self._shown[start:]))

    def spans_in(self, text: str) -> set[tuple[int, int]]:
        """Where the text, which shows what the HTML shows, has the mentions."""
        spans = set[tuple[int, int]]()
        for start, name in self._found:
            if not name.strip():
                continue
            pattern = re.compile(r"\s+".join(map(re.escape, name.split())))
            earlier = sum(each.start() < start for each in pattern.finditer(self._shown))
            places = [each.span() for each in pattern.finditer(text)]
            spans.update(places[earlier : earlier + 1])
        return spans


_ELEMENT = "spark-mention"
