"""The contexts that handlers of a bot get: what happened, and the ways to reply to it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from attrs import field, fields, frozen

from webex_webhooks_async.applications.inboxes import time_of
from webex_webhooks_async.applications.jobs import JobOptions
from webex_webhooks_async.bot.contexts.buttons import Buttons
from webex_webhooks_async.bot.contexts.stream import Stream
from webex_webhooks_async.bot.contexts.writing import (
    MessageOptions,
    SendOptions,
    delete,
    deletion_of,
    edit,
    send,
    write,
)
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.responses import is_gone
from webex_webhooks_async.errors import APIError
from webex_webhooks_async.handling.suspension import NoAnswerError
from webex_webhooks_async.models.messages import AttachmentAction, Message, Person
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.receiving.lifespan import State
from webex_webhooks_async.validation import check_keywords

T = TypeVar("T")
D = TypeVar("D", MessageData, AttachmentActionData)


class QuestionOptions(TypedDict, total=False):
    """The arguments of each question."""

    markdown: str | None
    key: str | None
    timeout: float | timedelta | None


class PersonQuestion(QuestionOptions, total=False):
    """The arguments of a question to one person."""

    to_person_id: str | None
    to_person_email: str | None


class TextQuestion(PersonQuestion, total=False):
    """The arguments of a question that a text answers."""

    card: None
    buttons: None
    commands: bool


class CardQuestion(PersonQuestion, total=False):
    """The arguments of a question with a card or buttons, besides these."""

    room_id: str | None
    keep_card: bool


class AnyQuestion(CardQuestion, total=False):
    """The arguments of any question besides the card and the buttons."""

    commands: bool


class AskOptions(AnyQuestion, total=False):
    """The arguments of `ask` besides the text and the default.

    Attributes:
        markdown: Markdown, as for `MessageContext.reply`.
        card: An adaptive card, whose submission is the answer.
        buttons: The text of each button, by its action: the answer is a press of one of them.
        key: The name by which the question is known when the handler runs again; by default by
            everything it says, and by its place.
        timeout: For how many seconds, or for which `timedelta`, an answer is waited for: by default
            for an hour, with a card or buttons for a day.
        commands: Whether a message that is a command stays one; with False, it is an answer.
        to_person_id: The id of the person who is asked, in the direct room.
        to_person_email: The address of the person who is asked, in the direct room.
        room_id: The id of the room in which anybody may submit the card.
        keep_card: Whether the card stays, and nothing is posted in its place.
    """

    card: Mapping[str, Any] | None
    buttons: Buttons | None


Until = int | Callable[[Mapping[str, T]], bool | Awaitable[bool]]
"""How many answers are enough, or a function that says whether some are."""


class Asker(Protocol):
    """Asks the questions of a context."""

    async def ask(
        self, context: "Context", text: str | None, options: AskOptions
    ) -> "MessageContext | SubmissionContext":
        """Ask a question, and return its answer."""
        ...

    async def ask_all(
        self,
        context: "Context",
        text: str | None,
        to: Iterable[str],
        until: "Until[Any] | None",
        options: AskOptions,
    ) -> "dict[str, MessageContext | None] | dict[str, SubmissionContext | None]":
        """Ask several people, and return the answer of each."""
        ...

    async def stop_earlier(self, context: "PersonContext[Any]", *, everywhere: bool) -> bool:
        """Stop what a person has begun."""
        ...

    async def now(self) -> datetime:
        """Return the time, in UTC."""
        ...


class Jobs(Protocol):
    """Stores and removes the jobs of a context: a `Bot`."""

    async def enqueue(self, name: str, value: object, **options: Unpack[JobOptions]) -> bool:
        """Store a job."""
        ...

    async def cancel(self, name: str, *, key: str, transaction: object = None) -> bool:
        """Remove a job."""
        ...


@frozen(kw_only=True)
class Context:
    """The base class of the contexts that all handlers of a bot get.

    A `context_middleware` takes one.

    Attributes:
        client: The bot's client.
        me: The bot itself.
        state: The mapping that the bot's lifespan yields, and what middleware sets for this
            handler.
        route: The registration, as a label of metrics: ``command swap`` (its first name),
            ``submission take`` (the action of its inputs), ``job remind`` or ``schedule summary``;
            of others the kind and the name of the function, as in ``message ticket``. The second of
            the same, in the order of registration, is ``command swap 2``. Nothing that people write
            is in it.
        age: For how many seconds the message, the submission or the time of the job had been there
            when the handler began; 0 at least.
    """

    client: Client = field(repr=False)
    me: Person
    state: State = field(factory=State, repr=False, eq=False)
    route: str = ""
    age: float = field(default=0.0, eq=False)
    _jobs: Jobs | None = field(default=None, alias="jobs", repr=False, eq=False)
    _asker: Asker | None = field(default=None, alias="asker", repr=False, eq=False)

    @overload
    async def ask(
        self, text: str | None = None, **options: Unpack[TextQuestion]
    ) -> "MessageContext": ...
    @overload
    async def ask(
        self, text: str | None = None, *, card: Mapping[str, Any], **options: Unpack[CardQuestion]
    ) -> "SubmissionContext": ...
    @overload
    async def ask(
        self, text: str | None = None, *, buttons: Buttons, **options: Unpack[CardQuestion]
    ) -> "SubmissionContext": ...
    @overload
    async def ask(
        self,
        text: str | None = None,
        *,
        card: Mapping[str, Any] | None,
        buttons: Buttons | None,
        **options: Unpack[AnyQuestion],
    ) -> "MessageContext | SubmissionContext": ...
    @overload
    async def ask(
        self, text: str | None = None, *, default: T, **options: Unpack[TextQuestion]
    ) -> "MessageContext | T": ...
    @overload
    async def ask(
        self,
        text: str | None = None,
        *,
        default: T,
        card: Mapping[str, Any],
        **options: Unpack[CardQuestion],
    ) -> "SubmissionContext | T": ...
    @overload
    async def ask(
        self,
        text: str | None = None,
        *,
        default: T,
        buttons: Buttons,
        **options: Unpack[CardQuestion],
    ) -> "SubmissionContext | T": ...
    @overload
    async def ask(
        self,
        text: str | None = None,
        *,
        default: T,
        card: Mapping[str, Any] | None,
        buttons: Buttons | None,
        **options: Unpack[AnyQuestion],
    ) -> "MessageContext | SubmissionContext | T": ...
    async def ask(
        self,
        text: str | None = None,
        *,
        default: object = ...,  # for "none is given", so that `help` shows it
        **options: Unpack[AskOptions],
    ) -> object:
        """Ask a question, and return the answer: a message, or the submission of a card.

        ::

            day = await context.ask("Which day?")
            await context.reply(f"See you on {day.text}")

        The handler is suspended at the question, and runs again from its start with the answer. It
        doesn't say again what it said, `once` doesn't call again, and a question that was answered
        returns its answer at once; everything else in it runs again.

        By default it is a reply, and the person who wrote or submitted answers. Another person is
        asked in the direct room, with `to_person_id` or `to_person_email`. With `room_id`, which is
        for a card or buttons, anybody whom the bot's `allow` lets in answers. In a job or a
        schedule, one of the three has to be there.

        The answer to a text is the next message of the person in that room, in a group room one
        that mentions the bot. A command stays one, unless `commands` is false. The answer to a card
        or to buttons is the submission of that very card.

        A press of a button posts what the card said, with the title of the button, in its place,
        and then the card is deleted; so is one that nobody pressed, and a `card` of your own. If
        that fails, a warning is logged, and the card stays.

        Args:
            text: Plain text, as for `MessageContext.reply`.
            default: What is returned if nobody has answered in time, instead of `NoAnswerError`.
            options: Further parameters of the question: its content, whom it asks, for how long.

        Returns:
            The answer.

        Raises:
            NoAnswerError: Nobody has answered in time, and there is no default.
            HandlerSuspended: The question is open; it inherits from `BaseException`: let it pass.
            HandlerStopped: `stop_earlier` or `cancel` has stopped the handler.
            ValueError: Arguments don't go together, the timeout isn't positive, nobody has the
                address, or as for `MessageContext.reply`; nothing was sent.
            TypeError: An argument is unknown or has a wrong type; nothing was sent.
            RuntimeError: The bot has no inbox; the person may not use the bot; another question of
                this handler is under way; or it is called inside of `once`, in `dispatch`, or
                outside of the handler; nothing was sent.
            GiveUpError: The handler asks another question each time it runs again.
            APIError: Webex responded with an error status. The question isn't open.
            TransportError: No response arrived. The question isn't open.
            Exception: Any error of the inbox.
        """
        try:
            return await self._asking().ask(self, text, options)
        except NoAnswerError:
            if default is ...:
                raise
            return default

    @overload
    async def ask_all(
        self,
        text: str | None = None,
        *,
        to: Iterable[str],
        until: "Until[MessageContext] | None" = None,
        **options: Unpack[QuestionOptions],
    ) -> "dict[str, MessageContext | None]": ...
    @overload
    async def ask_all(
        self,
        text: str | None = None,
        *,
        to: Iterable[str],
        card: Mapping[str, Any],
        keep_card: bool = False,
        until: "Until[SubmissionContext] | None" = None,
        **options: Unpack[QuestionOptions],
    ) -> "dict[str, SubmissionContext | None]": ...
    @overload
    async def ask_all(
        self,
        text: str | None = None,
        *,
        to: Iterable[str],
        buttons: Buttons,
        keep_card: bool = False,
        until: "Until[SubmissionContext] | None" = None,
        **options: Unpack[QuestionOptions],
    ) -> "dict[str, SubmissionContext | None]": ...
    async def ask_all(
        self,
        text: str | None = None,
        *,
        to: Iterable[str],
        until: Until[Any] | None = None,
        **options: Unpack[AskOptions],
    ) -> "dict[str, MessageContext | None] | dict[str, SubmissionContext | None]":
        """Ask several people at once, each in the direct room, and return what each has answered.

        ::

            answers = await context.ask_all("Lunch?", to=TEAM, buttons={"yes": "Yes", "no": "No"})
            yes = [name for name, answer in answers.items() if answer and answer.action == "yes"]

        The handler is suspended, and runs again with each answer, as for `ask`. This returns when
        all have answered, when `until` holds, or when the time is over. A text that waits for the
        end of another question to the same person is sent then, and no more when it is over for
        all others.

        Whoever has no account, isn't let in by the bot's `allow`, or can't be written to (403, 404)
        counts as somebody who doesn't answer, with a warning.

        Args:
            text: Plain text, as for `MessageContext.reply`.
            to: The ids or the addresses of the people. One who is in it twice is asked once.
            until: How many answers are enough. Or a plain or async function, which gets a mapping
                of those who have answered, in the order of their answers, once after each answer,
                and returns whether that is enough.
            options: As for `ask`, also `keep_card`, but no place and no `commands`. With a `key`,
                each question is known by that and the person.

        Returns:
            The answer of each, by the name in `to`, in that order; `None` of those without one.

        Raises:
            HandlerSuspended: The questions are open; let it pass.
            HandlerStopped: As for `ask`, with no message.
            ValueError: `until` isn't positive, somebody in `to` is empty, or as for `ask`; nothing
                was sent.
            TypeError: `to` is one text, `until` is neither a number nor a function, or it returns
                something else than a bool; or as for `ask`.
            Exception: As for `ask`, or any error of `until`. Who was asked isn't asked again.
        """
        return await self._asking().ask_all(self, text, to, until, options)

    async def enqueue(self, name: str, value: object, **options: Unpack[JobOptions]) -> bool:
        """Enqueue a job, as `Bot.enqueue` does.

        ::

            await context.enqueue("remind", {"room": context.room_id}, after=3600)

        The arguments, the result and the errors are those of `Bot.enqueue`.

        Raises:
            RuntimeError: As there, or the context isn't of a bot.
        """
        return await self._of_bot().enqueue(name, value, **options)

    async def cancel(self, name: str, *, key: str, transaction: object = None) -> bool:
        """Remove a job that was enqueued with a key, as `Bot.cancel` does.

        The arguments, the result and the errors are those of `Bot.cancel`.

        Raises:
            RuntimeError: As there, or the context isn't of a bot.
        """
        return await self._of_bot().cancel(name, key=key, transaction=transaction)

    async def now(self) -> datetime:
        """Return the time, in UTC, by the clock of the inbox, which says when a job is due.

        ::

            later = await context.now() + timedelta(days=3)
            await context.enqueue("remind", context.room_id, at=later)

        Without an inbox, it is the clock of the machine. A handler that runs again gets the time
        of that run.

        Raises:
            Exception: Any error of the inbox.
        """
        return await (time_of(None) if self._asker is None else self._asker.now())

    async def send(self, text: str | None = None, **options: Unpack[SendOptions]) -> Message:
        """Write into the room, outside of a thread, or elsewhere.

        ::

            await context.send("Lunch is ready!", to_person_email="ann@example.com")

        The place is one of `room_id`, `to_person_id` and `to_person_email`, by default the room of
        the message or the submission; a job needs one of the three. With `parent_id`, the id of a
        message there, it is in the thread which that begins. A message that an earlier attempt has
        sent isn't sent again.

        Args:
            text: As in `MessageContext.reply`.
            options: The place, and what else a message may have.

        Raises:
            ValueError: A job names no place, several are given, or an empty one; or as for
                `MessageContext.reply`, as all other errors are.
        """
        return await send(self.client, text, options, me=self.me, room_id=self._room())

    async def edit(
        self, message: Message | str, text: str | None = None, *, markdown: str | None = None
    ) -> Message:
        """Change what a message of the bot says, and return it.

        ::

            progress = await context.reply("Working on it ...")
            await context.edit(progress, "Done")

        Pass the message as `reply` or `send` returned it, or its id: then it is fetched first.
        Webex takes ten edits of a message. An edit of an earlier attempt isn't repeated.

        Raises:
            ValueError: The message has files or a card, what it should say is longer than one
                message, there is nothing to say, or the id is empty; nothing was sent.
            TypeError: An argument has a wrong type; nothing was sent.
            RuntimeError: It is called within the transaction of `once`; nothing was sent.
            APIError: Webex responded with an error status.
            TransportError: No response arrived.
            DecodeError: The response doesn't fit.
        """
        return await edit(self.client, message, text, markdown)

    async def delete(
        self, message: Message | str, *, after: float | timedelta | None = None
    ) -> None:
        """Delete a message of the bot, or the one with this id, unless it is already gone.

        ::

            await context.delete(code, after=timedelta(minutes=20))

        With `after`, it is deleted so many seconds later, or after a `timedelta`, by a job that
        survives the end of the process; of several calls for a message, the last one counts.

        Raises:
            ValueError: The id is empty, or `after` is negative or longer than a century; nothing
                was sent.
            TypeError: An argument has a wrong type; nothing was sent.
            RuntimeError: It is called within the transaction of `once`, or with `after`, and the
                bot has no inbox; nothing was sent.
            Exception: Any error of the inbox, with `after`.
            APIError: Webex responded with another error status than 404 and 410.
            TransportError: No response arrived.
        """
        if after is None:
            await delete(self.client, message)
        else:
            await self._of_bot().enqueue(**deletion_of(message), after=after)

    def _of_bot(self) -> Jobs:
        if self._jobs is None:
            raise RuntimeError("this context isn't of a bot, so it has no inbox for jobs")
        return self._jobs

    def _asking(self) -> Asker:
        if self._asker is None:
            raise RuntimeError("this context isn't of a bot, so it has no inbox for questions")
        return self._asker

    def _room(self) -> str | None:
        """The id of the room to which it belongs, if there is one."""
        return None


@frozen(kw_only=True)
class PersonContext(Context, ABC, Generic[D]):
    """The context of a message or a submission."""

    notification: Notification[D]
    # Cast, because calling list[Person] takes many times as long as calling list.
    _people: list[Person] = field(
        factory=cast("type[list[Person]]", list), init=False, repr=False, eq=False
    )

    async def person(self) -> Person:
        """Return who wrote the message, or submitted the card: with the addresses and the name.

        Webex is asked once for each context. The address of who wrote a message is also in
        ``context.message.person_email``.

        Raises:
            APIError: Webex responded with an error status.
            TransportError: No response arrived.
            DecodeError: The response doesn't fit.
        """
        if not self._people:
            self._people.append(await self.client.get("people", self.person_id, into=Person))
        return self._people[0]

    async def reply(self, text: str | None = None, **options: Unpack[MessageOptions]) -> Message:
        """Write into the thread of the message, or of the message with the card.

        ::

            await context.reply("Here you are", card=MENU)

        A text or markdown of more than 7,439 bytes, which is as much as Webex takes, is sent as
        several messages, cut behind a paragraph, a line or a word if possible. A code block that is
        cut is closed, and opened again in the next message. Everything is checked before the first
        one is sent. A reply of an earlier attempt isn't sent again.

        Args:
            text: Plain text. Beside `markdown` and `card` it is for clients that can't show these.
            options: Further parameters of a message: `markdown`, a `card`, or `buttons` with
                `data`, a `file`, and the `key` that it is known by.

        Returns:
            The last message, which is the one with the card or the file.

        Raises:
            ValueError: There is nothing to send, `text` and `markdown` are both too long for one
                message, `file` is uploaded with a card, or is a text that isn't such a URL, the
                card has another ``type`` than ``AdaptiveCard``, no ``version`` or another
                ``contentType``, or JSON can't hold it, `buttons` are empty, without a text or
                beside a card, `data` is without `buttons` or has an empty name or ``action``, or
                `key` is empty; nothing was sent.
            TypeError: An argument is unknown or has a wrong type, or JSON can't hold the card;
                nothing was sent.
            RuntimeError: It is called within the transaction of `once`; nothing was sent.
            APIError: Webex responded with an error status.
            TransportError: No response arrived. The message may have been sent.
            DecodeError: The response doesn't fit.
        """
        check_keywords("reply", options, MessageOptions.__annotations__)
        return await reply_to(self, text, options)

    def stream(
        self,
        status: str = "💭 ...",
        *,
        key: str | None = None,
        interrupted: str = "⚠️ *interrupted*",
        stopped: str = "⏹ *stopped*",
    ) -> Stream:
        """Return an answer that grows: a reply that is edited while it is written.

        ::

            async with context.stream() as answer:
                async for piece in model.stream(context.text):
                    answer.write(piece)

        The status is sent as `reply` sends it, and is replaced by what is written. The messages
        are edited after 1.5 s, and then ever less often, within the ten edits that Webex takes.
        Mentions in it are shown as text. When the handler runs again, the n-th stream goes on in
        the messages of the n-th one before, and what they show stays until more is written.

        An answer that hasn't ended when the message or submission is completed, or kept as failed,
        gets a line that says so.

        Args:
            status: What stands there until something is written.
            key: The name by which the stream is known when the handler runs again; by default all
                streams of a handler are counted together.
            interrupted: The line below an answer that hasn't ended.
            stopped: That line where `stop_earlier` or `cancel` has stopped the handler.

        Raises:
            ValueError: `status`, `interrupted` or `stopped` is empty or has more than 300 bytes, or
                `key` is empty.
            TypeError: An argument has a wrong type.
        """
        return Stream(
            self.client,
            partial(_place_of_reply, self),
            status,
            key=key,
            interrupted=interrupted,
            stopped=stopped,
        )

    async def stop_earlier(self, *, everywhere: bool = False) -> bool:
        """Stop what this person has begun in this room before this, and what asks them there.

        ::

            @bot.command("cancel")
            async def cancel(context: MessageContext) -> None:
                stopped = await context.stop_earlier()
                await context.reply("Stopped." if stopped else "There is nothing to stop.")

        A handler that waits for an answer runs again, and its ``ask`` raises `HandlerStopped`. One
        that runs is stopped where it awaits: here at once, in other processes within two seconds,
        and never in the middle of a call of `once` or of what it says, edits, deletes or enqueues.
        One that has failed, was killed or has just been answered runs again from its start, and is
        stopped at the first call of its context or of `once` that isn't recorded. A message that
        no handler has begun with is completed without one.

        The person's messages come one after the other, so this reaches what waits, and handlers
        with ``in_order=False``. Jobs go on, but for one in the person's line that asks here.

        Args:
            everywhere: Whether what the person has begun in other rooms is stopped as well.

        Returns:
            Whether something is stopped that had begun. In a handler that runs again, what the
            call returned before.

        Raises:
            RuntimeError: The bot has no inbox, or it is called where `ask` can't be called, or in a
                job.
            TypeError: `everywhere` isn't a bool.
            Exception: Any error of the inbox.
        """
        return await self._asking().stop_earlier(self, everywhere=everywhere)

    @property
    @abstractmethod
    def person_id(self) -> str:
        """The id of who wrote the message, or submitted the card."""

    @property
    @abstractmethod
    def room_id(self) -> str:
        """The id of the room."""

    @property
    @abstractmethod
    def thread_id(self) -> str:
        """The id of the message that the thread begins with, which is where a reply goes."""

    def _room(self) -> str:
        return self.room_id

    @abstractmethod
    async def _thread(self) -> tuple[str, str | None]:
        """As `thread_of`."""


@frozen(kw_only=True)
class MessageContext(PersonContext[MessageData]):
    """A message to the bot, for a handler of `Bot.command` or `Bot.message`.

    Everything else is as in a `Context`.

    Attributes:
        notification: The notification that Webex sent.
        message: The message, as Webex has it.
        text: The text without the mention of the bot and without whitespace around it; empty when
            the message has no text. A comma or a colon behind a leading mention is removed, too.
            Mentions of others stay, as the names that they show, and so do the bot's own after the
            first 20.
        arguments: The text after the command; empty for other handlers.
    """

    message: Message
    text: str
    arguments: str = ""
    _match: re.Match[str] | None = field(default=None, alias="match")

    @property
    def match(self) -> re.Match[str]:
        """The match of the handler's pattern in the text.

        Raises:
            RuntimeError: The handler has no pattern.
        """
        if self._match is None:
            raise RuntimeError(
                "this handler has no pattern, which message(re.compile(...)) gives it"
            )
        return self._match

    @property
    def person_id(self) -> str:
        return self.message.person_id or self.notification.data.person_id

    @property
    def room_id(self) -> str:
        return self.message.room_id

    @property
    def thread_id(self) -> str:
        return self.message.parent_id or self.message.id

    async def _thread(self) -> tuple[str, str | None]:
        return self.thread_id, self.message.room_type


@frozen(kw_only=True)
class SubmissionContext(PersonContext[AttachmentActionData]):
    """A submitted card, for a handler of `Bot.submission`.

    Everything else is as in a `MessageContext`.

    Attributes:
        submission: The submission, as Webex has it.
    """

    submission: AttachmentAction
    # The thread of the message with the card, and the kind of the room, after it was fetched.
    _cards: list[tuple[str, str | None]] = field(
        factory=cast("type[list[tuple[str, str | None]]]", list), init=False, repr=False, eq=False
    )

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The value of each input of the card, and of its button's ``data``, by its name."""
        return self.submission.inputs or {}

    @property
    def action(self) -> str:
        """The key of the button: the text ``inputs["action"]``, or an empty one without that."""
        action = self.inputs.get("action")
        return action if isinstance(action, str) else ""

    @property
    def message_id(self) -> str:
        """The id of the message with the card, to delete it, say."""
        return self.submission.message_id or self.notification.data.message_id

    @property
    def person_id(self) -> str:
        return self.submission.person_id or self.notification.data.person_id

    @property
    def room_id(self) -> str:
        return self.submission.room_id or self.notification.data.room_id

    @property
    def thread_id(self) -> str:
        """The id of the message that the thread of the card begins with, where a reply goes.

        Raises:
            RuntimeError: Its handler hasn't begun, so the card isn't fetched; ``where`` is before.
        """
        if not self._cards:
            raise RuntimeError("the thread of a card is known when its handler begins")
        return self._cards[0][0]

    async def _thread(self) -> tuple[str, str | None]:
        if not self._cards:  # the message with the card is fetched once
            root, room_type = self.message_id, None
            try:
                message = await self.client.get("messages", root, into=Message)
                root, room_type = message.parent_id or root, message.room_type
            except APIError as error:
                if not is_gone(error):
                    raise
            self._cards.append((root, room_type))
        return self._cards[0]


