# pyright: reportPrivateUsage=false

import asyncio
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, Mock

import psycopg
import pytest

from tests.support.clocks import let_pass
from tests.support.contracts import check_inbox
from tests.support.inboxes import taken
from tests.support.postgres_inboxes import BODY, Database, refuses
from tests.support.postgres_proxy import running_proxy
from tests.support.postgres_server import running_pgbouncer
from tests.support.wire import PATIENCE, idle_loop, until
from webex_webhooks_async import PostgresInbox
from webex_webhooks_async.inbox import postgres as postgres_room
from webex_webhooks_async.inbox.postgres import connections as postgres_connections
from webex_webhooks_async.inbox.postgres import inbox as postgres_inbox
from webex_webhooks_async.inbox.postgres import sql as postgres_sql
from webex_webhooks_async.inbox.postgres import statements as postgres_statements
from webex_webhooks_async.testing import sample_notification
from webex_webhooks_async.types import InboxCounts

LONG = os.urandom(6_000).hex()
"""A text that no index can hold."""
PUT = "known AS k"  # what only this statement has
TAKE = "WITH seen AS"
COMPLETE = "gone AS ("
END = "ended AS ("
CLAIM = "claims AS c"
FOUND = "has_schema_privilege"


class TestPromises:
    async def test_it_keeps_what_an_inbox_promises(self, database: Database) -> None:
        """A role that only uses the tables passes the check of inboxes, under any isolation."""
        script = postgres_sql.script(database.schema).encode()
        options = r"-cdefault_transaction_isolation=repeatable\ read"
        for number in (6, 1):
            connections = [
                await psycopg.AsyncConnection.connect(
                    database.url, autocommit=True, options=options
                )
                for _ in range(number)
            ]
            await asyncio.gather(*(each.execute(script) for each in connections))
            for each in connections:
                await each.close()
        assert database.execute("SELECT count(*) FROM version") == [(1,)]
        url = database.role()
        database.allow()
        database.execute(
            f"ALTER ROLE role_{database.schema} SET default_transaction_isolation = serializable",
            "ALTER TABLE notifications ADD CHECK (line <> 'refused')",
        )
        await check_inbox(partial(database.inbox, url))
        async with database.inboxes(1, url) as (inbox,):
            with pytest.raises(OSError, match="can't do it"):
                await inbox.put("a key", BODY, line="refused")
            assert await inbox.put("a key", BODY) is True

    @pytest.mark.once
    async def test_pooler(self, database: Database) -> None:
        """It keeps its promises behind a pooler that changes the connection with each statement."""
        with running_pgbouncer(database.server) as url:
            await check_inbox(partial(database.inbox, url))

    @pytest.mark.once
    @pytest.mark.parametrize(
        "schema",
        ["a b", 'say "it"', "it's $_$ %s {schema}", "<lease> of <version>", "ü" * 31],
    )
    async def test_names_of_schemas(self, inbox: PostgresInbox) -> None:
        """A schema may have any name that PostgreSQL takes."""
        assert await inbox.put("a key", BODY) is True
        assert (await taken(inbox)).key == "a key"

    @pytest.mark.once
    async def test_long_names(self, inbox: PostgresInbox) -> None:
        """A key, a line and the name of a claim or a record may be as long as a program likes."""
        names = [f"{LONG}1", f"{LONG}2"]
        for name in names:
            assert await inbox.put(name, BODY, line=LONG) is True
            assert await inbox.put(name, BODY) is False
            assert [await inbox.claim(name, 60) for _ in range(2)] == [True, False]
        entry = await taken(inbox)
        assert await inbox.take() is None  # it is in the same line
        await inbox.remember(entry, names[0], b"1")
        assert [await inbox.recall(entry, name) for name in names] == [b"1", None]
        await inbox.fail(entry, error="it failed", retry_in=None)
        assert await inbox.drop(names) == 1

    async def test_text_is_cleaned(self, inbox: PostgresInbox) -> None:
        """What PostgreSQL can't store of a text is replaced: NUL, and halves of surrogates."""
        assert await inbox.put("a\0key\ud800", BODY, line="\0\ud800") is True
        assert await inbox.put("a\0key\ud800", BODY) is False
        entry = await taken(inbox)
        await inbox.remember(entry, "a\0name", b"\0")
        assert await inbox.recall(entry, "a\0name") == b"\0"
        assert await inbox.claim("\0\ud800", 1) is True
        await inbox.fail(entry, error="why\0\udfff", retry_in=0)
        assert (await taken(inbox)).error == "why??"

    @pytest.mark.once
    async def test_times_without_an_end(self, database: Database) -> None:
        """Seconds count that PostgreSQL can't add to a time, or can't read as text."""
        async with database.inboxes(lease=3e9, keep=1e-05) as (inbox,):
            await inbox.put("later", BODY, after=3e9)
            await inbox.put("a key", BODY, after=1e-05)
            entry = await taken(inbox)
            assert await inbox.renew(entry) is True
            assert await inbox.release(entry, retry_in=1e-300) is True
            await inbox.complete(await taken(inbox))
            assert await inbox.put("a key", BODY) is True


