"""The command listen: notifications as they come."""

import asyncio
import secrets
import signal
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle, product
from typing import Annotated, Any, cast

import httpx
from attrs import field, frozen
from cyclopts import Parameter

from webex_webhooks_async.catalog import FIREHOSE_RESOURCES
from webex_webhooks_async.cli.failures import UsageError
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
from webex_webhooks_async.cli.relay import FORWARD_TIMEOUT, RawRequest, forward, no_answer, relay
from webex_webhooks_async.cli.remarks import remarks_told
from webex_webhooks_async.cli.rendering.consoles import print_json, print_refusal, stderr, stdout
from webex_webhooks_async.cli.rendering.requests import print_answer, print_notification
from webex_webhooks_async.cli.running import run, until_stopped
from webex_webhooks_async.cli.temporary import swept_on_error, temporary_name
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import NotFoundError
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


def listen(  # noqa: PLR0913 - each is an option
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
    r"""Print notifications as they come, until Ctrl-C.

    $ webex-webhooks listen --sandbox
    $ webex-webhooks listen --public-url https://my-tunnel.example.com \
        --forward-to http://localhost:3000/webex --secret-env WEBHOOK_SECRET

    It makes webhooks of its own for it, verifies what comes, and removes them at
    the end. Without --resource it hears of memberships, messages, rooms and card
    submissions.

    Args:
        public_url: The URL at which Webex reaches --port of this machine; of a tunnel, say.
        port: Where to listen on 127.0.0.1; 0 takes any free port.
        resource: What to watch; once for each.
        event: What must happen to those resources; once for each. Without it, all.
        forward_to: Pass each on to this URL, bytes and headers as they came, and show the answer.
        sandbox: Let an embedded Webex make something happen every few seconds; takes no account.
        secret_source: The key to sign with. Without it, one is made up.
        json: Print JSON, a notification a line, and nothing else.
        connection: Where Webex is, and who calls it.
    """
    if event and not resource:
        raise UsageError("--event needs a --resource that it happens to")
    if sandbox and public_url is not None:
        raise UsageError("--sandbox and --public-url exclude each other")
    subscriptions = tuple(product(resource, event or (Event.ALL,))) or _EVERYTHING
    listening = Listening(
        port=port,
        subscriptions=subscriptions,
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
            "name the URL at which Webex reaches this machine with --public-url, or take --sandbox"
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
        """The webhooks that it takes."""
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
        Client("any-token-will-do", http_client=http_client) as client,
        _receiving(listening) as origin,
        _webhooks(listening, client, origin),
        _alongside(_make_things_happen(sandbox, listening.subscriptions)),
    ):
        _announce(f"an embedded Webex makes things up, for {origin}")
        await until_stopped()


def _announce(text: str) -> None:
    stderr().print(f"Listening; {text}. Ctrl-C ends it.", style="dim")


@asynccontextmanager
async def _receiving(listening: Listening) -> AsyncGenerator[str]:
    """Receive notifications as long as the block runs, and give the origin to send them to."""
    # Webex has its answer before a bot, perhaps in a debugger, has given its own.
    receiver = Receiver(listening.secret, background=True)
    async with httpx.AsyncClient(timeout=FORWARD_TIMEOUT, trust_env=False) as http_client:

        async def handle(request: RawRequest) -> None:
            _print(request, json=listening.json)
            if listening.forward_to is not None:
                await _forward(http_client, listening.forward_to, request, json=listening.json)

        with remarks_told(lambda remark: print_refusal(stderr(), remark)):
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
    except SystemExit:  # rich's answer to a pipe that nobody reads any more
        signal.raise_signal(signal.SIGTERM)  # which is the way to end, and to tidy up


async def _forward(
    http_client: httpx.AsyncClient, url: str, request: RawRequest, *, json: bool
) -> None:
    try:
        answer = await forward(http_client, url, request)
    except httpx.RequestError as error:
        print_refusal(stderr(), no_answer(url, error))
    else:
        print_answer(stderr() if json else stdout(), answer.status_code, answer.text)


@asynccontextmanager
async def _webhooks(listening: Listening, client: Client, target_url: str) -> AsyncGenerator[None]:
    """Let there be the webhooks that it takes as long as the block runs."""
    name = temporary_name("listen")
    async with swept_on_error(client, name):
        made = [await client.webhooks.create(each) for each in listening.wanted(name, target_url)]
        yield
        for webhook in made:
            with suppress(NotFoundError):
                await client.webhooks.delete(webhook.id)
        stderr().print("Removed its webhooks.", style="dim")


@asynccontextmanager
async def _alongside(coroutine: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run something as long as the block runs."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _make_things_happen(sandbox: Sandbox, subscriptions: Iterable[Subscription]) -> None:
    occurrences = cycle(_occurrences(subscriptions))
    while True:  # until it is cancelled
        await sandbox.emit(*next(occurrences))
        await asyncio.sleep(_SECONDS_BETWEEN_SAMPLES)


def _occurrences(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    """What shall happen, so that each subscription hears something."""
    return [
        (each, Event.CREATED if event == Event.ALL else event)
        for resource, event in subscriptions
        for each in (sorted(FIREHOSE_RESOURCES) if resource == Resource.ALL else [resource])
    ]
