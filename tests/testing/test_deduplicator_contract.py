import asyncio
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


@pytest.mark.parametrize("kind", [MemoryDeduplicator, Leases])
async def test_a_right_deduplicator_passes(kind: type[Any]) -> None:
    """One with leases passes, and one without."""
    shared = kind()
    await check_deduplicator(lambda: shared)


@pytest.mark.parametrize("base", [MemoryDeduplicator, Leases])
@pytest.mark.parametrize(
    ("methods", "match"),
    [
        ({"claim": always_granted}, "Claim.DONE or Claim.IN_PROGRESS when the key is claimed"),
        ({"release": nothing}, "Claim.GRANTED when the key was released; it returned"),
        ({"claim": nothing}, "when nobody has claimed the key; it returned None"),
        ({"confirm": "release"}, "Claim.DONE when the key was confirmed"),
    ],
)
async def test_a_broken_promise_is_named(base: type, methods: dict[str, Any], match: str) -> None:
    """Without what the method promises, the check fails, and says which promise is broken."""
    others = {name: getattr(base, str(each), each) for name, each in methods.items()}
    shared = changed(base, **others)()
    with pytest.raises(AssertionError, match=match):
        await check_deduplicator(lambda: shared)


async def test_leases_are_confirmed() -> None:
    """A lease that is never done would be handled again."""
    shared = changed(Leases, confirm=nothing)()
    with pytest.raises(
        AssertionError, match=r"Claim\.DONE when the key was confirmed; it returned"
    ):
        await check_deduplicator(lambda: shared)


async def test_a_release_keeps_what_is_confirmed() -> None:
    """A receiver that lost its lease, and then failed, doesn't undo what another has done."""
    shared = ForgetsAnything()
    with pytest.raises(AssertionError, match=r"Claim\.DONE when a confirmed key was released"):
        await check_deduplicator(lambda: shared)


async def test_another_receiver_may_confirm() -> None:
    """What a receiver has handled is done, even if it has lost its lease by then."""
    keys: dict[str, Claim] = {}
    with pytest.raises(AssertionError, match=r"Claim\.DONE when another one has confirmed the key"):
        await check_deduplicator(lambda: ConfirmsItsOwn(keys))


async def test_an_outdated_deduplicator_fails() -> None:
    """A boolean isn't a claim."""
    shared = OldMemory()
    with pytest.raises(AssertionError, match=r"must return Claim\.GRANTED .* it returned True"):
        await check_deduplicator(lambda: shared)


async def test_claims_that_are_not_shared_fail() -> None:
    """What the factory returns shares its claims."""
    with pytest.raises(AssertionError, match="when the key is claimed; it returned <Claim"):
        await check_deduplicator(MemoryDeduplicator)


async def test_simultaneous_claims_are_checked() -> None:
    """One that looks before it claims is caught."""
    shared = SlowLeases()
    with pytest.raises(AssertionError, match="of 20 simultaneous claims of a key, 20 are granted"):
        await check_deduplicator(lambda: shared)


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
