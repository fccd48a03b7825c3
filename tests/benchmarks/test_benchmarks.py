from collections.abc import Generator

import pytest

from tests.benchmarks.__main__ import CASES
from tests.benchmarks.calling import slots
from tests.benchmarks.contender import cost_of
from tests.benchmarks.harness import Case, Contender, Figure, MissingPeerError, measure, server

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
    """Each benchmark still runs, where what it measures is installed."""
    try:
        async with contender(base_url) as play:
            cost = await cost_of(play, 1)
    except MissingPeerError as error:
        pytest.skip(str(error))

    assert cost > 0


def test_contenders_compete_in_processes_of_their_own() -> None:
    """A case ends with the median of the ratios, and where the middle half of them is."""
    same = Case(name="same", ours=slots, peer=slots, count=1, at_most=1.0)

    assert measure(same, processes=1, rounds=2) == Figure(1.0, 1.0, 1.0)


def test_a_target_is_an_upper_or_a_lower_bound() -> None:
    """What should be little is a ratio of costs, what should be much is one of speeds."""
    cost = Case(name="cost", ours=slots, peer=slots, count=1, at_most=0.8)
    speed = Case(name="speed", ours=slots, peer=slots, count=1, at_least=0.8)

    assert [cost.ratio(1.0, 2.0), speed.ratio(1.0, 2.0)] == [0.5, 2.0]
    assert [cost.is_met_by(0.7), speed.is_met_by(0.7)] == [True, False]
    assert [cost.is_met_by(0.9), speed.is_met_by(0.9)] == [False, True]
