"""The command chat."""

import re
import sys
from collections.abc import AsyncIterator
from typing import Annotated

from cyclopts import Parameter, validators

from webex_webhooks_async.cli.chat_terminal import (
    TypedLines,
    erase_prompt,
    print_message,
    print_prompt,
)
from webex_webhooks_async.cli.console import print_error, stderr, stdout
from webex_webhooks_async.cli.conversation import POLL_SECONDS, Conversation, conversation
from webex_webhooks_async.cli.options import SANDBOX_PORT, NotEmpty
from webex_webhooks_async.cli.running import (
    CommandError,
    ExitCode,
    UsageError,
    ended_by_signal,
    run,
)
from webex_webhooks_async.client import environment
from webex_webhooks_async.errors import APIError

_SANDBOX_URL = f"http://127.0.0.1:{SANDBOX_PORT}/v1"


def _address(_: object, text: str) -> None:
    if not re.fullmatch("[!-~]+@[!-~]+", text):
        raise ValueError("it must be an address, such as ann@example.com")


def command(
    text: NotEmpty | None = None,
    /,
    *,
    as_: Annotated[str, Parameter(name="--as", validator=_address)] = "you@example.com",
    timeout: Annotated[float, Parameter(validator=validators.Number(gt=0))] = 10.0,
    base_url: Annotated[str, Parameter(env_var=environment.BASE_URL)] = _SANDBOX_URL,
) -> int:
    r"""Talk to your bot through a sandbox, without an account.

    $ webex-webhooks chat
    $ webex-webhooks chat "Hello"
    $ printf 'Hello\nHelp\n' | webex-webhooks chat

    Each line that you type is a message to the bot, and its replies appear as they
    come. With a message as the argument, or with lines in a pipe, it prints the
    replies to each message, and exits with 1 if one gets no reply.

    The line /submit lunch=Pasta drink="Red wine" submits the last card of the bot.

    Args:
        text: The message; without it, what you type or pipe.
        as_: The address of the person who talks to the bot.
        timeout: Seconds to wait for the first reply to a message.
        base_url: The URL of the sandbox.
    """
    if text is None and sys.stdin is None:
        raise UsageError("standard input is closed: pass the message as an argument")
    url = base_url or _SANDBOX_URL
    if text is None and sys.stdin.isatty():
        run(_converse(url, as_))
        return ExitCode.DONE
    return run(_send(url, as_, text, timeout))


async def _converse(base_url: str, person: str) -> None:
    async with conversation(base_url, person) as room:
        stderr().print(
            f"You are {person}, and talk to {room.bot}. Ctrl-C or Ctrl-D ends it.", style="dim"
        )
        try:
            with ended_by_signal():
                await _take_turns(room, TypedLines(sys.stdin.fileno()))
        finally:
            erase_prompt(stdout())


async def _take_turns(room: Conversation, typed: TypedLines) -> None:
    console = stdout()
    print_prompt(console)
    is_over = False
    while not is_over:
        try:
            line = await typed.next(POLL_SECONDS)
        except TimeoutError:
            pass
        else:
            is_over = line is None
            if line is not None:
                try:
                    await room.send(line)
                except (APIError, UsageError) as error:
                    print_error(error)
                print_prompt(console)
        if replies := await room.new_replies():
            erase_prompt(console)
            for reply in replies:
                print_message(console, reply, with_sender=True)
            print_prompt(console)


async def _send(base_url: str, person: str, text: str | None, timeout: float) -> ExitCode:  # noqa: ASYNC109 - of the bot
    exit_code = ExitCode.DONE
    async with conversation(base_url, person) as room:
        async for message in _messages(text):
            await room.send(message)
            is_silent = True
            async for reply in room.replies(timeout):
                is_silent = False
                print_message(stdout(), reply, with_sender=False)
            if is_silent:
                exit_code = ExitCode.REFUSED
                print_error(
                    CommandError(
                        f"{room.bot} did not reply within {timeout:g} s: does the bot run? The "
                        "terminal of the sandbox shows whether it was notified"
                    )
                )
    return exit_code


async def _messages(text: str | None) -> AsyncIterator[str]:
    if text is not None:
        yield text
    else:
        piped = TypedLines(sys.stdin.fileno())
        while line := await piped.next():
            yield line
