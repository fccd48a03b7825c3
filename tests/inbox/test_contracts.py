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

BROKEN: list[tuple[str, str, str, int, str]] = [
    ("known", "put returns False for one that waits", "put", 2, ""),
    ("records", "records outlast a failure", "recall", 8, ""),
    ("failures", "fail ends the lease", "renew", 1, ""),
    ("releases", "an entry says how often it was released", "take", 2, "releases"),
    ("completion", "what is completed is known for the `keep` seconds of the inbox", "put", 2, ""),
    ("leases", "an entry says for how many seconds its lease lasts", "take", 1, "lease"),
    ("lines", "of a line one is taken at a time", "take", 1, "key"),
    ("strict_order", "an entry that failed holds up its line", "take", 2, ""),
    ("pauses", "what fails without holding up its line", "take", 2, "key"),
    ("outages", "an entry that an outage gave back is the next", "take", 3, "key"),
    ("expiries_in_a_line", "whose lease has expired goes on", "take", 23, "expiries"),
    ("delays", "take returns nothing that is due after now", "take", 26, ""),
    ("replacements", "put returns True and replaces what doesn't run", "put", 1, ""),
    ("successors", "a successor waits until the one that runs has ended", "put", 2, ""),
    ("cancellations", "cancel returns False if there is nothing", "cancel", 1, ""),
    ("counts", "counts has all that waits", "counts", 2, "waiting"),
    ("listing", "in the order in which it was stored", "unfinished", 1, ""),
    ("decisions", "retry returns how many it made due", "renew", 1, ""),
    ("questions", "a question is opened with what was stored before it", "ask", 1, "number"),
    ("closings", "answer returns False, and records nothing", "answer", 2, ""),
    ("fences", "remember with leased does nothing", "recall", 2, ""),
    ("several", "questions finds those of an entry that are sent", "questions", 1, ""),
    ("exits", "what has left its line holds up nobody", "take", 2, ""),
    ("stops", "an entry says that it is stopped", "take", 9, "stopped"),
    ("stopped_jobs", "stop returns nothing for a key that isn't known", "stop", 1, ""),
    ("order_in_a_line", "what is stored in a line has a higher number", "unfinished", 18, "key"),
    ("queues", "the first question that queues at a place is open", "ask", 1, "opened"),
    ("ends_of_questions", "a question whose seconds have passed has no answer", "ask", 2, ""),
    ("late_answers", "a question doesn't end while what was stored before may", "ask", 2, ""),
    ("claims", "claim returns True once", "claim", 2, ""),
    ("times", "caught_up returns None for a name that has no time", "caught_up", 1, ""),
]
"""For each section of the check a promise, and the call whose wrong result breaks it."""


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


@pytest.mark.parametrize(
    ("section", "promise", "broken"), [(row[0], row[1], row[2:]) for row in BROKEN]
)
async def test_a_broken_inbox(
    tmp_path: Path, section: str, promise: str, broken: tuple[str, int, str]
) -> None:
    """A wrong result is an error that says which promise the inbox breaks."""
    make = partial(_broken(*broken), tmp_path / "inbox.db")
    with pytest.raises(AssertionError, match=promise):
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
