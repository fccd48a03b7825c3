"""What the handlers of a bot get: what happened, and the ways to reply to it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import Factory, field, frozen

from webex_webhooks_async.bot.mentions import text_without_mention
from webex_webhooks_async.bot.writing import new_messages
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import GoneError, NotFoundError
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.messages import AttachmentAction, Message, Person
from webex_webhooks_async.models.notifications import (
    AttachmentActionData,
    MessageData,
    Notification,
)


class Context(ABC):
    """What can be done about a message or a submission: write into its thread, or its room."""

    client: Client

    async def reply(
        self,
        text: str | None = None,
        *,
        markdown: str | None = None,
        card: Mapping[str, Any] | None = None,
        file: File | None = None,
        files: Sequence[str] | None = None,
    ) -> Message:
        """Write into the thread of the message, or of the message with the card.

        ::

            await context.reply("Here you are", card=MENU)

        A text or markdown of more than 7,439 bytes, which is as much as Webex takes, is sent as
        several messages. It is cut behind a paragraph, a line or a word, and never inside a
        character. Everything is checked before the first one is sent.

        Args:
            text: Plain text. Beside `markdown` and `card` it is for clients that can't show these.
            markdown: Markdown.
            card: An adaptive card, or a whole attachment with ``contentType`` and ``content``.
                Without a text, its ``fallbackText`` goes with it, or a default.
            file: A file to upload. It can't go with a card or with `files`.
            files: URLs of files, which Webex gets there. It takes one.

        Returns:
            The last message, which is the one with the card or the file.

        Raises:
            ValueError: There is nothing to send, `text` and `markdown` are both too long for one
                message, `file` goes with a card or with `files`, or JSON can't hold it; nothing was
                sent.
            TypeError: An argument has a wrong type, or JSON can't hold the card; nothing was sent.
            APIError: Webex responded with an error status.
            TransportError: No response arrived. The message may have been sent.
            DecodeError: The response doesn't fit.
        """
        bodies = new_messages(text, markdown=markdown, card=card, file=file, files=files)
        return await self._write(bodies, file, parentId=await self._thread())

    async def send(
        self,
        text: str | None = None,
        *,
        markdown: str | None = None,
        card: Mapping[str, Any] | None = None,
        file: File | None = None,
        files: Sequence[str] | None = None,
    ) -> Message:
        """Write into the room, outside of a thread, and otherwise as `reply` does.

        Args:
            text: As for `reply`.
            markdown: As for `reply`.
            card: As for `reply`.
            file: As for `reply`.
            files: As for `reply`.

        Raises:
            ValueError: As for `reply`.
            TypeError: As for `reply`.
            APIError: As for `reply`.
            TransportError: As for `reply`.
            DecodeError: As for `reply`.
        """
        bodies = new_messages(text, markdown=markdown, card=card, file=file, files=files)
        return await self._write(bodies, file)

    async def _write(
        self, bodies: Sequence[Mapping[str, Any]], file: File | None, **place: str
    ) -> Message:
        place["roomId"] = self._room_id
        for body in bodies[:-1]:
            await self.client.post("messages", json={**place, **body})
        last = {**place, **bodies[-1]}
        return await self.client.post("messages", json=last, file=file, into=Message)

    @property
    @abstractmethod
    def _room_id(self) -> str: ...

    @abstractmethod
    async def _thread(self) -> str:
        """The id of the message that the thread begins with: a thread has one level."""


def _text_of(context: "MessageContext") -> str:
    return text_without_mention(context.message, context.me.id)


@frozen(kw_only=True)
class MessageContext(Context):
    """A message to the bot, for a handler of `Bot.command` or `Bot.message`.

    Attributes:
        client: The bot's client, for the rest of the Webex API.
        notification: The notification of the message.
        message: The message, as Webex has it.
        me: The bot itself.
        text: What the message says, without the mention of the bot and without whitespace around
            it; empty when the message has no text. The mention is recognized by the bot's id,
            wherever it is; a comma or a colon behind a leading one is removed, too. Mentions of
            others stay, as the names that they show, and so do the bot's own after the first 20.
        arguments: What follows the command; empty for other handlers.
    """

    client: Client = field(repr=False)
    notification: Notification[MessageData]
    message: Message
    me: Person
    text: str = Factory(_text_of, takes_self=True)
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
    def _room_id(self) -> str:
        return self.message.room_id

    async def _thread(self) -> str:
        return self.message.parent_id or self.message.id


@frozen(kw_only=True)
class SubmissionContext(Context):
    """A submitted card, for a handler of `Bot.submission`.

    Attributes:
        client: The bot's client, for the rest of the Webex API.
        notification: The notification of the submission.
        action: The submission, as Webex has it.
        me: The bot itself.
    """

    client: Client = field(repr=False)
    notification: Notification[AttachmentActionData]
    action: AttachmentAction
    me: Person
    _threads: list[str] = field(factory=list[str], init=False, repr=False, eq=False)

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The value of each input of the card, and of its button's ``data``, by its name."""
        return self.action.inputs or {}

    @property
    def _room_id(self) -> str:
        return self.notification.data.room_id

    async def _thread(self) -> str:
        if not self._threads:  # the message with the card is fetched once
            message_id = self.notification.data.message_id
            with suppress(NotFoundError, GoneError):
                message = await self.client.get("messages", message_id, into=Message)
                message_id = message.parent_id or message_id
            self._threads.append(message_id)
        return self._threads[0]
