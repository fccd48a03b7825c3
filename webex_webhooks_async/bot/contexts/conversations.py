"""Holds conversations over all runs of their handlers, and finds the question of an answer.

An open question has a place in the inbox, at which a message or a submission looks for it.
"""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen

from webex_webhooks_async.bot.contexts.contexts import (
    Context,
    MessageContext,
    PersonContext,
    SubmissionContext,
    created_at,
    set_thread,
    thread_of,
)
from webex_webhooks_async.errors import GiveUpError
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling.dispatch import Handler, Handling
from webex_webhooks_async.handling.records import CONVERSATION, Records
from webex_webhooks_async.handling.suspension import Suspension, current_suspension
from webex_webhooks_async.inbox.entries import ANSWERED, NO_ANSWER, InboxEntry, Question
from webex_webhooks_async.models.ids import comparable, is_same
from webex_webhooks_async.models.messages import AttachmentAction, Message, Person
from webex_webhooks_async.models.notification_data import (
    AttachmentActionData,
    MessageData,
    RoomData,
)
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.descriptions import describe
from webex_webhooks_async.serialization.converter import structure, unstructure
from webex_webhooks_async.serialization.strict_json import dump_json, parse_json

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.base import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_HANDLED = "handled"
"""The name of a record: a handler was chosen, so the message answers no question any more."""

_SENDING_SECONDS = 5.0


def place_of_texts(me: Person, person_id: str, room_id: str | None) -> str:
    """Return the place of the texts of a person; without a room, that is the direct room."""
    room = "direct" if room_id is None else comparable(room_id)
    return _place("texts", comparable(me.id), comparable(person_id), room)


def place_of_card(me: Person, message_id: str) -> str:
    """Return the place of the submissions of the card of a message."""
    return _place("card", comparable(me.id), comparable(message_id))


def _place(*parts: str) -> str:
    return hashlib.sha256(dump_json(parts)).hexdigest()


@frozen(kw_only=True)
class QuestionData:
    """The bot's data of an open question, as the inbox keeps it.

    Attributes:
        about: The asking handler, for the log.
        is_own: Whether it is one of the newest conversation of the person who is asked.
        after: The number of the entry that its answer follows, if the person who is asked began
            the conversation.
        created: When that was written, or the question itself.
        threads: The threads in which an answer is one to this question.
        takes_commands: Whether a command is an answer.
        person: The one who answers; `None` if anybody in the room does.
        actions: The actions of the buttons, of which one answers; `None` if every submission does.
    """

    about: str
    is_own: bool
    after: int | None = None
    created: datetime | None = None
    threads: tuple[str, ...] = ()
    takes_commands: bool
    person: str | None = None
    actions: tuple[str, ...] | None = None

    @classmethod
    def of(cls, question: Question) -> "QuestionData":
        """Return what is known of a question."""
        return structure(parse_json(question.data), cls)


