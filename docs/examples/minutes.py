"""Minutes: a bot tells hosts how long their meetings were; try `webex-webhooks dev minutes.py`.

It needs the extra ``integration``. People connect their accounts at /minutes/connect.
"""

from datetime import datetime

from attrs import frozen
from starlette.applications import Starlette
from starlette.routing import Mount

from webex_webhooks_async import (
    Bot,
    Integration,
    MeetingData,
    MessageContext,
    UserContext,
    UserJobContext,
    lifespan_of,
)
from webex_webhooks_async.types import ConnectedUser

bot = Bot.from_env()
integration = Integration.from_env(name="minutes")


@frozen
class Meeting:
    """The members of a meeting that this program reads."""

    title: str
    start: datetime
    end: datetime


@integration.on_connect
async def welcome(context: UserJobContext) -> None:
    await bot.send("I'll write when a meeting ends.", to_person_id=context.user.person_id)


@integration.on("meetings", "ended", attempts=7)
async def ended(context: UserContext[MeetingData]) -> None:
    meeting = await context.fetch(into=Meeting)  # with the token of its host
    minutes = (meeting.end - meeting.start).total_seconds() / 60
    text = f"{meeting.title} took {minutes:.0f} minutes."
    await bot.send(text, to_person_id=context.user.person_id)  # once, however often this runs


@integration.on_lost
async def lost(user: ConnectedUser) -> None:
    url = f"{integration.public_url}/connect"
    await bot.send(f"I can't see your meetings any more: {url}", to_person_id=user.person_id)


@bot.command("disconnect")
async def disconnect(context: MessageContext) -> None:
    """Forget your meetings."""
    has_left = await integration.disconnect(context.person_id)
    await context.reply("Goodbye." if has_left else "You aren't connected.")


routes = [Mount("/minutes", integration), Mount("/bot", bot)]
app = Starlette(routes=routes, lifespan=lifespan_of(bot, integration))
