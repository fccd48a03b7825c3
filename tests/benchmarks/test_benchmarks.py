import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import pytest

from tests.benchmarks.harness import Case, Round

pytestmark = pytest.mark.once


@asynccontextmanager
async def varying(_: str) -> AsyncGenerator[Round]:
    """A contender whose rounds cost 40, 20 and 30, and to warm up 10."""
    costs = iter([10.0, 40.0, 20.0, 30.0])

    async def play(_: int) -> float:
        return next(costs)

    yield play


CASES = (
    Case("same / same", varying, varying, count=5, at_most=2),
    Case("same / same (instructions)", varying, varying, count=5, at_most=2, in_instructions=True),
)

VALGRIND = """#!/bin/sh
for each; do case $each in --log-file=*) log=${each#--log-file=};; esac; done
total=0
while read count; do
    if test -e "$0.counts"; then total=$((total + 1000000 * count)); fi
    echo 0
done
echo "==1== Collected : $total" > "$log"
"""
CALLGRIND_CONTROL = """#!/bin/sh
case $1 in --instr=on) touch "${0%/*}/valgrind.counts";; *) rm "${0%/*}/valgrind.counts";; esac
"""


def test_the_bench_prints_the_lowest_costs_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Contenders compete in processes of their own; what warms them up doesn't count."""
    bench = import_module("tests.benchmarks.__main__")  # here: what it imports, no contender needs
    options = ["--processes", "1", "--rounds", "3"]

    bench.main(["same / same", *options], CASES[:1])

    *_, line, versions = capsys.readouterr().out.splitlines()
    assert line.split() == ["same", "/", "same", "4000000.0", "4000000.0", "1.00", "2.00"]
    assert versions.startswith("Python ")


@pytest.mark.parametrize("program", [VALGRIND, None])
def test_instructions_are_those_of_a_round(
    program: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Neither the start nor what warms up is counted; without valgrind, the bench says so."""
    bench = import_module("tests.benchmarks.__main__")
    monkeypatch.setenv("PATH", "" if program is None else f"{tmp_path}:{os.environ['PATH']}")
    if program is not None:
        for name, text in (("valgrind", program), ("callgrind_control", CALLGRIND_CONTROL)):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)

    bench.main([], CASES[1:])

    *_, line, _versions = capsys.readouterr().out.splitlines()
    _, counted = line.split("(instructions)")
    expected = "1000000.0 1000000.0 1.00 2.00" if program else "needs valgrind"
    assert counted.split() == expected.split()


def test_a_part_of_no_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled case doesn't look like one that was measured."""
    bench = import_module("tests.benchmarks.__main__")
    with pytest.raises(SystemExit):
        bench.main(["Receivr"])

    assert "no case has this in its name: Receivr" in capsys.readouterr().err