@frozen(kw_only=True)
class JobContext(Context):
    """A job, for a handler of `Bot.job`.

    Everything else is as in a `Context`.

    Attributes:
        value: The value that was enqueued, as JSON gives it back.
        key: The key with which it was enqueued; `None` without one.
        due: The time for which it was enqueued, that of a schedule in its time zone; `None` if that
            isn't known.
    """

    value: Any
    key: str | None = None
    due: datetime | None = None


def of_each(context: Context) -> dict[str, Any]:
    """Return what each context of a bot has, to make another one that has the same."""
    return {cast("str", each.alias): getattr(context, each.name) for each in fields(Context)}


def created_at(context: PersonContext[Any]) -> datetime | None:
    """Return when a message was written, or a card submitted."""
    if isinstance(context, MessageContext):
        return context.message.created
    return cast("SubmissionContext", context).submission.created


async def thread_of(context: PersonContext[Any]) -> tuple[str, str | None]:
    """Return the id of the message that a thread begins with, and the kind of its room.

    A thread has one level. That of a submission is the thread of the message with the card, which
    is fetched once.
    """
    return await context._thread()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module


def set_thread(context: SubmissionContext, root: str, room_type: str | None) -> None:
    """Let `thread_of` return this, which is known already."""
    context._cards[:] = [(root, room_type)]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module


async def _place_of_reply(context: PersonContext[Any]) -> dict[str, str]:
    root, _ = await thread_of(context)
    return {"roomId": context.room_id, "parentId": root}


async def reply_to(
    context: PersonContext[Any],
    text: str | None,
    options: MessageOptions,
    question: str | None = None,
) -> Message:
    """Write into the thread of a context, as `write` does."""
    place = await _place_of_reply(context)
    asked = {"reply": context.notification.data.id}
    return await write(
        context.client, place, text, options, me=context.me, asked=asked, question=question
    )
