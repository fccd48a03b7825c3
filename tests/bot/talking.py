"""People who talk with a bot that asks."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bot.doubles import Webex
from tests.support.clocks import Time
from tests.support.inboxes import stored_in
from tests.support.wire import PATIENCE, until
from webex_webhooks_async import Bot, Message, MessageContext, Notification, SQLiteInbox
from webex_webhooks_async.types import StoredNotification

ANN, BOB, BOSS = "ann@example.com", "bob@example.com", "boss@example.com"
BUTTONS = {"yes": "Yes", "no": "No"}
Handler = Callable[[MessageContext], Coroutine[Any, Any, object]]


class Talk:
    """People who talk with a bot that has an inbox, and time that passes when a test lets it."""

    def __init__(self, webex: Webex, path: Path, time: Time) -> None:
        self.webex = webex
        self.path = path
        self.time = time
        self.errors: list[Exception] = []
        self.runs = 0
        self.inbox = SQLiteInbox
        self.bot = self.replica()

    def replica(self, **options: Any) -> Bot:  # noqa: ANN401 - any option
        """Another process of the bot."""

        def note(error: Exception, _: Notification[Any]) -> None:
            self.errors.append(error)

        inbox = self.inbox(self.path, clock=self.time.now_in_seconds)
        chosen: dict[str, Any] = {"inbox": inbox, "on_error": note}
        return self.webex.bot(**{**chosen, **options})

    def store_in(self, inbox: type[SQLiteInbox]) -> None:
        """Store in an inbox of this class, before anything is registered."""
        self.inbox = inbox
        self.bot = self.replica()

    def command(self, name: str = "go") -> Callable[[Handler], Handler]:
        """Register the handler of a command, and count its runs."""

        def register(handler: Handler) -> Handler:
            @self.bot.command(name)
            async def counted(context: MessageContext) -> None:
                self.runs += 1
                await handler(context)

            return handler

        return register

    @asynccontextmanager
    async def running(self, bot: Bot | None = None) -> AsyncGenerator[None]:
        async with self.webex.running(bot or self.bot):
            yield

    async def say(self, text: str, person: str = ANN, **options: Any) -> None:  # noqa: ANN401 - as `say`
        await self.webex.sandbox.say(text, person=person, **options)

    async def press(self, message: Message, title: str, person: str = ANN) -> None:
        await self.webex.sandbox.submit(message.id, press=title, person=person)

    async def answer(self, question: Message, title: str, person: str = ANN) -> None:
        """Press a button of a question, and wait for what is posted in the place of its card."""
        await self.press(question, title, person)
        await self.hear(f"{question.text} {title}")

    async def hear(self, text: str, *states: str) -> Message:
        """Wait for the next thing that the bot says, and then for states, if there are any."""
        message = await self.webex.sandbox.next_reply(PATIENCE)
        assert message.text == text
        if states:
            await self.settle(*states)
        return message

    async def exchange(self, said: str, heard: str, *states: str, **options: Any) -> Message:  # noqa: ANN401 - as `say`
        """Say something, and hear what the bot says to it."""
        await self.say(said, **options)
        return await self.hear(heard, *states)

    async def after(self, said: str, *states: str, **options: Any) -> list[StoredNotification]:  # noqa: ANN401 - as `say`
        """Say something, and wait until what isn't completed is in these states."""
        await self.say(said, **options)
        return await self.settle(*states)

    async def end(self, text: str, *, after: str | None = None, **options: Any) -> Message:  # noqa: ANN401 - as `say`
        """Hear the last thing that the bot says, and wait until everything is completed."""
        if after is not None:
            await self.say(after, **options)
        message = await self.hear(text)
        await self.settle()
        return message

    async def settle(self, *states: str) -> list[StoredNotification]:
        """Wait until what isn't completed is in these states."""
        await until(lambda: [each.state for each in self.stored] == [*states])
        return self.stored

    async def pass_(self, seconds: float, *states: str) -> None:
        """Let time pass at once, and everybody look at the inbox; then wait for states."""
        self.time.advance(seconds)
        await self.time.pass_(1)
        if states:
            await self.settle(*states)

    async def later(self, seconds: float, text: str, *states: str) -> Message:
        """Let time pass, and hear what the bot says then."""
        await self.pass_(seconds)
        return await self.hear(text, *states)

    async def retry(self, seconds: float) -> None:
        """Wait until a message has failed, and let time pass until it is tried again."""
        await self.settle("retrying")
        await self.pass_(seconds)

    @property
    def stored(self) -> list[StoredNotification]:
        return stored_in(self.path, self.time.now_in_seconds)
