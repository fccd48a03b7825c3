"""A bot that listens to some people only.

$ uvicorn allow_list_bot:bot

ALLOWED has their addresses, or whole domains: "ann@example.com @example.org".
"""

import os
from typing import Any

from webex_webhooks_async import (
    Bot,
    CallNext,
    MessageContext,
    MessageData,
    Notification,
    Person,
    SubmissionContext,
)

bot = Bot.from_env()
ALLOWED = set(os.environ["ALLOWED"].lower().split())


@bot.middleware
async def allow(notification: Notification[Any], call_next: CallNext) -> None:
    """Pass on what allowed people do, and nothing else."""
    addresses: list[str] = []
    if isinstance(notification.data, MessageData):
        addresses = [notification.data.person_email]
    elif notification.actor_id:  # a submitted card, for example, comes without an address
        person = await bot.client.get("people", notification.actor_id, into=Person)
        addresses = list(person.emails or ())
    if any(ALLOWED & {each, each[each.index("@") :]} for each in map(str.lower, addresses)):
        await call_next()


@bot.message()
async def echo(context: MessageContext) -> None:
    await context.reply(f"You said: {context.text}")


@bot.submission()
async def submitted(context: SubmissionContext) -> None:
    await context.reply(f"You chose: {context.inputs.get('dish')}")
