"""The app: which commands there are, and how their errors end."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from attrs import define, frozen
from cyclopts import (
    App,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    UnknownCommandError,
    ValidationError,
)
from cyclopts.argument import Argument, ArgumentCollection
from cyclopts.exceptions import UnusedCliTokensError
from cyclopts.help import DefaultFormatter, HelpPanel
from rich.console import Console, ConsoleOptions
from rich.text import Text

from webex_webhooks_async.cli.console import (
    UNBOUNDED,
    error_text,
    print_error,
    print_warning,
    prose,
    stderr,
    stdout,
)
from webex_webhooks_async.cli.running import (
    CommandError,
    ExitCode,
    StoppedError,
    UsageError,
    exit_code_of,
)
from webex_webhooks_async.errors import WebexError, WebexWarning
from webex_webhooks_async.models.vocabulary import did_you_mean
from webex_webhooks_async.version import __version__

if TYPE_CHECKING:
    from io import TextIOWrapper


@frozen
class _Group:
    help: str
    commands: Mapping[str, str]


# For each command, its function. It is imported when it is called: no command waits for another.
_COMMANDS: Mapping[str, Mapping[str, "str | _Group"]] = {
    "Try it": {
        "dev": "commands.dev:command",
        "demo": "commands.demo:command",
        "sandbox": "commands.sandbox:command",
        "chat": "commands.chat:command",
    },
    "Webhooks": {
        "list": "commands.webhooks:list_all",
        "get": "commands.webhooks:get",
        "create": "commands.webhooks:create",
        "update": "commands.webhooks:update",
        "delete": "commands.webhooks:delete",
        "ensure": "commands.ensure:command",
    },
    "Notifications": {
        "listen": "commands.listen:command",
        "trigger": "commands.trigger:command",
        "verify": "commands.verify:command",
        "inbox": _Group(
            "Show the notifications in an inbox, or decide about failed ones.",
            {
                "list": "commands.inbox:list_all",
                "retry": "commands.inbox:retry",
                "drop": "commands.inbox:drop",
                "schema": "commands.inbox:print_schema",
            },
        ),
    },
    "Setup": {
        "integration": _Group(
            "Prepare a database for an integration.",
            {"schema": "commands.integration:print_schema"},
        ),
        "login": "commands.login:command",
        "completion": "app:completion",
    },
}

_SECRET = ("--secret-env", "--secret-file")

# For some commands, of each of these one option is required.
_ALTERNATIVES: Mapping[str, Sequence[Sequence[str]]] = {
    "trigger": [("--to", "--sandbox"), (*_SECRET, "--sandbox")],
    "verify": [_SECRET],
}

_A_SECRET = "(--secret-env STR | --secret-file PATH)"  # noqa: S105 - how to pass one

# Cyclopts writes the others. It calls each optional argument ARGS, and misses an option that is
# required because another one isn't given.
_USAGE = {
    "chat": "[OPTIONS] [TEXT]",
    "create": "--name STR --target-url STR --resource STR\n    --event STR [OPTIONS]",
    "delete": "[OPTIONS] WEBHOOK_ID [MORE_IDS...]",
    "inbox list": "DATABASE [--schema STR] [--json]",
    "inbox retry": "DATABASE [KEYS...] [--schema STR]",
    "inbox drop": "DATABASE KEY [MORE_KEYS...] [--schema STR]",
    "trigger": f"RESOURCE EVENT [OPTIONS]\n    (--to STR {_A_SECRET} | --sandbox)",
    "verify": f"--header STR... [BODY]\n    {_A_SECRET}",
}


class _HelpFormatter(DefaultFormatter):
    """Shows titles as they are: rich would import all emoji to look for some in them."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        super().__call__(console, options, panel.copy(title=Text(str(panel.title))))


def _make_app() -> App:
    app = App(
        name="webex-webhooks",
        help="Manage Webex webhooks, receive notifications, and try both without an account.",
        version=__version__,
        version_flags=("--version", "-V"),
        help_format="plaintext",  # examples stay as they are
        help_formatter=_HelpFormatter(),
        default_parameter=Parameter(negative=()),
        config=_check_that_all_is_given,
    )
    for number, (title, commands) in enumerate(_COMMANDS.items()):
        group = Group(title, sort_key=number)
        for name, function in commands.items():
            if isinstance(function, str):
                _add(app, name, function, group)
                continue
            several = App(name=name, help=function.help, group=group, help_format="plaintext")
            app.command(several)
            for each, path in function.commands.items():
                _add(several, each, path, None, f"{name} ")
    app["--help"].group = app["--version"].group = Group("Options", sort_key=len(_COMMANDS))
    return app


def _function(name: str) -> "str | _Group | None":
    return next((each[name] for each in _COMMANDS.values() if name in each), None)


def _add(to: App, name: str, function: str, group: Group | None, before: str = "") -> None:
    whole = f"{before}{name}"
    usage = f"Usage: webex-webhooks {whole} {_USAGE[whole]}" if whole in _USAGE else None
    to.command(f"webex_webhooks_async.cli.{function}", name=name, group=group, usage=usage)


