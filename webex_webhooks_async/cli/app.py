"""The commands, and what becomes of their errors."""

import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from cyclopts import App, CycloptsError, Group, Parameter

from webex_webhooks_async.cli.failures import ExitCode, RefusedError, UsageError
from webex_webhooks_async.cli.rendering.consoles import error_text, page, print_error, stderr
from webex_webhooks_async.cli.running import StoppedError
from webex_webhooks_async.errors import WebexError

if TYPE_CHECKING:
    from io import TextIOWrapper

_COMMANDS = {
    "Try it": ("demo:demo", "sandbox:sandbox"),
    "Webhooks": (
        "management:list_",
        "management:get",
        "management:create",
        "management:update",
        "management:delete",
        "desired_state:ensure",
    ),
    "Notifications": ("listening:listen", "triggering:trigger", "verification:verify"),
    "Shell": ("completion:completion",),
}


def _make_app() -> App:
    app = App(
        name="webex-webhooks",
        help="Manage Webex webhooks, receive them, and try both without an account.",
        version=version("webex-webhooks-async"),
        help_format="plaintext",  # examples stay as they are
        default_parameter=Parameter(negative=()),
    )
    for number, (name, commands) in enumerate(_COMMANDS.items()):
        group = Group(name, sort_key=number)
        for command in commands:
            # As text: it is imported when it is called, so that no other command waits for it.
            command_name = command.partition(":")[2].rstrip("_")
            path = f"webex_webhooks_async.cli.{command}"
            app.command(path, name=command_name, group=group)
    app["--help"].group = app["--version"].group = Group("Options", sort_key=len(_COMMANDS))
    return app


app: App = _make_app()


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name, and return its exit code.

    What goes wrong is one line on standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # else it is closed
            cast("TextIOWrapper", stream).reconfigure(errors="replace")
    try:
        return _run(arguments)
    except UsageError as error:
        return _failed(error, ExitCode.USAGE)
    except (WebexError, RefusedError) as error:
        return _failed(error, ExitCode.REFUSED)
    except OSError as error:  # such as a port that is taken
        return _failed(RefusedError(error.strerror), ExitCode.REFUSED)
    except StoppedError as stopped:
        return stopped.exit_code
    except KeyboardInterrupt:  # outside of an event loop: at a question
        return StoppedError(signal.SIGINT).exit_code


def _run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in app.help_flags:
        app.resolved_commands()  # imports them: the overview has a line of each docstring
    try:
        command, bound, _ = app.parse_args(
            arguments,
            console=page(),
            error_console=stderr(),
            exit_on_error=False,
            error_formatter=error_text,
        )
    except CycloptsError:
        return ExitCode.USAGE
    result: Any = command(*bound.args, **bound.kwargs)
    return ExitCode.DONE if result is None else result


def _failed(error: Exception, exit_code: ExitCode) -> int:
    print_error(error)
    return exit_code
