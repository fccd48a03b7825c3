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
    Notification,
    Person,
    SubmissionContext,
)

bot = Bot.from_env()
ALLOWED = set(os.environ["ALLOWED"].lower().split())
known: dict[str, bool] = {}  # by the id of a person


@bot.middleware
async def allow(notification: Notification[Any], call_next: CallNext) -> None:
    """Pass on what allowed people do, and nothing else."""
    if notification.actor_id and await is_allowed(notification.actor_id):
        await call_next()


async def is_allowed(person_id: str) -> bool:
    """Whether a person has one of the addresses, or one in a domain."""
    if person_id not in known:
        person = await bot.client.get("people", person_id, into=Person)
        addresses = {address.lower() for address in person.emails or ()}
        domains = {address[address.index("@") :] for address in addresses}
        known[person_id] = bool(ALLOWED & (addresses | domains))
    return known[person_id]


@bot.message()
async def echo(context: MessageContext) -> None:
    await context.reply(f"You said: {context.text}")


@bot.submission()
async def submitted(context: SubmissionContext) -> None:
    await context.reply(f"You chose: {context.inputs['dish']}")