@pytest.mark.once
class TestSharing:
    async def test_equal_renewals(self, inbox: PostgresInbox) -> None:
        """Of two calls at the same moment that renew a lease, both find it."""
        await inbox.put("a key", BODY)
        entry = await taken(inbox)
        assert await asyncio.gather(*(inbox.renew(entry) for _ in range(2))) == [True, True]

    async def test_calls_share_statements(self, database: Database) -> None:
        """What is stored at the same time is one statement, in the order of the calls."""
        async with database.through_proxy() as (inbox, proxy):
            keys = [f"{number}" for number in range(64)]
            assert all(await asyncio.gather(*(inbox.put(each, BODY) for each in keys)))
            assert proxy.sent(PUT) == 1
            assert [(await taken(inbox)).key for _ in keys] == keys

    async def test_a_call_that_is_refused(self, inbox: PostgresInbox, database: Database) -> None:
        """A call that PostgreSQL refuses does no harm to those that shared its statement."""
        database.execute("ALTER TABLE notifications ADD CHECK (line <> 'refused')")
        lines = [None, "refused", None]
        puts = [inbox.put(f"{place}", BODY, line=line) for place, line in enumerate(lines)]
        good, refused, better = await asyncio.gather(*puts, return_exceptions=True)
        assert good is better is True
        assert isinstance(refused, OSError)

    async def test_a_statement_that_takes_too_long(self, database: Database) -> None:
        """What the role's `statement_timeout` ends is tried again."""
        limit = "?options=-cstatement_timeout%3D100"
        async with database.through_proxy(limit, timeout=60) as (inbox, proxy):
            with database.holding("INSERT INTO known VALUES ('a key', gen_random_uuid())"):
                putting = asyncio.create_task(inbox.put("a key", BODY))
                await until(lambda: proxy.sent(PUT) > 1)
            assert await putting is True

    async def test_pauses(self, database: Database) -> None:
        """What PostgreSQL refuses for the moment is tried again ten times a second at most."""
        limit = "?options=-clock_timeout%3D1"
        async with database.through_proxy(limit, timeout=60) as (inbox, proxy):
            with database.holding("LOCK TABLE claims"):
                began = time.monotonic()
                claiming = asyncio.create_task(inbox.claim("a name", 60))
                await until(lambda: proxy.sent(CLAIM) > 2)
                assert time.monotonic() - began > 0.2
            assert await claiming is True

    async def test_calls_that_nobody_waits_for(self, database: Database) -> None:
        """Nothing is stored for calls that were all cancelled while there was no connection."""
        async with database.through_proxy() as (inbox, proxy):
            await inbox.aclose()
            putting = asyncio.create_task(inbox.put("a key", BODY))
            await idle_loop(2)
            putting.cancel()
            await asyncio.wait([putting])
            await inbox.counts()
            assert proxy.sent(PUT) == 0

    async def test_a_call_that_is_cancelled_meanwhile(
        self, inbox: PostgresInbox, database: Database
    ) -> None:
        """A call that is cancelled while its statement runs does no harm to those that share it."""
        with database.holding("INSERT INTO known VALUES ('c', gen_random_uuid())"):
            puts = [asyncio.create_task(inbox.put(key, BODY)) for key in "abc"]
            await until(lambda: database.server.blocked() > 0)
            puts[1].cancel()
            await asyncio.wait([puts[1]])
        assert [await puts[0], await puts[2]] == [True, True]

    async def test_large_bodies(self, database: Database) -> None:
        """Bodies that are large together don't share a statement; a single one may be larger."""
        async with database.through_proxy() as (inbox, proxy):
            sizes = (1_500_000, 600_000, 600_000, 1)
            puts = [inbox.put(f"{size} {place}", b"x" * size) for place, size in enumerate(sizes)]
            assert all(await asyncio.gather(*puts))
            assert proxy.sent(PUT) == 3
            assert len((await taken(inbox)).body) == 1_500_000

    async def test_connections(self, inbox: PostgresInbox, database: Database) -> None:
        """Calls of all methods at once use three connections."""
        await inbox.put("a key", BODY)
        entry = await taken(inbox)
        both: list[Callable[[], Awaitable[object]]] = [
            *(partial(inbox.put, f"{number}", BODY) for number in range(20)),
            *(inbox.take, inbox.counts, partial(inbox.retry, []), partial(inbox.drop, [])),
            *(partial(inbox.renew, entry), partial(inbox.recall, entry, "a name")),
            *(partial(inbox.claim, "a name", 1), partial(inbox.unclaim, "another")),
        ]
        await asyncio.gather(*(each() for each in 5 * both))
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ 'webex'"
        assert database.execute(query) == [(3,)]

    async def test_forgetting(self, inbox: PostgresInbox, database: Database) -> None:
        """Keys whose time has passed are removed by calls that take, a thousand by each."""
        assert await inbox.take() is None
        known = "INSERT INTO known SELECT n::text, gen_random_uuid(), now()"
        database.execute(f"{known} FROM generate_series(1, 2_300) n")
        let_pass(1)
        left: list[int] = []
        for _ in range(4):
            assert await inbox.take() is None
            left += [database.execute("SELECT count(*) FROM known")[0][0]]
        assert left == [1_300, 300, 0, 0]

    async def test_ended_claims(self, inbox: PostgresInbox, database: Database) -> None:
        """Claims that have ended are removed as fast as others come."""
        for number in range(20):
            assert await inbox.claim(f"{number}", 1e-9) is True
        ((left,),) = database.execute("SELECT count(*) FROM claims")
        assert left <= 4


