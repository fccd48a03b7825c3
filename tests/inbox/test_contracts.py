"""What the checks of a storage of one's own say about a broken one."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.support.clocks import check_inbox_at_once
from webex_webhooks_async.inbox.base import Inbox
from webex_webhooks_async.inbox.entries import InboxEntry
from webex_webhooks_async.inbox.sqlite import SQLiteInbox

pytestmark = pytest.mark.once

BROKEN = [
    ("known", "put", 2, ""),
    ("records", "recall", 8, ""),
    ("failures", "renew", 1, ""),
    ("releases", "take", 2, "releases"),
    ("completion", "put", 2, ""),
    ("leases", "take", 1, "lease"),
    ("lines", "take", 1, "key"),
    ("strict_order", "take", 2, ""),
    ("pauses", "take", 2, "key"),
    ("outages", "take", 3, "key"),
    ("expiries_in_a_line", "take", 23, "expiries"),
    ("delays", "take", 26, ""),
    ("replacements", "put", 1, ""),
    ("successors", "put", 2, ""),
    ("cancellations", "cancel", 1, ""),
    ("counts", "counts", 2, "waiting"),
    ("listing", "unfinished", 1, ""),
    ("decisions", "renew", 1, ""),
    ("questions", "ask", 1, "number"),
    ("closings", "answer", 2, ""),
    ("fences", "recall", 2, ""),
    ("several", "questions", 1, ""),
    ("exits", "take", 2, ""),
    ("stops", "take", 9, "stopped"),
    ("stopped_jobs", "stop", 1, ""),
    ("order_in_a_line", "unfinished", 18, "key"),
    ("queues", "ask", 1, "opened"),
    ("ends_of_questions", "ask", 2, ""),
    ("late_answers", "ask", 2, ""),
    ("claims", "claim", 2, ""),
    ("times", "caught_up", 1, ""),
]
"""For each section of the check the call whose wrong result it notices."""


def _wrong(result: Any, attribute: str) -> Any:  # noqa: ANN401 - of any method
    """Return another result than the right one, or that with another value of an attribute."""
    match result:
        case bool() | int():
            return not result
        case [_, *_] if attribute:
            return [_wrong(each, attribute) for each in result]
        case InboxEntry() if not attribute:
            return None
        case _ if not attribute:
            return [] if result else [result]
        case _:
            right = getattr(result, attribute)
            wrong: dict[str, Any] = {"key": "x", "place": "x", "number": 0, "late": 1000.0}
            return evolve(result, **{attribute: wrong.get(attribute, None if right else 1)})


def _broken(method: str, number: int, attribute: str) -> type[SQLiteInbox]:
    """Return a class of inboxes whose n-th call of a method has a wrong result."""
    calls = count(1)
    right = getattr(SQLiteInbox, method)

    async def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - of any method
        is_wrong = next(calls) == number
        result = await right(*arguments, **options)
        return _wrong(result, attribute) if is_wrong else result

    async def listing(inbox: SQLiteInbox) -> AsyncIterator[Any]:
        listed = [each async for each in right(inbox)]
        for each in _wrong(listed, attribute) if next(calls) == number else listed:
            yield each

    return type("Broken", (SQLiteInbox,), {method: listing if method == "unfinished" else call})


@pytest.mark.parametrize(("section", "method", "number", "attribute"), BROKEN)
async def test_a_broken_inbox(
    tmp_path: Path, section: str, method: str, number: int, attribute: str
) -> None:
    """A wrong result is an error."""
    make = partial(_broken(method, number, attribute), tmp_path / "inbox.db")
    with pytest.raises(AssertionError):
        await check_inbox_at_once(make, section)


class _InboxWithoutTimes(SQLiteInbox):
    """An inbox of somebody who needs no catching up."""

    caught_up = Inbox.caught_up
    set_caught_up = Inbox.set_caught_up


async def test_an_inbox_that_keeps_no_times(tmp_path: Path) -> None:
    """It keeps all that it promises, and says that it has no times."""
    path = tmp_path / "inbox.db"
    await check_inbox_at_once(partial(_InboxWithoutTimes, path))
    async with aclosing(_InboxWithoutTimes(path)) as inbox:
        with pytest.raises(NotImplementedError):
            await inbox.caught_up("name")
        with pytest.raises(NotImplementedError):
            await inbox.set_caught_up("name", datetime.now(UTC))
