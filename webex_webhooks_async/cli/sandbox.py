"""The command sandbox: an embedded Webex for programs in any language."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from webex_webhooks_async.cli.options import BASE_URL_VARIABLE, TOKEN_VARIABLE, Port
from webex_webhooks_async.cli.rendering.consoles import stderr, stdout
from webex_webhooks_async.cli.rendering.requests import print_delivery, print_request
from webex_webhooks_async.cli.running import run, until_stopped
from webex_webhooks_async.testing import Sandbox

T = TypeVar("T")


def sandbox(*, port: Port = 8900) -> None:
    """Serve an embedded Webex, and print each request, and what comes of each notification.

    $ webex-webhooks sandbox --port 8900

    It is there for programs in any language, on this machine, until Ctrl-C. Then
    it forgets everything.

    Args:
        port: Where to listen on 127.0.0.1; 0 takes any free port.
    """
    run(_serve(port))


async def _serve(port: int) -> None:
    console = stdout()
    sandbox = Sandbox(
        on_request=_read_or_not(partial(print_request, console)),
        on_delivery=_read_or_not(partial(print_delivery, console)),
    )
    async with sandbox.serve(port=port) as base_url:
        console.print(base_url, style="bold")
        stderr().print(
            "An embedded Webex is up; every token will do. Ctrl-C ends it.\n"
            f"  export {BASE_URL_VARIABLE}={base_url} {TOKEN_VARIABLE}=anything",
            style="dim",
        )
        await until_stopped()


def _read_or_not(tell: Callable[[T], None]) -> Callable[[T], None]:
    def tell_and_go_on(said: T) -> None:
        with suppress(SystemExit):  # rich's answer to a pipe that nobody reads
            tell(said)

    return tell_and_go_on
