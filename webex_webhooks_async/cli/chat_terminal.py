"""The terminal of a chat: reads lines that are typed or piped, and prints messages."""

import asyncio
import os
import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from webex_webhooks_async.cli.conversation import PRESS, SUBMIT
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.testing.service import cards

_CHUNK = 65_536  # bytes
MAX_WAITING = 100  # lines
_LONGEST = 65_536  # bytes of a line; no message may have so many


class TypedLines:
    """The lines of a descriptor, without those that are blank.

    A thread waits for them: Windows can't wait for a terminal in the event loop, and Linux can't
    for a file. It reads the descriptor and not `sys.stdin`, whose lock would hold up the end of the
    process. It reads on only while few lines wait, so that an endless input fills no memory.

    Args:
        descriptor: Of standard input.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(MAX_WAITING)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def waiting(self) -> int:
        """The number of lines that have been read and not yet taken."""
        return self._lines.qsize()

    async def next(self, seconds: float | None = None) -> str | None:
        """The next line; `None` after the last one.

        Raises:
            TimeoutError: No line comes within so many seconds.
        """
        async with asyncio.timeout(seconds):
            line = await self._lines.get()
        self._room.release()
        return line

    def _read(self) -> None:
        rest = b""
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            while chunk := os.read(self._descriptor, _CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._put(line)
                rest = rest[:_LONGEST]
            self._put(rest)
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)

    def _put(self, line: bytes) -> None:
        if text := line.decode(errors="replace").strip():
            self._room.acquire()
            self._loop.call_soon_threadsafe(self._lines.put_nowait, text)


def print_message(
    console: Console, message: Message, *, with_sender: bool, room: str | None = None
) -> None:
    """Print a message: its text, a line for each file, and one for each button of its card.

    Args:
        console: Where to.
        message: The message.
        with_sender: Whether the sender's address comes first.
        room: The title of the room, if it is another one than that of the conversation.
    """
    lines = (message.text or message.markdown or "").splitlines()
    lines += [f"[file {url}]" for url in message.files or ()]
    lines += _card(message.attachments) if message.attachments else []
    sender = f"[{room}] " if room is not None else ""
    sender += f"{message.person_email}: " if with_sender else ""
    for number, line in enumerate(lines or [""]):
        prefix = sender if number == 0 else " " * len(sender)
        console.print(
            Text.assemble((on_one_line(prefix), "bold cyan"), on_one_line(line)), soft_wrap=True
        )


def _card(attachments: Sequence[object]) -> list[str]:
    """The lines that press the buttons of a card; without a button, the one that submits it."""
    pressing = [
        " ".join([PRESS, shlex.quote(each.title), *(f"{name}=..." for name in each.inputs)])
        for each in cards.buttons(attachments)
        if each.title is not None
    ]
    if pressing:
        return [f"[card: {line}]" for line in pressing]
    inputs = " ".join(f"{each}=..." for each in dict.fromkeys(cards.submitted_ids(attachments)))
    return [f"[card: {SUBMIT} {inputs}]" if inputs else "[card]"]


def print_prompt(console: Console) -> None:
    """Invite the user to type a message, on a terminal."""
    if console.is_terminal:
        console.print(Text("> ", "bold green"), end="")


def erase_prompt(console: Console) -> None:
    """Erase the prompt before something else is printed, on a terminal."""
    if console.is_terminal:
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
