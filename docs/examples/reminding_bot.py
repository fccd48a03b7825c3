"""A bot that reminds a room of lunch every day, and people of what they want.

$ uvicorn reminding_bot:bot

ROOM_ID is the room that it reminds, with the bot as a member. WEBEX_INBOX is the file of its jobs.
"""

import os
from datetime import timedelta

from webex_webhooks_async import Bot, JobContext, MessageContext

bot = Bot.from_env()


@bot.schedule("lunch", "45 11 * * 1-5", timezone="Europe/Berlin")
async def lunch(context: JobContext) -> None:
    await context.send("Lunch?", room_id=os.environ["ROOM_ID"])


@bot.command("remind me")
async def remind_me(context: MessageContext) -> None:
    """Remind you in so many minutes, by default ten."""
    place = {"room_id": context.room_id, "parent_id": context.thread_id}
    key = context.person_id  # each person has one reminder: the last one
    try:
        after = timedelta(minutes=float(context.arguments or 10))
        await context.enqueue("reminder", place, key=key, after=after, replace=True)
    except (ValueError, OverflowError):
        await context.reply("In how many minutes? A number, please.")
    else:
        await context.reply("I'll remind you.")


@bot.command("never mind")
async def never_mind(context: MessageContext) -> None:
    """Don't remind you."""
    was_there = await context.cancel("reminder", key=context.person_id)
    await context.reply("I won't." if was_there else "There is no reminder.")


@bot.job("reminder")
async def reminder(context: JobContext) -> None:
    await context.send("It's time!", **context.value)
