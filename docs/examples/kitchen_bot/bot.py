"""The bot: its settings, what starts and ends with it, and what is around its handlers."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from attrs import frozen
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from webex_webhooks_async import Bot, Context, PostgresInbox
from webex_webhooks_async.types import CallNext

from . import dialog, kitchen, reminders
from .tables import url_of


@frozen(kw_only=True)
class Settings:
    """What the environment says."""

    database_url: str  # postgresql://...
    kitchen_url: str  # of the service that knows what is left
    managers: frozenset[str]  # the addresses of those who may see all orders
    remind_after: float  # seconds

    @classmethod
    def from_env(cls) -> "Settings":
        """Read the environment."""
        return cls(
            database_url=os.environ["DATABASE_URL"],
            kitchen_url=os.environ["KITCHEN_URL"],
            managers=frozenset(os.environ["MANAGERS"].lower().split()),
            remind_after=float(os.environ.get("REMIND_AFTER") or "1800"),
        )


def create_bot(settings: Settings, inbox: PostgresInbox) -> Bot:
    @asynccontextmanager
    async def lifespan(_: Bot) -> AsyncGenerator[dict[str, object]]:
        engine = create_async_engine(url_of(settings.database_url), pool_pre_ping=True)
        try:
            async with httpx.AsyncClient(base_url=settings.kitchen_url) as service:
                sessions = async_sessionmaker(engine)
                yield {"settings": settings, "sessions": sessions, "kitchen": service}
        finally:
            await engine.dispose()

    sorry = "Sorry, that didn't work."
    bot = Bot.from_env(name="kitchen", inbox=inbox, lifespan=lifespan, error_reply=sorry)
    bot.context_middleware(begin_session)
    for part in (kitchen, reminders, dialog):  # the dialog takes all messages, so it is the last
        bot.include(part.router)
    return bot


async def begin_session(context: Context, call_next: CallNext) -> None:
    async with context.state.sessions.begin() as context.state.session:
        await call_next()
