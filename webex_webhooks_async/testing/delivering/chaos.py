"""Chaos: by a seed, some deliveries are late, come twice, or are lost."""

import itertools
import random

from attrs import frozen

_LATE = 0.20
_TWICE = 0.10
_LOST = 0.01
_LONGEST = 1.0  # second


@frozen(kw_only=True)
class Fate:
    """The fate of a delivery."""

    delay: float = 0.0  # seconds until it is sent
    times: int = 1  # how often it is sent: not at all if it is lost


class Chaos:
    """The fates of deliveries, one after the other: the same for the same seed."""

    def __init__(self, seed: int | None) -> None:
        self.seed: int | None = seed
        self._numbers = itertools.count(1)

    def next(self) -> Fate:
        """The fate of the next delivery."""
        if self.seed is None:
            return Fate()
        dice = random.Random(f"{self.seed} {next(self._numbers)}")  # noqa: S311 - it is no secret
        is_late, delay, is_twice, is_lost = (dice.random() for _ in range(4))
        return Fate(
            delay=delay * _LONGEST if is_late < _LATE else 0.0,
            times=0 if is_lost < _LOST else 2 if is_twice < _TWICE else 1,
        )
