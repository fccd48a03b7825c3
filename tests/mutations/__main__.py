"""Breaks the package in 200 places, one after the other, and prints what no test notices.

$ python -m tests.mutations [--count N] [--seed N] [PATH ...]

The suite runs once, to record which tests run which lines. A mutant is then shown to the tests that
run its lines, those that run the fewest lines first. What doesn't end in time is noticed, too. All
of it happens in copies.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.mutations.mutants import Mutant, chosen
from tests.mutations.recording import Recording

PACKAGE = "webex_webhooks_async"
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "_build", "node_modules")
PRELOADED = (
    *("hypothesis", "pytest_asyncio", "respx", "attrs", "cattrs", "cattrs.gen", "httpx", "uvicorn"),
    *("aiohttp", "rich.console", "cyclopts", "starlette.applications", "trustme"),
)
"""What most tests import. Each run is a fork of a process that has imported it already."""
ROUNDS = ((40, 60), (600, 300))
"""How many tests a mutant is shown to, and for how many seconds."""


def record(root: Path, lines: Path) -> None:
    """Run the suite of a repository, and write to a file which tests run which lines."""
    path = os.pathsep.join([str(root), str(Path(__file__).parent)])
    # The measurement of newer Pythons can't tell one test from another.
    environ = {"COVERAGE_FILE": str(lines), "COVERAGE_CORE": "ctrace", "PYTHONPATH": path}
    coverage = [sys.executable, "-m", "coverage"]
    suite = ["-q", "-p", "recording", f"--numprocesses={os.cpu_count()}", "--dist=loadfile"]
    for command in (["run", "-m", "pytest", *suite], ["combine", "--quiet"]):
        subprocess.run([*coverage, *command], cwd=root, env=os.environ | environ, check=False)


def noticed(copies: Path, mutant: Mutant, tests: list[str]) -> str:
    """Return what notices a mutant; nothing where it survives."""
    root = copies / str(os.getpid())
    if not root.exists():
        shutil.copytree(copies / "original", root)
    module = root / mutant.path
    original = module.read_text("utf-8")
    for count, seconds in ROUNDS:
        shown, tests = tests[:count], tests[count:]
        while shown:
            _write(module, mutant.source)
            failed = _failure(root, shown, seconds)
            _write(module, original)
            asked = [failed] if failed in shown else shown
            if failed and _failure(root, asked, seconds) != failed:
                return failed
            # Otherwise nothing failed, or it fails without the mutant, too.
            shown = shown[shown.index(failed) + 1 :] if failed in shown else []
    return ""


def _failure(root: Path, tests: list[str], seconds: float) -> str:
    """Run tests, and return the first one that fails, or what else happened."""
    name = root / "failed"
    name.unlink(missing_ok=True)
    run = get_context("fork").Process(target=_run, args=(root, tests, name))
    run.start()
    run.join(seconds)
    code = run.exitcode
    if run.pid is not None:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # with what the tests have started
    run.join()
    if code is None:
        return "a test that doesn't end"
    if name.exists():
        return name.read_text("utf-8")
    return "an import that fails" if code else ""


def _run(root: Path, tests: list[str], failed: Path) -> None:
    """Run tests in this process, which is a fork."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.chdir(root)
    sys.path[0] = os.environ["PYTHONPATH"] = str(root)
    for name in [each for each in sys.modules if each.partition(".")[0] == "tests"]:
        del sys.modules[name]  # these are in the repository of this program
    sys.exit(pytest.main([*OPTIONS, *tests], plugins=[_Failed(failed)]))


class _Failed:
    """A plugin of pytest that writes the name of a test that failed to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._file.write_text(report.nodeid, "utf-8")


def _write(module: Path, source: str) -> None:
    module.write_text(source, "utf-8")
    # Python compares whole seconds and sizes, which may be those of the mutant before it.
    for compiled in module.parent.joinpath("__pycache__").glob(f"{module.stem}.*"):
        compiled.unlink()


def main() -> None:
    """Try the chosen mutants, and list those that survive."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="another number chooses others")
    parser.add_argument("paths", nargs="*", default=[PACKAGE], help="modules or folders")
    options = parser.parse_args()
    for name in PRELOADED:
        import_module(name)
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder, "original")
        shutil.copytree(Path.cwd(), original, ignore=LEFT_OUT)
        lines = Path(folder, "lines")
        record(original, lines)
        recording = Recording(lines, PACKAGE)
        mutants = chosen(original, options.paths, options.count, options.seed)
        with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
            tests = [recording.tests(each.path, each.lines) for each in mutants]
            findings = pool.map(partial(noticed, Path(folder)), mutants, tests)
            for number, (mutant, finding) in enumerate(zip(mutants, findings, strict=True), 1):
                if not finding:
                    survivors.append(mutant)
                print(f"{number:4} {finding or 'SURVIVES'}: {mutant}", flush=True)  # noqa: T201 - a program
    print(f"{len(survivors)} of {len(mutants)} survive:")  # noqa: T201 - a program
    for mutant in sorted(survivors, key=lambda each: (each.path, each.line)):
        print(mutant)  # noqa: T201 - a program


if __name__ == "__main__":
    main()
