"""The command dev."""

import asyncio
import errno
import logging
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import cache, partial
from tempfile import TemporaryDirectory
from typing import Annotated, TypeVar

import httpx
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from webex_webhooks_async.cli.browser import open_browser
from webex_webhooks_async.cli.console import (
    log_messages_to,
    print_fields,
    stderr,
    stdout,
)
from webex_webhooks_async.cli.dev.supervisor import DevSandbox, Supervisor
from webex_webhooks_async.cli.options import BOT_PORT, SANDBOX_PORT, SANDBOX_URL, Port
from webex_webhooks_async.cli.running import (
    CommandError,
    ExitCode,
    UsageError,
    ended_by_signal,
    run,
    usage_errors,
)
from webex_webhooks_async.cli.traffic import print_delivery, print_log
from webex_webhooks_async.client.environment import WEBEX_INBOX, WEBEX_PUBLIC_URL
from webex_webhooks_async.client.pool import tls_context
from webex_webhooks_async.testing.loopback_server import HOST, port_error
from webex_webhooks_async.testing.target import Target
from webex_webhooks_async.testing.variables import (
    is_proxy,
    variables_for_bot,
    variables_for_integration,
)
from webex_webhooks_async.validation import is_loopback

T = TypeVar("T")

_PORTS = 100  # how many are tried
_BACKLOG = 2048  # requests that wait while the program is started again


def command(
    target: str,
    /,
    *,
    port: Port | None = None,
    sandbox_port: Port | None = None,
    no_reload: Annotated[bool, Parameter(show_default=False)] = False,
    no_browser: Annotated[bool, Parameter(show_default=False)] = False,
) -> int:
    """Run your bot with a sandbox, and start it again whenever you save it.

    $ webex-webhooks dev bot.py
    $ webex-webhooks dev bot.py:app
    $ webex-webhooks dev package.module:make_app

    It starts a local Webex simulator and then the program, with the variables that
    Bot.from_env reads, and opens a page on which you talk to your bot. If
    WEBEX_INBOX isn't set, the inbox is a temporary file, which lasts until dev
    ends. The same is so for what Integration.from_env reads; it prints where people
    connect. What Starlette or FastAPI mounts gets its notifications there. The
    program can't reach Webex, whatever token it has. Ctrl-C ends both.

    Without a name after the colon, it runs the only ASGI application that isn't a
    bot, else the only Bot, else the only Integration, else the only Receiver.

    Args:
        target: A file or a module; after a colon, the application or a function that makes it.
        port: The port of the program, by default 8000 or the next free one; 0 takes any.
        sandbox_port: The port of the sandbox, by default 8900 or the next free one; 0 takes any.
        no_reload: Start the program once, and end with it.
        no_browser: Don't open a browser.
    """
    if sys.platform == "win32":
        raise UsageError(
            "dev needs Linux or macOS: use it in WSL, or run `webex-webhooks sandbox` and your bot "
            "in two terminals"
        )
    with usage_errors():
        parsed = Target.parse(target)
    return run(_develop(parsed, (port, sandbox_port), reload=not no_reload, browser=not no_browser))


async def _develop(
    target: Target, ports: tuple[int | None, int | None], *, reload: bool, browser: bool
) -> int:
    console = stdout()
    exit_code: int = ExitCode.DONE
    with ended_by_signal():
        async with AsyncExitStack() as stack:
            _end_with_reader(console, stack)
            stack.enter_context(log_messages_to(partial(print_log, console), logging.INFO))
            listener = stack.enter_context(await first_free(ports[0], BOT_PORT, _listen))
            port: int = listener.getsockname()[1]
            sandbox = DevSandbox(
                on_delivery=partial(print_delivery, console),
                deliver_with=await stack.enter_async_context(_deliveries_to(port, console)),
            )
            sandbox.take_reports()
            base_url = await first_free(
                ports[1],
                SANDBOX_PORT,
                lambda port: stack.enter_async_context(sandbox.serve(port=port, page=True)),
            )
            # Its questions and jobs are about this sandbox, and outlast the program alone.
            folder = stack.enter_context(TemporaryDirectory(prefix="webex-webhooks-dev-"))
            page, origin = base_url.removesuffix("v1"), f"http://{HOST}:{port}"
            supervisor = Supervisor(
                target,
                console,
                sandbox,
                listener,
                _variables(base_url, origin, folder),
                introduce=partial(_introduce, console, page, origin, browser=browser),
                reload=reload,
            )
            exit_code = await (supervisor.run_and_reload() if reload else supervisor.run())
    return exit_code


async def first_free(given: int | None, first: int, serve: Callable[[int], Awaitable[T]]) -> T:
    """Serve on the given port, or else on the first one that is free."""
    if given is not None:
        return await serve(given)
    for port in range(first, first + _PORTS):
        try:
            return await serve(port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise CommandError(f"the {_PORTS} ports from {first} on are taken; pass 0 for any free one")


async def _listen(port: int) -> socket.socket:
    """Listen on a port, for the programs that follow one another.

    Between two of them requests wait, and no other program gets the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise port_error(error, HOST, port) from None
    return listener


def _deliveries_to(port: int, console: Console) -> httpx.AsyncClient:
    """A client for deliveries, which reaches the program at a public URL of its settings, too."""

    @cache
    def say(host: str) -> None:
        print_log(console, f"{host} is your program here: WEBEX_TARGET_URL")

    async def lead_here(request: httpx.Request) -> None:
        if not is_loopback(request.url.host):
            say(request.url.host)
            request.url = request.url.copy_with(scheme="http", host=HOST, port=port)

    return httpx.AsyncClient(
        event_hooks={"request": [lead_here]},
        # A connection that stays open may end with the program just when it is used.
        limits=httpx.Limits(max_keepalive_connections=0),
        verify=tls_context(),
        trust_env=False,
    )


def _end_with_reader(console: Console, stack: AsyncExitStack) -> None:
    """End the command when nobody reads what it prints, although it prints nothing just then."""
    with suppress(AttributeError, OSError):  # standard output is closed, or isn't a file
        descriptor = sys.stdout.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            loop = asyncio.get_running_loop()

            def end() -> None:
                loop.remove_reader(descriptor)
                console.on_broken_pipe()

            loop.add_reader(descriptor, end)  # nothing can be read there, but its end is noticed
            stack.callback(loop.remove_reader, descriptor)


def _variables(base_url: str, origin: str, folder: str) -> Mapping[str, str]:
    """The environment of the program: the sandbox's settings, and no proxy."""
    made = {WEBEX_INBOX: f"{folder}/inbox.db", **variables_for_integration(folder)}
    return {
        **{name: value for name, value in os.environ.items() if not is_proxy(name)},
        "PYTHONUNBUFFERED": "1",
        **{name: os.environ.get(name) or value for name, value in made.items()},
        **variables_for_bot(base_url, origin),
        WEBEX_PUBLIC_URL: origin,
    }


def _introduce(console: Console, page: str, origin: str, connect: str, *, browser: bool) -> None:
    """Print where to talk to the program, and where people connect, if it has an integration."""
    base_url = f"{page}v1"
    chat = "webex-webhooks chat" + ("" if base_url == SANDBOX_URL else f" --base-url {base_url}")
    print_fields(
        console,
        {
            "Talk to it": Text(page, "bold"),
            "In a terminal": Text(chat),
            "Your program": Text(origin),
            **({"Connect here": Text(connect)} if connect else {}),
        },
    )
    stderr().print("Ctrl-C ends both.", style="dim")
    if browser and console.file.isatty():
        open_browser(page)
