"""How wrong usage looks: what the parser of the arguments found, in the words of its user."""

from cyclopts import CycloptsError, MissingArgumentError, UnknownCommandError, ValidationError
from cyclopts.argument import Argument
from cyclopts.exceptions import UnusedCliTokensError
from rich.text import Text

from webex_webhooks_async.cli.rendering.consoles import error_text


def usage_error_text(error: CycloptsError) -> Text:
    """An error of the parser, on one line."""
    return error_text(Exception(_message(error)))


def _message(error: CycloptsError) -> str:
    match error:
        case MissingArgumentError(argument=Argument() as argument, keyword=None):
            _, did_you_mean, name = str(error).partition(" Did you mean ")
            return f"{argument.name} is required{did_you_mean and '.'}{did_you_mean}{name}"
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
