"""The application: the bot, beside routes for the load balancer and for metrics.

$ python -m kitchen_bot.tables
$ uvicorn --factory kitchen_bot.web:create_app

DATABASE_URL is that of a PostgreSQL, ``postgresql://...``, and KITCHEN_URL that of the service that
knows what is left. MANAGERS has the addresses of those who may see all orders, with spaces. Webex
posts to https://bot.example.com/webex/, which is the WEBEX_TARGET_URL; `Bot.from_env` reads it,
WEBEX_ACCESS_TOKEN and WEBEX_WEBHOOK_SECRET.
"""

import logging

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from webex_webhooks_async import PostgresInbox, lifespan_of

from .bot import Settings, create_bot


def create_app() -> FastAPI:
    logging.basicConfig()  # so that records show their level
    settings = Settings.from_env()
    inbox = PostgresInbox(settings.database_url)
    bot = create_bot(settings, inbox)
    registry = CollectorRegistry()
    entries = Gauge("kitchen_inbox", "Notifications and jobs.", ["state"], registry=registry)

    app = FastAPI(lifespan=lifespan_of(bot))
    app.mount("/webex", bot)

    @app.get("/healthz")
    async def healthz(response: Response) -> dict[str, bool]:
        response.status_code = 200 if bot.is_ready else 503
        return {"ready": bot.is_ready}

    @app.get("/livez")
    async def livez() -> None:
        """Respond, as long as no handler blocks the event loop."""

    @app.get("/metrics")
    async def metrics() -> Response:
        counts = await inbox.counts()  # of all replicas
        for state in ("waiting", "running", "retrying", "scheduled", "failed"):
            entries.labels(state).set(getattr(counts, state))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app
