"""The application.

$ uvicorn --factory lunch_bot.main:create_app

Webex posts to https://bot.example.com/webex/

It reads WEBEX_ACCESS_TOKEN, WEBEX_WEBHOOK_SECRET, and PUBLIC_URL such as https://bot.example.com.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response

from webex_webhooks_async import Client, NewWebhook, Receiver, WebexError

from . import cards, messages

logger = logging.getLogger(__name__)


def create_app(client: Client | None = None) -> FastAPI:
    """Create the application; tests pass a client of the sandbox."""
    client = client or Client.from_env()
    receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"], ignore_own_actions=True)
    receiver.include(messages.router(client))
    receiver.include(cards.router(client))
    wanted = receiver.webhooks(name="lunch", target_url=f"{os.environ['PUBLIC_URL']}/webex/")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with client, receiver:
            await client.webhooks.ensure(wanted, prune="lunch:")
            app.state.watching = asyncio.create_task(watch(client, wanted))
            yield
            app.state.watching.cancel()

    app = FastAPI(lifespan=lifespan)
    app.mount("/webex", receiver)

    @app.get("/health")
    async def health(response: Response) -> str:
        if app.state.watching.done():
            response.status_code = 503
            return "the webhooks are not watched"
        return "ok"

    return app


async def watch(client: Client, wanted: Iterable[NewWebhook]) -> None:
    """Repair the webhooks whenever something happens to them."""
    try:
        async for result in client.webhooks.watch(wanted, prune="lunch:"):
            for change in result.changes:
                logger.warning("%s %s: %s", change.action, change.name, change.reason)
    except WebexError:
        logger.exception("the webhooks are not watched any more")
