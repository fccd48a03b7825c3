"""Serves the function of lambda_bot.py on this machine, as a function URL does.

$ webex-webhooks dev docs/examples/lambda_local.py
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from lambda_bot import (  # type: ignore[import-not-found] # a checker's path lacks it
    bot_thread,
    handler,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def function_url(request: Request) -> Response:
    event = {"headers": dict(request.headers), "body": (await request.body()).decode()}
    response = await asyncio.to_thread(handler, event, None)
    return Response(status_code=response["statusCode"])


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    await asyncio.to_thread(bot_thread.start)  # which makes the webhooks for WEBEX_TARGET_URL
    try:
        yield
    finally:
        await asyncio.to_thread(bot_thread.close)


app = Starlette(routes=[Route("/{path:path}", function_url, methods=["POST"])], lifespan=lifespan)
