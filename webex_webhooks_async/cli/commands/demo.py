"""The command demo."""

import asyncio
import inspect
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from attrs import define
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from webex_webhooks_async.cli.console import prose
from webex_webhooks_async.cli.demo_bot import BOSS, READY, leave
from webex_webhooks_async.cli.running import CommandError, run
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.inbox.sqlite import SQLiteInbox
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.testing import Sandbox, signed_request
from webex_webhooks_async.testing.variables import is_proxy

_ANN = "ann@example.com"
_BOB = "bob@example.com"
_NAMES = {_ANN: "Ann", _BOB: "Bob", BOSS: "the boss"}
_PATIENCE = 30.0  # seconds for what takes a part of one
_PAUSE = 1.0  # seconds before a step, for eyes that follow
_NEXT = {
    "webex-webhooks dev docs/examples/bot.py": "talk to a bot of your own in the browser",
    "webex-webhooks listen --sandbox": "watch notifications arrive, without an account",
    "webex-webhooks sandbox": "a local Webex simulator for your own program",
    "webex-webhooks --help": "all commands",
}


def command() -> None:
    """Watch a bot that is killed, and gets an answer all the same; without an account.

    $ webex-webhooks demo

    A bot asks somebody a question, and then their boss. Its process is killed
    before the boss responds, and another process gets the answer. What was
    written meanwhile is caught up with, and a forged notification is refused.
    All of it happens on this machine, with a local Webex simulator.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            run(_play(str(Path(folder, "inbox.db"))))
        except TimeoutError:
            raise CommandError("the bot is too slow here: try again when less else runs") from None


async def _play(inbox: str) -> None:
    sandbox = Sandbox()
    stage = Stage(prose(), sandbox, SQLiteInbox(inbox))
    async with sandbox.serve() as base_url, aclosing(stage.inbox):
        settings = {
            "WEBEX_BASE_URL": base_url,
            "WEBEX_ACCESS_TOKEN": "any-token",
            "WEBEX_WEBHOOK_SECRET": secrets.token_urlsafe(),
            "WEBEX_INBOX": inbox,
        }
        await stage.step("A bot", "It asks somebody, and then their boss.")
        code = inspect.getsource(leave).strip()
        stage.show(Syntax(code, "python", theme="ansi_dark", background_color="default"))
        async with _bot(stage, settings) as process:
            await stage.step("Ann asks for a day off", "[Friday] is a button that she presses.")
            await stage.say(_ANN, "leave")
            await stage.press(_ANN, await stage.reply("Which day"), "Friday")
            question = await stage.reply("Friday off")
            await stage.step("The bot's process is killed", "As by a power cut: it saves nothing.")
            process.kill()
            await process.wait()
            stage.result("✗", f"process {process.pid} is dead")
            await stage.say(_BOB, "leave")
            stage.result("✗", "nobody takes the notification of what Bob wrote")
        await stage.step("Another process starts", "It asks Webex what it has missed.")
        async with _bot(stage, settings) as process:
            await stage.reply("Which day")
            stage.result("✓", "Bob is heard after all")
            await stage.step(
                "The boss decides, and Ann hears of it",
                "What was asked and answered is in a file, the bot's inbox.",
            )
            await stage.press(BOSS, question, "Approve")
            await stage.reply("Friday: your boss")
            stage.result("✓", "Ann has her answer, from a process that never talked to her")
            await stage.step("A stranger forges a notification", "It isn't signed as by Webex.")
            real = sandbox.deliveries[-1]
            async with httpx.AsyncClient(trust_env=False) as stranger:
                response = await stranger.send(signed_request(real.url, real.body, "a guess"))
            await _until(process, "refused", stage)
            stage.result("✓", f"the stranger gets {response.status_code} {response.reason_phrase}")
    stage.conclude()


@asynccontextmanager
async def _bot(stage: "Stage", settings: Mapping[str, str]) -> AsyncGenerator[Process]:
    """Run a process with the bot while the block runs, which begins as soon as it is ready."""
    inherited = {name: value for name, value in os.environ.items() if not is_proxy(name)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "webex_webhooks_async.cli.demo_bot"),
        env={**inherited, **settings},
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        await _until(process, READY, stage)
        yield process
        await asyncio.wait_for(process.communicate(b""), _PATIENCE)  # closes its input
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until(process: Process, text: str, stage: "Stage") -> None:
    """Show the lines that a process prints until one has this text."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    line = ""
    while text not in line:
        line = (await asyncio.wait_for(process.stdout.readline(), _PATIENCE)).decode()
        if not line:
            raise CommandError("the bot's process has ended; what it says is above")
        stage.line(f"process {process.pid}", line.strip(), style="dim")


@define
class Stage:
    """Shows what happens while it happens, and lets people talk to the bot."""

    _console: Console
    _sandbox: Sandbox
    inbox: SQLiteInbox
    _steps: int = 0

    async def step(self, title: str, text: str) -> None:
        """Begin a step."""
        await asyncio.sleep(_PAUSE if self._steps and self._console.is_terminal else 0)
        self._steps += 1
        headline = Text.assemble((f"{self._steps}  ", "cyan"), (title, "bold"))
        self._console.print()
        self._console.print(Rule(headline, align="left", style="dim"))
        self.show(Text(text, "dim italic"))

    def show(self, what: RenderableType) -> None:
        """Show something that belongs to the step."""
        self._console.print(Padding(what, (0, 0, 0, 3)))

    def line(self, who: str, text: str, *, style: str = "") -> None:
        """Show what somebody says."""
        self.show(Text.assemble((f"{who}: ", "cyan"), (on_one_line(text), style)))

    def result(self, mark: str, text: str) -> None:
        """Show what has come of it."""
        self.show(Text.assemble((f"{mark} ", "green" if mark == "✓" else "red"), text))

    async def say(self, person: str, text: str) -> None:
        """Let somebody write to the bot."""
        self.line(_NAMES[person], text)
        await self._sandbox.say(text, person=person)

    async def press(self, person: str, card: Message, title: str) -> None:
        """Let somebody press a button."""
        self.line(_NAMES[person], f"[{title}]")
        await self._sandbox.submit(card.id, press=title, person=person)

    async def reply(self, text: str) -> Message:
        """Show what the bot says until it says this, and waits for what people do."""
        message = None
        while message is None or text not in str(message.text):
            message = await self._sandbox.next_reply(_PATIENCE)
            authors = {each.room_id: each.person_email for each in self._sandbox.messages[::-1]}
            to = _NAMES.get(str(authors[message.room_id]), _NAMES[BOSS])
            self.line(f"the bot to {to}", str(message.text))
        async with asyncio.timeout(_PATIENCE):
            while (await self.inbox.counts()).running:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.01)
        return message

    def conclude(self) -> None:
        """Show how to go on: commands, and what each is for."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        for command, purpose in _NEXT.items():
            grid.add_row(command, purpose)
        self._console.print()
        self._console.print(Panel(grid, title="next", border_style="green", padding=(0, 2)))
