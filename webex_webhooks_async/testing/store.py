"""The webhooks of a sandbox, oldest first, and their pages."""

import itertools
from collections.abc import Iterator

from attrs import frozen

from webex_webhooks_async.models.webhooks import Webhook


@frozen(kw_only=True)
class StoredPage:
    """A page of webhooks.

    Attributes:
        items: The webhooks, oldest first.
        cursor: What the next page starts after; None if there is no more.
    """

    items: tuple[Webhook, ...]
    cursor: str | None


class WebhookStore:
    """The webhooks that are there.

    Each has a number that only grows, and a cursor names a number. So what is made or deleted
    while someone pages neither repeats nor skips any other.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._stored: dict[str, tuple[int, Webhook]] = {}

    def __iter__(self) -> Iterator[Webhook]:
        return iter([webhook for _, webhook in self._stored.values()])

    def add(self, webhook: Webhook) -> None:
        """Store a new webhook."""
        self._stored[webhook.id] = (next(self._numbers), webhook)

    def get(self, webhook_id: str) -> Webhook | None:
        """The webhook of that id, as it is now."""
        _, webhook = self._stored.get(webhook_id, (0, None))
        return webhook

    def replace(self, webhook: Webhook) -> None:
        """Store a webhook in place of the one of its id."""
        number, _ = self._stored[webhook.id]
        self._stored[webhook.id] = (number, webhook)

    def remove(self, webhook: Webhook) -> None:
        """Forget a webhook."""
        del self._stored[webhook.id]

    def page(self, *, size: int, owned_by: str | None, cursor: str | None) -> StoredPage:
        """The webhooks that come after a cursor.

        Raises:
            ValueError: `cursor` is none of ours.
        """
        after = _number(cursor) if cursor is not None else 0
        rest = [
            (number, webhook)
            for number, webhook in self._stored.values()
            if number > after and owned_by in {None, webhook.owned_by}
        ]
        page = rest[:size]
        return StoredPage(
            items=tuple(webhook for _, webhook in page),
            cursor=_cursor(page[-1][0]) if len(rest) > size else None,
        )


def _cursor(number: int) -> str:
    return f"after:{number}".encode().hex()


def _number(cursor: str) -> int:
    try:
        word, _, digits = bytes.fromhex(cursor).decode().partition(":")
    except ValueError:
        word, digits = "", ""
    if word != "after" or not digits.isdecimal():
        raise ValueError("the cursor is none that this service made")
    return int(digits)