class Answers:
    """The questions that one message or submission may answer.

    Args:
        records: The records of it, in an inbox.
        me: The bot.
        data: The data of the notification.
        sending: Futures, each of a card that is being sent, for when its question is open.
    """

    def __init__(
        self,
        records: Records,
        me: Person,
        data: MessageData | AttachmentActionData,
        sending: Iterable[asyncio.Future[None]],
    ) -> None:
        self._records = records
        self._inbox, self._entry = cast("tuple[Inbox, InboxEntry]", records.stored)
        if isinstance(data, MessageData):
            room_id = None if data.room_type == "direct" else data.room_id
            self._place = place_of_texts(me, data.person_id, room_id)
        else:
            self._place = place_of_card(me, data.message_id)
        # They are noted before the questions are read: one of these cards may be the submitted one.
        self._sending: set[asyncio.Future[None]] = (
            set() if isinstance(data, MessageData) else {*sending}
        )
        self._open: Sequence[Question] = ()

    @property
    def has_answered(self) -> bool:
        """Whether it has answered a question, when it was handled before."""
        return ANSWERED in self._records.known

    async def look(self) -> bool:
        """Read which questions are open; return whether there may be one that is answered."""
        if self.has_answered or _HANDLED in self._records.known:
            return False
        await self._read()
        return bool(self._open or self._sending)

    async def _read(self) -> None:
        found = await self._inbox.questions(self._place)
        here = [each for each in found if each.place == self._place]
        self._open = [each for each in here if each.opened is not None]

    async def question_for(
        self, context: MessageContext | SubmissionContext, *, is_command: bool
    ) -> Question | None:
        """Return the question that this answers, if there is one.

        Args:
            context: The message or the submission.
            is_command: Whether it is a command, which only some questions take.
        """
        if self._sending and not self._open:
            await asyncio.wait(self._sending, timeout=_SENDING_SECONDS)
            await self._read()
        question = self._chosen_for(context)
        if question is None or (is_command and not QuestionData.of(question).takes_commands):
            return None
        return question

    async def answer(self, question: Question, context: MessageContext | SubmissionContext) -> bool:
        """Answer a question; return False if it isn't open any more, and another one may be."""
        if await self._inbox.answer(self._entry, question.id, await self._value(context)):
            about = QuestionData.of(question).about
            logger.info("%s answers %s", describe(context.notification), about)
            return True
        await self._read()
        return False

    def note_handler(self) -> None:
        """Note that a handler was chosen: if that fails, this answers no later question."""
        self._records.note(_HANDLED, b"1")

    async def _value(self, context: MessageContext | SubmissionContext) -> bytes:
        more = {"body": self._entry.body.decode(), "number": self._entry.number}
        return dump_json({**await recorded_context(context), **more})

    def _chosen_for(self, context: MessageContext | SubmissionContext) -> Question | None:
        """Return the question that is answered: that of a thread, of the author, or of others."""
        known = [(each, QuestionData.of(each)) for each in self._open]
        if isinstance(context, SubmissionContext):
            return next((each for each, data in known if _is_for(context, data)), None)
        found = [(each, data) for each, data in known if self._follows(context, each, data)]
        if context.message.parent_id is not None:
            thread = comparable(context.message.parent_id)
            in_thread = [(each, data) for each, data in found if thread in data.threads]
            if in_thread or context.message.room_type != "direct":
                found = in_thread
        own = [each for each, data in found if data.is_own]
        if own:
            return max(own, key=lambda each: each.number)
        return min((each for each, _ in found), key=lambda each: each.id, default=None)

    def _follows(self, context: PersonContext[Any], question: Question, data: QuestionData) -> bool:
        """Whether something came after what an answer comes after."""
        after = question.opened if data.after is None else data.after
        said = created_at(context)
        is_later = said is None or data.created is None or said >= data.created
        return is_later and after is not None and self._entry.number > after


def _is_for(context: SubmissionContext, data: QuestionData) -> bool:
    is_asked = data.person is None or data.person == comparable(context.person_id)
    return is_asked and (data.actions is None or context.inputs.get("action") in data.actions)


