"""A poll in a room: one card, which shows the count, and one vote for each person, the last one.

$ uvicorn poll_bot:bot

WEBEX_INBOX is the file of the inbox; the votes are in poll.db.
"""

import json
import sqlite3
from collections import Counter
from contextlib import closing

from webex_webhooks_async import Bot, JobContext, MessageContext, SubmissionContext

DISHES = {"pasta": "Pasta", "soup": "Soup", "salad": "Salad"}

bot = Bot.from_env()


@bot.command("poll")
async def poll(context: MessageContext) -> None:
    """Ask everyone in the room what they want."""
    new = (context.room_id, context.message.id, None)
    await context.enqueue("count", new, line=context.room_id)


@bot.submission({"of": "poll"})
async def vote(context: SubmissionContext) -> None:
    if context.action in DISHES:
        ballot = {context.person_id: context.action}
        new = (context.room_id, str(context.inputs["poll"]), ballot)
        await context.enqueue("count", new, line=context.room_id)


@bot.job("count")
async def count(context: JobContext) -> None:
    room_id, poll_id, ballot = context.value
    with closing(sqlite3.connect("poll.db", isolation_level=None)) as file:
        file.execute("CREATE TABLE IF NOT EXISTS polls (id PRIMARY KEY, votes, card)")
        poll = f"{room_id} {poll_id}"
        row = file.execute("SELECT votes, card FROM polls WHERE id = ?", [poll]).fetchone()
        votes: dict[str, str] = json.loads(row[0]) if row else {}
        votes |= ballot or {}
        counts = Counter(votes.values())
        shown = ", ".join(f"{title}: {counts[dish]}" for dish, title in DISHES.items())
        data = {"of": "poll", "poll": poll_id}
        card = await context.send(shown, buttons=DISHES, data=data, room_id=room_id)
        if row and row[1] != card.id:
            await context.delete(row[1], after=10)  # until then, a press on it counts
        file.execute("REPLACE INTO polls VALUES (?, ?, ?)", [poll, json.dumps(votes), card.id])
