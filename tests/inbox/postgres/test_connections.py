# pyright: reportPrivateUsage=false

import asyncio
import logging
import os
import re
import socket
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from tests.support.clocks import let_pass
from tests.support.inboxes import taken
from tests.support.logs import Log
from tests.support.postgres_inboxes import BODY, Database, refuses
from tests.support.postgres_proxy import running_proxy
from tests.support.postgres_server import PASSWORD, running_pgbouncer
from tests.support.wire import idle_loop, until, unused_port
from webex_webhooks_async import Inbox, PostgresInbox
from webex_webhooks_async.inbox.postgres import connections as postgres_connections


async def says(inbox: PostgresInbox, hint: str | None) -> None:
    """Expect an error with a hint; without one, that the inbox works."""
    if hint is not None:
        return await refuses(inbox, PermissionError, hint)
    await inbox.counts()
    return await inbox.aclose()


class TestConninfo:
    @pytest.mark.parametrize(
        "conninfo",
        [
            *("host=localhost password=my secret", "secret"),
            "postgresql://user:se@cret@localhost/database",
            "postgresql://user:se/cret@localhost/database",
            *("postgresql://user:1/2@secret/database", "postgresql://user:secret"),
            *("postgresql://user:se%zzcret@localhost", "password=secret\0"),
            "password=secret\ud800",
        ],
    )
    def test_refused(self, conninfo: str) -> None:
        """What can't be read is an error that says how it is written, without what was passed."""
        with pytest.raises(ValueError, match="conninfo can't be read") as refused:
            PostgresInbox(conninfo)
        assert "cret" not in str(refused.value)
        assert refused.value.__context__ is None

    def test_what_a_log_may_show(self) -> None:
        """The repr of where to connect to has no password."""
        target = postgres_connections.Target.read("postgresql://bot:secret@db/bot", 5.0)
        assert repr(target) == "Target()"

    def test_a_url_of_sqlalchemy(self) -> None:
        """The error says how the URL begins here, and doesn't show the rest."""
        error = "^conninfo is a URL of SQLAlchemy's: begin it with postgresql://$"
        with pytest.raises(ValueError, match=error):
            PostgresInbox("postgresql+psycopg://bot:secret@db/bot")

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"conninfo": 5}, TypeError, "conninfo must be str"),
            ({"schema": ""}, ValueError, "schema is empty"),
            ({"schema": 5}, TypeError, "schema must be str"),
            ({"schema": "a\0b"}, ValueError, "schema can't be the name"),
            ({"schema": "pg_inbox"}, ValueError, "schema can't be the name"),
            ({"schema": "ü" * 32}, ValueError, "schema can't be the name"),
            ({"lease": 0}, ValueError, "lease must be a positive"),
            ({"keep": -1.0}, ValueError, "keep must be a positive"),
            ({"timeout": float("inf")}, ValueError, "timeout must be a positive"),
        ],
    )
    def test_wrong_arguments(
        self, arguments: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        """A wrong argument is an error at once."""
        with pytest.raises(error, match=message):
            PostgresInbox(**arguments)

    def test_times_as_a_timedelta(self) -> None:
        """The lease, and for how long a key is known, may be a `timedelta`."""
        inbox = PostgresInbox(lease=timedelta(minutes=1), keep=timedelta(days=2))
        assert inbox.keep == 172_800

    async def test_no_server(self) -> None:
        """Where nothing listens, the call raises when its time is over."""
        server = f"host=127.0.0.1 port={unused_port()}"
        await refuses(
            PostgresInbox(server, timeout=timedelta(seconds=0.2)),
            ConnectionError,
            "PostgreSQL can't be reached",
        )

    @pytest.mark.parametrize("form", ["keywords", "url", "environment"])
    async def test_wrong_password(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        """A wrong password is an error at once, in which it isn't."""
        database.execute(
            "DROP ROLE IF EXISTS guarded",
            f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'",
        )
        wrong, port = "pass word", database.server.port
        monkeypatch.setenv("PGPASSWORD", wrong)
        conninfo = {
            "keywords": f"host=127.0.0.1 port={port} user=guarded dbname=postgres "
            f"password='{wrong}'",
            "url": f"postgresql://guarded:pass%20word@127.0.0.1:{port}/postgres",
            "environment": f"host=127.0.0.1 port={port} user=guarded dbname=postgres",
        }[form]
        inbox = PostgresInbox(conninfo)
        words = "PostgreSQL refuses the connection: .* check the user and the password"
        with pytest.raises(PermissionError, match=words) as refused:
            await inbox.counts()
        assert wrong not in str(refused.value)
        await inbox.aclose()

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            (("/postgres", "/nowhere"), "create it"),
            (("postgres@", "nobody@"), "check the user in conninfo"),
            (("127.0.0.1", "localhost"), None),
        ],
    )
    async def test_other_refusals(
        self, database: Database, change: tuple[str, str], hint: str | None
    ) -> None:
        """Another user or database that isn't there is an error at once that says what to do."""
        before, after = change
        head, _, tail = database.url.rpartition(before)
        await says(database.inbox(f"{head}{after}{tail}"), hint)

    async def test_refusals_of_a_pooler(self, database: Database) -> None:
        """A pooler that refuses the password or the database is an error at once as well."""
        with running_pgbouncer(database.server, password="right") as url:
            for user, name, hint in (
                ("postgres:wrong", "postgres", "check the user and the password"),
                ("postgres:right", "nowhere", "check the database"),
                ("postgres:right", "postgres", None),
            ):
                host = url.removesuffix("postgres").rpartition("@")[2]
                conninfo = f"postgresql://{user}@{host}{name}"
                await says(database.inbox(conninfo), hint)

    async def test_function(self, database: Database) -> None:
        """A function, plain or async, is called for each new connection."""
        called: list[str] = []

        def plain() -> str:
            called.append("plain")
            return database.url

        async def later() -> str:
            called.append("async")
            return database.url

        class Later:
            async def __call__(self) -> str:
                return await later()

        for function in (plain, later, Later()):
            async with database.inboxes(1, function) as (inbox,):
                await inbox.counts()
                await inbox.aclose()
                await inbox.counts()
        assert called == ["plain", "plain", "async", "async", "async", "async"]

    async def test_function_that_fails(self, database: Database) -> None:
        """What a function raises is raised, and something else than text is an error."""

        def fails() -> str:
            raise LookupError("no such secret")

        def wrong() -> Any:  # noqa: ANN401 - what it must not return
            return None

        async def hangs() -> str:
            await asyncio.Event().wait()
            return ""

        for function, error in ((fails, LookupError), (wrong, TypeError), (hangs, TimeoutError)):
            inbox = database.inbox(function, timeout=0.2)
            with pytest.raises(error):
                await inbox.counts()
            await inbox.aclose()

    async def test_several_hosts(self, database: Database) -> None:
        """Of several hosts, one that is down is passed over."""
        ports = f"{unused_port()},{database.server.port}"
        url = f"host=127.0.0.1,127.0.0.1 port={ports} user=postgres dbname=postgres"
        async with database.inboxes(1, url) as (inbox,):
            assert await inbox.put("a key", BODY) is True

    @pytest.mark.once
    async def test_hosts_in_the_environment(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the hosts that libpq's variables name, the one that takes writes is used."""
        async with running_proxy(database.server.port) as standby:
            name = b"default_transaction_read_only\0"
            # The message that says it of the server, with its length.
            standby.changes = b"S\0\0\0\x26" + name + b"off\0", b"S\0\0\0\x25" + name + b"on\0"
            for variable, value in {
                "PGHOST": "127.0.0.1,127.0.0.1",
                "PGPORT": f"{standby.port},{database.server.port}",
                "PGUSER": "postgres",
            }.items():
                monkeypatch.setenv(variable, value)
            async with database.inboxes(1, "") as (inbox,):
                assert await inbox.put("a key", BODY) is True
            assert standby.connections > 0
            assert not any(b"INSERT" in each for each in standby.requests)

    @pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="macOS names it otherwise")
    async def test_idle_connections(self, database: Database) -> None:
        """A connection that is idle shows that it is alive, to what would forget it otherwise."""
        for parameters, seconds in (("", 30), ("?keepalives_idle=7", 7)):
            async with database.inboxes(1, f"{database.url}{parameters}") as (inbox,):
                (statements,) = inbox._statements.values()
                (connection,) = statements._connections._idle
                used = socket.socket(fileno=os.dup(connection._connection.pgconn.socket))
                with used:
                    assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == seconds

    @pytest.mark.usefixtures("inbox")
    async def test_a_server_that_takes_no_writes(self, database: Database) -> None:
        """Where nothing can be written until the time is over, the error says why."""
        url = f"{database.url}?options=-cdefault_transaction_read_only%3Don"
        async with database.inboxes(1, url, timeout=60) as (inbox,):
            putting = asyncio.create_task(inbox.put("a key", BODY))
            (statements,) = inbox._statements.values()
            await until(lambda: statements._connections._outage is not None)
            let_pass(60)
            with pytest.raises(ConnectionError, match="in a read-only transaction"):
                await putting

    async def test_function_that_hangs(self, database: Database) -> None:
        """A plain function that hangs is called once at a time, and holds up no other thread."""
        called: list[str] = []
        goes_on = Event()

        def hangs() -> str:
            called.append("")
            goes_on.wait()
            return database.url

        inbox = database.inbox(hangs, timeout=0.2)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await inbox.counts()
        assert called == [""]
        goes_on.set()
        inbox._timeout = 5
        await until_it_works(inbox)
        await inbox.aclose()

    async def test_function_that_outlives_the_loop(self, database: Database) -> None:
        """A function that returns after its event loop has ended does no harm."""
        goes_on, has_ended = Event(), Event()

        def hangs() -> str:
            goes_on.wait()
            has_ended.set()
            return ""

        async def count() -> None:
            with pytest.raises(TimeoutError):
                await database.inbox(hangs, timeout=0.2).counts()

        await asyncio.to_thread(lambda: asyncio.run(count()))
        goes_on.set()
        assert await asyncio.to_thread(has_ended.wait, 10)