class Conversation:
    """The questions of a handler, over all its runs.

    Args:
        handling: This run.
        records: The records of it, in an inbox.
        context: The handler's context.

    Attributes:
        known: The record, as JSON; empty before the first question.
        sent: The questions that this run has sent, or knows to be sent, by their records.
        taken: The records of the answers that this run has taken.
    """

    def __init__(self, handling: Handling, records: Records, context: Context) -> None:
        inbox, entry = cast("tuple[Inbox, InboxEntry]", records.stored)
        self.inbox: Inbox = inbox
        self.entry: InboxEntry = entry
        self.records = records
        self.context = context
        self._notification = handling.notification
        self.suspension: Suspension = Suspension()
        self.numbers: dict[str, set[int]] = defaultdict(set)
        self.sent: dict[str, Message] = {}
        self.taken: set[str] = set()
        self.known: dict[str, Any] = records.conversation()
        self._completed: list[str] = self.known.get("completed", [])
        self._handlers: dict[str, int] = defaultdict(int)
        self._is_asking = False
        self._began: PersonContext[Any] | None = (
            cast("Any", context) if isinstance(context, PersonContext) else None
        )
        self._last = self.entry.number, self._began
        handling.conversation = self
        handling.suspension = self.suspension
        current_suspension.set(self.suspension)

    @property
    def about(self) -> str:
        """The asking handler, for the log."""
        return describe(self._notification)

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
            if self.known:
                self.records.note(CONVERSATION, self._record())

        return run

    @contextmanager
    def one_at_a_time(self) -> Generator[None]:
        """Refuse another question while the block asks one."""
        if self._is_asking:
            raise RuntimeError(
                "a handler asks one question at a time: await the first one before the next; to "
                "ask several people, enqueue a job for each"
            )
        self._is_asking = True
        try:
            yield
        finally:
            self._is_asking = False

    def follow(self, context: PersonContext[Any], number: int) -> None:
        """Note what the person who began has said, which the next answer of that person follows."""
        if self.is_of(context.person_id):
            self._last = number, context

    def last_of(self, person_id: str | None) -> tuple[int | None, datetime | None]:
        """Return number and time of what a person has said last, if that is the one who began."""
        number, context = self._last
        if context is None or not self.is_of(person_id):
            return None, None
        return number, created_at(context)

    def is_of(self, person_id: str | None) -> bool:
        """Whether a person began it."""
        return self._began is not None and is_same(self._began.person_id, person_id)

    async def begin(self) -> None:
        """Note what the conversation begins with, to be recorded with a question."""
        if not self.known:
            owner: str | None = None
            if self._began is not None:
                owner = await place_of_person(self._began)
            self.known = {"owner": owner, **await recorded_context(self.context)}

    async def note(self, record: str, words: str, person_id: str | None) -> None:
        """Record the question that is asked next, and whom it is for."""
        self.known["asked"] = {"record": record, "words": words, "person": person_id}
        if self._began is not None and not self.is_of(person_id):
            self.known.setdefault("others", []).append(record)
        await self.records.remember(CONVERSATION, self._record(), "a question")

    def _record(self) -> bytes:
        return dump_json({**self.known, "completed": self._completed})

    async def unask(self, record: str) -> None:
        """Close a question that wasn't sent; if that fails now, then with the outcome."""
        try:
            await self.inbox.unask(self.entry, record)
        except Exception as error:  # noqa: BLE001 - whatever the inbox raises
            self.records.later(f"unask:{record}", partial(self.inbox.unask, self.entry, record))
            logger.warning("a question can't be closed yet: %s", describe_exception(error))

    async def check_has_taken(self, record: str, words: str) -> None:
        """Check that the run has taken the answer that it has, before it asks something new.

        Raises:
            GiveUpError: It hasn't, for the second time: it would ask for ever.
        """
        last = self.known.get("asked")
        if last is None or last["record"] in {record, *self.taken}:
            return
        if await self.records.recall(last["record"]) is None:
            return
        message = (
            f"the answer to {last['words']!r} isn't taken, because the handler asks {words!r} "
            "instead when it runs again: if it is the same question, pass the same key= each time"
        )
        if self.known.get("strays"):
            raise RefusedQuestionError(message)
        self.known["strays"] = 1
        logger.warning("%s: %s", self.about, message)

    def warn_of_untaken(self) -> None:
        """Warn if the handler has ended, and hasn't taken the answer with which it ran again."""
        last = self.known.get("asked")
        if last is None or last["record"] in self.taken:
            return
        if self.records.known.get(last["record"], NO_ANSWER) != NO_ANSWER:
            message = (
                "%s: the answer to %r isn't taken, because the handler ended before it asked that "
                "again: read what decides before a question in once"
            )
            logger.warning(message, self.about, last["words"])


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


async def recorded_context(context: Context) -> dict[str, Any]:
    """Return what is recorded of a context, as JSON."""
    recorded: dict[str, Any] = {"route": context.route, "age": context.age}
    if isinstance(context, MessageContext):
        given = {"text": context.text, "arguments": context.arguments}
        return {**recorded, "message": unstructure(context.message), **given}
    if isinstance(context, SubmissionContext):
        card = [await thread_of(context)]  # or each later run would fetch it
        return {**recorded, "action": unstructure(context.action), "card": card}
    return recorded


def context_of(
    known: Mapping[str, Any], notification: Notification[Any], of_each: Mapping[str, Any]
) -> MessageContext | SubmissionContext:
    """Return the context of a message or a submission, from what is recorded."""
    given: dict[str, Any] = {"notification": notification, **of_each}
    if "message" in known:
        message = structure(known["message"], Message)
        texts = {name: known[name] for name in ("text", "arguments") if name in known}
        return MessageContext(message=message, **texts, **given)
    context = SubmissionContext(action=structure(known["action"], AttachmentAction), **given)
    for root, room_type in known.get("card", ()):
        set_thread(context, root, room_type)
    return context
