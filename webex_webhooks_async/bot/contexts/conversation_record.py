"""The record of a conversation, the data of a question, and the record of an answer.

Nothing else reads or writes their form, which stays in an inbox for days.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, cast

from attrs import field, frozen

from webex_webhooks_async.bot.contexts.contexts import (
    Context,
    MessageContext,
    SubmissionContext,
    set_thread,
    thread_of,
)
from webex_webhooks_async.models.messages import AttachmentAction, Message
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.serialization.converter import from_json, to_json

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.entries import Question


class _Written:
    def to_json(self) -> bytes:
        return to_json(self)


class _Record(_Written):
    @classmethod
    def of(cls, record: bytes) -> Self:
        return from_json(record, cls)


@frozen(kw_only=True)
class ContextRecord:
    """What a context was made of, so that later runs have the same; of a job, its route and age."""

    route: str
    age: float
    message: Message | None = None
    text: str = ""
    arguments: str = ""
    submission: AttachmentAction | None = None
    # the message that the thread of a submission begins with, or each later run would fetch it; the
    # kind of its room is `room_type`
    root: str = ""
    room_type: str | None = None

    @classmethod
    async def of(cls, context: Context) -> "ContextRecord":
        """Return the record of a context."""
        of_each: dict[str, Any] = {"route": context.route, "age": context.age}
        if isinstance(context, MessageContext):
            said: dict[str, Any] = {"text": context.text, "arguments": context.arguments}
            return cls(message=context.message, **said, **of_each)
        if isinstance(context, SubmissionContext):
            root, room_type = await thread_of(context)
            return cls(submission=context.submission, root=root, room_type=room_type, **of_each)
        return cls(**of_each)

    def context(
        self,
        notification: Notification[Any],
        **given: Any,  # noqa: ANN401 - whatever contexts have
    ) -> MessageContext | SubmissionContext:
        """Make the context of a message or a submission again."""
        if self.message is not None:
            said: dict[str, Any] = {"text": self.text, "arguments": self.arguments}
            return MessageContext(notification=notification, message=self.message, **said, **given)
        submission = cast("AttachmentAction", self.submission)
        context = SubmissionContext(notification=notification, submission=submission, **given)
        set_thread(context, self.root, self.room_type)
        return context


@frozen(kw_only=True)
class AskedQuestion:
    """The newest question of a conversation."""

    record: str  # the name of the record that has, or will have, its answer
    words: str  # its text, for the log
    person: str | None  # the id of who is asked; None if anybody in a room is


@frozen(kw_only=True)
class ConversationRecord(_Record):
    """What is recorded of a conversation."""

    owner: str | None  # whose it is, as the inbox knows it; None in a job of nobody's line
    began: ContextRecord  # what it began with
    asked: AskedQuestion | None = None  # its newest question; None before the first
    # the records of the questions to others than the person who began it
    others: tuple[str, ...] = ()
    has_strayed: bool = False  # whether an answer wasn't taken once
    completed: tuple[str, ...] = ()  # the handlers of `on` that don't run again


@frozen(kw_only=True)
class SeveralRecord(_Record):
    """What is recorded of a question to several people."""

    # the id of each, by the name that the handler has; empty if nobody can be asked
    people: Mapping[str, str] = field(factory=dict[str, str])
    answered: tuple[str, ...] = ()  # of whose answers `until` knows, in the order of the answers
    is_over: bool = False  # whether `until` has held


@frozen(kw_only=True)
class AnswerRecord(_Record):
    """The record of an answer: what was said, and the body of its notification."""

    said: ContextRecord
    body: str

    def context(self, of_each: dict[str, Any]) -> MessageContext | SubmissionContext:
        """Make the context of the answer."""
        notification = parse_unverified_notification(self.body.encode())
        return self.said.context(notification, **of_each)


@frozen(kw_only=True)
class QuestionData(_Written):
    """The bot's data of an open question, as the inbox keeps it.

    Attributes:
        after: The number of the entry that its answer follows, of the person whose conversation it
            is; 0 after the first answer. `None` if an answer comes after the question.
    """

    about: str  # the asking handler, for the log
    is_own: bool  # whether it is one of the newest conversation of the person who is asked
    after: int | None = None
    created: datetime | None = None  # when its answer was written at the earliest
    threads: tuple[str, ...] = ()  # the threads in which an answer is one to this question
    takes_commands: bool  # whether a command is an answer
    person: str | None = None  # the one who answers; None if anybody in the room does
    # the actions of the buttons, of which one answers; None if every submission does
    actions: tuple[str, ...] | None = None
    room: str | None = None  # the room in which anybody answers
    where: str | None = None  # the room of its message, once it is sent

    @classmethod
    def of(cls, question: "Question") -> "QuestionData":
        """Return what is known of a question."""
        return from_json(question.data, cls)
