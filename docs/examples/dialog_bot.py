"""A bot that asks one question after the other.

$ uvicorn dialog_bot:bot

It keeps in memory how far each dialog is, and what people write in a file, until it is handled:
in STATE_DIRECTORY, or in the current directory.
"""

import os
from collections import OrderedDict
from functools import partial
from pathlib import Path

from attrs import frozen

from webex_webhooks_async import Bot, MessageContext, SQLiteInbox, once


@frozen
class Order:
    """What is known so far."""

    dish: str | None = None


class MemoryStore:
    """Keeps the newest 10,000 dialogs, for one process, until it ends."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, Order] = OrderedDict()

    async def get(self, key: str) -> Order | None:
        """Return the order of a dialog, or `None` if there is no such dialog."""
        return self._orders.get(key)

    async def put(self, key: str, order: Order | None) -> None:
        """Keep the order of a dialog; `None` ends the dialog."""
        self._orders.pop(key, None)
        if order is not None:
            self._orders[key] = order
        if len(self._orders) > 10_000:
            self._orders.popitem(last=False)


FOLDER = os.environ.get("STATE_DIRECTORY", ".")

bot = Bot.from_env(
    inbox=SQLiteInbox(Path(FOLDER, "inbox.db")),
    in_order=True,  # two messages at once are two answers, one after the other
)
store = MemoryStore()


def dialog(context: MessageContext) -> str:
    """The key of a dialog: the room, the person and, in a group room, the thread."""
    thread = "" if context.message.room_type == "direct" else context.thread_id
    return f"dialog:{context.room_id}:{context.person_id}:{thread}"


@bot.command("order")
async def begin(context: MessageContext) -> None:
    """Order lunch."""
    await once("step", partial(store.put, dialog(context), Order()))
    await context.reply("Which dish?")


@bot.command("cancel")
async def cancel(context: MessageContext) -> None:
    """Forget the order."""
    await once("step", partial(store.put, dialog(context), None))
    await context.reply("No order, then.")


@bot.message()
async def continue_dialog(context: MessageContext) -> None:
    reply = await once("step", partial(take_step, context))
    if reply is None:
        await context.reply(markdown=bot.help)
    else:
        await context.reply(reply)


async def take_step(context: MessageContext) -> str | None:
    """Take the message for the answer to the last question, and return what to say next.

    Without a dialog, that is `None`.
    """
    order = await store.get(dialog(context))
    if order is None:
        return None
    if order.dish is None:
        await store.put(dialog(context), Order(dish=context.text))
        return "How many?"
    await store.put(dialog(context), None)
    return f"Ordered: {context.text} {order.dish}"
