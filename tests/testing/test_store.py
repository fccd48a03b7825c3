import pytest

from tests.testing.doubles import webhook
from webex_webhooks_async.testing.store import StoredPage, WebhookStore


def store_of(*ids: str) -> WebhookStore:
    """Make a store of webhooks with these ids."""
    store = WebhookStore()
    for webhook_id in ids:
        store.add(webhook(id=webhook_id))
    return store


def ids_of(page: StoredPage) -> list[str]:
    """Tell which webhooks a page has."""
    return [each.id for each in page.items]


def first_page(store: WebhookStore) -> StoredPage:
    """Ask for a page of two."""
    return store.page(size=2, owned_by=None, cursor=None)


def next_page(store: WebhookStore, page: StoredPage) -> StoredPage:
    """Ask for the page of two that comes after."""
    return store.page(size=2, owned_by=None, cursor=page.cursor)


def test_pages_hold_everything_once() -> None:
    """Following the cursors gives every webhook, oldest first."""
    store = store_of("A", "B", "C")

    page = first_page(store)
    last = next_page(store, page)

    assert (ids_of(page), ids_of(last)) == (["A", "B"], ["C"])


def test_the_last_page_has_no_cursor() -> None:
    """A page that is full but the last one has none, for nothing would come after it."""
    assert first_page(store_of("A", "B")).cursor is None


def test_what_is_deleted_while_paging_skips_nothing() -> None:
    """Deleting webhooks of a page that was read, the cursor's own too, hides no other."""
    store = store_of("A", "B", "C")
    page = first_page(store)

    for each in page.items:
        store.remove(each)

    assert ids_of(next_page(store, page)) == ["C"]


def test_what_is_made_while_paging_comes_last() -> None:
    """A new webhook repeats no other."""
    store = store_of("A", "B", "C")
    page = first_page(store)

    store.add(webhook(id="D"))

    assert ids_of(next_page(store, page)) == ["C", "D"]


def test_what_is_changed_keeps_its_place() -> None:
    """An update moves nothing to another page."""
    store = store_of("A", "B", "C")

    store.replace(webhook(id="A", name="changed"))

    assert ids_of(first_page(store)) == ["A", "B"]
    assert first_page(store).items[0].name == "changed"


def test_a_page_of_one_owner() -> None:
    """A page may be limited to one kind of owner, also after a cursor."""
    store = WebhookStore()
    for webhook_id, owner in (("A", "org"), ("B", "creator"), ("C", "org")):
        store.add(webhook(id=webhook_id, owned_by=owner))

    page = store.page(size=1, owned_by="org", cursor=None)
    last = store.page(size=1, owned_by="org", cursor=page.cursor)

    assert (ids_of(page), ids_of(last), last.cursor) == (["A"], ["C"], None)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", *(each.hex() for each in (b"after:", b"after:-1", b"\xff", b"before:1"))],
)
def test_an_unknown_cursor_is_refused(cursor: str) -> None:
    """A cursor that the store didn't make is a ValueError, whatever it is."""
    with pytest.raises(ValueError, match="cursor"):
        store_of("A").page(size=1, owned_by=None, cursor=cursor)


def test_get() -> None:
    """A webhook is found by its id, and nothing by another."""
    store = store_of("A")

    assert webhook(id="A") == store.get("A")
    assert store.get("B") is None


def test_iteration_stands_changes() -> None:
    """Webhooks may go while someone goes through them."""
    store = store_of("A", "B", "C")

    seen: list[str] = []
    for each in store:
        seen.append(each.id)
        store.remove(each)

    assert seen == ["A", "B", "C"]
    assert list(store) == []
