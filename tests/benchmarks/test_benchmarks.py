from collections.abc import Generator

import pytest

from tests.benchmarks.__main__ import CASES
from tests.benchmarks.calling import own_gets
from tests.benchmarks.contender import cost_of
from tests.benchmarks.harness import Case, Contender, MissingPeerError, measure, server

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
async def test_a_contender_plays_a_round(contender: Contender, base_url: str) -> None:
    """Each benchmark runs, if what it measures is installed."""
    try:
        async with contender(base_url) as play:
            cost = await cost_of(play, 1)
    except MissingPeerError as error:
        pytest.skip(str(error))

    assert cost > 0


def test_contenders_compete_in_processes_of_their_own() -> None:
    """A case ends with the median of the ratios, and the range of its middle half."""
    same = Case(name="same", ours=own_gets, peer=own_gets, count=20)

    figure = measure(same, processes=1, rounds=8)

    assert figure.low <= figure.ratio <= figure.high
    assert 0.5 < figure.ratio < 2


def test_a_target_is_an_upper_bound() -> None:
    """A ratio meets its target when it is at most the target; without a target, always."""
    bounded = Case(name="bounded", ours=own_gets, peer=own_gets, count=1, at_most=0.8)
    unbounded = Case(name="unbounded", ours=own_gets, peer=own_gets, count=1)

    assert [bounded.is_met_by(each) for each in (0.7, 0.8, 0.9)] == [True, True, False]
    assert unbounded.is_met_by(9.0)
