"""A store of one kind of thing, oldest first, that lists in pages."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen(kw_only=True)
class StoredPage(Generic[T]):
    """A page of what is stored.

    Attributes:
        items: The items, in the order of the list.
        cursor: Where the next page continues; None after the last page.
    """

    items: tuple[T, ...]
    cursor: str | None


class Store(Generic[T]):
    """What is stored, by id.

    Each item has a number that only grows, and a cursor is the number of the last item that was
    listed. So items that are added or removed between two pages neither repeat nor skip another.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._stored: dict[str, tuple[int, T]] = {}

    def __iter__(self) -> Iterator[T]:
        return iter([item for _, item in self._stored.values()])

    def get(self, item_id: str) -> T | None:
        """The item with this id, as it is now."""
        stored = self._stored.get(item_id)
        return stored[1] if stored else None

    def put(self, item_id: str, item: T) -> None:
        """Store an item; it takes the place of the one with the same id."""
        stored = self._stored.get(item_id)
        self._stored[item_id] = (stored[0] if stored else next(self._numbers), item)

    def remove(self, item_id: str) -> None:
        """Remove the item with this id, if it is there."""
        self._stored.pop(item_id, None)

    def page(
        self,
        *,
        size: int,
        cursor: str | None = None,
        where: Callable[[T], bool] = lambda _item: True,
        newest_first: bool = False,
    ) -> StoredPage[T]:
        """The items after a cursor.

        Raises:
            ValueError: `cursor` comes from elsewhere.
        """
        last = None if cursor is None else _number(cursor)
        numbered = [*self._stored.values()]
        if newest_first:
            numbered.reverse()
        rest = [
            (number, item)
            for number, item in numbered
            if (last is None or (number < last if newest_first else number > last)) and where(item)
        ]
        page = rest[:size]
        return StoredPage(
            items=tuple(item for _, item in page),
            cursor=str(page[-1][0]) if len(rest) > size else None,
        )


def _number(cursor: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", cursor):
        raise ValueError("the cursor must come from the Link header of the page before")
    return int(cursor)
