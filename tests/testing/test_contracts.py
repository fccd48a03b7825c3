"""What the checks of a storage of one's own say about a broken one."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from tests.support.clocks import QuickClock
from webex_webhooks_async.notifications.deduplication import Claim, MemoryDeduplicator
from webex_webhooks_async.notifications.inbox import InboxEntry
from webex_webhooks_async.notifications.sqlite_inbox import SQLiteInbox
from webex_webhooks_async.testing import check_deduplicator, check_inbox, contracts

pytestmark = pytest.mark.once


def changed(base: type[Any], **methods: Any) -> type[Any]:  # noqa: ANN401 - wrong methods
    """A class with some methods replaced."""
    return type("Changed", (base,), methods)


async def nothing(*_: object) -> None:
    """Do nothing, and find nothing."""


# Each of these breaks one promise of an inbox, which is otherwise a right one.


async def _put_as_new(self: SQLiteInbox, key: str, body: bytes) -> bool:
    await SQLiteInbox.put(self, key, body)
    return True


async def _take_and_free(self: SQLiteInbox) -> InboxEntry | None:
    entry = await SQLiteInbox.take(self)
    if entry is not None:
        await SQLiteInbox.fail(self, entry, 0)
    return entry


async def _take_for_a_minute(self: SQLiteInbox) -> InboxEntry | None:
    entry = await SQLiteInbox.take(self)
    return None if entry is None else evolve(entry, lease=60.0)


async def _fail_without_error(self: SQLiteInbox, entry: InboxEntry, again_in: float | None) -> bool:
    return await SQLiteInbox.fail(self, evolve(entry, error=None), again_in)


async def _fail_without_pause(self: SQLiteInbox, entry: InboxEntry, again_in: float | None) -> bool:
    return await SQLiteInbox.fail(self, entry, None if again_in is None else 0)


async def _fail_never_for_good(
    self: SQLiteInbox, entry: InboxEntry, again_in: float | None
) -> bool:
    return await SQLiteInbox.fail(self, entry, again_in or 0)


async def _fail_and_end_records(
    self: SQLiteInbox, entry: InboxEntry, again_in: float | None
) -> bool:
    await SQLiteInbox.remember(self, entry, "name", b"")
    return await SQLiteInbox.fail(self, entry, again_in)


async def _renew_in_words(self: Any, entry: InboxEntry) -> bool:  # noqa: ANN401 - its private lease
    before, self._lease = self._lease, 0.1
    renewed: bool = await SQLiteInbox.renew(self, entry)
    self._lease = before
    return renewed


async def _renew_what_is_lost(_self: SQLiteInbox, _entry: InboxEntry) -> bool:
    return True


async def _complete_what_is_lost(self: SQLiteInbox, entry: InboxEntry) -> bool:
    await SQLiteInbox.complete(self, entry)
    return True


async def _complete_for_long(self: Any, entry: InboxEntry) -> bool:  # noqa: ANN401 - its private time
    self._keep *= 600
    completed: bool = await SQLiteInbox.complete(self, entry)
    return completed


async def _remember_once(self: SQLiteInbox, entry: InboxEntry, name: str, value: bytes) -> None:
    if await SQLiteInbox.recall(self, entry, name) is None:
        await SQLiteInbox.remember(self, entry, name, value)


async def _remember_with_a_lease(
    self: SQLiteInbox, entry: InboxEntry, name: str, value: bytes
) -> None:
    if await SQLiteInbox.renew(self, entry):
        await SQLiteInbox.remember(self, entry, name, value)


async def _remember_in_memory(self: Any, entry: InboxEntry, name: str, value: bytes) -> None:  # noqa: ANN401 - with a dict
    self.__dict__.setdefault("records", {})[entry.key, name] = value


async def _recall_from_memory(self: Any, entry: InboxEntry, name: str) -> Any:  # noqa: ANN401 - with a dict
    return self.__dict__.get("records", {}).get((entry.key, name))


async def _remember_for_anyone(self: Any, entry: InboxEntry, name: str, value: bytes) -> None:  # noqa: ANN401 - with a dict
    self.owners[name] = entry
    await SQLiteInbox.remember(self, entry, name, value)


async def _recall_for_anyone(self: Any, entry: InboxEntry, name: str) -> bytes | None:  # noqa: ANN401 - with a dict
    return await SQLiteInbox.recall(self, self.owners.get(name, entry), name)


async def _recall_what_is_over(self: SQLiteInbox, entry: InboxEntry, name: str) -> bytes | None:
    found = await SQLiteInbox.recall(self, entry, name)
    if found is None and not await SQLiteInbox.renew(self, entry) and name == "name":
        return b""
    return found


@pytest.mark.parametrize(
    ("methods", "promise"),
    [
        ({"take": nothing}, "take returns what was put"),
        ({"put": _put_as_new}, "put returns False for one that waits"),
        ({"take": _take_and_free}, "take leases an entry once"),
        ({"fail": _fail_without_error}, "fail keeps the error of the entry"),
        ({"fail": _fail_without_pause}, "an entry is due when again_in has passed"),
        ({"fail": _fail_never_for_good}, "what failed for good is never due"),
        ({"renew": _renew_what_is_lost}, "fail ends the lease"),
        ({"renew": _renew_in_words}, "a lease lasts for `lease` seconds after renew"),
        ({"take": _take_for_a_minute}, "an entry says for how many seconds its lease lasts"),
        ({"complete": _complete_what_is_lost}, "complete ends the lease"),
        ({"remember": nothing}, "recall returns what was recorded last"),
        ({"remember": _remember_once}, "recall returns what was recorded last"),
        (
            {"owners": {}, "remember": _remember_for_anyone, "recall": _recall_for_anyone},
            "for that entry and that name alone",
        ),
        (
            {"remember": _remember_in_memory, "recall": _recall_from_memory},
            "records are durable",
        ),
        ({"remember": _remember_with_a_lease}, "records outlast a lost lease"),
        ({"fail": _fail_and_end_records}, "records outlast a failure"),
        ({"recall": _recall_what_is_over}, "records end with the completion"),
        ({"complete": _complete_for_long}, "what is completed is known for `keep` seconds"),
    ],
)
async def test_a_broken_inbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: dict[str, Any], promise: str
) -> None:
    """The error of an inbox that breaks a promise says which."""
    clock = QuickClock()
    asyncio_of_clock = SimpleNamespace(gather=asyncio.gather, sleep=clock.sleep)
    monkeypatch.setattr(contracts, "asyncio", asyncio_of_clock)
    monkeypatch.setattr(contracts, "time", clock)
    broken: Any = changed(SQLiteInbox, **methods)

    with pytest.raises(AssertionError, match=promise):
        await check_inbox(partial(broken, tmp_path / "inbox.db", clock=lambda: clock.seconds))


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
