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

SECTIONS = {
    "known": [
        ("put returns False for one that waits", "put", 2, ""),
        ("take returns what was put", "take", 2, "key"),
        ("take leases an entry once", "take", 3, ""),
    ],
    "records": [
        ("records outlast a failure", "recall", 8, ""),
        ("recall returns", "recall", 1, ""),
        ("what was recorded last", "recall", 2, ""),
        ("for that entry and that name alone", "recall", 2, ""),
        ("records are durable", "recall", 5, ""),
        ("records outlast a lost lease", "take", 23, "number"),
        ("records end with the completion", "recall", 9, ""),
    ],
    "failures": [
        ("fail ends the lease", "renew", 1, ""),
        ("fail keeps the error", "take", 22, "error"),
        ("an entry is due when retry_in has passed", "take", 2, ""),
        ("what failed for good is never due", "take", 23, ""),
    ],
    "releases": [
        ("an entry says how often it was released", "take", 2, "releases"),
        ("release counts no failure", "take", 2, "failures"),
        ("records outlast a release", "recall", 1, ""),
        ("release waits for `retry_in` seconds", "take", 3, ""),
    ],
    "completion": [
        ("what is completed is known for the `keep` seconds of the inbox", "put", 2, ""),
        ("complete ends the lease", "complete", 2, ""),
    ],
    "leases": [
        ("an entry says for how many seconds its lease lasts", "take", 1, "lease"),
        ("an entry says for how many seconds its lease had been over", "take", 22, "late"),
        ("a lease lasts for `lease` seconds after renew", "take", 2, ""),
    ],
    "lines": [
        ("of a line one is taken at a time", "take", 1, "key"),
        ("an entry says in which line it is", "take", 1, "line"),
        ("an entry that was stored later has a higher number", "take", 5, "number"),
        ("put refuses an empty line", "put", 5, ""),
        ("put takes any other text as a line", "put", 6, ""),
    ],
    "strict_order": [
        ("an entry that failed holds up its line", "take", 2, ""),
        ("what is due again takes its place", "take", 25, "key"),
        ("an entry says for how many seconds it had been due", "take", 25, "late"),
    ],
    "pauses": [
        ("what fails without holding up its line", "take", 2, "key"),
        ("what is put off without a failure", "unfinished", 1, "error"),
        ("what is put off without a failure and holds up its line", "take", 4, ""),
        ("what is released and holds up its line", "take", 25, ""),
    ],
    "outages": [
        ("an entry that an outage gave back is the next", "take", 3, "key"),
        ("returns because of an outage within one minute count as one", "take", 4, "failures"),
        ("a failure begins to count outages from 0 again", "take", 5, "failures"),
    ],
    "expiries_in_a_line": [
        ("of a line the one whose lease has expired goes on", "take", 23, "expiries")
    ],
    "delays": [
        ("take returns nothing that is due after now", "take", 26, ""),
        ("an entry is due `after` seconds after put", "take", 1, "key"),
        ("put refuses a negative `after`", "put", 3, ""),
        ("put refuses `after` together with `at`", "put", 4, ""),
        ("put refuses an `at` without a time zone", "put", 5, ""),
        ("an entry is due at `at`", "unfinished", 1, "key"),
        ("now has a time zone", "now", 1, ""),
        ("take returns what was due at the time of now", "take", 25, ""),
        ("what is past when it is put is due from then on", "take", 23, "late"),
    ],
    "replacements": [
        ("put returns True and replaces what doesn't run", "put", 1, ""),
        ("what replaces another has all its attempts", "take", 2, "line"),
        ("what replaces another has no records of that", "recall", 1, ""),
        ("one whose lease is over is replaced", "complete", 3, ""),
    ],
    "successors": [
        ("a successor waits until the one that runs has ended", "put", 2, ""),
        ("a later successor replaces an earlier one", "take", 7, "key"),
        ("a successor is listed", "unfinished", 1, ""),
        ("counts has successors", "counts", 1, "scheduled"),
        ("a successor takes the place of what is kept as failed", "unfinished", 2, ""),
    ],
    "cancellations": [
        ("cancel returns False if there is nothing", "cancel", 1, ""),
        ("cancel forgets the key", "put", 2, ""),
        ("cancel removes the successor of what runs", "cancel", 4, ""),
    ],
    "counts": [
        ("counts has all that waits", "counts", 2, "waiting"),
        ("counts has what is kept as failed", "counts", 26, "failed"),
        ("for how many seconds the oldest waiting one has been due", "counts", 25, "oldest"),
        ("counts has each in one state", "counts", 27, "unreadable"),
    ],
    "listing": [
        ("in the order in which it was stored", "unfinished", 1, ""),
        ("unfinished says who holds", "unfinished", 1, "holder"),
        ("unfinished has the failures and the last error", "unfinished", 1, "error"),
        ("unfinished says in which state each is", "unfinished", 1, "state"),
    ],
    "decisions": [
        ("retry returns how many it made due", "renew", 1, ""),
        ("retry makes due what is due later", "retry", 2, ""),
        ("retry changes nothing that can't be read", "retry", 3, ""),
        ("drop returns how many have failed", "drop", 1, ""),
        ("what was dropped is known for `keep` seconds", "cancel", 1, ""),
    ],
    "questions": [
        ("a question is opened with what was stored before it", "ask", 1, "number"),
        ("a question is opened with what was stored before it", "ask", 1, "opened"),
        ("ask again changes the data alone", "ask", 2, "place"),
        ("questions finds a question by its place, and its owner", "questions", 1, ""),
        ("questions finds a question by its place, and its owner", "questions", 2, ""),
        ("questions finds no others", "questions", 3, ""),
        ("the call that sets the seconds of a question moves it", "ask", 3, "place"),
        ("the call that sets the seconds of a question moves it", "questions", 4, ""),
        ("a question that was moved stays where it is", "ask", 4, "place"),
        ("wait returns True", "wait", 1, ""),
        ("wait ends the lease", "wait", 2, ""),
        ("counts has what asks", "counts", 1, "asking"),
        ("what is stored later has a higher number", "take", 2, "number"),
        ("answer returns True$", "answer", 1, ""),
        ("answer returns True for an entry that has answered", "answer", 2, ""),
        ("answer closes the question", "questions", 5, ""),
        ("answer records which one it was", "records", 1, ""),
        ("what was answered is due, and waits", "take", 3, "key"),
        ("answer returns True for an entry that has answered", "ask", 5, ""),
        ("records returns all records", "records", 2, ""),
    ],
    "closings": [
        ("answer returns False, and records nothing", "answer", 2, ""),
        ("answer returns False, and records nothing", "records", 1, ""),
        ("an entry has one question at a time", "questions", 1, ""),
        ("unask closes a question", "questions", 2, ""),
        ("a conversation that is given back holds up its line", "take", 4, ""),
        ("a question is open beside others of its entry", "questions", 3, ""),
        ("complete closes the questions", "questions", 4, ""),
        ("ask returns None, and opens nothing, if the lease is lost", "ask", 7, ""),
    ],
    "fences": [
        ("remember with leased does nothing", "recall", 2, ""),
        ("questions returns them to who has the lease", "questions", 1, ""),
        ("unask does nothing for who has lost the lease", "questions", 2, ""),
        ("questions returns None to who has lost the lease", "questions", 3, ""),
    ],
    "several": [
        ("questions finds those of an entry that are sent, and whose time", "questions", 1, ""),
        ("what asks several is due when the first of them is over", "ask", 5, ""),
        ("the end of a question leaves the others of its entry open", "questions", 2, ""),
    ],
    "exits": [
        ("what has left its line holds up nobody", "take", 2, ""),
        ("what has left its line has none any more", "take", 4, "line"),
        ("renew returns True", "renew", 1, ""),
        ("renew returns False at the end", "renew", 2, ""),
    ],
    "stops": [
        ("an entry says that it is stopped", "take", 9, "stopped"),
        ("stop returns what has begun, and asks nothing", "stop", 1, ""),
        ("stop returns what it marks, once", "stop", 2, ""),
        ("stopping has what is stopped, and runs", "stopping", 1, ""),
        ("stop marks what its owner begins with", "stop", 3, ""),
        ("what was stopped is known as any other", "put", 9, ""),
    ],
    "stopped_jobs": [
        ("stop returns nothing for a key that isn't known", "stop", 1, ""),
        ("stop leaves what neither runs nor asks", "stop", 2, ""),
        ("stop ends the question of a key", "stop", 3, ""),
        ("stop ends the question of a key", "questions", 1, ""),
        ("stop ends the question of a key", "recall", 1, ""),
        ("what is stopped isn't stopped again", "stop", 4, ""),
        ("stop removes the successor, and cancel leaves what is stopped", "cancel", 1, ""),
        ("put behind a job that is stopped stores its successor, once", "put", 3, ""),
        ("put behind a job that is stopped stores its successor, once", "put", 4, ""),
        ("stop marks what runs", "stop", 5, ""),
        ("the key of a job that was stopped is free", "put", 6, ""),
        ("put returns False for a message that is stopped", "put", 8, ""),
    ],
    "order_in_a_line": [("what is stored in a line has a higher number", "unfinished", 18, "key")],
    "queues": [
        ("the first question that queues at a place is open", "ask", 1, "opened"),
        ("a question that queues waits for the one before it", "ask", 2, "opened"),
        ("a question that waits can't be answered", "answer", 1, ""),
        ("a question that doesn't queue waits for none", "ask", 4, "opened"),
        ("a question that waits is due when the one before it is closed", "take", 5, ""),
        ("a question that waits is due when the one before it is closed", "take", 7, "key"),
        ("a question that waits is due when the one before it is closed", "take", 8, ""),
        ("a question that waits is due when the one before it is closed", "ask", 5, "opened"),
        ("fail closes the questions of what is kept as failed", "take", 9, "key"),
    ],
    "ends_of_questions": [
        ("a question whose seconds have passed has no answer", "ask", 2, ""),
        ("that there was no answer is recorded", "recall", 1, ""),
        ("retry counts what asks", "retry", 1, ""),
        ("retry ends the question of what asks", "ask", 4, ""),
        ("end counts what it ends", "end", 1, ""),
        ("end records its data, and closes the question", "recall", 2, ""),
        ("end records its data, and closes the question", "questions", 1, ""),
        ("cancel closes its question", "questions", 2, ""),
        ("put in place of what asks closes its question", "questions", 3, ""),
    ],
    "late_answers": [
        ("a question doesn't end while what was stored before may answer it", "ask", 2, ""),
        ("an end that was put off comes when nothing may answer", "ask", 3, ""),
        ("what can't answer a question any more doesn't put off its end", "ask", 9, ""),
    ],
    "claims": [
        ("claim returns True once", "claim", 2, ""),
        ("also if others were refused", "claim", 6, ""),
        ("claims and keys have nothing to do with each other", "put", 1, ""),
        ("unclaim leaves the claims of another inbox", "claim", 4, ""),
        ("unclaim lets the next who asks get it", "claim", 24, ""),
        ("a claim of the inbox is renewed", "claim", 28, ""),
        ("a claim that is renewed lasts from then on", "claim", 32, ""),
    ],
    "times": [
        ("caught_up returns None for a name that has no time", "caught_up", 1, ""),
        ("caught_up returns the last time of a name", "caught_up", 2, ""),
        ("set_caught_up refuses a time without a time zone", "set_caught_up", 4, ""),
    ],
}
"""The promise that a wrong result of the n-th call breaks, by section of the check."""


def _wrong(result: Any, attribute: str) -> Any:  # noqa: ANN401, PLR0911 - of any method
    """Return another result than the right one, or that with another value of an attribute."""
    match result:
        case bool():
            return not result
        case bytes() | None:
            return b"wrong"
        case int():
            return result + 1
        case datetime():
            return result.replace(tzinfo=None)
        case {}:
            return {"wrong": b""}
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
    """Return a class of inboxes whose n-th call of a method has a wrong result, or no error."""
    calls = count(1)
    right = getattr(SQLiteInbox, method)

    async def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - of any method
        is_wrong = next(calls) == number
        try:
            result = await right(*arguments, **options)
        except ValueError:
            if is_wrong:
                return None
            raise
        return _wrong(result, attribute) if is_wrong else result

    async def listing(inbox: SQLiteInbox) -> AsyncIterator[Any]:
        listed = [each async for each in right(inbox)]
        for each in _wrong(listed, attribute) if next(calls) == number else listed:
            yield each

    return type("Broken", (SQLiteInbox,), {method: listing if method == "unfinished" else call})


@pytest.mark.parametrize(
    ("section", "promise", "broken"),
    [(section, row[0], row[1:]) for section, rows in SECTIONS.items() for row in rows],
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
