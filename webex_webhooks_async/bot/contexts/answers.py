"""Recognizes answers: finds the question that a message or a submission answers.

An open question has a place in the inbox, at which a message or a submission looks for it.
"""

import hashlib
import logging
from typing import TYPE_CHECKING, Any, cast

from webex_webhooks_async.bot.contexts.contexts import (
    MessageContext,
    PersonContext,
    SubmissionContext,
    created_at,
)
from webex_webhooks_async.bot.contexts.conversation_record import (
    AnswerRecord,
    ContextRecord,
    QuestionData,
)
from webex_webhooks_async.handling.failures import TOO_EARLY_SECONDS
from webex_webhooks_async.handling.records import CHOSEN, Records
from webex_webhooks_async.inbox.entries import ANSWERED, InboxEntry, Question
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.messages import Person
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.notifications.descriptions import describe
from webex_webhooks_async.serialization.strict_json import dump_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webex_webhooks_async.inbox.base import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class LostLeaseError(Exception):
    """Another process has the message or the submission by now."""


class Answers:
    """The questions that one message or submission may answer."""

    def __init__(
        self, records: Records, me: Person, data: MessageData | AttachmentActionData
    ) -> None:
        self._records = records
        self._inbox, self._entry = cast("tuple[Inbox, InboxEntry]", records.stored)
        if isinstance(data, MessageData):
            room_id = None if data.room_type == "direct" else data.room_id
            self._places: tuple[str, ...] = (place_of_texts(me, data.person_id, room_id),)
        else:
            self._places = place_of_card(me, data.message_id), place_of_sending(me)
        self._open: Sequence[Question] = ()
        self._sending: Sequence[Question] = ()  # of cards

    @property
    def has_answered(self) -> bool:
        """Whether it has answered a question, when it was handled before."""
        return ANSWERED in self._records.known

    async def look(self) -> bool:
        """Read which questions are open; return whether there may be one that is answered.

        If another process has what would answer by now, that is a `LostLeaseError`.
        """
        if self.has_answered or CHOSEN in self._records.known:
            return False
        await self._read()
        return bool(self._open or self._sending)

    async def _read(self) -> None:
        found = await self._inbox.questions(*self._places, entry=self._entry)
        if found is None:
            raise LostLeaseError
        place, *sending = self._places
        opened = [each for each in found if each.opened is not None]
        self._open = [each for each in opened if each.place == place]
        self._sending = [each for each in opened if each.place in sending]

    async def question_for(
        self, context: MessageContext | SubmissionContext, *, is_command: bool
    ) -> Question | None:
        """Return the question that this answers, if there is one; only some take a command."""
        question = self._chosen_for(context)
        if question is None or (is_command and not QuestionData.of(question).takes_commands):
            return None
        return question

    def is_too_early(self, context: MessageContext | SubmissionContext) -> bool:
        """Whether it may be of a card that is being sent, for no longer than a sender's lease."""
        return (
            isinstance(context, SubmissionContext)
            and self._entry.releases * TOO_EARLY_SECONDS < self._entry.lease
            and any(_is_for(context, QuestionData.of(each)) for each in self._sending)
        )

    async def answer(self, question: Question, context: MessageContext | SubmissionContext) -> bool:
        """Answer a question; return False if it isn't open any more, and another one may be."""
        said = await ContextRecord.of(context)
        value = AnswerRecord(said=said, body=self._entry.body.decode()).to_json()
        if await self._inbox.answer(self._entry, question.id, value):
            about = QuestionData.of(question).about
            logger.info("%s answers %s", describe(context.notification), about)
            return True
        await self._read()
        return False

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
    is_there = data.room is None or data.room == comparable(context.room_id)
    is_pressed = data.actions is None or context.action in data.actions
    return is_asked and is_there and is_pressed


def place_of_texts(me: Person, person_id: str, room_id: str | None) -> str:
    """Return the place of the texts of a person; without a room, that is the direct room."""
    room = "direct" if room_id is None else comparable(room_id)
    return _place("texts", comparable(me.id), comparable(person_id), room)


def place_of_card(me: Person, message_id: str) -> str:
    """Return the place of the submissions of the card of a message."""
    return _place("card", comparable(me.id), comparable(message_id))


def place_of_sending(me: Person) -> str:
    """Return the place of the submissions of cards whose messages aren't known yet."""
    return _place("sending", comparable(me.id))


def _place(*parts: str) -> str:
    return hashlib.sha256(dump_json(parts)).hexdigest()
