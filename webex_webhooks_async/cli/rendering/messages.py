"""How the messages of a conversation look."""

from collections.abc import Sequence

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from webex_webhooks_async.cli.conversation import SUBMIT
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.testing.service.attachment_actions import submitted_ids


def print_message(console: Console, message: Message, *, with_sender: bool) -> None:
    """Print a message: its text, a line for each file, and a line for its card."""
    lines = (message.text or message.markdown or "").splitlines()
    lines += [f"[file {url}]" for url in message.files or ()]
    lines += [_card(message.attachments)] if message.attachments else []
    sender = f"{message.person_email}: " if with_sender else ""
    for number, line in enumerate(lines or [""]):
        prefix = sender if number == 0 else " " * len(sender)
        console.print(
            Text.assemble((on_one_line(prefix), "bold cyan"), on_one_line(line)), soft_wrap=True
        )


def _card(cards: Sequence[object]) -> str:
    """A card, with the line that submits it in a conversation."""
    inputs = " ".join(f"{each}=..." for each in dict.fromkeys(submitted_ids(cards)))
    return f"[card: {SUBMIT} {inputs}]" if inputs else "[card]"


def print_prompt(console: Console) -> None:
    """Invite the user to type a message, on a terminal."""
    if console.is_terminal:
        console.print(Text("> ", "bold green"), end="")


def erase_prompt(console: Console) -> None:
    """Erase the prompt before something else is printed, on a terminal."""
    if console.is_terminal:
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
