"""What the tests of the bot layer share."""

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Unpack

from attrs import define

from webex_webhooks_async import Bot, BotRouter, Client, Context, MessageContext, SubmissionContext
from webex_webhooks_async.bot.bot import BotOptions
from webex_webhooks_async.testing import Sandbox

SECRET = "a secret of the bot"
URL = "https://bot.example.com/webex"
CARD = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [{"type": "Input.Text", "id": "dish"}],
    "actions": [{"type": "Action.Submit", "title": "Order", "data": {"action": "order"}}],
}


async def ignore(_: object) -> None:
    """Do nothing."""


async def echo(context: MessageContext) -> None:
    """Say back what was said."""
    await context.reply(f"You said: {context.text}")


@define(eq=False)
class Webex:
    """A local Webex, a client that calls it, and the class of its bots."""

    sandbox: Sandbox
    client: Client
    bots: type[Bot] = Bot

    @property
    def texts(self) -> list[str | None]:
        return texts(self.sandbox)

    def bot(self, **options: Unpack[BotOptions]) -> Bot:
        options.setdefault("target_url", URL)
        return self.bots(self.client, SECRET, **options)

    def echoing(self, **options: Unpack[BotOptions]) -> Bot:
        """A bot that says back what it hears."""
        bot = self.bot(**options)
        bot.message()(echo)
        return bot

    @asynccontextmanager
    async def running(self, bot: Bot) -> AsyncGenerator[None]:
        """Run a bot that receives what the sandbox notifies."""
        self.sandbox.deliver_to(bot)
        async with bot:
            yield

    async def hear(self, bot: Bot, *texts: str, **options: Any) -> None:  # noqa: ANN401 - as `say`
        """Run a bot, and say this to it."""
        async with self.running(bot):
            for each in texts:
                await self.sandbox.say(each, **options)


class Handlers:
    """Handlers that note who got what: the name of each that ran, and its context."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]

    def command(self, router: BotRouter, *names: str) -> None:
        """Register a handler that is called as the command."""
        router.command(*names)(self._message(names[0]))

    def message(self, router: BotRouter, pattern: str | None = None) -> None:
        """Register a handler that is called as the pattern, or ``all``."""
        compiled = None if pattern is None else re.compile(pattern)
        router.message(compiled)(self._message(pattern or "all"))

    def submission(
        self, router: BotRouter, name: str, inputs: Mapping[str, Any] | None = None
    ) -> None:
        async def handler(context: SubmissionContext) -> None:
            self.heard.append((name, context))

        router.submission(inputs)(handler)

    def _message(self, name: str) -> Any:  # noqa: ANN401 - a handler
        async def handler(context: MessageContext) -> None:
            self.heard.append((name, context))

        return handler


def noting(into: list[Any], what: Callable[[Any], object]) -> Any:  # noqa: ANN401 - a handler
    """A handler that notes something of what it gets."""

    async def note(given: Any) -> None:  # noqa: ANN401 - whatever it gets
        into.append(what(given))

    return note


def raising(error: BaseException | type[BaseException]) -> Any:  # noqa: ANN401 - a handler
    """A handler that fails."""

    async def fail(_: object) -> None:
        raise error

    return fail


def asking(text: str | None = None, **options: Any) -> Any:  # noqa: ANN401 - as `ask`
    """A handler that asks a question, and does nothing with the answer."""

    async def ask(context: Context) -> None:
        await context.ask(text, **options)

    return ask


def replying(says: Callable[[Any], str]) -> Any:  # noqa: ANN401 - a handler
    """A handler that replies something."""

    async def reply(context: Any) -> None:  # noqa: ANN401 - of messages or submissions
        await context.reply(says(context))

    return reply


def texts(sandbox: Sandbox) -> list[str | None]:
    """The texts of all messages, in order."""
    return [each.text for each in sandbox.messages]
