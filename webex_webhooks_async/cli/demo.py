"""The command demo: the first thing that a newcomer sees."""

import secrets
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

import httpx
from cyclopts import Parameter
from rich.text import Text

from webex_webhooks_async.cli import tour
from webex_webhooks_async.cli.options import FROM_ENVIRONMENT, Connection
from webex_webhooks_async.cli.remarks import remarks_told
from webex_webhooks_async.cli.rendering.consoles import page
from webex_webhooks_async.cli.rendering.narration import Narrator
from webex_webhooks_async.cli.rendering.webhooks import status_text, webhook_fields
from webex_webhooks_async.cli.running import run
from webex_webhooks_async.cli.temporary import swept_on_error, temporary_name
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import APIError
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.models.notifications import MessageData, Notification
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.signatures import SPARK_SIGNATURE, WEBEX_SIGNATURE
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback import serve_on_loopback

_MOST_PAGES = 3


def demo(
    *,
    live: Annotated[bool, Parameter(show_default=False)] = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """Watch the library at work; it takes no account.

    $ webex-webhooks demo
    $ webex-webhooks demo --live

    It calls an embedded Webex, and is called by it. With --live it calls Webex:
    it makes a few webhooks under a name of its own, which point to no host that
    there is, and deletes them at the end, also after an error or Ctrl-C.

    Args:
        live: Call Webex, with your token.
        connection: Where Webex is, and who calls it; for --live.
    """
    narrator = Narrator(page())
    run(_on_webex(narrator, connection) if live else _on_sandbox(narrator))


async def _on_sandbox(narrator: Narrator) -> None:
    sandbox = Sandbox()
    async with sandbox.serve() as base_url:
        narrator.introduce(
            "Webex webhooks, without a Webex account",
            f"A real client on a real HTTP server: an embedded Webex at {base_url}",
        )
        async with (
            narrator.client_that_tells(trust_env=False) as http_client,
            Client("any-token-will-do", base_url=base_url, http_client=http_client) as client,
        ):
            await _look_around(narrator, client)
            made = await _manage(narrator, client, "demo")
            sandbox.fail(status=429, retry_after=1)
            await narrator.step(tour.survive)
            await tour.survive(client, made[0].id)
            await _clean_up(narrator, client, made)
            await _be_called(narrator, client, sandbox)
    narrator.conclude(_NEXT)


_NEXT = {
    "webex-webhooks listen --sandbox": "notifications as they come, without an account",
    "webex-webhooks sandbox": "an embedded Webex for your own program",
    "webex-webhooks demo --live": "the first part of this on Webex, with your token",
    "webex-webhooks --help": "all the rest",
}


async def _on_webex(narrator: Narrator, connection: Connection) -> None:
    async with (
        narrator.client_that_tells(trust_env=True) as http_client,
        connection.client(http_client) as client,
    ):
        name = temporary_name("demo")
        narrator.introduce(
            "Webex webhooks, on Webex",
            f"What is made at {connection.url} is named {name}, and goes again.",
        )
        await _look_around(narrator, client)
        async with swept_on_error(client, name):
            made = await _manage(narrator, client, name)
            await _clean_up(narrator, client, made)


async def _look_around(narrator: Narrator, client: Client) -> None:
    await narrator.step(tour.list_first_page)
    first = await tour.list_first_page(client)
    if first.items:
        narrator.show_webhooks(first.items)
    else:
        narrator.say("There are none yet.")


async def _manage(narrator: Narrator, client: Client, name: str) -> list[Webhook]:
    """Create, get and update webhooks, list them, and fail to get one; return those made."""
    await narrator.step(tour.create)
    webhook = await tour.create(client, name, tour.NOWHERE, secrets.token_urlsafe())
    fields = webhook_fields(webhook, show_secret=False)
    narrator.show_fields({each: fields[each] for each in ("name", "id", "target", "secret")})

    await narrator.step(tour.get)
    webhook = await tour.get(client, webhook.id)
    narrator.show_fields({"status": status_text(webhook.status)})

    await narrator.step(tour.update)
    webhook = await tour.update(client, webhook)
    narrator.show_fields({"target": webhook_fields(webhook, show_secret=False)["target"]})

    await narrator.step(tour.create_more)
    made = [webhook, *await tour.create_more(client, name)]

    await narrator.step(tour.list_pages)
    async with aclosing(tour.list_pages(client)) as pages:
        number = 0
        async for each in pages:
            number += 1
            narrator.say(f"page {number}: {', '.join(webhook.name for webhook in each.items)}")
            if number == _MOST_PAGES:
                break

    await narrator.step(tour.fail)
    try:
        await tour.fail(client)
    except APIError as error:
        narrator.disapprove(describe_exception(error))
    return made


async def _clean_up(narrator: Narrator, client: Client, webhooks: Sequence[Webhook]) -> None:
    await narrator.step(tour.delete)
    await tour.delete(client, webhooks)


async def _be_called(narrator: Narrator, client: Client, sandbox: Sandbox) -> None:
    """Let the sandbox notify a receiver, and others try to fool it."""
    secret = secrets.token_urlsafe()
    handled: list[Notification[MessageData]] = []

    def tell(notification: Notification[MessageData]) -> None:
        handled.append(notification)
        narrator.approve("verified: ", notification.data.person_email, " wrote a message")

    await narrator.step(tour.receive)
    async with (
        serve_on_loopback(tour.receive(secret, tell), 0) as receiver_url,
        httpx.AsyncClient(trust_env=False) as stranger,
    ):
        await tour.create(client, "demo: be called", receiver_url, secret)

        await narrator.step(tour.emit)
        delivery = await tour.emit(sandbox)
        narrator.incoming(delivery.url, delivery.status_code)
        headers = httpx.Headers(delivery.headers)
        signatures = (SPARK_SIGNATURE, WEBEX_SIGNATURE)
        narrator.show_fields({name: Text(headers[name]) for name in signatures})

        await narrator.step(tour.forge)
        with remarks_told(narrator.disapprove):
            answer = await tour.forge(stranger, delivery)
        narrator.incoming(delivery.url, answer.status_code)

        await narrator.step(tour.repeat)
        answer = await tour.repeat(stranger, delivery)
        narrator.incoming(delivery.url, answer.status_code)
        narrator.approve(f"handled {len(handled)} time, answered twice")
