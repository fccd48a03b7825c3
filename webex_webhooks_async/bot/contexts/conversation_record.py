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
from webex_webhooks_async.serialization.converter import from_json

if TYPE_CHECKING:
    from webex_webhooks_async.inbox.entries import Question


class _Record:
    @classmethod
    def of(cls, record: bytes) -> Self:
        """Read a record."""
        return from_json(record, cls)


@frozen(kw_only=True)
class ContextRecord:
    """What a context was made of, so that later runs have the same; of a job, its route and age.

    Attributes:
        root: The message that the thread of a submission begins with, or each later run would fetch
            it; the kind of its room is `room_type`.
    """

    route: str
    age: float
    message: Message | None = None
    text: str = ""
    arguments: str = ""
    submission: AttachmentAction | None = None
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
    """The newest question of a conversation.

    Attributes:
        record: The name of the record that has, or will have, its answer.
        words: Its text, for the log.
        person: The id of who is asked; `None` if anybody in a room is.
    """

    record: str
    words: str
    person: str | None


@frozen(kw_only=True)
class ConversationRecord(_Record):
    """What is recorded of a conversation.

    Attributes:
        owner: Whose it is, as the inbox knows it; `None` in a job of nobody's line.
        began: What it began with.
        asked: Its newest question; `None` before the first.
        others: The records of the questions to others than the person who began it.
        has_strayed: Whether an answer wasn't taken once.
        completed: The handlers of `on` that don't run again.
    """

    owner: str | None
    began: ContextRecord
    asked: AskedQuestion | None = None
    others: tuple[str, ...] = ()
    has_strayed: bool = False
    completed: tuple[str, ...] = ()


@frozen(kw_only=True)
class SeveralRecord(_Record):
    """What is recorded of a question to several people.

    Attributes:
        people: The id of each, by the name that the handler has; empty if nobody can be asked.
        answered: Of whose answers `until` knows, in the order of the answers.
        is_over: Whether `until` has held.
    """

    people: Mapping[str, str] = field(factory=dict[str, str])
    answered: tuple[str, ...] = ()
    is_over: bool = False


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
class QuestionData:
    """The bot's data of an open question, as the inbox keeps it.

    Attributes:
        about: The asking handler, for the log.
        is_own: Whether it is one of the newest conversation of the person who is asked.
        after: The number of the entry that its answer follows, of the person whose conversation it
            is; 0 after the first answer. `None` if an answer comes after the question.
        created: When its answer was written at the earliest.
        threads: The threads in which an answer is one to this question.
        takes_commands: Whether a command is an answer.
        person: The one who answers; `None` if anybody in the room does.
        actions: The actions of the buttons, of which one answers; `None` if every submission does.
        room: The room in which anybody answers.
        where: The room of its message, once it is sent.
    """

    about: str
    is_own: bool
    after: int | None = None
    created: datetime | None = None
    threads: tuple[str, ...] = ()
    takes_commands: bool
    person: str | None = None
    actions: tuple[str, ...] | None = None
    room: str | None = None
    where: str | None = None

    @classmethod
    def of(cls, question: "Question") -> "QuestionData":
        """Return what is known of a question."""
        return from_json(question.data, cls)
