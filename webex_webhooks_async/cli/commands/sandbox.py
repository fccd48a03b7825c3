"""The command sandbox."""

import json
import logging
from functools import partial
from typing import Annotated

from cyclopts import Parameter, validators
from rich.console import Console

from webex_webhooks_async.cli.console import log_messages_to, print_json, stderr, stdout
from webex_webhooks_async.cli.options import BOT_PORT, SANDBOX_PORT, Address, AsJson, NotEmpty, Port
from webex_webhooks_async.cli.rendering import shown_url
from webex_webhooks_async.cli.running import run, until_stopped
from webex_webhooks_async.cli.traffic import (
    print_delivery,
    print_log,
    print_request,
    redacted_delivery,
    redacted_request,
)
from webex_webhooks_async.testing import Delivery, RecordedRequest, Sandbox, SandboxPerson
from webex_webhooks_async.testing.delivering.redaction import KnownSecrets
from webex_webhooks_async.testing.service.sandbox_person import BOT_EMAIL, BOT_NAME, ORGANIZATION
from webex_webhooks_async.testing.variables import variables_for_bot


def command(  # noqa: PLR0913 - each is an option
    *,
    port: Port = SANDBOX_PORT,
    no_page: Annotated[bool, Parameter(show_default=False)] = False,
    allow_remote: Annotated[bool, Parameter(show_default=False)] = False,
    bot_name: NotEmpty = BOT_NAME,
    bot_email: Address = BOT_EMAIL,
    org: Annotated[NotEmpty, Parameter(show_default=False)] = ORGANIZATION,
    token_life: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    rotate: Annotated[bool, Parameter(show_default=False)] = False,
    client_secret: NotEmpty | None = None,
    private: Annotated[bool, Parameter(show_default=False)] = False,
    chaos: int | None = None,
    as_json: AsJson = False,
) -> None:
    """Run a local Webex simulator, and print each request and each delivery.

    $ webex-webhooks sandbox
    $ webex-webhooks sandbox --bot-name Lunch --bot-email lunch@webex.bot
    $ webex-webhooks sandbox --allow-remote
    $ webex-webhooks sandbox --token-life 60 --rotate --private

    Programs in any language can use it until Ctrl-C ends it. Then it forgets
    everything. It notifies bots on this machine only, unless you allow others.

    In a browser it has a page: talk to your bot there, submit its cards, and see
    its requests and deliveries.

    Args:
        port: The port on 127.0.0.1; 0 takes any free one.
        no_page: Leave out the page for the browser.
        allow_remote: Notify bots on other hosts too, such as a container, and let them call.
        bot_name: The name of the bot.
        bot_email: The address of the bot.
        org: The id of the organization of the bot and of everybody else.
        token_life: Let each access token that is granted expire after so many seconds.
        rotate: Give another refresh token with each refresh, and end the one before.
        client_secret: Refuse clients with another secret.
        private: Let nobody read meetings, recordings and the like of somebody else.
        chaos: Deliver some notifications late, twice, or not at all, by this number.
        as_json: Print JSON, an object a line: the URL, then requests, deliveries and the log.
    """
    bot = SandboxPerson(emails=[bot_email], display_name=bot_name, org_id=org)
    sandbox = partial(
        Sandbox,
        bot=bot,
        allow_remote=allow_remote,
        token_life=token_life,
        rotate=rotate,
        client_secret=client_secret,
        private=private,
        chaos=chaos,
    )
    run(_serve(sandbox, port, page=not no_page, as_json=as_json))


async def _serve(make_sandbox: "partial[Sandbox]", port: int, *, page: bool, as_json: bool) -> None:
    console = stdout(goes_on=True)
    secrets = KnownSecrets()
    report_request, report_delivery, report_log = (
        (_report_request, _report_delivery, _report_log)
        if as_json
        else (print_request, print_delivery, print_log)
    )

    def on_request(request: RecordedRequest) -> None:
        secrets.add_token_of(request.headers.get("authorization", ""))
        report_request(console, redacted_request(request, secrets.redaction()))

    def on_delivery(delivery: Delivery) -> None:
        secrets.add(delivery.webhook.secret)
        report_delivery(console, redacted_delivery(delivery, secrets.redaction()))

    sandbox = make_sandbox(on_request=on_request, on_delivery=on_delivery)
    with log_messages_to(partial(report_log, console), logging.INFO):
        async with sandbox.serve(port=port, page=page) as base_url:
            if as_json:
                _report(console, "sandbox", url=base_url)
            else:
                console.print(base_url, style="bold")
                stderr().print(_hint(base_url, page=page), style="dim")
            await until_stopped()


def _hint(base_url: str, *, page: bool) -> str:
    """What to open, and what to set for a bot on uvicorn's port; the lines can be copied."""
    where = f"Open {base_url.removesuffix('v1')} in a browser, to talk to your bot.\n"
    variables = variables_for_bot(base_url, f"http://127.0.0.1:{BOT_PORT}")
    exports = "\n".join(f"export {name}={value}" for name, value in variables.items())
    return (
        "The sandbox is up, and takes any token. Ctrl-C ends it.\n"
        f"{where if page else ''}"
        "In the terminal of your bot:\n"
        f"{exports}"
    )


def _report(console: Console, kind: str, **members: object) -> None:
    print_json({"kind": kind, **members}, indent=None, console=console)


def _report_request(console: Console, request: RecordedRequest) -> None:
    """Report a request as JSON, without its headers and its body, which have secrets."""
    _report(
        console,
        "request",
        method=request.method,
        path=request.path,
        query=request.query,
        status=request.status_code,
        trackingId=request.tracking_id,
        error=request.error,
    )


def _report_delivery(console: Console, delivery: Delivery) -> None:
    url = shown_url(delivery.url)
    _report(
        console,
        "delivery",
        webhook=delivery.webhook.name,
        url=url,
        status=delivery.status_code,
        error=delivery.error,
        reason=delivery.reason,
        handlerError=delivery.handler_error,
        switchedOff=delivery.switched_off,
        notification=json.loads(delivery.body) | {"targetUrl": url},
    )


def _report_log(console: Console, text: str) -> None:
    _report(console, "log", text=text)
