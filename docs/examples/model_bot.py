"""A bot that passes questions on to a language model, and shows the answer while it grows.

$ uvicorn model_bot:bot

MODEL_URL is the base URL of a server with the API "chat completions", such as llama.cpp, Ollama,
vLLM or OpenAI; MODEL and MODEL_KEY are the name of a model and the key of the server.
"""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx

from webex_webhooks_async import Bot, MessageContext, RetryLaterError, once

bot = Bot.from_env()


@bot.message()
async def ask(context: MessageContext) -> None:
    async with context.stream() as reply:

        async def write() -> str:
            reply.text = ""  # what broke off before
            async with aclosing(answer(context.text)) as pieces:
                async for piece in pieces:
                    reply.write(piece)
            return reply.text

        reply.text = await once("answer", write)  # a later attempt doesn't ask the model again


async def answer(question: str) -> AsyncGenerator[str]:
    """Yield the model's answer in pieces, as the model writes them."""
    body = {
        "model": os.environ["MODEL"],
        "messages": [{"role": "user", "content": question}],
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {os.environ['MODEL_KEY']}"}
    url = f"{os.environ['MODEL_URL']}/chat/completions"
    is_whole = False
    try:
        async with (
            httpx.AsyncClient(timeout=60) as http_client,
            http_client.stream("POST", url, json=body, headers=headers) as response,
        ):
            response.raise_for_status()
            async for line in response.aiter_lines():
                event, _, data = line.partition(": ")
                if event == "data" and data != "[DONE]":
                    for choice in json.loads(data)["choices"]:
                        is_whole = is_whole or choice.get("finish_reason") is not None
                        yield choice["delta"].get("content") or ""
    except httpx.HTTPError as error:
        raise RetryLaterError(f"the model is out: {error}", after=10) from error
    if not is_whole:
        raise RetryLaterError("the model's answer broke off", after=2)
