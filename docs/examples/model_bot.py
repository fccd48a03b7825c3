"""An assistant whose answers grow: it knows what was said before, and asks before it acts.

$ uvicorn model_bot:bot

OPENAI_API_KEY and OPENAI_BASE_URL are those of a model's server, MODEL is the name of the model,
and TURNS the file in which it is kept what was said.
"""

import json
import os
import sqlite3
from functools import partial
from typing import Any

import openai

from webex_webhooks_async import Bot, MessageContext, RetryLaterError, once
from webex_webhooks_async.types import Stream

bot = Bot.from_env()
model = openai.AsyncOpenAI(max_retries=0)  # the bot tries again
turns = sqlite3.connect(os.environ["TURNS"], isolation_level=None)
turns.execute("CREATE TABLE IF NOT EXISTS turns (id TEXT UNIQUE, room TEXT, said TEXT)")
DISH: Any = {"type": "object", "properties": {"dish": {"type": "string"}}, "required": ["dish"]}
ORDER = {"name": "order", "parameters": DISH | {"additionalProperties": False}, "strict": True}
TOOLS = [{"type": "function", "function": ORDER}]


@bot.command("stop")
async def stop(context: MessageContext) -> None:
    """Stop what takes long."""
    await context.reply("Stopped." if await context.stop_earlier() else "There is nothing to stop.")


@bot.message(in_order=False)  # or "stop" would wait for the end of the answer
async def answer(context: MessageContext) -> None:
    said = await once("history", partial(history, context.room_id))
    said.append({"role": "user", "content": context.text})
    async with context.stream() as reply:
        turn: dict[str, Any] = {"tool_calls": ()}
        while "tool_calls" in turn and len(said) < 50:
            name = f"turn {len(said)}"
            turn = await once(name, partial(complete, said, reply), stoppable=True)
            said.append(turn)
            reply.text = turn.get("content", "")
            for call in turn.get("tool_calls", ()):
                done = await order(context, **json.loads(call["function"]["arguments"]))
                said.append({"role": "tool", "tool_call_id": call["id"], "content": done})
    both = [{"role": "user", "content": context.text}, {"role": "assistant", "content": reply.text}]
    row = [context.message.id, context.room_id, json.dumps(both)]
    turns.execute("INSERT OR IGNORE INTO turns VALUES (?, ?, ?)", row)


async def history(room_id: str) -> list[Any]:
    last = "SELECT said FROM turns WHERE room = ? ORDER BY rowid DESC LIMIT 10"
    rows = turns.execute(last, [room_id]).fetchall()
    return [turn for (both,) in reversed(rows) for turn in json.loads(both)]


async def order(context: MessageContext, dish: str) -> str:
    """Order something, if the person presses a button."""
    answer = await context.ask(f"Order {dish}?", buttons={"yes": "Yes", "no": "No"}, default=None)
    return "ordered" if answer is not None and answer.action == "yes" else "not wanted"


async def complete(said: list[Any], reply: Stream) -> object:
    """Return what the model says next, and show it while it comes."""
    reply.text = ""  # what broke off before
    request: Any = {"model": os.environ["MODEL"], "messages": said, "tools": TOOLS}
    try:
        async with model.chat.completions.stream(**request) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    reply.write(event.delta)
            choice = (await stream.get_final_completion()).choices[0]
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise RetryLaterError(f"the model is out: {error}", after=10) from error
    if not choice.finish_reason:
        raise RetryLaterError("the model's answer broke off", after=2)
    return choice.message.to_dict(exclude_none=True)
