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


def test_pages_contain_everything_once() -> None:
    """Following the cursors gives every item, oldest first."""
    store = store_of("A", "B", "C")

    page = first_page(store)
    last = next_page(store, page)

    assert (page.items, last.items) == (("A", "B"), ("C",))


def test_pages_with_the_newest_first() -> None:
    """The same in the opposite order."""
    store = store_of("A", "B", "C")

    page = store.page(size=2, newest_first=True)
    last = store.page(size=2, cursor=page.cursor, newest_first=True)

    assert (page.items, last.items, last.cursor) == (("C", "B"), ("A",), None)


def test_the_last_page_has_no_cursor() -> None:
    """A full last page has no cursor, because nothing comes after it."""
    assert first_page(store_of("A", "B")).cursor is None


def test_items_removed_while_paging_skip_nothing() -> None:
    """Removing the items of a page, the cursor's own included, hides no other item."""
    store = store_of("A", "B", "C")
    page = first_page(store)

    for each in page.items:
        store.remove(each)

    assert next_page(store, page).items == ("C",)


def test_items_added_while_paging_come_last() -> None:
    """A new item repeats no other."""
    store = store_of("A", "B", "C")
    page = first_page(store)

    store.put("D", "D")

    assert next_page(store, page).items == ("C", "D")


def test_a_replaced_item_keeps_its_place() -> None:
    """An update moves nothing to another page."""
    store = store_of("A", "B", "C")

    store.put("A", "changed")

    assert first_page(store).items == ("changed", "B")


def test_a_page_of_matching_items() -> None:
    """A page may be limited to items that match a condition, also after a cursor."""
    store = store_of("A1", "B", "A2")

    page = store.page(size=1, where=lambda each: each.startswith("A"))
    last = store.page(size=1, where=lambda each: each.startswith("A"), cursor=page.cursor)

    assert (page.items, last.items, last.cursor) == (("A1",), ("A2",), None)


@pytest.mark.parametrize("cursor", ["", "x", "é", "YWZ0ZXI6", "-1", "/w==", "1.0", "²", "1" * 5000])
def test_an_unknown_cursor_is_refused(cursor: str) -> None:
    """A cursor from elsewhere is a ValueError, without a warning."""
    with pytest.raises(ValueError, match="cursor"):
        store_of("A").page(size=1, cursor=cursor)


def test_get() -> None:
    """An item is found by its id alone."""
    store = store_of("A")

    assert (store.get("A"), store.get("B")) == ("A", None)


def test_remove() -> None:
    """A removed item is gone, and removing it again changes nothing."""
    store = store_of("A", "B")

    store.remove("A")
    store.remove("A")

    assert list(store) == ["B"]


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


def test_so_many_failures_switch_off() -> None:
    """The hundredth failure within five minutes switches a webhook off, none before."""
    failures = FailureTracker(FakeClock())

    assert fail(failures, 100) == [False] * 99 + [True]


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


def test_after_a_reactivation_one_failure_is_too_many() -> None:
    """Within five minutes of being switched on again, one failure switches off."""
    clock = FakeClock()
    failures = FailureTracker(clock)

    failures.reactivated("W1")
    clock.advance(minutes=5)

    assert fail(failures, 1) == [True]


def test_five_minutes_after_a_reactivation_all_is_as_before() -> None:
    """Later, it takes a hundred failures again, and earlier ones don't count."""
    clock = FakeClock()
    failures = FailureTracker(clock)
    fail(failures, MAX_FAILURES)
    failures.reactivated("W1")
    clock.advance(minutes=5, seconds=1)

    assert fail(failures, 100) == [False] * 99 + [True]


def test_a_deleted_webhook_is_forgotten() -> None:
    """Nothing is kept of a deleted webhook."""
    failures = FailureTracker(FakeClock())
    fail(failures, MAX_FAILURES - 1)
    failures.reactivated("W1")

    failures.forget("W1")

    assert fail(failures, 1) == [False]
