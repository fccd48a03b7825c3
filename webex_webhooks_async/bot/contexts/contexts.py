"""What the handlers of a bot get: what happened, and the ways to reply to it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar, cast

from attrs import field, frozen

from webex_webhooks_async.bot.contexts.writing import delete, edit, in_thread, place_of, write
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import GoneError, NotFoundError
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.messages import AttachmentAction, Message, Person
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.receiving.lifespan import State

D = TypeVar("D", MessageData, AttachmentActionData)


class Enqueue(Protocol):
    """Enqueues a job, as `Bot.enqueue` does."""

    async def __call__(
        self, name: str, value: object, *, key: str | None, after: float, line: str | None
    ) -> bool:
        """Return whether it is new."""
        ...


@frozen(kw_only=True)
class AnyContext:
    """What all contexts have."""

    client: Client = field(repr=False)
    me: Person
    state: State = field(factory=State, repr=False, eq=False)
    _enqueue: Enqueue | None = field(default=None, alias="enqueue", repr=False, eq=False)

    async def enqueue(
        self,
        name: str,
        value: object,
        *,
        key: str | None = None,
        after: float = 0.0,
        line: str | None = None,
    ) -> bool:
        """Enqueue a job, as `Bot.enqueue` does.

        ::

            await context.enqueue("remind", {"room": context.room_id}, after=3600)

        The arguments, the result and the errors are those of `Bot.enqueue`.

        Raises:
            RuntimeError: As there, or the context isn't of a bot.
        """
        if self._enqueue is None:
            raise RuntimeError("this context isn't of a bot, so there is no inbox to enqueue in")
        return await self._enqueue(name, value, key=key, after=after, line=line)


@frozen(kw_only=True)
class Context(AnyContext, ABC, Generic[D]):
    """A message or a submission, and what can be done about it."""

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

    async def reply(
        self,
        text: str | None = None,
        *,
        markdown: str | None = None,
        card: Mapping[str, Any] | None = None,
        file: File | str | None = None,
    ) -> Message:
        """Write into the thread of the message, or of the message with the card.

        ::

            await context.reply("Here you are", card=MENU)

        A text or markdown of more than 7,439 bytes, which is as much as Webex takes, is sent as
        several messages, cut behind a paragraph, a line or a word if possible. A code block that is
        cut is closed, and opened again in the next message. Everything is checked before the first
        one is sent.

        Args:
            text: Plain text. Beside `markdown` and `card` it is for clients that can't show these.
            markdown: Markdown.
            card: An adaptive card, or a whole attachment with ``contentType`` and ``content``.
                Without a text, its ``fallbackText`` goes with it, or a default.
            file: A file to upload, which can't go with a card; or the http(s) URL of a file, which
                Webex gets there.

        Returns:
            The last message, which is the one with the card or the file.

        Raises:
            ValueError: There is nothing to send, `text` and `markdown` are both too long for one
                message, `file` is uploaded with a card, or is a text that isn't such a URL, the
                card has another ``type`` than ``AdaptiveCard``, no ``version`` or another
                ``contentType``, or JSON can't hold it; nothing was sent.
            TypeError: An argument has a wrong type, or JSON can't hold the card; nothing was sent.
            RuntimeError: It is called within the transaction of `once`; nothing was sent.
            APIError: Webex responded with an error status.
            TransportError: No response arrived. The message may have been sent.
            DecodeError: The response doesn't fit.
        """
        return await write(
            self.client,
            {"roomId": self.room_id, "parentId": await self._thread()},
            text,
            me=self.me,
            asked={"reply": self.notification.data.id},
            markdown=markdown,
            card=card,
            file=file,
        )

    async def send(
        self,
        text: str | None = None,
        *,
        parent_id: str | None = None,
        markdown: str | None = None,
        card: Mapping[str, Any] | None = None,
        file: File | str | None = None,
    ) -> Message:
        """Write into the room, outside of a thread, or into the one that a message begins.

        `parent_id` is the id of that message. The other arguments and the errors are those of
        `reply`. `Bot.send` writes elsewhere.
        """
        return await write(
            self.client,
            {"roomId": self.room_id, **in_thread(parent_id)},
            text,
            me=self.me,
            markdown=markdown,
            card=card,
            file=file,
        )

    async def edit(
        self, message: Message, text: str | None = None, *, markdown: str | None = None
    ) -> Message:
        """Change what a message of the bot says, and return it.

        ::

            progress = await context.reply("Working on it ...")
            await context.edit(progress, "Done")

        Pass the message as `reply` or `send` returned it. Webex takes ten edits of a message.

        Raises:
            ValueError: The message has files or a card, what it should say is longer than one
                message, or there is nothing to say; nothing was sent.
            TypeError: An argument has a wrong type; nothing was sent.
            RuntimeError: It is called within the transaction of `once`; nothing was sent.
            APIError: Webex responded with an error status.
            TransportError: No response arrived.
            DecodeError: The response doesn't fit.
        """
        return await edit(self.client, message, text, markdown)

    async def delete(self, message: Message | str) -> None:
        """Delete a message of the bot, or the one with this id, unless it is already gone.

        Raises:
            ValueError: The id is empty; nothing was sent.
            TypeError: An argument has a wrong type; nothing was sent.
            RuntimeError: It is called within the transaction of `once`; nothing was sent.
            APIError: Webex responded with another error status than 404 and 410.
            TransportError: No response arrived.
        """
        await delete(self.client, message)

    @property
    @abstractmethod
    def person_id(self) -> str:
        """The id of who wrote the message, or submitted the card."""

    @property
    @abstractmethod
    def room_id(self) -> str:
        """The id of the room."""

    @abstractmethod
    async def _thread(self) -> str:
        """The id of the message that the thread begins with: a thread has one level."""


@frozen(kw_only=True)
class MessageContext(Context[MessageData]):
    """A message to the bot, for a handler of `Bot.command` or `Bot.message`.

    Attributes:
        client: The bot's client.
        me: The bot itself.
        state: What the bot's lifespan yields, and what middleware sets for this message.
        notification: The notification that Webex sent.
        message: The message, as Webex has it.
        text: What the message says, without the mention of the bot and without whitespace around
            it; empty when the message has no text. A comma or a colon behind a leading mention is
            removed, too. Mentions of others stay, as the names that they show, and so do the bot's
            own after the first 20.
        arguments: What follows the command; empty for other handlers.
    """

    message: Message
    text: str
    arguments: str = ""
    _match: re.Match[str] | None = field(default=None, alias="match")

    @property
    def match(self) -> re.Match[str]:
        """Where the handler's pattern was found in the text.

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
        """The id of who wrote the message."""
        return self.message.person_id or self.notification.data.person_id

    @property
    def room_id(self) -> str:
        """The id of the room."""
        return self.message.room_id

    @property
    def thread_id(self) -> str:
        """The id of the message that the thread begins with, which is where a reply goes."""
        return self.message.parent_id or self.message.id

    async def _thread(self) -> str:
        return self.thread_id