@pytest.mark.once
class TestLines:
    async def test_longest_first(self, inbox: PostgresInbox) -> None:
        """An entry that is due for the longest is taken first, whether it is in a room or not."""
        for key, line in (("1", "a room"), ("2", None), ("3", "another"), ("4", None)):
            await inbox.put(key, BODY, line=line)
        assert [(await taken(inbox)).key for _ in range(4)] == ["1", "2", "3", "4"]

    async def test_one_statement(self, database: Database) -> None:
        """A take is one statement, but for the first one that finds a line."""
        async with database.through_proxy() as (inbox, proxy):
            inbox._forgets_at = inbox._looks_at = inbox._empties_at = math.inf
            counts: list[int] = []
            for key, line in (("1", None), ("2", "a room"), ("3", None), ("4", "another")):
                await inbox.put(key, BODY, line=line)
                before = proxy.sent()
                assert (await taken(inbox)).key == key
                counts.append(proxy.sent() - before)
            before = proxy.sent()
            assert await inbox.take() is None
            assert [*counts, proxy.sent() - before] == [1, 2, 1, 1, 1]

    async def test_order_over_several_inboxes(self, database: Database) -> None:
        """What is in a line is handled one after the other, in any process, and whatever fails."""
        begun: dict[str, list[int]] = {}
        running: set[str] = set()
        failed: set[str] = set()
        total = 60

        async def put(inboxes: Sequence[PostgresInbox]) -> None:
            for number in range(total):
                room = f"room {number % 6}"
                assert await inboxes[number % 3].put(f"{number}", BODY, line=room)

        async def work(inbox: PostgresInbox) -> None:
            while sum(map(len, begun.values())) < total + len(failed):
                entry = await inbox.take()
                if entry is None:
                    continue
                assert entry.line is not None
                assert entry.line not in running
                running.add(entry.line)
                number = int(entry.key)
                begun.setdefault(entry.line, []).append(number)
                await asyncio.sleep(0)
                fails = number % 5 == 0 and entry.failures == 0
                if fails:
                    failed.add(entry.key)
                running.discard(entry.line)
                if fails:
                    assert await inbox.fail(entry, error="it failed", retry_in=0)
                else:
                    assert await inbox.complete(entry)

        async with database.inboxes(3) as inboxes:
            async with asyncio.timeout(60):
                await asyncio.gather(put(inboxes), *(work(each) for each in 2 * inboxes))
        # What failed is due at once, so it comes again before the next one.
        for numbers in begun.values():
            assert numbers == sorted(numbers)

    async def test_two_that_take_at_the_same_moment(self, database: Database) -> None:
        """Two processes that don't see each other yet can't both take of a line."""
        async with database.inboxes(2) as (one, other):
            await one.put("first", BODY, line="a room")
            await one.put("second", BODY, line="a room")
            # The second one is being taken by somebody whose transaction isn't committed.
            taking = (
                "UPDATE notifications SET token = gen_random_uuid(), stage = 1,"
                " due = now() + interval '1 hour' WHERE key = 'second'"
            )
            with database.holding(taking) as connection:
                waiting = asyncio.create_task(other.take())
                await until(lambda: database.server.blocked() > 0)
                connection.commit()
            assert await waiting is None


