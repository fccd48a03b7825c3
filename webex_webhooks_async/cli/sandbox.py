"""The command sandbox: an embedded Webex for programs in any language."""

from contextlib import suppress

from webex_webhooks_async.cli.options import BASE_URL_VARIABLE, TOKEN_VARIABLE, Port
from webex_webhooks_async.cli.rendering.consoles import stderr, stdout
from webex_webhooks_async.cli.rendering.requests import print_request
from webex_webhooks_async.cli.running import run, until_stopped
from webex_webhooks_async.testing import RecordedRequest, Sandbox


def sandbox(*, port: Port = 8900) -> None:
    """Serve an embedded Webex, and print each request as it comes.

    $ webex-webhooks sandbox --port 8900

    It is there for programs in any language, on this machine, until Ctrl-C. Then
    it forgets everything.

    Args:
        port: Where to listen on 127.0.0.1; 0 takes any free port.
    """
    run(_serve(port))


async def _serve(port: int) -> None:
    console = stdout()

    def tell(request: RecordedRequest) -> None:
        with suppress(SystemExit):  # rich's answer to a pipe that nobody reads; we go on
            print_request(console, request)

    async with Sandbox(on_request=tell).serve(port=port) as base_url:
        console.print(base_url, style="bold")
        stderr().print(
            "An embedded Webex is up; every token will do. Ctrl-C ends it.\n"
            f"  export {BASE_URL_VARIABLE}={base_url} {TOKEN_VARIABLE}=anything",
            style="dim",
        )
        await until_stopped()
