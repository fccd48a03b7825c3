"""The command chat."""

import asyncio
import os
import shlex
import sys
import threading
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from webex_webhooks_async.cli.console import print_error, stderr, stdout
from webex_webhooks_async.cli.conversation import PRESS, SUBMIT, Conversation, Place, conversation
from webex_webhooks_async.cli.files import read_file
from webex_webhooks_async.cli.options import SANDBOX_URL, Address, NotEmpty, SandboxUrl
from webex_webhooks_async.cli.running import (
    CommandError,
    ExitCode,
    UsageError,
    ended_by_signal,
    exit_code_of,
    run,
)
from webex_webhooks_async.errors import APIError
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.testing.service import cards


def command(  # noqa: PLR0913 - each is an option of its own
    text: NotEmpty | None = None,
    /,
    *,
    as_: Annotated[Address, Parameter(name="--as")] = "you@example.com",
    room: NotEmpty | None = None,
    file: Path | None = None,
    no_mention: Annotated[bool, Parameter(show_default=False)] = False,
    timeout: Annotated[float, Parameter(validator=validators.Number(gt=0))] = 10.0,
    base_url: SandboxUrl = SANDBOX_URL,
) -> int:
    r"""Talk to your bot through a sandbox, without an account.

    $ webex-webhooks chat
    $ webex-webhooks chat "Hello"
    $ webex-webhooks chat "Here is the menu" --file menu.pdf
    $ webex-webhooks chat --room Lunch "Who is hungry?"
    $ printf 'Hello\nHelp\n' | webex-webhooks chat

    Each line that you type is a message to the bot, and its replies appear as they
    come. With a message as the argument, or with lines in a pipe, it prints the
    replies to each message, and exits with 1 if one gets no reply, or with 2 if
    a line can't be sent.

    A line that begins with one of these words isn't a message:

    /press Order dish=Pasta  presses a button of the bot's last card
    /submit dish=Pasta       submits the inputs of the bot's last card
    /file menu.pdf           sends a file

    Args:
        text: The message; without it, what you type or pipe.
        as_: The address of the person who talks to the bot.
        room: Talk in the group room with this title; it is created if there is none.
        file: Send this file, with the text as its message.
        no_mention: Don't mention the bot in the group room, so that it isn't notified.
        timeout: Seconds for the sandbox, and for each message with its replies; not when you type.
        base_url: The URL of the sandbox.
    """
    attached = None if file is None else read_file(file, "--file")
    if text is None and attached is None and sys.stdin is None:
        raise UsageError("standard input is closed: pass the message as an argument")
    if no_mention and room is None:
        raise UsageError("--no-mention needs --room: in a direct room nobody is mentioned")
    place = Place(base_url=base_url, person=as_, room=room, mention=not no_mention, timeout=timeout)
    if text is None and attached is None and sys.stdin.isatty():
        run(_converse(place))
        return ExitCode.DONE
    return run(_send(place, text, attached))


async def _converse(place: Place) -> None:
    console = stdout()

    @contextmanager
    def above_the_prompt() -> Generator[None]:
        erase_prompt(console)
        yield
        print_prompt(console)

    def show(message: Message, room: str | None) -> None:
        with above_the_prompt():
            print_message(console, message, with_sender=True, room=room)

    def show_failure(failure: str) -> None:
        with above_the_prompt():
            print_error(CommandError(failure))

    def show_note(note: str) -> None:
        with above_the_prompt():
            print_note(note)

    async with conversation(
        place, on_message=show, on_failure=show_failure, on_note=show_note
    ) as talk:
        where = "" if place.room is None else f" in {on_one_line(place.room)}"
        stderr().print(
            f"You are {place.person}, and talk to {talk.bot}{where}. Ctrl-C or Ctrl-D ends it.",
            style="dim",
            markup=False,
        )
        try:
            with ended_by_signal():
                print_prompt(console)
                await _take_turns(talk, TypedLines(sys.stdin.fileno()))
        finally:
            erase_prompt(console)


async def _take_turns(talk: Conversation, typed: "TypedLines") -> None:
    while line := await typed.next():
        try:
            await talk.send(line)
        except (APIError, UsageError) as error:
            print_error(error)
        print_prompt(stdout())


async def _send(place: Place, text: str | None, file: File | None) -> ExitCode:
    def show(message: Message, room: str | None) -> None:
        console = stdout() if room is None else stderr()
        print_message(console, message, with_sender=room is not None, room=room)

    def show_failure(failure: str) -> None:
        print_error(CommandError(failure))

    exit_code = ExitCode.DONE
    async with conversation(
        place, on_message=show, on_failure=show_failure, on_note=print_note
    ) as talk:
        async for line in _lines("" if text is None and file is not None else text):
            try:
                failure = await talk.exchange(line, file)
            except (APIError, UsageError) as error:
                print_error(error)
                exit_code = max(exit_code, exit_code_of(error))
                continue
            if failure is not None:
                exit_code = max(exit_code, ExitCode.REFUSED)
                show_failure(failure)
    return exit_code


async def _lines(text: str | None) -> AsyncIterator[str]:
    if text is not None:
        yield text
    else:
        piped = TypedLines(sys.stdin.fileno())
        while line := await piped.next():
            yield line


_CHUNK = 65_536  # bytes
MAX_WAITING = 100  # lines
_LONGEST = 65_536  # bytes of a line; no message may have so many


class TypedLines:
    """The lines of a descriptor, without those that are blank.

    A thread waits for them: Windows can't wait for a terminal in the event loop, and Linux can't
    for a file. It reads the descriptor and not `sys.stdin`, whose lock would hold up the end of the
    process. It reads on only while few lines wait, so that an endless input fills no memory.
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

    async def next(self) -> str | None:
        """The next line; `None` after the last one."""
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

    A `room` is the title of another room than that of the conversation.
    """
    lines = (message.text or message.markdown or "").splitlines()
    lines += [f"[file {url}]" for url in message.files]
    lines += _card(message.attachments) if message.attachments else []
    sender = f"[{room}] " if room is not None else ""
    sender += f"{message.person_email}: " if with_sender else ""
    for number, line in enumerate(lines or [""]):
        prefix = sender if number == 0 else " " * len(sender)
        console.print(Text.assemble((on_one_line(prefix), "bold cyan"), on_one_line(line)))


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


def print_note(note: str) -> None:
    """Print what is no message and no failure."""
    stderr().print(on_one_line(note), style="dim", markup=False)


def print_prompt(console: Console) -> None:
    """Invite the user to type a message, on a terminal."""
    if console.is_terminal:
        console.print(Text("> ", "bold green"), end="")


def erase_prompt(console: Console) -> None:
    """Erase the prompt before something else is printed, on a terminal."""
    console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
