"""Holds conversations over all runs of their handlers."""

import logging
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve

from webex_webhooks_async.bot.contexts.answers import place_of_texts
from webex_webhooks_async.bot.contexts.contexts import (
    Context,
    PersonContext,
    SubmissionContext,
    created_at,
    set_thread,
    thread_of,
)
from webex_webhooks_async.bot.contexts.conversation_record import (
    AskedQuestion,
    ContextRecord,
    ConversationRecord,
)
from webex_webhooks_async.errors import GiveUpError
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling.dispatch import Execution, Handler
from webex_webhooks_async.handling.records import CONVERSATION, Records
from webex_webhooks_async.handling.suspension import Suspension, current_suspension
from webex_webhooks_async.inbox.entries import NO_ANSWER, InboxEntry, Question
from webex_webhooks_async.models.ids import comparable, is_same
from webex_webhooks_async.models.notification_data import RoomData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.descriptions import describe
from webex_webhooks_async.notifications.lines import line_of_id, owner_of

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.base import Inbox
    from webex_webhooks_async.models.messages import Message

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_CLOCKS_DIFFER = timedelta(seconds=10)


class Conversation:
    """The questions of a handler, over all its runs."""

    def __init__(
        self,
        execution: Execution,
        records: Records,
        context: Context,
        known: ConversationRecord | None,
    ) -> None:
        inbox, entry = cast("tuple[Inbox, InboxEntry]", records.stored)
        self.inbox: Inbox = inbox
        self.entry: InboxEntry = entry
        self.records = records
        self.context = context
        self.execution = execution
        self.suspension: Suspension = Suspension(is_stopped=entry.stopped)
        self.numbers: dict[str, set[int]] = defaultdict(set)
        # the questions that this run has sent, or knows to be sent, by their records
        self.sent: dict[str, Message] = {}
        self.taken: set[str] = set()  # the records of the answers that this run has taken
        self.known: ConversationRecord | None = known  # the record; None before the first question
        self._completed = [] if self.known is None else [*self.known.completed]
        self._handlers: dict[str, int] = defaultdict(int)
        self._is_asking = False
        self._began: PersonContext[Any] | None = (
            cast("Any", context) if isinstance(context, PersonContext) else None
        )
        self._since: dict[str, tuple[int, datetime | None]] = {}  # the newest answer of each
        current_conversation.set(self)
        execution.suspension = self.suspension
        current_suspension.set(self.suspension)

    @property
    def about(self) -> str:
        """The asking handler, for the log."""
        return describe(self.execution.notification)

    def once(self, handler: Handler[Any]) -> Handler[Any] | None:
        """Return a handler of `on` that doesn't run again after it has completed beside a question.

        It is known by its name; equal ones are numbered.
        """
        name = f"{handler.__module__}.{getattr(handler, '__qualname__', type(handler).__name__)}"
        self._handlers[name] += 1
        name = f"{name} {self._handlers[name]}"
        if name in self._completed:
            return None

        async def run(notification: Notification[Any]) -> None:
            await handler(notification)
            self._completed.append(name)
            if self.known is not None:
                self.records.note(CONVERSATION, self._record(self.known))

        return run

    @contextmanager
    def one_at_a_time(self) -> Generator[None]:
        """Refuse another question while the block asks one."""
        if self._is_asking:
            raise RuntimeError(
                "a handler asks one question at a time: await the first one before the next; to "
                "ask several people, use ask_all"
            )
        self._is_asking = True
        try:
            yield
        finally:
            self._is_asking = False

    def follow(self, context: PersonContext[Any]) -> None:
        """Note an answer of the person who began, or of one whom a job asks: the next follows it.

        Clocks of Webex differ by a few seconds, and what is typed ahead may be stored before it.
        """
        if self._began is None or self.is_of(context.person_id):
            said = created_at(context)
            earliest = None if said is None else said - _CLOCKS_DIFFER
            self._since[comparable(context.person_id)] = 0, earliest

    def since(self, person_id: str | None) -> tuple[int | None, datetime | None]:
        """Return the number and the time below which nothing of a person is an answer.

        Without them, an answer comes after the question.
        """
        if found := self._since.get(comparable(person_id or "")):
            return found
        if self._began is None or self.entry.line is None or not self.is_of(person_id):
            return None, None
        return self.entry.number, created_at(self._began)

    def is_of(self, person_id: str | None) -> bool:
        """Whether a person began it."""
        return self._began is not None and is_same(self._began.person_id, person_id)

    async def begin(self) -> ConversationRecord:
        """Return what the conversation began with, to be recorded with a question."""
        if self.known is None:
            if self._began is not None:
                await place_of_person(self._began)  # which finds out what is recorded of its room
            began = await ContextRecord.of(self.context)
            self.known = ConversationRecord(owner=self._owner(), began=began)
        return self.known

    def _owner(self) -> str | None:
        if self._began is None:
            return None if self.entry.line is None else owner_of(self.entry.line)
        return owner_of(line_of_id(self._began.person_id), self._began.room_id)

    async def note(self, record: str, words: str, person_id: str | None) -> None:
        """Record the question that is asked next, and whom it is for."""
        known = await self.begin()
        is_of_other = self._began is not None and not self.is_of(person_id)
        self.known = evolve(
            known,
            asked=AskedQuestion(record=record, words=words, person=person_id),
            others=(*known.others, record) if is_of_other else known.others,
        )
        await self.records.remember(CONVERSATION, self._record(self.known), "a question")

    def _record(self, known: ConversationRecord) -> bytes:
        return evolve(known, completed=tuple(self._completed)).to_json()

    async def sent_questions(self) -> dict[str, Question]:
        """Return the questions that can be answered, by their records; none without the lease."""
        found = await self.inbox.questions(entry=self.entry)
        return {each.record: each for each in found or ()}

    async def unask(self, record: str) -> None:
        """Close a question that wasn't sent; if that fails now, then with the outcome."""
        try:
            await self.inbox.unask(self.entry, record)
        except Exception as error:  # noqa: BLE001 - whatever the inbox raises
            self.records.later(f"unask:{record}", partial(self.inbox.unask, self.entry, record))
            logger.warning("a question can't be closed yet: %s", describe_exception(error))

    async def check_has_taken(self, record: str, words: str) -> None:
        """Check that the run has taken the answer that it has, before it asks something new.

        If it hasn't, for the second time, that is a `GiveUpError`: it would ask for ever.
        """
        known = await self.begin()
        last = known.asked
        if last is None or last.record in {record, *self.taken}:
            return
        if await self.records.recall(last.record) is None:
            return
        message = (
            f"the answer to {last.words!r} isn't taken, because the handler asks {words!r} "
            "instead when it runs again: if it is the same question, pass the same key= each time"
        )
        if known.has_strayed:
            raise RefusedQuestionError(message)
        self.known = evolve(known, has_strayed=True)
        logger.warning("%s: %s", self.about, message)

    def warn_of_untaken(self) -> None:
        """Warn if the handler has ended, and hasn't taken the answer with which it ran again."""
        last = None if self.known is None else self.known.asked
        if last is None or last.record in self.taken:
            return
        if self.records.known.get(last.record, NO_ANSWER) != NO_ANSWER:
            message = (
                "%s: the answer to %r isn't taken, because the handler ended before it asked that "
                "again: read what decides before a question in once"
            )
            logger.warning(message, self.about, last.words)


current_conversation: "ContextVar[Conversation | None]" = ContextVar(
    "current_conversation", default=None
)
"""The conversation of which this is a part: its handler, or a task that it has begun."""


class RefusedQuestionError(GiveUpError, RuntimeError):
    """A question that can't be asked, also if the handler runs again."""


async def place_of_person(context: PersonContext[Any]) -> str:
    """Return the place of the texts of the person who wrote or submitted something, there."""
    root, room_type = await thread_of(context)
    if room_type is None and isinstance(context, SubmissionContext):  # the card is gone
        room = await context.client.get("rooms", context.room_id, into=RoomData)
        room_type = room.type
        set_thread(context, root, room_type)
    room_id = None if room_type == "direct" else context.room_id
    return place_of_texts(context.me, context.person_id, room_id)
