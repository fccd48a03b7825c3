"""A bot that asks three questions: `uvicorn --app-dir tests/chaos asking_bot:bot`.

It writes into a table `rows` in the database of its inbox, once. ROUTE names the
command that asks, which `begin` calls as well; without a name, nothing asks.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
import psycopg

from webex_webhooks_async import (
    Bot,
    HandlerStopped,
    MessageContext,
    PostgresInbox,
    SQLiteInbox,
    once,
)
from webex_webhooks_async.handling import inbox_worker

logging.basicConfig(level=logging.WARNING)

DATABASE = os.environ["DATABASE"]
LEASE = float(os.environ["LEASE"])
ROUTE = os.environ["ROUTE"]
IS_POSTGRES = DATABASE.startswith("postgresql:")

# A process without the handler leaves a conversation for half a minute otherwise, 20 times.
inbox_worker._OTHER_VERSION_SECONDS = 0.5  # pyright: ignore[reportPrivateUsage] - see above
inbox_worker._OTHER_VERSION_RELEASES = 1_200  # pyright: ignore[reportPrivateUsage] - the same time

bot = Bot.from_env(
    secrets=os.environ["WEBEX_WEBHOOK_SECRET"],  # it has spaces
    inbox=(PostgresInbox if IS_POSTGRES else SQLiteInbox)(DATABASE, lease=LEASE),
)


@asynccontextmanager
async def begin() -> AsyncGenerator[Any]:
    """Begin a transaction."""
    if IS_POSTGRES:
        async with await psycopg.AsyncConnection.connect(DATABASE) as connection:
            yield connection
    else:
        async with aiosqlite.connect(DATABASE, isolation_level=None, timeout=30) as file:
            await file.execute("BEGIN IMMEDIATE")
            yield file
            await file.commit()


async def ask(context: MessageContext) -> None:
    """Ask three questions, the second by a button, and write down what was answered."""
    name = context.arguments
    first = await context.ask(f"{name}: 1?")
    second = await context.ask(f"{name}: 2?", buttons={f"{name}-2": "Yes"})
    third = await context.ask(f"{name}: 3?")
    answers = [first.text, second.inputs["action"], third.text]

    async def create(transaction: Any) -> None:  # noqa: ANN401 - of one of two drivers
        text = f"{context.arguments}: {' '.join(answers)}"
        await transaction.execute(f"INSERT INTO rows VALUES ('{text}')")  # noqa: S608 - ours

    await once("row", create, within=begin)
    await context.reply(f"{context.arguments}: done")


async def forever() -> None:
    """Wait for nothing."""
    await asyncio.Event().wait()


@bot.command("hold", in_order=False)
async def hold(context: MessageContext) -> None:
    """Work, ask somebody, or ask two, until it is stopped; write down that it was told so."""
    number, what = context.arguments.split()
    name = f"{number}: {what}"
    try:
        await context.reply(f"{name}: begun")
        if what == "works":
            await once("work", forever, stoppable=True)
        elif what == "asks":
            await context.ask(f"{name}?", buttons={"yes": "Yes"})
        else:
            people = [f"{each}-{number}@example.com" for each in ("ann", "bob")]
            await context.ask_all(f"{name}?", to=people, buttons={"yes": "Yes"})
    except HandlerStopped:

        async def create(transaction: Any) -> None:  # noqa: ANN401 - of one of two drivers
            await transaction.execute(f"INSERT INTO rows VALUES ('{name}')")  # noqa: S608 - ours

        await once("told", create, within=begin)
        raise


@bot.command("cancel")
async def cancel(context: MessageContext) -> None:
    """Stop what was begun."""
    await context.reply(f"{context.arguments}: stopped {await context.stop_earlier()}")


if ROUTE:
    bot.command(*{ROUTE: None, "begin": None})(ask)


@bot.message()
async def other(context: MessageContext) -> None:
    """Write what answers nothing."""
    await context.reply(f"stray: {context.text}")
