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

from webex_webhooks_async import Bot, Message, MessageContext

LONGEST = 7_439  # bytes: as much as a message can have
FIRST = 200  # characters to show first

bot = Bot.from_env()


@bot.message()
async def ask(context: MessageContext) -> None:
    growing = GrowingReply(context)
    try:
        async with aclosing(answer(context.text)) as pieces:
            async for piece in pieces:
                await growing.add(piece)
    except httpx.HTTPError:
        await growing.add("\n\nSorry, the model failed.")
        raise  # so that it is logged
    finally:
        await growing.end()


async def answer(question: str) -> AsyncGenerator[str]:
    """Yield the model's answer in pieces, as the model writes them."""
    body = {
        "model": os.environ["MODEL"],
        "messages": [{"role": "user", "content": question}],
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {os.environ['MODEL_KEY']}"}
    url = f"{os.environ['MODEL_URL']}/chat/completions"
    async with (
        httpx.AsyncClient(timeout=60) as http_client,
        http_client.stream("POST", url, json=body, headers=headers) as response,
    ):
        response.raise_for_status()
        async for line in response.aiter_lines():
            event, _, data = line.partition(": ")
            if event == "data" and data != "[DONE]":
                for choice in json.loads(data)["choices"]:
                    yield choice["delta"].get("content") or ""


class GrowingReply:
    """A reply that is edited as its text grows.

    Webex takes ten edits of a message. The text is shown whenever it has grown by half, and at the
    end: from 200 characters on, that is nine edits at most. A text that is too long for one message
    is shown in full at the end: `reply` cuts it.
    """

    def __init__(self, context: MessageContext) -> None:
        self._context = context
        self._message: Message | None = None
        self._text = self._shown = ""
        self._due = FIRST

    async def add(self, piece: str) -> None:
        """Add a piece to the text, and show the text if it has grown enough."""
        self._text = (self._text + piece).replace("<@", "&lt;@")  # a model must not mention anybody
        if len(self._text) >= self._due and self._fits():
            await self._show()
            self._due = len(self._text) * 3 // 2

    async def end(self) -> None:
        """Show the whole text."""
        if self._message is not None and not self._fits():
            await self._context.delete(self._message)
            self._message = None
        await self._show()

    def _fits(self) -> bool:
        return len(self._text.encode()) <= LONGEST

    async def _show(self) -> None:
        if not self._text.strip() or self._text == self._shown:
            return
        if self._message is None:
            self._message = await self._context.reply(markdown=self._text)
        else:
            await self._context.edit(self._message, markdown=self._text)
        self._shown = self._text
