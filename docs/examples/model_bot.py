"""An assistant whose answers grow; it remembers, and asks before it acts: uvicorn model_bot:bot."""

import json
import sqlite3
from typing import Any

import openai
import pydantic

from webex_webhooks_async import Bot, MessageContext, RetryLaterError, once
from webex_webhooks_async.types import Stream

bot = Bot.from_env()
model = openai.AsyncOpenAI(max_retries=0).chat.completions  # the bot tries again
turns = sqlite3.connect("turns.db", isolation_level=None)
turns.execute("CREATE TABLE IF NOT EXISTS turns (id TEXT UNIQUE, room TEXT, said TEXT)")
TOOLS = [openai.pydantic_function_tool(pydantic.create_model("order", dish=str))]


@bot.command("stop")
async def stop(context: MessageContext) -> None:
    """Stop what takes long."""
    await context.reply("Stopped." if await context.stop_earlier() else "There is nothing to stop.")


@bot.message(in_order=False)  # or "stop" would wait for the end of the answer
async def answer(context: MessageContext) -> None:
    past = await once("history", lambda: history(context.room_id))
    new: list[Any] = [{"role": "user", "content": context.text}]
    async with context.stream() as reply:
        while new[-1]["role"] != "assistant" and len(new) < 50:
            turn = await once(f"turn {len(new)}", lambda: say(past + new, reply), stoppable=True)
            new.append(turn)
            reply.text = turn.get("content", "")
            for call in turn.get("tool_calls", ()):
                dish = json.loads(call["function"]["arguments"])["dish"]
                choice = await context.ask(f"Order {dish}?", buttons={"ordered": "Yes", "no": "No"})
                new.append({"role": "tool", "tool_call_id": call["id"], "content": choice.action})
    row = [context.message.id, context.room_id, json.dumps(new)]
    turns.execute("INSERT OR IGNORE INTO turns VALUES (?, ?, ?)", row)


async def history(room_id: str) -> list[Any]:
    last = turns.execute("SELECT said FROM turns WHERE room = ? ORDER BY rowid DESC", [room_id])
    return [each for (said,) in reversed(last.fetchmany(10)) for each in json.loads(said)]


async def say(said: list[Any], reply: Stream) -> object:
    try:
        async with model.stream(model="gpt-5-mini", messages=said, tools=TOOLS) as stream:
            async for event in stream:
                if event.type == "content.delta":
                    reply.text = event.snapshot
            choice = (await stream.get_final_completion()).choices[0]
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise RetryLaterError(f"the model is out: {error}", after=10) from error
    if not choice.finish_reason:
        raise RetryLaterError("the model's answer broke off", after=2)
    surplus: Any = {"tool_calls": {"__all__": {"index": True, "function": {"parsed_arguments"}}}}
    return choice.message.model_dump(exclude=surplus, exclude_none=True) | {"role": "assistant"}
