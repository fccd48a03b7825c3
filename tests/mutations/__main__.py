"""Breaks the package in 200 places, one after the other, and prints what no test notices.

$ python -m tests.mutations [--count N] [--seed N] [--root FOLDER]

For a mutant it runs the test module that mirrors the changed module, and then, if nothing failed,
the other tests of that folder and of the one above. What doesn't end in time is noticed, too. It
works in a copy.

A repository of another commit can be its root, so that two commits can be compared.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.mutations.mutants import Mutant, chosen

PACKAGE = "webex_webhooks_async"
OPTIONS = (
    *("-x", "-q", "-m", "not hypothesis", "-p", "no:cacheprovider"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "_build", "node_modules")
PRELOADED = (
    *("hypothesis", "pytest_asyncio", "respx", "attrs", "cattrs", "cattrs.gen", "httpx", "uvicorn"),
    *("aiohttp", "redis.asyncio", "rich.console", "cyclopts", "starlette.applications", "trustme"),
)
"""What most tests import. Each run is a fork of a process that has imported it already."""


class Laboratory:
    """A copy of a repository, in which mutants are tried."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.seconds = cache(self._seconds)  # of a target without a mutant

    def notices(self, mutant: Mutant) -> str:
        """Return what notices a mutant; nothing where it survives."""
        module = self._root / mutant.path
        original = module.read_text("utf-8")
        for target in self._targets(mutant.path):
            usual = self.seconds(target)  # before the mutant is there
            if usual is None:
                continue
            try:
                self._write(module, mutant.source)
                failed = self._failed(target, 20 + 4 * usual)
            finally:
                self._write(module, original)
            if failed:
                return f"{failed} in {target[0]}"
        return ""

    def _targets(self, path: str) -> list[tuple[str, ...]]:
        """The tests for a module: those that mirror it, the others of their folder, and above."""
        inside = Path(path).relative_to(PACKAGE)
        targets: list[tuple[str, ...]] = [(f"tests/{inside.parent.as_posix()}/test_{inside.name}",)]
        for folder in (inside.parent, inside.parent.parent):
            asked = {each for target in targets for each in target}
            tests = self._root.joinpath("tests", folder).glob("test_*.py")
            names = sorted(each.relative_to(self._root).as_posix() for each in tests)
            targets.append(tuple(each for each in names if each not in asked))
        return [each for each in targets if each and (self._root / each[0]).exists()]

    def _seconds(self, target: tuple[str, ...]) -> float | None:
        started = time.monotonic()
        if self._failed(target, 900):
            print(f"fails without a mutant, so it isn't asked: {' '.join(target)}", flush=True)  # noqa: T201 - a program
            return None
        return time.monotonic() - started

    def _failed(self, target: Sequence[str], seconds: float) -> str:
        run = get_context("fork").Process(target=_run, args=(self._root, target))
        run.start()
        run.join(seconds)
        code = run.exitcode
        if run.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)  # with what the tests have started
        run.join()
        if code is None:
            return "a test that doesn't end"
        return "a test that fails" if code else ""

    def _write(self, module: Path, source: str) -> None:
        module.write_text(source, "utf-8")
        # Python compares whole seconds and sizes, which may be those of the mutant before it.
        for compiled in module.parent.joinpath("__pycache__").glob(f"{module.stem}.*"):
            compiled.unlink()


def _run(root: Path, target: Sequence[str]) -> None:
    """Run tests in this process, which is a fork."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.chdir(root)
    sys.path[0] = os.environ["PYTHONPATH"] = str(root)
    for name in [each for each in sys.modules if each.partition(".")[0] == "tests"]:
        del sys.modules[name]  # these are in the repository of this program
    sys.exit(pytest.main([*OPTIONS, *target]))


def main() -> None:
    """Try the chosen mutants, and list those that survive."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="another number chooses others")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the repository")
    options = parser.parse_args()
    for name in PRELOADED:
        import_module(name)
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        shutil.copytree(options.root, copy, ignore=LEFT_OUT)
        laboratory = Laboratory(copy)
        mutants = chosen(copy, PACKAGE, options.count, options.seed)
        for number, mutant in enumerate(mutants, 1):
            noticed = laboratory.notices(mutant)
            if not noticed:
                survivors.append(mutant)
            print(f"{number:4} {noticed or 'SURVIVES':60} {mutant}", flush=True)  # noqa: T201 - a program
    print(f"{len(survivors)} of {len(mutants)} survive:")  # noqa: T201 - a program
    for mutant in sorted(survivors, key=lambda each: (each.path, each.line)):
        print(mutant)  # noqa: T201 - a program


if __name__ == "__main__":
    main()
