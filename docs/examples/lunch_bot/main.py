"""The application.

$ uvicorn --factory lunch_bot.main:create_app

Webex posts to https://bot.example.com/webex/, which is the PUBLIC_URL. The bot reads
WEBEX_ACCESS_TOKEN and WEBEX_WEBHOOK_SECRET, too.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from webex_webhooks_async import Bot, MessageContext

from . import cards


def create_app(bot: Bot | None = None) -> FastAPI:
    """Create the application; tests pass a bot of the sandbox."""
    bot = bot or Bot.from_env(name="lunch")
    bot.include(cards.router)

    @bot.message()
    async def offer(context: MessageContext) -> None:
        await context.reply("What would you like?", card=cards.LUNCH)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with bot:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/webex", bot)

    @app.get("/health")
    async def health() -> str:
        return f"{bot.me.display_name} is at work"

    return app
