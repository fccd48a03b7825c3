"""Fetches what notifications of a bot are about, and makes the contexts of its handlers."""

import logging
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import unescape
from itertools import islice
from typing import Any, Protocol, cast

from attrs import frozen

from webex_webhooks_async.bot.contexts.contexts import (
    Asker,
    Jobs,
    MessageContext,
    SubmissionContext,
)
from webex_webhooks_async.bot.start import Startup
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.responses import is_gone
from webex_webhooks_async.errors import APIError
from webex_webhooks_async.formatting import short_id
from webex_webhooks_async.models.ids import is_same
from webex_webhooks_async.models.messages import AttachmentAction, Message, Person
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import OwnedBy
from webex_webhooks_async.notifications.descriptions import OWN_ACTION, describe, log_debug
from webex_webhooks_async.receiving.lifespan import State

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class Home(Jobs, Protocol):
    """The bot whose handlers run."""

    client: Client

    @property
    def state(self) -> State:
        """The mapping that its lifespan has yielded."""
        ...


@frozen
class Fetched:
    """A message or a submission: what it says, and what its context has."""

    said: object
    kind: type[MessageContext] | type[SubmissionContext]
    given: Mapping[str, Any]


class NothingLeftError(Exception):
    """A notification is about something that is gone."""


class Fetcher:
    """Fetches messages and submissions, and makes contexts."""

    def __init__(
        self, home: Home, startup: Startup, asker: Asker, clock: Clock, *, may_be_shared: bool
    ) -> None:
        self._home = home
        self._startup = startup
        self._asker = asker
        self.clock: Clock = clock  # tells the age of what is handled
        self._may_be_shared = may_be_shared  # whether another bot may use the same inbox

    @property
    def me(self) -> Person:
        """The bot, which knows itself before it handles anything."""
        return cast("Person", self._startup.me)

    async def fetch(self, notification: Notification[Any]) -> Fetched | None:
        """Fetch what a notification is about; `None` is for the bot's own.

        If it is gone, that is a `NothingLeftError`.
        """
        try:
            fetched = await self._home.client.fetch(notification)
        except APIError as error:
            if not is_gone(error):
                raise
            logger.info("%s is passed over: it is gone", describe(notification))
            self._look_for_another_bot(notification)
            raise NothingLeftError from error
        found = cast("Message | AttachmentAction", fetched)  # its notification says which
        if is_same(found.person_id, self.me.id):
            log_debug(OWN_ACTION, notification)
            return None
        given: dict[str, Any] = {
            "notification": notification,
            "age": age_of(found.created, self.clock.now()),
        }
        if isinstance(found, Message):
            text = text_without_mention(found, self.me.id)
            return Fetched(text, MessageContext, {**given, "message": found, "text": text})
        return Fetched(found.inputs or {}, SubmissionContext, {**given, "submission": found})

    def context(
        self, fetched: Fetched, route: str = "", details: Mapping[str, Any] | None = None
    ) -> MessageContext | SubmissionContext:
        """Make the context of what was fetched, for the handler with this label."""
        return fetched.kind(**fetched.given, **self.of_each(route), **(details or {}))

    def of_each(self, route: str) -> dict[str, Any]:
        """Return what each context has."""
        state = State()
        vars(state).update(vars(self._home.state))
        return {
            "client": self._home.client,
            "me": self.me,
            "state": state,
            "route": route,
            "jobs": self._home,
            "asker": self._asker,
        }

    def _look_for_another_bot(self, notification: Notification[Any]) -> None:
        """Say once that another bot may use the inbox, if its webhook brought what is gone here."""
        owner, me = notification.created_by, self.me
        if not self._may_be_shared or not owner or notification.owned_by == OwnedBy.ORG:
            return
        if not is_same(owner, me.id):
            self._may_be_shared = False  # which was said
            logger.error(_SHARED, describe(notification), short_id(owner), short_id(me.id))


def age_of(created: datetime | None, now: datetime) -> float:
    """Return for how many seconds something has been there."""
    return 0.0 if created is None else max(0.0, (now - created).total_seconds())


_SHARED = (
    "%s is of a webhook that %s made, and %s, this bot, can't read it: if another bot uses the "
    "same inbox, each loses messages of the other; give each one its own: another file, or "
    "another PostgresInbox(schema=...)"
)


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
