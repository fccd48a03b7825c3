"""Finds the question that a message or a submission answers, and notes the answer."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from webex_webhooks_async.bot.access import Access
from webex_webhooks_async.bot.contexts.contexts import (
    MessageContext,
    PersonContext,
    SubmissionContext,
    created_at,
)
from webex_webhooks_async.bot.contexts.questions import (
    QuestionData,
    Questions,
    place_of_card,
    place_of_texts,
    recorded_context,
)
from webex_webhooks_async.handling.records import Records
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import ANSWERED, InboxEntry, Question
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.messages import Person
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.notifications.descriptions import describe
from webex_webhooks_async.strict_json import dump_json

if TYPE_CHECKING:
    from collections.abc import Sequence

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_HANDLED = "handled"
"""The name of a record: a handler was chosen, so the message answers no question any more."""

_SENDING_SECONDS = 5.0


class Answers:
    """The questions that one message or submission may answer.

    Args:
        questions: The bot's questions.
        records: The records of it.
        stored: Its entry in the inbox.
        me: The bot.
        data: The data of the notification.
    """

    def __init__(
        self,
        questions: Questions,
        records: Records,
        stored: tuple[Inbox, InboxEntry],
        me: Person,
        data: MessageData | AttachmentActionData,
    ) -> None:
        self._questions = questions
        self._records = records
        self._inbox, self._entry = stored
        if isinstance(data, MessageData):
            room_id = None if data.room_type == "direct" else data.room_id
            self._place = place_of_texts(me, data.person_id, room_id)
        else:
            self._place = place_of_card(me, data.message_id)
        # Before the questions are read: what is sent by then may be what was submitted.
        self._sending: set[asyncio.Future[None]] = (
            set() if isinstance(data, MessageData) else {*questions.sending}
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

    async def take(
        self,
        context: MessageContext | SubmissionContext,
        access: Access | None,
        *,
        is_command: bool,
    ) -> bool:
        """Answer a question, if there is one; return whether nothing else handles this.

        Args:
            context: The message or the submission.
            access: Says whether its author may use the bot; `None` is everybody.
            is_command: Whether it is a command, which only some questions take.
        """
        if self._sending and not self._open:
            await asyncio.wait(self._sending, timeout=_SENDING_SECONDS)
            await self._read()
        while (question := self._question_for(context)) is not None:
            data = QuestionData.of(question)
            if is_command and not data.takes_commands:
                return False
            if access is not None and not await access.admits(context):
                return True
            if await self._inbox.answer(self._entry, question.id, await self._value(context)):
                logger.info("%s answers %s", describe(context.notification), data.about)
                self._questions.wake()
                return True
            await self._read()
        return False

    def note_handler(self) -> None:
        """Note that a handler was chosen: if that fails, this answers no later question."""
        self._records.note(_HANDLED, b"1")

    async def _value(self, context: MessageContext | SubmissionContext) -> bytes:
        more = {"body": self._entry.body.decode(), "number": self._entry.number}
        return dump_json({**await recorded_context(context), **more})

    def _question_for(self, context: MessageContext | SubmissionContext) -> Question | None:
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
