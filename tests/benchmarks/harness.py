"""Compares the costs of two contenders: each in its own process, in turns.

A figure isn't a time. It is the ratio of the lowest costs: what disturbs a round only adds to it.
Where that is too coarse, the cost is instructions, which valgrind counts, one process at a time.
"""

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from attrs import frozen

Round = Callable[[int], Awaitable[float | None]]
"""Does its thing so many times. It returns what that cost, or `None`: its process's CPU time."""

Contender = Callable[[str], AbstractAsyncContextManager[Round]]
"""Gets ready to call a Webex at a base URL, and then takes part in rounds."""


def peer(module: str) -> Any:  # noqa: ANN401 - the environment of the type checkers has no peers
    """A module of a peer, without the peer's own warnings."""
    with warnings.catch_warnings(action="ignore"):
        return import_module(module)


@frozen
class Case:
    """A comparison."""

    name: str
    ours: Contender
    peer: Contender
    count: int  # how many times a round does its thing
    at_most: float | None = None  # the target for the ratio
    in_instructions: bool = False
    processes: int = 3  # pairs of them; one is enough where the target is far away
    rounds: int = 10


def counted(name: str, ours: Contender, peer: Contender, count: int, at_most: float) -> Case:
    """A comparison of instructions."""
    return Case(f"{name} (instructions)", ours, peer, count, at_most, in_instructions=True)


def growth(name: str, ours: Contender, peer: Contender, count: int, at_most: float) -> Case:
    """A comparison with less of the same, whose target is far away."""
    return Case(f"growth: {name}", ours, peer, count, at_most, processes=1)


def measure(case: Case) -> tuple[float, float]:
    """Return the lowest cost of doing our thing once, and the peer's, of all pairs of processes.

    Two processes of the same program differ by some percent for their whole life.
    """
    if case.in_instructions:  # which are the same each time
        return _instructions(case, "ours"), _instructions(case, "peer")
    costs: list[tuple[float, float]] = []
    for _ in range(case.processes):
        with (
            server() as base_url,
            _rounds_of(case, "ours", base_url) as ours,
            _rounds_of(case, "peer", base_url) as peer,
        ):
            costs += [(ours(), peer()) for _ in range(case.rounds)]
    ours_, peers = zip(*costs, strict=True)
    return min(ours_) / case.count, min(peers) / case.count


@contextmanager
def server() -> Generator[str]:
    """Serve a simulated Webex in its own process, and give its base URL."""
    with _process("tests.benchmarks.server") as process:
        yield _line(process.stdout)


@contextmanager
def _rounds_of(case: Case, side: str, base_url: str) -> Generator[Callable[[], float]]:
    """Start a contender and warm it up; the function runs a round, and returns its cost."""
    with _contender(case, side, base_url) as process:
        _play(process, 1)
        yield lambda: _play(process, case.count)


def _instructions(case: Case, side: str) -> float:
    """Return the millions of instructions of one, counted while a second round runs."""
    with TemporaryDirectory() as folder, server() as base_url:
        log = Path(folder, "log")
        valgrind = ("--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log}")
        run_by = ("valgrind", "--instr-atstart=no", *valgrind)
        with _contender(case, side, base_url, *run_by) as process:
            _play(process, case.count)
            _count(process, "on")
            _play(process, case.count)
            _count(process, "off")
            process.communicate()
        (total,) = re.findall(r"Collected : (\d+)", log.read_text())
    return int(total) / 1e6 / case.count


def _count(process: "subprocess.Popen[str]", switch: str) -> None:
    """Let valgrind begin to count, or end."""
    command = ("callgrind_control", f"--instr={switch}", str(process.pid))
    subprocess.run(command, check=True, capture_output=True)


def _play(process: "subprocess.Popen[str]", count: int) -> float:
    """Run a round, and return its cost."""
    assert process.stdin is not None
    print(count, file=process.stdin, flush=True)
    return float(_line(process.stdout))


def _contender(
    case: Case, side: str, base_url: str, *run_by: str
) -> AbstractContextManager["subprocess.Popen[str]"]:
    arguments = (case.ours.__module__, case.name, side, base_url)
    return _process("tests.benchmarks.contender", *arguments, run_by=run_by)


@contextmanager
def _process(
    module: str, *arguments: str, run_by: Iterable[str] = ()
) -> Generator["subprocess.Popen[str]"]:
    """Run a module; it ends when its input does."""
    with subprocess.Popen(
        [*run_by, sys.executable, "-m", module, *arguments],
        env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def _line(output: IO[str] | None) -> str:
    assert output is not None
    if not (line := output.readline()):
        raise RuntimeError("a process ended too early; what it says about that is above")
    return line.strip()
