"""Compares the costs of two contenders: each in its own process, in turns.

A figure isn't a time. It is the median of many ratios, each of two rounds, one right after the
other.
"""

import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib import import_module
from typing import IO, Any

from attrs import frozen

Round = Callable[[int], Awaitable[float | None]]
"""Does its thing so many times. It returns what that cost, or `None`: its process's CPU time."""

Contender = Callable[[str], AbstractAsyncContextManager[Round]]
"""Gets ready to call a Webex at a base URL, and then takes part in rounds."""


class MissingPeerError(Exception):
    """A peer isn't installed."""


def peer(module: str) -> Any:  # noqa: ANN401 - the environment of the type checkers has no peers
    """A module of a peer.

    Raises:
        MissingPeerError: The peer isn't installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # the peer's own warnings
            return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPeerError(f"{error.name} is not installed") from error


@frozen(kw_only=True)
class Case:
    """A comparison.

    Attributes:
        name: Its name on the command line.
        ours: The contender that is measured.
        peer: The contender that it is compared with.
        count: How many times a round does its thing.
        at_most: The target for the ratio; `None` where it is only for information.
    """

    name: str
    ours: Contender
    peer: Contender
    count: int
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The target in words."""
        return "" if self.at_most is None else f"<= {self.at_most:.2f}"

    def is_met_by(self, ratio: float) -> bool:
        """Whether the ratio is within the target."""
        return self.at_most is None or ratio <= self.at_most


@frozen
class Figure:
    """The result of a case.

    Attributes:
        ratio: The median.
        low: A quarter of the ratios is lower.
        high: A quarter of the ratios is higher.
    """

    ratio: float
    low: float
    high: float


def measure(case: Case, *, processes: int, rounds: int) -> Figure:
    """Compare the contenders in this many pairs of processes, with this many rounds each.

    Two processes of the same program differ by some percent for their whole life.
    """
    ratios = [ratio for _ in range(processes) for ratio in _duel(case, rounds)]
    low, ratio, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Figure(ratio, low, high)


def _duel(case: Case, rounds: int) -> Iterator[float]:
    """Run rounds of two processes in turns."""
    with (
        server() as base_url,
        _rounds_of(case.ours, base_url) as ours,
        _rounds_of(case.peer, base_url) as peer,
    ):
        for _ in range(rounds):
            yield ours(case.count) / peer(case.count)


@contextmanager
def server() -> Generator[str]:
    """Serve a simulated Webex in its own process, and give its base URL."""
    with _process("tests.benchmarks.server") as process:
        yield _line(process.stdout)


@contextmanager
def _rounds_of(contender: Contender, base_url: str) -> Generator[Callable[[int], float]]:
    """Start a contender and warm it up; the function runs a round, and returns its cost."""
    name = f"{contender.__module__}:{contender.__qualname__}"
    with _process("tests.benchmarks.contender", name, base_url) as process:

        def play(count: int) -> float:
            assert process.stdin is not None
            print(count, file=process.stdin, flush=True)
            return float(_line(process.stdout))

        play(1)
        yield play


@contextmanager
def _process(module: str, *arguments: str) -> Generator["subprocess.Popen[str]"]:
    """Run a module; it ends when its input does."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
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