async def until_it_works(inbox: Inbox) -> None:
    """Wait until a call of it succeeds."""
    for _ in range(100):
        try:
            await inbox.counts()
        except TimeoutError:
            continue
        return


@pytest.mark.once
class TestFewConnections:
    @pytest.mark.parametrize("most", [1, 2, 3])
    async def test_what_a_dead_process_had_is_taken_over(
        self, database: Database, most: int, caplog: Log
    ) -> None:
        """However few connections there are, the inbox works with them, and says so once."""
        async with database.inboxes(lease=0.001) as (dead,):
            await dead.put("a key", BODY, line="a room")
            await taken(dead)
            url = database.role(f"CONNECTION LIMIT {most}")
            database.allow()
            async with database.inboxes(1, url) as (inbox,):
                for _ in range(3):
                    await database.use_at_once(inbox, most)
                assert await inbox.put("another key", BODY) is True
                assert (await taken(inbox)).expiries == 1
        warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        words = f"the inbox works with {most} of the 3 connections that it wants: .*too many"
        assert len(warnings) == (most < 3)
        assert all(re.search(words, each) for each in warnings)

    @pytest.mark.usefixtures("inbox")
    async def test_more_are_tried_for(self, database: Database, caplog: Log) -> None:
        """More connections are tried for after 30 seconds, and a later lack is said again."""
        caplog.set_level(logging.WARNING)
        role = f"role_{database.schema}"
        url = database.role("CONNECTION LIMIT 1")
        database.allow()
        connected = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'"

        def connections() -> int:
            ((count,),) = database.execute(connected)
            return int(count)

        async with database.inboxes(1, url) as (inbox,):

            async def work(most: int) -> None:
                for _ in range(3):
                    await database.use_at_once(inbox, most)
                assert connections() == most

            await work(1)
            database.execute(f"ALTER ROLE {role} CONNECTION LIMIT 3")
            await work(1)
            let_pass(30)
            await work(3)
            database.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
            database.execute(connected.replace("count(*)", "pg_terminate_backend(pid)"))
            await until(lambda: connections() == 0)
            await work(1)
        assert len(caplog.messages) == 2

    @pytest.mark.parametrize("is_late", [False, True])
    async def test_a_call_that_ends_when_it_gets_a_connection(
        self, inbox: PostgresInbox, *, is_late: bool
    ) -> None:
        """A connection that comes at the moment in which a call ends is there for the next."""
        (statements,) = inbox._statements.values()
        connections = statements._connections
        used, *others = [await connections.get(statements.deadline()) for _ in range(3)]
        waiting = asyncio.create_task(inbox.counts())
        await idle_loop(2)
        if is_late:
            asyncio.get_running_loop().call_soon(connections.give_back, used)
            let_pass(60)
            await asyncio.sleep(0)
        else:
            connections.give_back(used)
            waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled() is not is_late
        assert connections._idle == [used] or is_late
        assert (await inbox.counts()).waiting == 0
        for each in others:
            connections.give_back(each)

    async def test_a_function_that_fails_beside_a_connection(
        self, database: Database, caplog: Log
    ) -> None:
        """The inbox works with the connections that it has, and says why it gets no more."""
        urls = iter([database.url])

        def once() -> str:
            return next(urls)

        async with database.inboxes(1, once) as (inbox,):
            await asyncio.gather(*(inbox.counts() for _ in range(10)))
        assert len(caplog.messages) == 1
        assert "works with 1 of the 3" in caplog.messages[0]


@pytest.mark.once
class TestSteadyLoad:
    async def test_calls_succeed_when_an_outage_is_over(self, database: Database) -> None:
        """Calls that come all the time don't take connections from each other by being too late."""
        outcomes: list[bool] = []
        async with database.through_proxy(timeout=0.6) as (inbox, proxy):

            async def call(number: int) -> None:
                is_after = number >= _CALLS
                try:
                    await inbox.claim(f"{number}", 60)
                except OSError:
                    outcomes.extend([False] * is_after)
                else:
                    outcomes.extend([True] * is_after)

            proxy.latency = 0.01
            proxy.freeze()
            async with asyncio.TaskGroup() as calls:
                for number in range(3 * _CALLS):
                    if number == _CALLS:
                        proxy.thaw()
                    calls.create_task(call(number))
                    await asyncio.sleep(0.025)
        assert outcomes.count(True) > 0.9 * len(outcomes)


_CALLS = 40
