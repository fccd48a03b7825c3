"""How the demo looks: numbered steps, the code of each, and the requests that it sends."""

import ast
import asyncio
import inspect
import textwrap
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from webex_webhooks_async.cli.rendering.requests import status_code_text
from webex_webhooks_async.cli.rendering.webhooks import webhook_table
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.webhooks import Webhook

if TYPE_CHECKING:
    from rich.status import Status

_WIDEST = 100  # columns: longer lines are hard to read
_INDENT = 3
_PAUSE = 0.2  # seconds before each step, for eyes that follow


class Narrator:
    """Shows what happens, while it happens."""

    def __init__(self, console: Console) -> None:
        console.width = min(console.width, _WIDEST)
        self._console = console
        self._steps = 0
        self._waiting: Status | None = None

    def introduce(self, title: str, text: str) -> None:
        """Say what this is."""
        content = Text.assemble((title, "bold"), "\n", text)
        self._console.print(Panel(content, border_style="cyan", padding=(0, 2)))

    def conclude(self, commands: Mapping[str, str]) -> None:
        """Show how to go on: commands, and what each is for."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column()
        for command, purpose in commands.items():
            grid.add_row(command, purpose)
        self._console.print()
        self._console.print(Panel(grid, title="next", border_style="green", padding=(0, 2)))

    async def step(self, function: Callable[..., Any]) -> None:
        """Begin a step: show what its function is for, and its code."""
        if self._console.is_terminal:
            await asyncio.sleep(_PAUSE)
        self._steps += 1
        headline, _, more = inspect.cleandoc(function.__doc__ or "").partition(". ")
        title = Text.assemble((f"{self._steps}  ", "cyan"), (headline.rstrip("."), "bold"))
        self._console.print()
        self._console.print(Rule(title, align="left", style="dim"))
        if more:
            self._print(Text(more, "dim italic"))
        code = Syntax(
            _code_of(function),
            "python",
            theme="ansi_dark",
            background_color="default",
            word_wrap=True,
        )
        self._print(code)

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._print(Text(on_one_line(text)))

    def approve(self, text: str, emphasized: str = "", rest: str = "") -> None:
        """Report something good."""
        self._print(
            Text.assemble(("✓ ", "bold green"), text, (on_one_line(emphasized), "bold"), rest)
        )

    def disapprove(self, text: str) -> None:
        """Report something bad that the demo expects."""
        self._print(Text.assemble(("✗ ", "bold red"), on_one_line(text)))

    def show_webhooks(self, webhooks: Iterable[Webhook]) -> None:
        """Show some webhooks."""
        self._print(webhook_table(webhooks, columns=3))

    def show_fields(self, fields: Mapping[str, Text]) -> None:
        """Show names and values."""
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, value in fields.items():
            grid.add_row(name, value)
        self._print(grid)

    @asynccontextmanager
    async def narrated_client(self, *, trust_env: bool) -> AsyncGenerator[httpx.AsyncClient]:
        """An HTTP client whose requests and responses are shown."""
        async with httpx.AsyncClient(
            trust_env=trust_env,
            event_hooks={"request": [self._show_request], "response": [self._show_response]},
        ) as http_client:
            try:
                yield http_client
            finally:  # it may be waiting when it is stopped
                self._stop_waiting()

    def incoming(self, url: str, status_code: int | None) -> None:
        """Show a notification and the status of its response."""
        self._exchange("←", "POST", url, status_code_text(status_code))

    async def _show_request(self, _: httpx.Request) -> None:
        self._stop_waiting()

    async def _show_response(self, response: httpx.Response) -> None:
        request = response.request
        wait = response.headers.get("Retry-After")
        status = status_code_text(response.status_code)
        if wait:
            status.append(f", Retry-After: {wait}", "yellow")
        self._exchange("→", request.method, request.url.raw_path.decode(), status)
        if wait:
            self._waiting = self._console.status(f"waiting {wait} s, as Webex asks")
            self._waiting.start()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None

    def _exchange(self, arrow: str, method: str, target: str, status: Text) -> None:
        grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_row(Text(f"{arrow} {method}", "cyan"), Text(on_one_line(target), "cyan"), status)
        self._print(grid)

    def _print(self, renderable: RenderableType) -> None:
        self._console.print(Padding(renderable, (0, 0, 0, _INDENT)))


def _code_of(function: Callable[..., Any]) -> str:
    """The code of a function, without its signature and its docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101 - by its type
    _docstring, first, *_ = definition.body
    return textwrap.dedent("\n".join(source.splitlines()[first.lineno - 1 :]))