class TestOutages:
    async def test_restart(self, database: Database) -> None:
        """While the database restarts, calls wait."""
        async with database.inboxes(timeout=60) as (inbox,):
            database.server.crash()
            try:
                waiting = asyncio.create_task(inbox.put("a key", BODY))
                await asyncio.wait([waiting], timeout=0.2)
                assert not waiting.done()
            finally:
                database.server.restart()
            assert await waiting is True
            assert (await taken(inbox)).key == "a key"

    async def test_database_that_stays_down(self, database: Database) -> None:
        """A database that is down for longer than `timeout` is a `ConnectionError`."""
        async with database.inboxes(timeout=2) as (inbox,):
            database.server.crash()
            try:
                puts = [inbox.put(f"{number}", BODY) for number in range(3)]
                for error in await asyncio.gather(*puts, return_exceptions=True):
                    assert isinstance(error, ConnectionError)
                    assert "Connection refused" in str(error)
            finally:
                database.server.restart()
            assert await inbox.put("a key", BODY) is True

    async def test_frozen_server(self, database: Database) -> None:
        """A server that doesn't respond is left after `timeout`, and used again when it does."""
        async with database.through_proxy(timeout=2) as (inbox, proxy):
            await inbox.put("a key", BODY)
            proxy.freeze()
            cancelled = asyncio.create_task(inbox.put("a third", BODY))
            calls = [inbox.put("another", BODY), inbox.take(), inbox.claim("a name", 60)]
            asyncio.get_running_loop().call_later(0.1, cancelled.cancel)
            async with asyncio.timeout(PATIENCE):
                errors = await asyncio.gather(*calls, return_exceptions=True)
            for error in errors:
                # An older libpq may say of a new connection that the server closed it.
                assert isinstance(error, TimeoutError | ConnectionError)
                assert "2 s" in str(error) or "closed the connection" in str(error)
            proxy.thaw()
            assert await inbox.claim("a name", 60) is True
            assert await inbox.put("another", BODY) in (True, False)
            assert (await taken(inbox)).expiries == 0

    async def test_what_cannot_be_given_back_yet(self, database: Database) -> None:
        """What was taken without a response is taken when the database is back, as any other."""
        async with database.through_proxy(timeout=0.5) as (inbox, proxy):
            await inbox.put("a key", BODY)
            proxy.freeze(requests=False)
            with pytest.raises(TimeoutError):
                await inbox.take()
            with pytest.raises(TimeoutError):
                await inbox.take()
            proxy.thaw()
            entry = await taken(inbox)
            assert (entry.expiries, entry.failures, entry.releases) == (0, 0, 0)

    async def test_a_job_that_ends_beside_put(
        self, inbox: PostgresInbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A job whose predecessor was stopped, and ends at this moment, is stored."""
        (statements,) = inbox._statements.values()
        put = statements.put
        was_known = iter([True])

        async def put_later(values: Sequence[Any], size: int) -> bool:
            return False if next(was_known, False) else await put(values, size)

        monkeypatch.setattr(statements, "put", put_later)
        assert await inbox.put("job:report", BODY) is True

    async def test_lost_response_to_put(self, database: Database) -> None:
        """A `put` whose response was lost is still new."""
        async with database.through_proxy() as (inbox, proxy):
            proxy.lose_response_to(PUT)
            assert all(await asyncio.gather(inbox.put("a", BODY), inbox.put("b", BODY)))
            assert await inbox.put("a", BODY) is False
            assert (await inbox.counts()).waiting == 2

    async def test_lost_connection_before_a_commit(self, database: Database) -> None:
        """A `put` is new also if the attempt that was lost commits when the next one has begun."""
        async with database.through_proxy(timeout=60) as (inbox, proxy):
            with database.holding("INSERT INTO known VALUES ('b', gen_random_uuid())"):
                putting = asyncio.gather(inbox.put("a", BODY), inbox.put("b", BODY))
                await until(lambda: database.server.blocked() == 1)
                proxy.close_connections()
                # The next attempt waits for the end of the lost one, which has written the first.
                await until(lambda: database.server.blocked() == 2)
            assert all(await putting)
            assert (await inbox.counts()).waiting == 2

    @pytest.mark.once
    async def test_what_cannot_be_given_back(self) -> None:
        """What was taken without a response is given back later, if that fails now."""
        inbox = PostgresInbox("postgresql://nobody@127.0.0.1/nothing")
        inbox._lost = lost = {"token": asyncio.get_running_loop().time() + 60}
        statements = Mock(execute=AsyncMock(side_effect=TimeoutError))
        with pytest.raises(TimeoutError):
            await inbox._give_back(statements, 0.0)
        assert inbox._lost == lost

    async def test_lost_response_to_take(self, database: Database) -> None:
        """What was taken without a response is taken again at once, without an expiry."""
        async with database.through_proxy() as (inbox, proxy):
            await inbox.put("a key", BODY)
            proxy.lose_response_to(TAKE)
            assert await inbox.take() is None
            entry = await taken(inbox)
            assert (entry.expiries, entry.failures, entry.releases) == (0, 0, 0)
            assert await inbox.complete(entry) is True

    @pytest.mark.once
    @pytest.mark.parametrize("outcome", ["complete", "fail", "release"])
    async def test_lost_response_to_outcome(self, database: Database, outcome: str) -> None:
        """An outcome whose response was lost is recorded once, and isn't taken for a lost lease."""
        async with database.through_proxy() as (inbox, proxy):
            await inbox.put("a key", BODY)
            entry = await taken(inbox)
            record: dict[str, Callable[[], Awaitable[bool]]] = {
                "complete": lambda: inbox.complete(entry),
                "fail": lambda: inbox.fail(entry, error="it failed", retry_in=0),
                "release": lambda: inbox.release(entry),
            }
            proxy.lose_response_to(COMPLETE if outcome == "complete" else END)
            assert await record[outcome]() is True
            assert await record[outcome]() is False
            if outcome == "complete":
                assert await inbox.counts() == InboxCounts(
                    waiting=0, running=0, failed=0, oldest=None
                )
            else:
                again = await taken(inbox)
                assert (again.failures, again.releases) == ((1, 0) if outcome == "fail" else (0, 1))

    @pytest.mark.once
    async def test_lost_lease_after_an_outage(self, database: Database) -> None:
        """What somebody else has taken over isn't completed by a call that is repeated."""
        async with (
            database.through_proxy(lease=0.1) as (inbox, proxy),
            database.inboxes() as (other,),
        ):
            await inbox.put("a key", BODY)
            entry = await taken(inbox)
            while (theirs := await other.take()) is None:
                pass
            proxy.close_connections()
            assert await inbox.complete(entry) is False
            assert await other.complete(theirs) is True

    @pytest.mark.once
    async def test_lost_response_to_claim(self, database: Database) -> None:
        """A claim whose response was lost is granted."""
        async with (
            database.through_proxy() as (inbox, proxy),
            database.inboxes() as (other,),
        ):
            proxy.lose_response_to(CLAIM)
            assert await inbox.claim("a name", 60) is True
            assert await other.claim("a name", 60) is False

    @pytest.mark.once
    @pytest.mark.parametrize("method", ["retry", "drop"])
    async def test_lost_response_to_a_decision(self, database: Database, method: str) -> None:
        """If the response to a decision was lost, the error says that its outcome isn't known."""
        async with database.through_proxy() as (inbox, proxy):
            proxy.lose_response_to("releases = 0" if method == "retry" else "DELETE")
            with pytest.raises(OSError, match="isn't known"):
                await getattr(inbox, method)(["a key"])

    @pytest.mark.once
    async def test_nobody_takes_over_after_an_outage(self, database: Database) -> None:
        """After an outage, expired leases are left to their holders for a moment."""
        async with (
            database.through_proxy(lease=60, timeout=1) as (inbox, proxy),
            database.inboxes(lease=0.001) as (other,),
        ):
            await other.put("expired", BODY)
            await taken(other)
            await other.put("new", BODY)
            proxy.refuse()
            for seconds in (0, 2):
                let_pass(seconds)
                with pytest.raises(ConnectionError):
                    await inbox.take()
            proxy.accept()
            assert (await taken(inbox)).key == "new"
            assert await inbox.take() is None
            let_pass(60 / 3)
            assert await inbox.take() is None
            let_pass(1)
            entry = await taken(inbox)
            assert (entry.key, entry.expiries) == ("expired", 1)

    @pytest.mark.once
    async def test_lost_connections_are_no_outage(self, database: Database) -> None:
        """Where a server or a balancer closes what is idle, expired leases are taken over."""
        async with (
            database.through_proxy(lease=60, timeout=1) as (inbox, proxy),
            database.inboxes(lease=0.001) as (other,),
        ):
            await other.put("expired", BODY)
            await taken(other)
            proxy.close_connections()
            assert (await taken(inbox)).expiries == 1

    @pytest.mark.once
    async def test_stored_at_once_after_an_outage(self, database: Database) -> None:
        """Under a steady load, over a slow network, what waits is stored when the outage ends."""
        async with database.through_proxy(timeout=50) as (inbox, proxy):
            proxy.latency = 0.03
            proxy.refuse()
            proxy.close_connections()
            puts: list[asyncio.Task[bool]] = []
            for number in range(1_000):  # so that at each moment one has to give up
                puts.append(asyncio.create_task(inbox.put(f"{number}", BODY)))
                await idle_loop(1)
                let_pass(0.1)
            proxy.accept()
            results = await asyncio.gather(*puts, return_exceptions=True)
            assert isinstance(results[0], ConnectionError)
            assert results[600:] == 400 * [True]

    async def test_a_cancelled_take_whose_response_comes(self, database: Database) -> None:
        """An entry that was taken for a task which was cancelled meanwhile is given back."""
        async with (
            database.through_proxy() as (inbox, proxy),
            database.inboxes() as (other,),
        ):
            await other.put("another", BODY, line="a room")
            await inbox.complete(await taken(inbox))
            await other.put("a key", BODY, line="a room")
            # It does nothing else.
            inbox._forgets_at = inbox._looks_at = inbox._empties_at = math.inf
            proxy.freeze(requests=False)
            taking = asyncio.create_task(inbox.take())
            is_taken = "SELECT 1 FROM notifications WHERE token IS NOT NULL"
            await until(lambda: bool(database.execute(is_taken)))
            taking.cancel()
            await asyncio.wait([taking])
            proxy.thaw()
            await until(lambda: not database.execute(is_taken))
            assert (await taken(other)).expiries == 0

    async def test_cancelled_take(self, database: Database) -> None:
        """What is taken for a task that was cancelled meanwhile is given back."""
        async with database.through_proxy() as (inbox, proxy):
            assert await inbox.take() is None  # which looks for more than the next ones
            await inbox.put("a key", BODY)
            await inbox.aclose()  # nothing is under way
            await inbox.counts()
            proxy.freeze()
            taking = [asyncio.create_task(inbox.take()) for _ in range(2)]
            await idle_loop()
            for each in taking:
                each.cancel()
            await asyncio.wait(taking)
            proxy.thaw()
        async with database.inboxes() as (inbox,):
            assert (await taken(inbox)).expiries == 0

    @pytest.mark.once
    async def test_known_keys_that_somebody_removed(
        self, inbox: PostgresInbox, database: Database
    ) -> None:
        """Then a copy of what isn't completed is an error at once, and of that call alone."""
        await inbox.put("a key", BODY)
        database.execute("TRUNCATE known")
        puts = [inbox.put(key, BODY) for key in ("a key", "another")]
        refused, stored = await asyncio.gather(*puts, return_exceptions=True)
        assert "PostgreSQL can't do it: duplicate key" in str(refused)
        assert stored is True

    async def test_cancelled_calls(self, database: Database) -> None:
        """Calls whose tasks are cancelled before their statement aren't made."""
        for number in (1, 3):
            inbox = database.inbox()  # without a connection yet
            puts = [
                asyncio.create_task(inbox.put(f"{number} {place}", BODY)) for place in range(number)
            ]
            await idle_loop(3)
            cancelled = puts.pop(number // 2)
            cancelled.cancel()
            await asyncio.wait([cancelled])
            assert all(await asyncio.gather(*puts))
            await inbox.aclose()
        async with database.inboxes() as (inbox,):
            counting, late = (asyncio.create_task(inbox.counts()) for _ in range(2))
            await idle_loop(1)
            late.cancel()  # its statement would come after that of the first one
            assert (await counting).waiting == 2

    async def test_cancelled_statement_of_older_psycopg(self) -> None:
        """Its error about the connection that was cut off doesn't hide the cancellation."""
        driver = Mock()

        async def execute(*_: object, **__: object) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise psycopg.OperationalError("the connection is closed") from None

        driver.execute = execute
        connection = postgres_connections.Connection(driver, 5.0)
        deadline = asyncio.get_running_loop().time() + PATIENCE
        executing = asyncio.create_task(connection.execute(b"SELECT 1", (), deadline))
        await asyncio.sleep(0)
        executing.cancel()

        with pytest.raises(asyncio.CancelledError):
            await executing
        assert connection.is_lost

    @pytest.mark.parametrize("steps", [0, 20])
    async def test_what_cancels_all_tasks(self, database: Database, steps: int) -> None:
        """After that, as at the end of a program, nothing waits, and the next call works."""
        async with database.through_proxy() as (inbox, proxy):
            await inbox.aclose()
            await inbox.counts()
            proxy.freeze()
            before = asyncio.all_tasks()
            calls = [asyncio.create_task(each) for each in (inbox.counts(), inbox.put("a", BODY))]
            await idle_loop(steps)
            for each in asyncio.all_tasks() - before:
                each.cancel()
            await asyncio.wait(calls)
            proxy.thaw()
            assert all(each.cancelled() for each in calls)
            assert (await inbox.counts()).waiting == 0

    @pytest.mark.once
    async def test_a_late_commit(self, inbox: PostgresInbox, database: Database) -> None:
        """What was due long before it could be seen, because its statement waited, is taken."""
        await inbox.put("first", BODY)
        assert (await taken(inbox)).key == "first"
        database.execute(
            "INSERT INTO notifications (key, body, due, stage)"
            " VALUES ('late', '', now() - interval '1 hour', 2)",
        )
        assert await inbox.take() is None
        let_pass(postgres_inbox._SECONDS_BETWEEN_LOOKS)
        assert (await taken(inbox)).key == "late"

    @pytest.mark.once
    async def test_how_late_a_successor_is(self, inbox: PostgresInbox, database: Database) -> None:
        """It counts from the end of the one before, if that comes after its own time."""
        await inbox.put("key", BODY)
        entry = await taken(inbox)
        await inbox.put("key", BODY, replace=True)
        database.execute("UPDATE notifications SET next_due = now() - interval '9 h'")
        await inbox.complete(entry)
        assert (await taken(inbox)).late < PATIENCE


@pytest.mark.once
class TestTables:
    async def test_made_by_several_at_once(self, database: Database) -> None:
        """Processes that start at the same moment make the tables once."""
        inboxes = [database.inbox() for _ in range(8)]
        puts = [each.put("a key", BODY) for each in inboxes]
        claims = [each.claim("a name", 60) for each in inboxes]  # over connections of their own
        assert (await asyncio.gather(*puts, *claims)).count(True) == 2
        for each in inboxes:
            await each.aclose()

    async def test_made_under_a_limit(self, database: Database) -> None:
        """Where somebody else makes tables for longer than a statement may take, it waits."""
        limit = "?options=-cstatement_timeout%3D100"
        async with running_proxy(database.server.port) as proxy:
            inbox = database.inbox(f"{proxy.url}{limit}", timeout=60)
            with database.holding(f"SELECT pg_advisory_xact_lock({postgres_sql._LOCK})"):
                starting = asyncio.create_task(inbox.put("a key", BODY))
                await until(lambda: proxy.sent(FOUND) > 2)
            assert await starting is True
            await inbox.aclose()

    async def test_missing_right_to_make_them(self, database: Database) -> None:
        """A role that may not make the tables gets an error that says who has to do what."""
        inbox = database.inbox(database.role())
        puts = [asyncio.create_task(inbox.put(key, BODY)) for key in ("a key", "another")]
        await idle_loop(1)
        puts[0].cancel()
        words = f"inbox schema --schema {database.schema}.*GRANT USAGE"
        for call in (puts[1], inbox.counts()):
            with pytest.raises(PermissionError, match=words):
                await call
        await inbox.aclose()

    async def test_missing_rights(self, database: Database) -> None:
        """A role that may not use the tables gets an error with the GRANT, also while it runs."""
        async with database.inboxes():
            inbox = database.inbox(database.role())
            with pytest.raises(PermissionError, match="GRANT USAGE ON SCHEMA"):
                await inbox.counts()
            database.allow()
            assert await inbox.put("a key", BODY) is True
            database.execute(f"REVOKE DELETE ON notifications FROM role_{database.schema}")
            with pytest.raises(PermissionError, match="GRANT SELECT, INSERT, UPDATE, DELETE"):
                await inbox.complete(await taken(inbox))
            await inbox.aclose()

    async def test_newer_release(self, database: Database) -> None:
        """The tables of a newer release are an error that says so."""
        async with database.inboxes():
            database.execute("UPDATE version SET number = number + 1")
            await refuses(database.inbox(), RuntimeError, "newer release")

    @pytest.mark.parametrize(
        ("names", "error", "words"),
        [
            (("known",), RuntimeError, "already exists: pass another schema"),
            (postgres_sql.TABLES, OSError, "does not exist"),
        ],
    )
    async def test_tables_of_others(
        self,
        database: Database,
        names: Sequence[str],
        error: type[Exception],
        words: str,
    ) -> None:
        """A schema in which something else has the names of our tables is an error."""
        views = [f"CREATE TABLE {database.schema}.{name} (something int)" for name in names]
        database.execute(f"CREATE SCHEMA {database.schema}", *views)
        await refuses(database.inbox(), error, words)

    @pytest.mark.parametrize(("version", "release"), [(1, "0.4"), (2, "0.5")])
    async def test_older_release(self, database: Database, version: int, release: str) -> None:
        """Tables of an older release are refused, and stay; the error says how to begin again."""
        database.execute(
            f"CREATE SCHEMA {database.schema}",
            "CREATE TABLE version (number int, additions int, inbox uuid)",
            f"INSERT INTO version VALUES ({version}, 0, gen_random_uuid())",
        )
        words = f"webex-webhooks-async {release}, .*: pass another schema, or .* DROP SCHEMA "
        words += f'"{database.schema}"'
        await refuses(database.inbox(), ValueError, words)
        with pytest.raises(psycopg.errors.RaiseException, match=words):
            database.execute(postgres_sql.script(database.schema))
        tables = (
            f"SELECT relname FROM pg_class WHERE relnamespace = '{database.schema}'::regnamespace"
        )
        assert database.execute(tables) == [("version",)]

    async def test_missing_tables(self, inbox: PostgresInbox, database: Database) -> None:
        """If somebody has dropped some of the tables, the error says so."""
        database.execute("DROP TABLE claims")
        with pytest.raises(OSError, match="the next call looks for them again"):
            await inbox.claim("a name", 60)
        with pytest.raises(RuntimeError, match="are missing: restore them, or pass another"):
            await inbox.claim("a name", 60)

    async def test_version_that_is_gone(self, database: Database) -> None:
        """If somebody has emptied the table of the version, the error says what is missing."""
        async with database.inboxes():
            database.execute("DELETE FROM version")
            await refuses(
                database.inbox(), RuntimeError, "are missing: restore them, or pass another"
            )

    async def test_tables_that_go(self, inbox: PostgresInbox, database: Database) -> None:
        """Tables that somebody drops are an error, and are made again by the next call."""
        await database.use_at_once(inbox, 3)
        database.execute(f"DROP SCHEMA {database.schema} CASCADE")
        with pytest.raises(OSError, match="the next call looks for them again"):
            await inbox.put("a key", BODY)
        assert await inbox.put("a key", BODY) is True

    async def test_encoding(self, database: Database) -> None:
        """A database that can't store every text is an error that says what to do."""
        made = "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        database.execute(f"CREATE DATABASE {database.schema} {made}")
        await refuses(
            PostgresInbox(f"{database.url.removesuffix('postgres')}{database.schema}"),
            RuntimeError,
            "ENCODING 'UTF8'",
        )


class TestProcess:
    def test_missing_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without psycopg, the error names the extra."""
        monkeypatch.setitem(sys.modules, "psycopg", None)
        monkeypatch.delitem(sys.modules, postgres_statements.__name__)
        monkeypatch.delattr(postgres_room, "statements")
        with pytest.raises(ImportError, match=r"webex-webhooks-async\[postgres\]"):
            PostgresInbox()

    def test_one_event_loop_after_another(self, database: Database) -> None:
        """An inbox works in each event loop, also where the last one ended without closing it."""
        inbox = database.inbox()
        assert asyncio.run(inbox.put("a key", BODY)) is True
        assert asyncio.run(inbox.put("a key", BODY)) is False

        async def closes() -> None:
            assert await inbox.put("a key", BODY) is False
            await inbox.aclose()
            await inbox.aclose()

        asyncio.run(closes())

    async def test_two_event_loops(self, inbox: PostgresInbox) -> None:
        """An inbox works in two event loops at the same time, as that of a metric's thread."""
        await inbox.put("a key", BODY)

        async def count() -> int:
            counts = await inbox.counts()
            await inbox.aclose()
            return counts.waiting

        assert await asyncio.to_thread(lambda: asyncio.run(count())) == 1
        assert (await taken(inbox)).key == "a key"

    @pytest.mark.once
    async def test_two_threads_find_a_loop_that_has_ended(self, database: Database) -> None:
        """One of them closes its connections; neither gets an error."""
        inbox = database.inbox()

        def is_closed() -> bool:
            inbox._statements.clear()  # as the other one does just now
            return True

        inbox._statements[Mock(is_closed=is_closed)] = Mock()
        inbox._process = os.getpid()
        assert (await inbox.counts()).waiting == 0
        await inbox.aclose()

    def test_an_event_loop_that_ends_meanwhile(self, database: Database) -> None:
        """A call that an ending event loop cuts off leaves an inbox that works."""
        inbox = database.inbox()

        async def begin() -> None:
            await inbox.counts()
            asyncio.get_running_loop().create_task(inbox.put("a key", BODY))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        asyncio.run(begin())

        async def end() -> None:
            await inbox.put("a key", BODY)
            assert (await taken(inbox)).key == "a key"
            await inbox.aclose()

        asyncio.run(end())

    def test_proactor(self) -> None:
        """On an event loop that psycopg can't use, the error names the other."""
        with (
            closing(ProactorEventLoop()) as loop,
            pytest.raises(RuntimeError, match="SelectorEventLoop"),
        ):
            loop.run_until_complete(PostgresInbox().counts())


class ProactorEventLoop(asyncio.SelectorEventLoop):
    """Has the name of the default one on Windows."""


@pytest.mark.once
class TestListing:
    async def test_many_decisions(self, database: Database) -> None:
        """Of however many keys, a statement decides about a thousand, for it has to end in time."""
        keys = [f"{number}" for number in range(2_001)]
        async with database.through_proxy() as (inbox, proxy):
            for key in keys[::500]:
                await inbox.put(key, sample_notification("messages", "created"))
            for decide in (inbox.retry, inbox.drop):
                while (entry := await inbox.take()) is not None:
                    await inbox.fail(entry, error="it failed", retry_in=None)
                before = proxy.sent()
                assert await decide([*keys, "0"]) == 5
                assert proxy.sent() - before == 3

    async def test_what_is_listed(self, database: Database) -> None:
        """Each is listed with its state, who runs it, and what it is about."""
        body = sample_notification("messages", "created")
        async with database.inboxes(2) as (inbox, other):
            for number in range(5):
                await inbox.put(f"{number}", body, line="a room" if number < 2 else None)
            await asyncio.gather(*(inbox.put(f"+{n}", body, after=60) for n in range(1_000)))
            running = await taken(inbox)
            failed = await taken(other)
            await other.fail(failed, error="it failed", retry_in=None)
            await inbox.put("odd key\n", b"nothing that Webex sends")
            found = [each async for each in other.unfinished()]
            states = {each.key: each.state for each in found}
            assert [each.key for each in found[:3]] == ["0", "1", "2"]
            expected = {running.key: "running", failed.key: "failed", "3": "waiting"}
            assert {**states, **expected} == states
            assert len(found) == 1_006
            first, last = found[0], found[-1]
            assert first.resource == "messages"
            assert first.line == "a room"
            assert first.holder is not None
            assert first.holder.startswith(f"process {os.getpid()} on ")
            assert first.stored is not None
            assert first.stored.tzinfo is not None
            assert last.key == "row-1006"
            await inbox.cancel("0")
            while (entry := await inbox.take()) is not None:
                if entry.key.startswith("odd"):
                    await inbox.fail(entry, error="it can't be read", retry_in=None)
            number = [each.key for each in found].index(failed.key) + 1
            assert await inbox.drop([f"row-{number}"]) == 0  # its own key can be shown
            assert await inbox.drop([last.key, "2", failed.key]) == 2
            assert await inbox.retry(["row-1", "1", "nobody's"]) == 0
