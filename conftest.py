"""Makes tests of the code blocks in the documents; CONTRIBUTING.md says what each kind means."""

import ast
import asyncio
import doctest
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from attrs import define
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMANDS_RUN_BY_GATES = re.compile(
    r"<!-- (?:demo|test) command -->\n```bash\n(.+?)\n```", re.DOTALL
)
README = Path(__file__).parent / "README.md"


@define
class Stage:
    """What the blocks of one document share besides their names."""

    runner: asyncio.Runner
    folder: Path
    resources: ExitStack
    printed: str = ""


def set_up(namespace: dict[str, Any]) -> None:
    """Open the stage of a document, with an embedded Webex in the place of the real one."""
    from webex_webhooks_async.testing import Sandbox  # noqa: PLC0415 - only documents need it

    with ExitStack() as resources:
        runner = resources.enter_context(asyncio.Runner())
        folder = resources.enter_context(tempfile.TemporaryDirectory())
        environment = resources.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("WEBEX_ACCESS_TOKEN", "a-token-of-nobody")
        sandbox = Sandbox()
        webex = sandbox.http_client()
        resources.callback(lambda: runner.run(webex.aclose()))
        resources.enter_context(answering_for_webexapis(webex))
        stage = Stage(runner, Path(folder), resources.pop_all())
    namespace.update(__name__="__main__", __stage__=stage, sandbox=sandbox)


def tear_down(namespace: dict[str, Any]) -> None:
    """Close the stage of a document."""
    namespace["__stage__"].resources.close()


def answering_for_webexapis(webex: httpx.AsyncClient) -> respx.MockRouter:
    """Send to the embedded Webex what is meant for the real one; the rest passes."""
    router = respx.MockRouter(assert_all_called=False)
    router.route(host="webexapis.com").mock(side_effect=webex.send)
    router.route().pass_through()
    return router


def run_python(example: Example) -> None:
    """Run a block, which may await, and keep what it prints for a `text` block after it."""
    stage: Stage = example.namespace["__stage__"]
    code = compile(
        pad(example.parsed, example.line + example.parsed.line_offset),
        example.path,
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        dont_inherit=True,
    )
    with redirect_stdout(io.StringIO()) as output:
        result = eval(code, example.namespace)  # noqa: S307 - running documents is the task here
        if inspect.iscoroutine(result):
            stage.runner.run(result)
    stage.printed = output.getvalue()


def compare_text(example: Example) -> str | None:
    """Compare a `text` block with what the `python` block before it printed, if anything."""
    stage: Stage = example.namespace["__stage__"]
    printed, stage.printed = stage.printed, ""
    return difference(str(example.parsed), printed) if printed else None


def run_console(example: Example) -> str | None:
    """Run the commands of a `console` block; those that show output must print it."""
    stage: Stage = example.namespace["__stage__"]
    for command, shown in transcript(str(example.parsed)):
        done = subprocess.run(  # noqa: S603 - running documents is the task here
            ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607 - the user's own bash
            cwd=stage.folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            return f"{command} ended with {done.returncode}:\n{done.stdout}"
        if shown and (problem := difference(shown, done.stdout)):
            return f"{command}\n{problem}"
    return None


def transcript(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a `console` block with the output that is shown below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def difference(shown: str, printed: str) -> str | None:
    """Say how what was printed differs from what a document shows."""
    checker = doctest.OutputChecker()
    if checker.check_output(shown, printed, LENIENT):
        return None
    return checker.output_difference(doctest.Example("", shown), printed, LENIENT)


def check_command(example: Example) -> str | None:
    """Check that a `bash` block is a command of README.md that a gate runs."""
    known = COMMANDS_RUN_BY_GATES.findall(README.read_text(encoding="utf-8"))
    return None if example.parsed.strip() in known else "no gate runs this command"


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
    """Finds `python` blocks: doctests, and code that may await."""

    def __init__(self) -> None:
        super().__init__(doctest_optionflags=LENIENT)
        self.codeblock_parser = CodeBlockParser("python", run_python)


def unknown_blocks(document: Document) -> Iterable[Region]:
    """Find the blocks that nothing would check; MyST's directives are Sphinx's to check."""
    for region in FencedCodeBlockLexer(".*")(document):
        language = region.lexemes["language"]
        if language not in {"python", *EVALUATORS} and not language.startswith("{"):
            region.parsed = f"nothing checks a block in the language {language!r}"
            region.evaluator = refuse
            yield region


def refuse(example: Example) -> str:
    """Fail the block, with what is wrong with it."""
    return str(example.parsed)


pytest_collect_file = Sybil(
    parsers=[
        PythonBlocks(),
        *(CodeBlockParser(language, evaluator) for language, evaluator in EVALUATORS.items()),
        unknown_blocks,
        SkipParser(),
    ],
    patterns=["*.md"],
    excludes=["docs/_build/**"],
    setup=set_up,
    teardown=tear_down,
).pytest()
