"""The terminal of a chat: reads lines that are typed or piped, and prints messages."""

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from webex_webhooks_async.cli.conversation import SUBMIT
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.testing.service.cards import submitted_ids

_CHUNK = 65_536  # bytes


class TypedLines:
    """The lines of a descriptor, without those that are blank.

    A thread waits for them: Windows can't wait for a terminal in the event loop, and Linux can't
    for a file. It reads the descriptor and not `sys.stdin`, whose lock would hold up the end of the
    process.

    Args:
        descriptor: Of standard input.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, daemon=True).start()

    async def next(self, seconds: float | None = None) -> str | None:
        """The next line; `None` after the last one.

        Raises:
            TimeoutError: No line comes within so many seconds.
        """
        async with asyncio.timeout(seconds):
            return await self._lines.get()

    def _read(self) -> None:
        rest = b""
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            while chunk := os.read(self._descriptor, _CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._put(line)
            self._put(rest)
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)

    def _put(self, line: bytes) -> None:
        if text := line.decode(errors="replace").strip():
            self._loop.call_soon_threadsafe(self._lines.put_nowait, text)


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
