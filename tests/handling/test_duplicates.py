import pytest

from tests.support.clocks import Time
from webex_webhooks_async.handling.duplicates import Duplicates


async def handle(duplicates: Duplicates, keys: str) -> str:
    """Handle what isn't known, and return the keys of that."""
    handled = ""
    for key in keys:
        if not duplicates.is_known(key):
            duplicates.begin(key)
            duplicates.end(key, is_handled=True)
            handled += key
    return handled


async def test_what_was_handled_is_forgotten_in_time() -> None:
    """A notification is known while it is handled, however long, and ten minutes after that."""
    clock = Time()
    duplicates = Duplicates(clock.now_in_seconds)
    duplicates.begin("a")
    clock.seconds += 1000

    assert duplicates.is_known("a")
    duplicates.end("a", is_handled=True)
    clock.seconds += 599

    assert await handle(duplicates, "ab") == "b"
    clock.seconds += 1

    assert await handle(duplicates, "ab") == "a"


async def test_what_failed_is_not_known() -> None:
    """A copy of a notification whose execution has failed is handled."""
    duplicates = Duplicates()
    duplicates.begin("a")
    duplicates.end("a", is_handled=False)

    assert not duplicates.is_known("a")


@pytest.mark.once
async def test_the_oldest_makes_room() -> None:
    """Of those that were handled, 100,000 are known at most; what is being handled stays known."""
    duplicates = Duplicates()
    duplicates.begin("under way")
    for number in range(100_001):
        assert number < 100_000 or duplicates.is_known("0")
        duplicates.begin(str(number))
        duplicates.end(str(number), is_handled=True)

    assert not duplicates.is_known("0")
    assert duplicates.is_known("1")
    assert duplicates.is_known("under way")
