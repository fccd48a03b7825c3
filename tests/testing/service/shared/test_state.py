import pytest

from tests.testing.doubles import FakeClock
from webex_webhooks_async.testing.service.shared.state import (
    MAX_FAILURES,
    FailureTracker,
    Store,
    StoredPage,
)


def store_of(*ids: str) -> Store[str]:
    """Make a store of items with these ids."""
    store = Store[str]()
    for item_id in ids:
        store.put(item_id, item_id)
    return store


def first_page(store: Store[str]) -> StoredPage[str]:
    """List a page of two."""
    return store.page(size=2)


def next_page(store: Store[str], page: StoredPage[str]) -> StoredPage[str]:
    """List the page of two that comes after."""
    return store.page(size=2, cursor=page.cursor)


def test_the_last_page_has_no_cursor() -> None:
    """A full last page has no cursor, because nothing comes after it."""
    assert first_page(store_of("A", "B")).cursor is None


def test_items_removed_while_paging_skip_nothing() -> None:
    """Removing the items of a page hides no other item, and new ones come last."""
    store = store_of("A", "B", "C")
    page = first_page(store)

    for each in page.items:
        store.remove(each)
        store.remove(each)  # again: nothing changes
    store.put("D", "D")

    assert next_page(store, page).items == ("C", "D")


@pytest.mark.parametrize("cursor", ["", "-1", "²", "1" * 5000])
def test_an_unknown_cursor_is_refused(cursor: str) -> None:
    """A cursor from elsewhere is a ValueError, without a warning."""
    with pytest.raises(ValueError, match="cursor"):
        store_of("A").page(size=1, cursor=cursor)


def test_items_may_change_during_iteration() -> None:
    """Items may be removed while the store is iterated over."""
    store = store_of("A", "B", "C")

    seen: list[str] = []
    for each in store:
        seen.append(each)
        store.remove(each)

    assert seen == ["A", "B", "C"]
    assert list(store) == []


def fail(failures: FailureTracker, times: int) -> list[bool]:
    """Let attempts for one webhook fail, and return which of them switch it off."""
    return [failures.attempt_failed("W1") for _ in range(times)]


def test_old_failures_do_not_count() -> None:
    """Failures that are longer ago than five minutes are forgotten one by one."""
    clock = FakeClock()
    failures = FailureTracker(clock)
    fail(failures, MAX_FAILURES - 1)
    clock.advance(minutes=5, seconds=1)

    assert fail(failures, 100) == [False] * 99 + [True]


def test_failures_of_five_minutes_count() -> None:
    """A failure exactly five minutes ago still counts."""
    clock = FakeClock()
    failures = FailureTracker(clock)
    fail(failures, MAX_FAILURES - 1)
    clock.advance(minutes=5)

    assert fail(failures, 1) == [True]


def test_webhooks_are_counted_apart() -> None:
    """One webhook's failures don't harm another."""
    failures = FailureTracker(FakeClock())
    fail(failures, MAX_FAILURES - 1)

    assert not failures.attempt_failed("W2")
