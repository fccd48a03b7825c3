"""The command demo."""

import asyncio
import inspect
import secrets
import textwrap
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

import httpx
from cyclopts import Parameter
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from webex_webhooks_async.cli import demo_steps as steps
from webex_webhooks_async.cli.console import log_messages_to, prose
from webex_webhooks_async.cli.listen.temporary_webhooks import deleted_on_error, temporary_name
from webex_webhooks_async.cli.options import FROM_ENVIRONMENT, Connection
from webex_webhooks_async.cli.rendering import (
    status_code_text,
    status_text,
    webhook_fields,
)
from webex_webhooks_async.cli.running import UsageError, run
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.pagination import Page
from webex_webhooks_async.errors import APIError
from webex_webhooks_async.formatting import describe_exception, on_one_line
from webex_webhooks_async.models.notification_data import MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.signatures import SIGNATURE_HEADERS
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

_MOST_PAGES = 3


def command(
    *,
    live: Annotated[bool, Parameter(show_default=False)] = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    """Watch a bot and the library at work; you need no account.

    $ webex-webhooks demo
    $ webex-webhooks demo --live

    A bot talks to a person in a local Webex simulator. Then notifications are
    received, and webhooks managed. With --live it manages webhooks on Webex: it
    creates a few under a name of their own, which point to a host that doesn't
    exist, and deletes them at the end, also after an error or Ctrl-C.

    Args:
        live: Call Webex, with your token.
        connection: The address of Webex, and the account that calls it; for --live.
    """
    if not live and connection.is_given:
        raise UsageError("--token-file and --base-url need --live: without it, no Webex is called")
    narrator = Narrator(prose())
    run(_on_webex(narrator, connection) if live else _on_sandbox(narrator))


async def _on_sandbox(narrator: "Narrator") -> None:
    narrator.introduce(
        "A Webex bot, without a Webex account",
        "A real client calls a real HTTP server: the sandbox, a local Webex simulator.",
    )
    async with _sandbox(narrator) as (sandbox, client):
        await _talk(narrator, client, sandbox)
    async with _sandbox(narrator) as (sandbox, client):  # one without webhooks
        await _receive(narrator, client, sandbox)
    async with _sandbox(narrator) as (sandbox, client):
        await _look_around(narrator, client)
        created = await _manage(narrator, client, "demo")
        sandbox.fail(status=429, retry_after=1)
        await narrator.step(steps.retry)
        with log_messages_to(lambda _text: None):  # the narrator shows the pause itself
            await steps.retry(client, created[0].id)
        await _clean_up(narrator, client, created)
    narrator.conclude(_NEXT)


@asynccontextmanager
async def _sandbox(narrator: "Narrator") -> AsyncGenerator[tuple[Sandbox, Client]]:
    sandbox = Sandbox()
    async with (
        sandbox.serve() as base_url,
        narrator.narrated_client(trust_env=False) as http_client,
        Client("any-token", base_url=base_url, http_client=http_client) as client,
    ):
        yield sandbox, client


async def _talk(narrator: "Narrator", client: Client, sandbox: Sandbox) -> None:
    """Let a person talk to a bot: a message, a card, a reply."""
    await narrator.step(steps.make_bot)
    bot = steps.make_bot(client, steps.NOWHERE, secrets.token_urlsafe())
    sandbox.deliver_to(bot)
    async with bot:
        await narrator.step(steps.write)
        card = await steps.write(sandbox)
        narrator.approve(f"the bot replied: {card.text} [dish] (Order)")
        await narrator.step(steps.submit)
        reply = await steps.submit(sandbox, card)
        narrator.approve(f"the bot replied: {reply.text}")


_NEXT = {
    "webex-webhooks dev docs/examples/bot.py": "talk to a bot of your own in the browser",
    "webex-webhooks listen --sandbox": "watch notifications arrive, without an account",
    "webex-webhooks sandbox": "a local Webex simulator for your own program",
    "webex-webhooks demo --live": "the last part of this on Webex, with your token",
    "webex-webhooks --help": "all commands",
}


async def _on_webex(narrator: "Narrator", connection: Connection) -> None:
    async with (
        narrator.narrated_client(trust_env=True) as http_client,
        connection.client(http_client) as client,
    ):
        name = temporary_name("demo")
        narrator.introduce(
            "Webex webhooks, on Webex",
            f"The names of its webhooks at {connection.base_url} begin with {name}; "
            "it deletes them.",
        )
        await _look_around(narrator, client)
        async with deleted_on_error(client, name):
            created = await _manage(narrator, client, name)
            await _clean_up(narrator, client, created)


async def _look_around(narrator: "Narrator", client: Client) -> None:
    await narrator.step(steps.list_first_page)
    first = await steps.list_first_page(client)
    narrator.say(_names(first) or "There are no webhooks yet.")


def _names(page: Page[Webhook]) -> str:
    return ", ".join(webhook.name for webhook in page.items)


async def _manage(narrator: "Narrator", client: Client, name: str) -> list[Webhook]:
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
            narrator.say(f"page {number}: {_names(each)}")
            if number == _MOST_PAGES:
                break

    await narrator.step(steps.fail)
    try:
        await steps.fail(client)
    except APIError as error:
        narrator.disapprove(describe_exception(error))
    return created


async def _clean_up(narrator: "Narrator", client: Client, webhooks: Sequence[Webhook]) -> None:
    await narrator.step(steps.delete)
    await steps.delete(client, webhooks)


async def _receive(narrator: "Narrator", client: Client, sandbox: Sandbox) -> None:
    """Receive a notification from the sandbox, then a forged and a repeated one."""
    secret = secrets.token_urlsafe()
    handled: list[Notification[MessageData]] = []

    def report(notification: Notification[MessageData]) -> None:
        handled.append(notification)
        narrator.approve(f"verified: {notification.data.person_email} wrote a message")

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
        narrator.show_fields({name: Text(headers[name]) for name in SIGNATURE_HEADERS})

        await narrator.step(steps.forge)
        with log_messages_to(narrator.disapprove):
            response = await steps.forge(stranger, delivery)
        narrator.incoming(delivery.url, response.status_code)

        await narrator.step(steps.repeat)
        response = await steps.repeat(stranger, delivery)
        narrator.incoming(delivery.url, response.status_code)
        narrator.approve(f"handled {len(handled)} time, responded twice")


_WIDEST = 100  # columns: longer lines are hard to read
_INDENT = 3
_PAUSE = 0.2  # seconds before each step, for eyes that follow


class Narrator:
    """Shows what happens, while it happens."""

    def __init__(self, console: Console) -> None:
        console.width = min(console.width, _WIDEST)
        self._console = console
        self._steps = 0

    def introduce(self, title: str, text: str) -> None:
        """Say what this is."""
        content = Text.assemble((title, "bold"), "\n", text)
        self._console.print(Panel(content, border_style="cyan", padding=(0, 2)))

    def conclude(self, commands: Mapping[str, str]) -> None:
        """Show how to go on: commands, and what each is for."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column()
        for command, purpose in commands.items():
            grid.add_row(command, purpose)
        self._console.print()
        self._console.print(Panel(grid, title="next", border_style="green", padding=(0, 2)))

    async def step(self, function: Callable[..., Any]) -> None:
        """Begin a step: show what its function is for, and its code."""
        if self._console.is_terminal:
            await asyncio.sleep(_PAUSE)
        self._steps += 1
        headline, _, more = inspect.cleandoc(function.__doc__ or "").partition(". ")
        title = Text.assemble((f"{self._steps}  ", "cyan"), (headline.rstrip("."), "bold"))
        self._console.print()
        self._console.print(Rule(title, align="left", style="dim"))
        if more:
            self._print(Text(more, "dim italic"))
        _, _docstring, source = inspect.getsource(function).split('"""', 2)
        code = Syntax(
            textwrap.dedent(source).strip("\n"),
            "python",
            theme="ansi_dark",
            background_color="default",
            word_wrap=True,
        )
        self._print(code)

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._print(Text(on_one_line(text)))

    def approve(self, text: str) -> None:
        """Report something good."""
        self._print(Text.assemble(("✓ ", "bold green"), on_one_line(text)))

    def disapprove(self, text: str) -> None:
        """Report something bad that the demo expects."""
        self._print(Text.assemble(("✗ ", "bold red"), on_one_line(text)))

    def show_fields(self, fields: Mapping[str, Text]) -> None:
        """Show names and values."""
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, value in fields.items():
            grid.add_row(name, value)
        self._print(grid)

    def narrated_client(self, *, trust_env: bool) -> httpx.AsyncClient:
        """An HTTP client whose requests and responses are shown."""
        return httpx.AsyncClient(
            trust_env=trust_env, event_hooks={"response": [self._show_response]}
        )

    def incoming(self, url: str, status_code: int | None) -> None:
        """Show a notification and the status of its response."""
        self._exchange("←", "POST", url, status_code_text(status_code))

    async def _show_response(self, response: httpx.Response) -> None:
        request = response.request
        wait = response.headers.get("Retry-After")
        target = request.url.raw_path.decode()
        self._exchange("→", request.method, target, status_code_text(response.status_code))
        if wait:
            self.say(f"waiting {wait} s, as Webex asks")

    def _exchange(self, arrow: str, method: str, target: str, status: Text) -> None:
        grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_row(Text(f"{arrow} {method}", "cyan"), Text(on_one_line(target), "cyan"), status)
        self._print(grid)

    def _print(self, renderable: RenderableType) -> None:
        self._console.print(Padding(renderable, (0, 0, 0, _INDENT)))
