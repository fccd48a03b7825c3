import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from webex_webhooks_async.notifications.deduplication import Claim, MemoryDeduplicator
from webex_webhooks_async.testing.contracts import check_deduplicator


class Leases:
    """A right one with leases, in memory."""

    def __init__(self) -> None:
        self.keys: dict[str, Claim] = {}

    async def claim(self, key: str) -> Any:  # noqa: ANN401 - a wrong one returns anything
        """Lease the key."""
        if key in self.keys:
            return self.keys[key]
        self.keys[key] = Claim.IN_PROGRESS
        return Claim.GRANTED

    async def confirm(self, key: str) -> None:
        """Remember the key as done."""
        self.keys[key] = Claim.DONE

    async def release(self, key: str) -> None:
        """Forget the key, unless it is done."""
        if self.keys.get(key) is Claim.IN_PROGRESS:
            del self.keys[key]


class ForgetsAnything(Leases):
    """Forgets what it is asked to, even what is done."""

    async def release(self, key: str) -> None:
        """Forget the key."""
        self.keys.pop(key, None)


class ConfirmsItsOwn(Leases):
    """One of several that share their claims: it confirms only what was granted to it."""

    def __init__(self, keys: dict[str, Claim]) -> None:
        self.keys = keys
        self.granted: set[str] = set()

    async def claim(self, key: str) -> Any:  # noqa: ANN401 - as its base
        """Lease the key, and remember that it was granted here."""
        claim = await super().claim(key)
        if claim is Claim.GRANTED:
            self.granted.add(key)
        return claim

    async def confirm(self, key: str) -> None:
        """Remember the key as done, if it was granted here."""
        if key in self.granted:
            await super().confirm(key)


async def nothing(*_: object) -> None:
    """Do nothing."""


async def always_granted(*_: object) -> Claim:
    """Grant every claim."""
    return Claim.GRANTED


class OldMemory(MemoryDeduplicator):
    """Says with a boolean whether a claim is granted."""

    async def claim(self, key: str) -> Any:  # noqa: ANN401 - the mistake
        """Claim the key."""
        return await super().claim(key) is Claim.GRANTED


class SlowLeases(Leases):
    """Looks, and claims later."""

    async def claim(self, key: str) -> Any:  # noqa: ANN401 - as its base
        """Lease the key."""
        claim = self.keys.get(key, Claim.GRANTED)
        await asyncio.sleep(0)
        self.keys.setdefault(key, Claim.IN_PROGRESS)
        return claim


def changed(base: type, **methods: Any) -> type:  # noqa: ANN401 - wrong methods
    """A class with some methods replaced."""
    return type("Changed", (base,), methods)


def shared(kind: type[Any]) -> Callable[[], Any]:
    """A factory that returns the same deduplicator each time."""
    one = kind()
    return lambda: one


@pytest.mark.parametrize("kind", [MemoryDeduplicator, Leases])
async def test_a_right_deduplicator_passes(kind: type[Any]) -> None:
    """One with leases passes, and one without."""
    await check_deduplicator(shared(kind))


@pytest.mark.parametrize(
    ("factory", "match"),
    [
        (
            shared(changed(Leases, claim=always_granted)),
            "Claim.DONE or Claim.IN_PROGRESS when the key is claimed",
        ),
        (shared(changed(Leases, claim=nothing)), "nobody has claimed the key; it returned None"),
        (shared(changed(Leases, release=nothing)), "Claim.GRANTED when the key was released"),
        (shared(changed(Leases, confirm=nothing)), "Claim.DONE when the key was confirmed"),
        (
            shared(changed(MemoryDeduplicator, confirm=MemoryDeduplicator.release)),
            "Claim.DONE when the key was confirmed",
        ),
        (shared(ForgetsAnything), "Claim.DONE when a confirmed key was released"),
        (partial(ConfirmsItsOwn, {}), "Claim.DONE when another one has confirmed the key"),
        (shared(OldMemory), "must return Claim.GRANTED .* it returned True"),
        (MemoryDeduplicator, "when the key is claimed; it returned <Claim"),  # nothing is shared
        (shared(SlowLeases), "of 20 simultaneous claims of a key, 20 are granted"),
    ],
)
async def test_a_broken_promise_is_named(factory: Callable[[], Any], match: str) -> None:
    """The check fails, and says which promise is broken."""
    with pytest.raises(AssertionError, match=match):
        await check_deduplicator(factory)


def plain(_self: object, _key: str) -> Claim:
    """Grant a claim without being async."""
    return Claim.GRANTED


async def without_a_key(_self: object) -> Claim:
    """Grant a claim of nothing."""
    return Claim.GRANTED


@pytest.mark.parametrize(
    ("factory", "match"),
    [
        (object, "methods claim, confirm and release, and object lacks claim, confirm, release$"),
        (changed(Leases, confirm=None, release=5), "and Changed lacks confirm, release$"),
        (lambda: None, "and NoneType lacks claim, confirm, release$"),
        (lambda: Leases, "got the class Leases: pass an instance$"),
        (Leases(), "factory must be a function, got Leases: pass one that returns a deduplicator$"),
        (changed(Leases, claim=plain), "claim must be an async method: it returned <Claim.GRANTED"),
        (changed(Leases, claim=without_a_key), r"without_a_key\(\) takes 1 positional argument"),
    ],
)
async def test_what_is_not_a_deduplicator(factory: Any, match: str) -> None:  # noqa: ANN401 - mistakes
    """The error says what a deduplicator has to have, and what this one lacks."""
    with pytest.raises(TypeError, match=match):
        await check_deduplicator(factory)
