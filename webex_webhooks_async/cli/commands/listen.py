"""The command listen."""

import asyncio
import secrets
import shlex
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count, cycle, product
from typing import Annotated, Any, cast

import httpx
from attrs import field, frozen
from cyclopts import Parameter
from rich.console import Console

from webex_webhooks_async.catalog import FIREHOSE_RESOURCES
from webex_webhooks_async.cli import options
from webex_webhooks_async.cli.console import (
    ask,
    can_ask,
    log_messages_to,
    print_json,
    print_refusal,
    print_warning,
    progress,
    stderr,
    stdout,
)
from webex_webhooks_async.cli.listen.relay import (
    FORWARD_TIMEOUT,
    ArrivalCheck,
    RawRequest,
    forward,
    print_response,
    relay,
)
from webex_webhooks_async.cli.listen.temporary_webhooks import (
    delete_all,
    name_prefix,
    named,
    temporary_name,
    temporary_webhooks,
)
from webex_webhooks_async.cli.listen.tunnels import find_tunnel
from webex_webhooks_async.cli.rendering import (
    headline,
    print_notification,
    print_webhooks,
    shown_url,
)
from webex_webhooks_async.cli.running import CommandError, UsageError, run, until_stopped
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.serialization.strict_json import parse_json
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

Subscription = tuple[str, str]
"""A resource and an event."""

_EVERYTHING = ((Resource.ALL, Event.ALL), (Resource.ATTACHMENT_ACTIONS, Event.CREATED))
_SECONDS_BETWEEN_SAMPLES = 3.0


def command(  # noqa: PLR0913 - each is an option
    *,
    public_url: options.HttpUrl | None = None,
    port: options.Port = 8080,
    resource: Annotated[tuple[options.AnyResource, ...], Parameter(show_default=False)] = (),
    event: Annotated[tuple[options.AnyEvent, ...], Parameter(show_default=False)] = (),
    forward_to: options.HttpUrl | None = None,
    sandbox: Annotated[bool, Parameter(show_default=False)] = False,
    secret_source: options.SecretSource = options.NO_SECRET,
    json: options.AsJson = False,
    connection: options.Connection = options.FROM_ENVIRONMENT,
) -> None:
    r"""Print notifications as they arrive, until Ctrl-C.

    $ webex-webhooks listen --sandbox
    $ webex-webhooks listen
    $ webex-webhooks listen --public-url https://my-tunnel.example.com \
        --forward-to http://localhost:3000/webex --secret-env WEBHOOK_SECRET

    It creates webhooks of its own, verifies each notification, and deletes the
    webhooks at the end. Without --resource it watches memberships, messages, rooms
    and card submissions. Webex has to reach this machine: without --public-url it
    asks for the tunnel that leads here: ngrok at ports 4040 to 4044, cloudflared at
    ports 20241 to 20245.

    Args:
        public_url: The URL at which Webex reaches --port of this machine.
        port: The port on 127.0.0.1; 0 takes any free one.
        resource: What to watch; once for each.
        event: The event to watch for; once for each. The default is all.
        forward_to: Forward each notification to this URL, bytes and headers unchanged.
        sandbox: Watch a local Webex simulator in which something happens every few seconds.
        secret_source: The secret of the webhooks; the default is a random one.
        json: Print JSON, a notification a line, and nothing else.
        connection: The address of Webex, and the account that calls it.
    """
    if event and not resource:
        raise UsageError("--event needs the --resource that it happens to")
    if sandbox and public_url is not None:
        raise UsageError("--sandbox and --public-url exclude each other")
    if sandbox and connection.is_given:
        raise UsageError("--sandbox takes neither --token-file nor --base-url: it starts a sandbox")
    secret = secret_source.read()
    listening = Listening(
        port=port,
        subscriptions=tuple(product(resource, event or (Event.ALL,))) or _EVERYTHING,
        secret=secret or secrets.token_urlsafe(),
        forward_to=forward_to,
        json=json,
    )
    if forward_to is not None and secret is None:
        print_warning(
            "your bot will respond 401 Unauthorized: the notifications are signed with a random "
            "secret; pass the bot's secret with --secret-env or --secret-file"
        )
    if sandbox:
        run(_listen_to_sandbox(listening))
        return
    client = connection.client()
    target_url = public_url or _found_url(port)
    _offer_to_delete_left_over(connection)
    run(_listen_to_webex(listening, client, target_url))


def _found_url(port: int) -> str:
    tunnel = run(find_tunnel(port))
    stderr().print(on_one_line(f"Found {tunnel}."), style="dim")
    return tunnel.public_url