@frozen(kw_only=True)
class SubmissionContext(Context[AttachmentActionData]):
    """A submitted card, for a handler of `Bot.submission`.

    What isn't said here is as in a `MessageContext`.

    Attributes:
        action: The submission, as Webex has it.
    """

    action: AttachmentAction
    _threads: list[str] = field(
        factory=cast("type[list[str]]", list), init=False, repr=False, eq=False
    )

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The value of each input of the card, and of its button's ``data``, by its name."""
        return self.action.inputs or {}

    @property
    def message_id(self) -> str:
        """The id of the message with the card, to delete it, say."""
        return self.action.message_id or self.notification.data.message_id

    @property
    def person_id(self) -> str:
        """The id of who submitted the card."""
        return self.action.person_id or self.notification.data.person_id

    @property
    def room_id(self) -> str:
        """The id of the room."""
        return self.action.room_id or self.notification.data.room_id

    async def _thread(self) -> str:
        if not self._threads:  # the message with the card is fetched once
            root = self.message_id
            with suppress(NotFoundError, GoneError):
                message = await self.client.get("messages", root, into=Message)
                root = message.parent_id or root
            self._threads.append(root)
        return self._threads[0]


@frozen(kw_only=True)
class JobContext(AnyContext):
    """A job, for a handler of `Bot.job`.

    What isn't said here is as in a `MessageContext`.

    Attributes:
        value: What JSON gives back of the value that was enqueued.
    """

    value: Any

    async def send(  # noqa: PLR0913 - where to, and what a message may have
        self,
        text: str | None = None,
        *,
        room_id: str | None = None,
        to_person_id: str | None = None,
        to_person_email: str | None = None,
        parent_id: str | None = None,
        markdown: str | None = None,
        card: Mapping[str, Any] | None = None,
        file: File | str | None = None,
    ) -> Message:
        """Write into a room or to a person, with the arguments of `Bot.send`.

        The errors are those of `MessageContext.reply`. When the job runs again, what it has sent
        isn't sent again.

        Raises:
            ValueError: As for `Bot.send`.
        """
        return await write(
            self.client,
            place_of(room_id, to_person_id, to_person_email, parent_id),
            text,
            me=self.me,
            markdown=markdown,
            card=card,
            file=file,
        )
