"""The command sandbox."""

import logging
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from webex_webhooks_async.cli.console import log_messages_to, stderr, stdout
from webex_webhooks_async.cli.options import SANDBOX_PORT, Port
from webex_webhooks_async.cli.running import run, until_stopped
from webex_webhooks_async.cli.traffic import print_delivery, print_no_delivery, print_request
from webex_webhooks_async.client import environment
from webex_webhooks_async.testing import Sandbox


def command(
    *,
    port: Port = SANDBOX_PORT,
    no_page: Annotated[bool, Parameter(show_default=False)] = False,
    allow_remote: Annotated[bool, Parameter(show_default=False)] = False,
) -> None:
    """Run a local Webex simulator, and print each request and each delivery.

    $ webex-webhooks sandbox
    $ webex-webhooks sandbox --allow-remote

    Programs in any language can use it until Ctrl-C ends it. Then it forgets
    everything. It notifies bots on this machine only, unless you allow others.

    In a browser it has a page: talk to your bot there, submit its cards, and see
    its requests and deliveries.

    Args:
        port: The port on 127.0.0.1; 0 takes any free one.
        no_page: Leave out the page for the browser.
        allow_remote: Notify bots on other hosts too, such as a container, and let them call.
    """
    run(_serve(port, page=not no_page, allow_remote=allow_remote))


async def _serve(port: int, *, page: bool, allow_remote: bool) -> None:
    console = stdout(goes_on=True)
    sandbox = Sandbox(
        allow_remote=allow_remote,
        on_request=partial(print_request, console),
        on_delivery=partial(print_delivery, console),
    )
    with log_messages_to(partial(print_no_delivery, console), logging.INFO):
        async with sandbox.serve(port=port, page=page) as base_url:
            console.print(base_url, style="bold")
            stderr().print(
                "The sandbox is up, and takes any token. Ctrl-C ends it.\n"
                f"{_where_to_look(base_url) if page else ''}"
                f"  export {environment.BASE_URL}={base_url} {environment.ACCESS_TOKEN}=anything",
                style="dim",
            )
            await until_stopped()


def _where_to_look(base_url: str) -> str:
    return f"  Open {base_url.removesuffix('v1')} in a browser, to talk to your bot.\n"
