"""The command demo."""

import secrets
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

import httpx
from cyclopts import Parameter
from rich.text import Text

from webex_webhooks_async.cli import demo_steps as steps
from webex_webhooks_async.cli.failures import UsageError
from webex_webhooks_async.cli.log_messages import log_messages_to
from webex_webhooks_async.cli.options import FROM_ENVIRONMENT, Connection
from webex_webhooks_async.cli.rendering.consoles import page
from webex_webhooks_async.cli.rendering.narration import Narrator
from webex_webhooks_async.cli.rendering.webhooks import status_text, webhook_fields
from webex_webhooks_async.cli.running import run
from webex_webhooks_async.cli.temporary import deleted_on_error, temporary_name
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import APIError
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.models.notifications import MessageData, Notification
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.signatures import SPARK_SIGNATURE, WEBEX_SIGNATURE
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback import serve_on_loopback

_MOST_PAGES = 3


def command(
    *,
    live: Annotated[bool, Parameter(show_default=False)] = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """Watch the library at work; you need no account.

    $ webex-webhooks demo
    $ webex-webhooks demo --live

    It calls a local Webex simulator and receives notifications from it. With --live
    it calls Webex: it creates a few webhooks under a name of their own, which point
    to a host that doesn't exist, and deletes them at the end, also after an error
    or Ctrl-C.

    Args:
        live: Call Webex, with your token.
        connection: Where Webex is, and who calls it; for --live.
    """
    if not live and connection.is_given:
        raise UsageError("--token-file and --base-url need --live: without it, no Webex is called")
    narrator = Narrator(page())
    run(_on_webex(narrator, connection) if live else _on_sandbox(narrator))


async def _on_sandbox(narrator: Narrator) -> None:
    sandbox = Sandbox()
    async with sandbox.serve() as base_url:
        narrator.introduce(
            "Webex webhooks, without a Webex account",
            f"A real client calls a real HTTP server: a sandbox at {base_url}",
        )
        async with (
            narrator.narrated_client(trust_env=False) as http_client,
            Client("any-token", base_url=base_url, http_client=http_client) as client,
        ):
            await _look_around(narrator, client)
            created = await _manage(narrator, client, "demo")
            sandbox.fail(status=429, retry_after=1)
            await narrator.step(steps.retry)
            with log_messages_to(lambda _text: None):  # the narrator shows the pause itself
                await steps.retry(client, created[0].id)
            await _clean_up(narrator, client, created)
            await _receive(narrator, client, sandbox)
    narrator.conclude(_NEXT)


_NEXT = {
    "webex-webhooks listen --sandbox": "watch notifications arrive, without an account",
    "webex-webhooks sandbox": "a local Webex simulator for your own program",
    "webex-webhooks demo --live": "the first part of this on Webex, with your token",
    "webex-webhooks --help": "all commands",
}


async def _on_webex(narrator: Narrator, connection: Connection) -> None:
    async with (
        narrator.narrated_client(trust_env=True) as http_client,
        connection.client(http_client) as client,
    ):
        name = temporary_name("demo")
        narrator.introduce(
            "Webex webhooks, on Webex",
            f"The names of its webhooks at {connection.url} begin with {name}; it deletes them.",
        )
        await _look_around(narrator, client)
        async with deleted_on_error(client, name):
            created = await _manage(narrator, client, name)
            await _clean_up(narrator, client, created)


async def _look_around(narrator: Narrator, client: Client) -> None:
    await narrator.step(steps.list_first_page)
    first = await steps.list_first_page(client)
    if first.items:
        narrator.show_webhooks(first.items)
    else:
        narrator.say("There are no webhooks yet.")


async def _manage(narrator: Narrator, client: Client, name: str) -> list[Webhook]:
    """Create, get, update and list webhooks, meet an error; return the created webhooks."""
    await narrator.step(steps.create)
    webhook = await steps.create(client, name, steps.NOWHERE, secrets.token_urlsafe())
    fields = webhook_fields(webhook, show_secret=False)
    narrator.show_fields({each: fields[each] for each in ("name", "id", "target", "secret")})

    await narrator.step(steps.get)
    webhook = await steps.get(client, webhook.id)
    narrator.show_fields({"status": status_text(webhook.status)})

    await narrator.step(steps.update)
    webhook = await steps.update(client, webhook)
    narrator.show_fields({"target": webhook_fields(webhook, show_secret=False)["target"]})

    await narrator.step(steps.create_more)
    created = [webhook, *await steps.create_more(client, name)]

    await narrator.step(steps.list_pages)
    async with aclosing(steps.list_pages(client)) as pages:
        number = 0
        async for each in pages:
            number += 1
            narrator.say(f"page {number}: {', '.join(webhook.name for webhook in each.items)}")
            if number == _MOST_PAGES:
                break

    await narrator.step(steps.fail)
    try:
        await steps.fail(client)
    except APIError as error:
        narrator.disapprove(describe_exception(error))
    return created


async def _clean_up(narrator: Narrator, client: Client, webhooks: Sequence[Webhook]) -> None:
    await narrator.step(steps.delete)
    await steps.delete(client, webhooks)


async def _receive(narrator: Narrator, client: Client, sandbox: Sandbox) -> None:
    """Receive a notification from the sandbox, then a forged and a repeated one."""
    secret = secrets.token_urlsafe()
    handled: list[Notification[MessageData]] = []

    def report(notification: Notification[MessageData]) -> None:
        handled.append(notification)
        narrator.approve("verified: ", notification.data.person_email, " wrote a message")

    await narrator.step(steps.receive)
    async with (
        serve_on_loopback(steps.receive(secret, report), 0) as receiver_url,
        httpx.AsyncClient(trust_env=False) as stranger,
    ):
        await steps.create(client, "demo: receive", receiver_url, secret)

        await narrator.step(steps.emit)
        delivery = await steps.emit(sandbox)
        narrator.incoming(delivery.url, delivery.status_code)
        headers = httpx.Headers(delivery.headers)
        signatures = (SPARK_SIGNATURE, WEBEX_SIGNATURE)
        narrator.show_fields({name: Text(headers[name]) for name in signatures})

        await narrator.step(steps.forge)
        with log_messages_to(narrator.disapprove):
            response = await steps.forge(stranger, delivery)
        narrator.incoming(delivery.url, response.status_code)

        await narrator.step(steps.repeat)
        response = await steps.repeat(stranger, delivery)
        narrator.incoming(delivery.url, response.status_code)
        narrator.approve(f"handled {len(handled)} time, responded twice")
