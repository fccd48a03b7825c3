"""The application: the bot, beside routes that have nothing to do with it.

$ uvicorn --factory lunch_bot.main:create_app --log-config lunch_bot/log.json

Webex posts to https://bot.example.com/webex/, which is the WEBEX_TARGET_URL. WEBEX_ACCESS_TOKEN is
the bot's, DOMAIN that of the people who may use it. SECRETS_FILE has the secrets of the webhooks,
and STATE_DIRECTORY gets the inbox.
"""

import os
import time
from pathlib import Path

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest

from webex_webhooks_async import Bot, Context, Person, SQLiteInbox, lifespan_of
from webex_webhooks_async.types import CallNext

from . import cards


def secrets() -> list[str]:
    """Return the secrets, the one for the webhooks first: a change needs no restart."""
    return Path(os.environ["SECRETS_FILE"]).read_text(encoding="utf-8").split()


def is_colleague(person: Person) -> bool:
    domain = "@" + os.environ["DOMAIN"]
    return any(email.lower().endswith(domain) for email in person.emails)


def create_app() -> FastAPI:
    inbox = SQLiteInbox(Path(os.environ["STATE_DIRECTORY"], "inbox.db"))
    bot = Bot.from_env(name="lunch", secrets=secrets, inbox=inbox, allow=is_colleague)
    bot.include(cards.router)
    registry = CollectorRegistry()
    measure(bot, registry)

    app = FastAPI(lifespan=lifespan_of(bot))
    app.mount("/webex", bot)

    @app.get("/health")
    async def health(response: Response) -> dict[str, object]:
        counts = await inbox.counts()
        response.status_code = 200 if bot.is_ready else 503
        return {"ready": bot.is_ready, "waiting": counts.waiting, "failed": counts.failed}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/lunch-is-ready/{email}")
    async def announce(email: str) -> None:
        await bot.send("Lunch is ready!", to_person_email=email)

    return app


def measure(bot: Bot, registry: CollectorRegistry) -> None:
    """Count and time what the handlers do."""
    name, what = "bot_handler_seconds", "How long the handlers ran."
    seconds = Histogram(name, what, ["route", "outcome"], registry=registry)

    @bot.context_middleware
    async def timed(context: Context, call_next: CallNext) -> None:
        started, outcome = time.perf_counter(), "failed"
        try:
            await call_next()
            outcome = "handled"
        finally:
            seconds.labels(context.route, outcome).observe(time.perf_counter() - started)
