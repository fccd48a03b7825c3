"""The command listen."""

import asyncio
import secrets
import signal
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, product
from typing import Annotated, Any, cast

import httpx
from attrs import field, frozen
from cyclopts import Parameter

from webex_webhooks_async.catalog import FIREHOSE_RESOURCES
from webex_webhooks_async.cli.failures import UsageError
from webex_webhooks_async.cli.log_warnings import log_warnings_to
from webex_webhooks_async.cli.options import (
    FROM_ENVIRONMENT,
    NO_SECRET,
    AnyEvent,
    AnyResource,
    AsJson,
    Connection,
    HttpUrl,
    Port,
    SecretSource,
)
from webex_webhooks_async.cli.relay import FORWARD_TIMEOUT, RawRequest, forward, no_response, relay
from webex_webhooks_async.cli.rendering.consoles import print_json, print_refusal, stderr, stdout
from webex_webhooks_async.cli.rendering.requests import print_notification, print_response
from webex_webhooks_async.cli.running import run, until_stopped
from webex_webhooks_async.cli.temporary import temporary_name, temporary_webhooks
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.notifications.receiver import Receiver
from webex_webhooks_async.serialization import parse_json
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback import serve_on_loopback

Subscription = tuple[str, str]
"""A resource and an event."""

_EVERYTHING = ((Resource.ALL, Event.ALL), (Resource.ATTACHMENT_ACTIONS, Event.CREATED))
_SECONDS_BETWEEN_SAMPLES = 3.0


def command(  # noqa: PLR0913 - each is an option
    *,
    public_url: HttpUrl | None = None,
    port: Port = 8080,
    resource: Annotated[tuple[AnyResource, ...], Parameter(show_default=False)] = (),
    event: Annotated[tuple[AnyEvent, ...], Parameter(show_default=False)] = (),
    forward_to: HttpUrl | None = None,
    sandbox: Annotated[bool, Parameter(show_default=False)] = False,
    secret_source: SecretSource = NO_SECRET,
    json: AsJson = False,
    connection: Connection = FROM_ENVIRONMENT,
) -> None:
    r"""Print notifications as they arrive, until Ctrl-C.

    $ webex-webhooks listen --sandbox
    $ webex-webhooks listen --public-url https://my-tunnel.example.com \
        --forward-to http://localhost:3000/webex --secret-env WEBHOOK_SECRET

    It creates webhooks of its own, verifies each notification, and deletes the
    webhooks at the end. Without --resource it watches memberships, messages, rooms
    and card submissions.

    Args:
        public_url: The URL at which Webex reaches --port of this machine, such as a tunnel's.
        port: The port on 127.0.0.1; 0 takes any free one.
        resource: What to watch; once for each.
        event: The event to watch for; once for each. The default is all.
        forward_to: Forward each notification to this URL, bytes and headers unchanged.
        sandbox: Watch a local Webex simulator in which something happens every few seconds.
        secret_source: The secret of the webhooks; the default is a random one.
        json: Print JSON, a notification a line, and nothing else.
        connection: Where Webex is, and who calls it.
    """
    if event and not resource:
        raise UsageError("--event needs the --resource that it happens to")
    if sandbox and public_url is not None:
        raise UsageError("--sandbox and --public-url exclude each other")
    listening = Listening(
        port=port,
        subscriptions=tuple(product(resource, event or (Event.ALL,))) or _EVERYTHING,
        secret=secret_source.read() or secrets.token_urlsafe(),
        forward_to=forward_to,
        json=json,
    )
    if sandbox:
        run(_listen_to_sandbox(listening))
    elif public_url is not None:
        run(_listen_to_webex(listening, connection.client(), public_url))
    else:
        raise UsageError(
            "pass the URL at which Webex reaches this machine with --public-url, or use --sandbox"
        )


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
    async with (
        client,
        _receiving(listening) as origin,
        _webhooks(listening, client, public_url),
    ):
        _announce(f"{public_url} should lead to {origin}")
        await until_stopped()


async def _listen_to_sandbox(listening: Listening) -> None:
    sandbox = Sandbox()
    async with (
        sandbox.http_client() as http_client,
        Client("any-token", http_client=http_client) as client,
        _receiving(listening) as origin,
        _webhooks(listening, client, origin),
        _alongside(_make_things_happen(sandbox, listening.subscriptions)),
    ):
        _announce(f"a sandbox sends samples to {origin}")
        await until_stopped()


def _announce(text: str) -> None:
    stderr().print(f"Listening; {text}. Ctrl-C ends it.", style="dim")


@asynccontextmanager
async def _receiving(listening: Listening) -> AsyncGenerator[str]:
    """Receive notifications while the block runs, and give the origin to send them to."""
    # Webex gets its response before a bot, which may be in a debugger, has responded.
    receiver = Receiver(listening.secret, background=True)
    async with httpx.AsyncClient(timeout=FORWARD_TIMEOUT, trust_env=False) as http_client:

        async def handle(request: RawRequest) -> None:
            _print(request, json=listening.json)
            if listening.forward_to is not None:
                await _forward(http_client, listening.forward_to, request, json=listening.json)

        with log_warnings_to(lambda text: print_refusal(stderr(), text)):
            async with (
                receiver,
                serve_on_loopback(relay(receiver, handle), listening.port) as origin,
            ):
                yield origin


def _print(request: RawRequest, *, json: bool) -> None:
    notification = cast("dict[str, Any]", parse_json(request.body))
    try:
        if json:
            print_json(notification, indent=None)
        else:
            print_notification(stdout(), notification)
    except SystemExit:  # rich raises it when nobody reads the pipe
        signal.raise_signal(signal.SIGTERM)  # ends the command, which tidies up


async def _forward(
    http_client: httpx.AsyncClient, url: str, request: RawRequest, *, json: bool
) -> None:
    try:
        response = await forward(http_client, url, request)
    except httpx.RequestError as error:
        print_refusal(stderr(), no_response(url, error))
    else:
        print_response(stderr() if json else stdout(), response.status_code, response.text)


@asynccontextmanager
async def _webhooks(listening: Listening, client: Client, target_url: str) -> AsyncGenerator[None]:
    """Create the webhooks that it needs, and delete them when the block ends."""
    name = temporary_name("listen")
    async with temporary_webhooks(client, name, listening.wanted(name, target_url)):
        yield
    stderr().print("Deleted its webhooks.", style="dim")


@asynccontextmanager
async def _alongside(coroutine: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run a coroutine until the block ends."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _make_things_happen(sandbox: Sandbox, subscriptions: Iterable[Subscription]) -> None:
    events = cycle(_events(subscriptions))
    while True:  # until it is cancelled
        await sandbox.emit(*next(events))
        await asyncio.sleep(_SECONDS_BETWEEN_SAMPLES)


def _events(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    """Events that notify each subscription of something."""
    return [
        (each, Event.CREATED if event == Event.ALL else event)
        for resource, event in subscriptions
        for each in (sorted(FIREHOSE_RESOURCES) if resource == Resource.ALL else [resource])
    ]
