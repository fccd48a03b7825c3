"""A bot that some people may use only.

$ uvicorn allow_list_bot:bot

ALLOWED has their addresses, or whole domains: "ann@example.com @example.org".
"""

import os

from webex_webhooks_async import Bot, MessageContext, Person, SubmissionContext

ALLOWED = set(os.environ["ALLOWED"].lower().split())


def is_allowed(person: Person) -> bool:
    addresses = [each.lower() for each in person.emails]
    return any(ALLOWED & {each, each[each.index("@") :]} for each in addresses)


bot = Bot.from_env(allow=is_allowed)


@bot.message()
async def echo(context: MessageContext) -> None:
    await context.reply(f"You said: {context.text}")


@bot.submission()
async def submitted(context: SubmissionContext) -> None:
    await context.reply(f"You chose: {context.inputs.get('dish') or 'nothing'}")
