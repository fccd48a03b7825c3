import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module

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


CASES = (Case("same / same", varying, varying, count=5, at_most=2),)


def test_the_bench_prints_the_lowest_costs_of_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contenders compete in processes of their own; what warms them up doesn't count."""
    bench = import_module("tests.benchmarks.__main__")  # here: what it imports, no contender needs
    monkeypatch.setattr(bench, "CASES", (*CASES, *bench.CASES))
    monkeypatch.setattr(sys, "argv", ["bench", "same / same", "--processes", "1", "--rounds", "3"])

    bench.main()

    _, _, line, versions = capsys.readouterr().out.splitlines()
    assert line.split() == ["same", "/", "same", "4000000.0", "4000000.0", "1.00", "2.00"]
    assert versions.startswith("Python ")


def test_a_part_of_no_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelled case doesn't look like one that was measured."""
    bench = import_module("tests.benchmarks.__main__")
    monkeypatch.setattr(sys, "argv", ["bench", "Receivr"])

    with pytest.raises(SystemExit):
        bench.main()

    assert "no case has this in its name: Receivr" in capsys.readouterr().err