def _check_that_all_is_given(
    _: App, commands: Sequence[str], arguments: ArgumentCollection
) -> None:
    """Name all that is missing: the parser itself names the first."""
    missing = [each.name for each in arguments if each.required and not each.has_tokens]
    given = {each.name for each in arguments if each.has_tokens}
    for first, *others in _ALTERNATIVES.get(commands[-1], ()):
        if given.isdisjoint((first, *others)):
            missing.append(f"{first} (or {', '.join(others)})")
    if missing:
        raise _MissingError(names=missing)


@define(kw_only=True)
class _MissingError(CycloptsError):
    names: Sequence[str]


app: App = _make_app()


def all_commands(of: App = app) -> Iterator[tuple[str, App]]:
    """Yield each command, imported, with its whole name, such as ``list`` and ``inbox list``."""
    for name, command in of.resolved_commands().items():
        if name.startswith("-"):
            continue
        if command.default_command is not None:
            yield name, command
            continue
        for rest, each in all_commands(command):
            yield f"{name} {rest}", each


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    r"""Print a script that lets a shell complete commands, options and Webex's words.

    $ webex-webhooks completion bash >> ~/.bash_completion
    $ webex-webhooks completion zsh > ~/.zfunc/_webex-webhooks
    $ webex-webhooks completion fish \
        > ~/.config/fish/completions/webex-webhooks.fish

    Args:
        shell: The shell.
    """
    stdout().out(app.generate_completion(shell=shell), highlight=False)


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name, and return its exit code.

    An error is one line on standard error, and so is each warning.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None is a closed one
            cast("TextIOWrapper", stream).reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", WebexWarning)  # each once
            warnings.showwarning = _show_warning
            return _run(arguments)
    except (WebexError, CommandError, UsageError) as error:
        return _failed(error)
    except RecursionError:
        return _failed(CommandError("it is nested too deeply to be printed"))
    except OSError as error:  # such as a port that is in use
        return _failed(CommandError(error.strerror))
    except StoppedError as stopped:
        return stopped.exit_code


def _run(arguments: Sequence[str]) -> int:
    match arguments:
        case ["webhooks", *rest]:  # the word that other tools need before list
            arguments = rest
        case ["version"]:
            arguments = ["--version"]
        case _:
            pass
    # An overview shows a line of each docstring, for which the commands are imported.
    if not arguments or arguments[0] in app.help_flags:
        app.resolved_commands()
    elif isinstance(_function(arguments[0]), _Group):
        app[arguments[0]].resolved_commands()
    try:
        command, bound, _ = app.parse_args(
            arguments,
            console=prose(),
            error_console=stderr(),
            exit_on_error=False,
            error_formatter=usage_error_text,
        )
    except CycloptsError:
        return ExitCode.USAGE
    result: Any = command(*bound.args, **bound.kwargs)
    return ExitCode.DONE if result is None else result


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print_warning(str(message))


def _failed(error: Exception) -> int:
    print_error(error)
    return exit_code_of(error)


def usage_error_text(error: CycloptsError) -> Text:
    """An error of the parser, on one line; below one about what is missing, the usage."""
    text = error_text(Exception(_message(error)))
    if isinstance(error, _MissingError):
        text.append(f"\n{_usage(error.command_chain or ())}", "dim")
    return text


def _usage(command: Sequence[str]) -> str:
    """The usage of a command, on one line: the beginning of its help."""
    console = prose()
    console.width = UNBOUNDED
    with console.capture() as captured:
        app.help_print(command, console=console)
    return " ".join(captured.get().partition("\n\n")[0].split())


def _message(error: CycloptsError) -> str:
    match error:
        case _MissingError(names=names):
            *others, last = names
            are = f"{', '.join(others)} and {last} are" if others else f"{last} is"
            return f"{are} required{_hint(names, error.unused_tokens or ())}"
        case MissingArgumentError(keyword=str() as keyword):
            return f"{keyword} needs a value"
        case ValidationError(argument=Argument() as argument, exception_message=message):
            # "It is empty" from our validators, "Must be > 0." from the library's.
            problem = (message[:1].lower() + message[1:]).removeprefix("it ").rstrip(".")
            return f"{argument.name} {problem}"
        case UnusedCliTokensError(unused_tokens=[token, *_]):
            return f"unexpected argument {token!r}"
        case UnknownCommandError(unused_tokens=[str() as token, *_]) if token.startswith("-"):
            return f"unknown option {token}: options come after the command, such as list --json"
        case _:
            return str(error)


def _hint(names: Iterable[str], unused: Sequence[str]) -> str:
    """Return the name that was probably meant by words that the parser doesn't know."""
    known = [*names]
    for word in unused:
        if name := did_you_mean(word, known):
            return f". Did you mean {name} instead of {word}?"
    return ""
