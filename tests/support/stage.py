"""What an example of several processes needs: a Redis, a sandbox, and a service manager."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from attrs import frozen

from tests.support.redis_server import RedisServer, running_redis
from tests.support.services import Service, Services, running_services
from tests.testing.doubles import created
from webex_webhooks_async import parse_unverified_notification, to_json
from webex_webhooks_async.testing import Sandbox, sample_notification

SECRET = "the webhook's secret"


@frozen
class Stage:
    """Where the processes of a bot run, which read the settings in their environment."""

    redis: RedisServer
    webex: Sandbox
    services: Services
    settings: dict[str, str]

    async def start_receiver(self, application: str, port: int) -> Service:
        receiver = self.services.start(f"uvicorn --no-access-log --port {port} {application}")
        await self.services.until(lambda: receiver.says("Uvicorn running"))
        return receiver

    async def make_webhook(self, target_url: str = "https://bot.example.com/webex") -> None:
        what = {"name": "hook", "resource": "messages", "event": "created", "secret": SECRET}
        async with self.webex.http_client() as api:
            await created(api, "webhooks", targetUrl=target_url, **what)


@asynccontextmanager
async def stage(**settings: str) -> AsyncGenerator[Stage]:
    """Set up a stage for as long as the block runs, with further settings of the bot."""
    webex = Sandbox()
    with running_redis() as redis:
        async with webex.serve() as base_url:
            environment = {
                "REDIS_URL": redis.url,
                "WEBEX_ACCESS_TOKEN": "the-bots-token",
                "WEBEX_BASE_URL": base_url,
                "WEBEX_WEBHOOK_SECRET": SECRET,
                **settings,
            }
            async with running_services(environment) as services:
                yield Stage(redis, webex, services, environment)


def job_of(message_id: str) -> str:
    """A notification as the receiver of an example enqueues it."""
    body = sample_notification("messages", "created", data={"id": message_id})
    return to_json(parse_unverified_notification(body)).decode()
