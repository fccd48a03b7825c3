from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest

from tests.benchmarks import receiving
from tests.benchmarks.__main__ import CASES
from tests.benchmarks.contender import cost_of
from tests.benchmarks.harness import Case, Contender, MissingPeerError, Round, measure, server

pytestmark = pytest.mark.once

CONTENDERS = {
    contender.__qualname__: contender for case in CASES for contender in (case.ours, case.peer)
}


@pytest.fixture(scope="module")
def base_url() -> Generator[str]:
    """The server of the benchmarks."""
    with server() as url:
        yield url


@pytest.mark.parametrize("contender", CONTENDERS.values(), ids=CONTENDERS)
async def test_a_contender_plays_a_round(
    contender: Contender, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each benchmark runs, if what it measures is installed."""
    monkeypatch.setattr(receiving, "LARGE", 1000)
    try:
        async with contender(base_url) as play:
            cost = await cost_of(play, 1)
    except MissingPeerError as error:
        pytest.skip(str(error))

    assert cost > 0


@asynccontextmanager
async def varying(_: str) -> AsyncGenerator[Round]:
    """A contender whose rounds cost 40, 20 and 30, and to warm up 10."""
    costs = iter([10.0, 40.0, 20.0, 30.0])

    async def play(_: int) -> float:
        return next(costs)

    yield play


def test_contenders_compete_in_processes_of_their_own() -> None:
    """A figure is made of the lowest costs of doing the thing once."""
    same = Case(name="same", ours=varying, peer=varying, count=5)

    figure = measure(same, processes=2, rounds=3)

    assert (figure.ours, figure.peer, figure.ratio) == (4, 4, 1)