def _offer_to_delete_left_over(connection: options.Connection) -> None:
    webhooks = connection.call(partial(named, prefix=name_prefix("listen")))
    if not webhooks:
        return
    print_warning(
        "webhooks of another `listen` exist; it was killed, or still runs (here or elsewhere):"
    )
    print_webhooks(stderr(), webhooks)
    if not can_ask():
        ids = shlex.join(on_one_line(webhook.id) for webhook in webhooks)
        stderr().print(f"Delete them with: webex-webhooks delete --yes -- {ids}", style="dim")
    elif ask("Was it killed? Delete them?"):
        connection.call(partial(delete_all, webhooks=webhooks))


@frozen(kw_only=True)
class Listening:
    """What to listen to, and what to do with it."""

    port: int
    subscriptions: Sequence[Subscription]
    secret: str = field(repr=False)
    forward_to: str | None
    json: bool

    def wanted(self, name: str, target_url: str) -> list[NewWebhook]:
        """The webhooks that it needs."""
        return [
            NewWebhook(
                name=f"{name} {resource} {event}",
                target_url=target_url,
                resource=resource,
                event=event,
                secret=self.secret,
            )
            for resource, event in self.subscriptions
        ]


async def _listen_to_webex(listening: Listening, client: Client, public_url: str) -> None:
    shown = shown_url(public_url)
    async with client, _receiving(listening) as (origin, arrivals):
        with progress(f"Checking that {shown} leads here"):
            problem = await arrivals.check(public_url, httpx.URL(origin).port or 80)
        if problem is not None:
            print_warning(f"a request to {shown} did not arrive here: {problem}")
        async with _webhooks(listening, client, public_url):
            _announce(origin if problem is not None else f"{origin}, where {shown} leads")
            await until_stopped()


async def _listen_to_sandbox(listening: Listening) -> None:
    sandbox = Sandbox()
    async with (
        sandbox.http_client() as http_client,
        Client("any-token", http_client=http_client) as client,
        _receiving(listening) as (origin, _),
        _webhooks(listening, client, origin),
    ):
        samples = asyncio.create_task(_make_things_happen(sandbox, listening.subscriptions))
        _announce(f"{origin}, where a sandbox sends samples")
        await until_stopped()
        samples.cancel()


def _announce(place: str) -> None:
    stderr().print(f"Listening at {place}. Ctrl-C ends it.", style="dim")


@asynccontextmanager
async def _receiving(listening: Listening) -> AsyncGenerator[tuple[str, ArrivalCheck]]:
    """Receive notifications while the block runs.

    Gives the origin to send them to, and what checks whether a URL leads there.
    """
    receiver = Receiver(listening.secret)
    numbers = count(1)
    forwarding: set[asyncio.Task[None]] = set()

    async def handle(request: RawRequest) -> None:
        number = next(numbers)
        notification = cast("dict[str, Any]", parse_json(request.body))
        if listening.json:
            print_json(notification, indent=None)
        else:
            print_notification(stdout(), notification, number)
        if listening.forward_to is not None:
            # Webex gets its response before a bot, which may be in a debugger, has responded.
            task = asyncio.create_task(
                _forward(
                    http_client,
                    listening.forward_to,
                    request,
                    headline(notification, number),
                    stderr() if listening.json else stdout(),
                )
            )
            forwarding.add(task)
            task.add_done_callback(forwarding.discard)

    arrivals = ArrivalCheck(relay(receiver, handle))
    async with httpx.AsyncClient(timeout=FORWARD_TIMEOUT, trust_env=False) as http_client:
        with log_messages_to(lambda text: print_refusal(stderr(), text)):
            async with receiver, serve_on_loopback(arrivals, listening.port) as origin:
                try:
                    yield origin, arrivals
                finally:
                    for task in forwarding:
                        task.cancel()


async def _forward(
    http_client: httpx.AsyncClient,
    url: str,
    request: RawRequest,
    notification: str,
    console: Console,
) -> None:
    try:
        response = await forward(http_client, url, request)
    except CommandError as error:
        print_refusal(stderr(), f"{notification}: {error}")
    else:
        print_response(console, response, to=notification)


@asynccontextmanager
async def _webhooks(listening: Listening, client: Client, target_url: str) -> AsyncGenerator[None]:
    """Create the webhooks that it needs, and delete them when the block ends."""
    name = temporary_name("listen")
    async with temporary_webhooks(client, name, listening.wanted(name, target_url)):
        yield
    stderr().print("Deleted its webhooks.", style="dim")


async def _make_things_happen(sandbox: Sandbox, subscriptions: Iterable[Subscription]) -> None:
    events = cycle(_events(subscriptions))
    while True:  # until it is cancelled
        await sandbox.emit(*next(events))
        await asyncio.sleep(_SECONDS_BETWEEN_SAMPLES)


def _events(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    return [
        (each, Event.CREATED if event == Event.ALL else event)
        for resource, event in subscriptions
        for each in (sorted(FIREHOSE_RESOURCES) if resource == Resource.ALL else [resource])
    ]
