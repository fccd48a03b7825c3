"""The bot of the demo: the program of a process that can be killed."""

import asyncio
import logging
import signal
import sys

from starlette.types import Receive, Scope, Send

from webex_webhooks_async.bot.bot import Bot
from webex_webhooks_async.bot.contexts.contexts import MessageContext
from webex_webhooks_async.bot.router import BotRouter
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

BOSS = "boss@example.com"
READY = "is ready"

bot: BotRouter = BotRouter()


@bot.command("leave")
async def leave(context: MessageContext) -> None:
    """Ask for a day off."""
    person = context.message.person_email
    days = {"Monday": "Monday", "Friday": "Friday"}
    day = (await context.ask("Which day?", buttons=days)).action
    decision = await context.ask(
        f"{person} asks for {day} off.",
        buttons={"approves": "Approve", "refuses": "Refuse"},
        to_person_email=BOSS,
    )
    await context.reply(f"{day}: your boss {decision.action}.")


async def main() -> None:
    """Serve the bot that the environment describes until standard input ends."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends this

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await served(scope, receive, send)

    async with serve_on_loopback(application, 0) as url:
        served = Bot.from_env(target_url=url)
        served.include(bot)
        async with served:
            print(READY, flush=True)  # noqa: T201 - the command reads it
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
