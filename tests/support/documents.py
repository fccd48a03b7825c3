"""Runs the code in documents and docstrings; CONTRIBUTING.md describes each kind of block."""

import ast
import asyncio
import doctest
import inspect
import io
import json
import re
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from traceback import format_exception_only
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest
import respx
from attrs import define
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import pad
from sybil.parsers.abstract import DocTestStringParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

from tests.support.services import environment_with
from tests.support.wire import PATIENCE

if TYPE_CHECKING:
    from webex_webhooks_async.testing import Sandbox

AWAITABLE = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMANDS_RUN_BY_CHECKS = re.compile(
    r"<!-- (?:demo|test) command -->\n```bash\n(.+?)\n```", re.DOTALL
)
ROOT = Path(__file__).parents[2]
FROM_CODE = (
    *("bot", "client", "command-line", "inbox", "integration"),
    *("notifications", "receiver", "testing", "webhooks"),
)
"""The pages of the reference that only repeat docstrings and help texts, which have tests."""


@define
class Stage:
    """What the blocks of one document share besides their names."""

    sandbox: "Sandbox"
    runner: asyncio.Runner
    folder: Path
    resources: ExitStack
    printed: str = ""

    def execute(self, code: CodeType, namespace: dict[str, Any]) -> None:
        result = eval(code, namespace)  # noqa: S307 - running documents is the task here
        if inspect.iscoroutine(result):
            self.runner.run(result)

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command while the sandbox is served to it; return its status and output."""
        return self.runner.run(self._run(command))

    async def _run(self, command: tuple[str, ...]) -> tuple[int, str]:
        async with self.sandbox.serve() as base_url, asyncio.timeout(PATIENCE):
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                env=environment_with({"COLUMNS": "100", "WEBEX_BASE_URL": base_url}),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                output, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
        return process.returncode or 0, output.decode()


def set_up(namespace: dict[str, Any]) -> None:
    """Open the stage of a document, with a sandbox instead of Webex."""
    from webex_webhooks_async.testing import Sandbox  # noqa: PLC0415 - only documents need it

    with ExitStack() as resources:
        runner = resources.enter_context(asyncio.Runner())
        folder = resources.enter_context(tempfile.TemporaryDirectory())
        environment = resources.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("WEBEX_ACCESS_TOKEN", "a-token-of-nobody")
        environment.setenv("WEBEX_WEBHOOK_SECRET", "a-secret-of-the-bot")
        environment.setenv("WEBEX_TARGET_URL", "https://bot.example.com/webex")
        sandbox = Sandbox()
        webex = sandbox.http_client()
        resources.callback(lambda: runner.run(webex.aclose()))
        routes = resources.enter_context(respx.MockRouter(assert_all_called=False))
        routes.route(host__regex=r"(files\.)?webexapis\.com").mock(side_effect=webex.send)
        routes.route().pass_through()
        stage = Stage(sandbox, runner, Path(folder), resources.pop_all())
    namespace.update(__name__="__main__", __stage__=stage, sandbox=sandbox)


def tear_down(namespace: dict[str, Any]) -> None:
    """Run the tests that a document defines, and close its stage."""
    stage: Stage = namespace["__stage__"]
    with stage.resources:
        if any(stage.folder.glob("test_*.py")):
            ours = "webex_webhooks_async.testing.plugin"
            plugins = [ours, "pytest_asyncio.plugin", "respx.plugin", "no:cacheprovider"]
            settings = ["asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function"]
            status, output = stage.run(
                *("pytest", "-W", "error", "--disable-plugin-autoload"),  # which takes seconds
                *(f"-p{each}" for each in plugins),
                *(f"-o{each}" for each in settings),
            )
            assert not status, output


class AwaitingDocTest(DocTestEvaluator):
    """Runs one `>>>` of a doctest, which may await."""

    def __call__(self, example: Example) -> str:
        stage: Stage = example.namespace["__stage__"]
        parsed: doctest.Example = example.parsed
        code = compile(parsed.source, example.path, "single", flags=AWAITABLE, dont_inherit=True)
        with redirect_stdout(io.StringIO()) as output:
            try:
                stage.execute(code, example.namespace)
            except Exception as error:
                if parsed.exc_msg is None:
                    raise
                raised = "".join(format_exception_only(error))
                return difference(parsed.exc_msg, raised) or ""
        return difference(parsed.want, output.getvalue()) or ""


find_doctests = DocTestStringParser(AwaitingDocTest())


def run_python(example: Example) -> str | None:
    """Run a block, which may await, and keep what it prints for a `text` block after it.

    A block that begins with the name of a file is saved for the tests of the document, and so is
    one that defines tests: they run together when the document ends.
    """
    stage: Stage = example.namespace["__stage__"]
    if file := re.match(r"# (\w+\.py)\n", example.parsed):
        (stage.folder / file[1]).write_text(example.parsed)
        return None
    if re.search(r"^(async )?def test_", example.parsed, re.MULTILINE):
        (stage.folder / f"test_of_line_{example.line}.py").write_text(example.parsed)
        return None
    code = compile(
        pad(example.parsed, example.line + example.parsed.line_offset),
        example.path,
        "exec",
        flags=AWAITABLE,
        dont_inherit=True,
    )
    with redirect_stdout(io.StringIO()) as output:
        stage.execute(code, example.namespace)
    stage.printed = output.getvalue()
    return None


def compare_text(example: Example) -> str | None:
    """Compare a `text` block with what the `python` block before it printed, if anything."""
    stage: Stage = example.namespace["__stage__"]
    printed, stage.printed = stage.printed, ""
    return difference(str(example.parsed), printed) if printed else None


def run_console(example: Example) -> str | None:
    """Run the commands of a `console` block in one shell, and compare what they print."""
    stage: Stage = example.namespace["__stage__"]
    commands, shown = zip(*transcript(str(example.parsed)), strict=True)
    script = "\nprintf '\\0'\n".join(commands)
    status, output = stage.run("bash", "-euo", "pipefail", "-c", script)
    if status:
        return f"the exit status is {status}\n{output}"
    pairs = zip(shown, output.split("\0"), strict=True)
    problems = (difference(expected, printed) for expected, printed in pairs if expected)
    return "\n".join(filter(None, problems))


def transcript(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a `console` block with the output that is shown below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def difference(shown: str, printed: str) -> str | None:
    """Return how the printed text differs from what a document shows."""
    checker = doctest.OutputChecker()
    if checker.check_output(shown, printed, LENIENT):
        return None
    return checker.output_difference(doctest.Example("", shown), printed, LENIENT)


def check_command(example: Example) -> str | None:
    """Check that a `bash` block is a command of README.md that a check runs."""
    known = COMMANDS_RUN_BY_CHECKS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return None if example.parsed.strip() in known else "no check runs this command"


def parse_toml(example: Example) -> None:
    """Check that a `toml` block is TOML."""
    tomllib.loads(example.parsed)


def parse_json(example: Example) -> None:
    """Check that a `json` block is JSON."""
    json.loads(example.parsed)


EVALUATORS = {
    "bash": check_command,
    "console": run_console,
    "json": parse_json,
    "text": compare_text,
    "toml": parse_toml,
}


class PythonBlocks(PythonCodeBlockParser):
    """Finds `python` blocks: doctests and other code, which both may await."""

    def __init__(self) -> None:
        super().__init__()
        self.doctest_parser = find_doctests
        self.codeblock_parser = CodeBlockParser("python", run_python)


def unknown_blocks(document: Document) -> Iterable[Region]:
    """Find the blocks that nothing checks; Sphinx checks MyST's directives."""
    for region in FencedCodeBlockLexer(".*")(document):
        language = region.lexemes["language"]
        if language not in {"python", *EVALUATORS} and not language.startswith("{"):
            region.parsed = f"nothing checks a block in the language {language!r}"
            region.evaluator = refuse
            yield region


def refuse(example: Example) -> str:
    """Fail the block, with the reason."""
    return str(example.parsed)


documents = Sybil(
    parsers=[
        PythonBlocks(),
        *(CodeBlockParser(language, evaluator) for language, evaluator in EVALUATORS.items()),
        unknown_blocks,
        SkipParser(),
    ],
    path=str(ROOT),
    patterns=["*.md"],
    excludes=["docs/_build/**", *(f"docs/reference/{name}.md" for name in FROM_CODE)],
    setup=set_up,
    teardown=tear_down,
)
