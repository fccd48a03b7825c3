"""What a `PostgresInbox` asks of PostgreSQL: its tables, and a statement for each method.

A statement takes arrays, with an element of each for every call that it serves, and names the calls
by their numbers, from 1.
"""

import re
from collections.abc import Callable

from webex_webhooks_async.inbox.listing import BEGINNING

VERSION = 1
"""Rises only with a change after which an older release can't use the tables any more."""

# What later releases add to tables that are there. Each can be run again, and an older release
# works with what it leaves.
ADDITIONS: tuple[str, ...] = ()

SLACK = 5.0
"""Seconds for which a statement may wait, after it has looked at the clock."""

TABLES = ("claims", "known", "notifications", "records", "version")

# Of a notification that isn't completed, `forget` is NULL. It has a `token` while a process has it;
# `due` is then the end of the lease. A failed one isn't due. `ended` is the token of the lease that
# ended last, and `known.token` of who stored it, then of who completed it: so a call whose response
# was lost can be made again.
_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS {schema}.known (
    key text PRIMARY KEY,
    token uuid NOT NULL,
    forget timestamptz
)""",
    "CREATE INDEX IF NOT EXISTS known_forget ON {schema}.known (forget) WHERE forget IS NOT NULL",
    """
CREATE TABLE IF NOT EXISTS {schema}.notifications (
    key text PRIMARY KEY,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    line text,
    body bytea NOT NULL,
    stored timestamptz NOT NULL DEFAULT statement_timestamp(),
    due timestamptz,
    token uuid,
    ended uuid,
    holder text,
    failures int NOT NULL DEFAULT 0,
    expiries int NOT NULL DEFAULT 0,
    releases int NOT NULL DEFAULT 0,
    error text
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500
)""",
    """
CREATE INDEX IF NOT EXISTS notifications_due
    ON {schema}.notifications (due, number) WHERE due IS NOT NULL""",
    """
CREATE INDEX IF NOT EXISTS notifications_line
    ON {schema}.notifications (line, number) WHERE line IS NOT NULL""",
    # Without the second condition, the planner would look through all of it for a token.
    """
CREATE UNIQUE INDEX IF NOT EXISTS notifications_running
    ON {schema}.notifications (line) WHERE token IS NOT NULL AND line IS NOT NULL""",
    """
CREATE TABLE IF NOT EXISTS {schema}.records (
    key text REFERENCES {schema}.notifications ON DELETE CASCADE,
    name text,
    value bytea NOT NULL,
    PRIMARY KEY (key, name)
)""",
    """
CREATE TABLE IF NOT EXISTS {schema}.claims (
    name text PRIMARY KEY,
    token uuid NOT NULL,
    inbox uuid NOT NULL,
    until timestamptz NOT NULL
)""",
    "CREATE INDEX IF NOT EXISTS claims_until ON {schema}.claims (until)",
    """
CREATE TABLE IF NOT EXISTS {schema}.version (
    number int NOT NULL,
    additions int NOT NULL,
    inbox uuid NOT NULL DEFAULT gen_random_uuid()
)""",
)

_LOCK = 0x57627849  # of those who make tables; any number that others don't use


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def creation(schema: str) -> tuple[str, ...]:
    """Return the statements that make the tables, or add to them what they lack.

    Several may run them at once. They stand in a transaction.
    """
    name = quoted(schema)
    literal = "'" + name.replace("'", "''") + "'"
    body = f"IF to_regnamespace({literal}) IS NULL THEN CREATE SCHEMA {name}; END IF;"
    tag = next(tag for tag in (f"$_{'x' * n}$" for n in range(70)) if tag not in body)
    first = (
        f"INSERT INTO {name}.version SELECT {VERSION}, 0"
        f" WHERE NOT EXISTS (SELECT FROM {name}.version)"
    )
    return (
        f"SELECT pg_advisory_xact_lock({_LOCK})",
        # A transaction that has read a table would hold up everybody behind us.
        "SET LOCAL lock_timeout = '100ms'",
        # CREATE SCHEMA IF NOT EXISTS asks for a right that isn't needed if it exists.
        f"DO {tag} BEGIN {body} END {tag}",
        *(each.strip().replace("{schema}", name) for each in (*_SCHEMA, *ADDITIONS)),
        first,
        f"UPDATE {name}.version SET additions = greatest(additions, {len(ADDITIONS)})",
    )


def script(schema: str) -> str:
    """Return what makes the tables, for `psql`."""
    return "".join(f"{each};\n" for each in ("BEGIN", *creation(schema), "COMMIT"))


SETTINGS = b"""
SELECT current_setting('default_transaction_isolation'), current_setting('server_encoding')
"""
"""What differs between servers and matters."""

# From the catalog, which needs no right.
FOUND = b"""
SELECT c.relname::text, has_schema_privilege(n.oid, 'USAGE')
    AND has_table_privilege(c.oid, 'SELECT')
    AND (c.relname = 'version' OR has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = ANY($2::text[])
"""
"""The tables that are there, and whether we may use them."""


def writer(schema: str, *, lease: float, keep: float) -> Callable[[str], str]:
    """Return what makes one of the statements below one on the tables of a schema."""
    name = quoted(schema)
    given = {each: f"{name}.{each}" for each in TABLES}
    given["lease"] = f"make_interval(secs => {lease!r})"
    given["keep"] = f"make_interval(secs => {keep!r})"
    places = re.compile(f"<({'|'.join(given)})>")

    def write(statement: str) -> str:
        # All at once, so that a name which looks like a placeholder stays as it is.
        return places.sub(lambda place: given[place[1]], statement).strip()

    return write


FOUND_VERSION = "SELECT number, additions FROM <version>"
"""The version of the tables, and how many additions they have."""

# The uniqueness of a known key alone decides. Sorted, so that two that wait for each other's keys
# can't be. The number says in which order they were stored.
PUT = """
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::float8[], $5::uuid[])
        WITH ORDINALITY AS a (key, body, line, after, token, number)
), new AS (
    INSERT INTO <known> AS k (key, token) SELECT key, token FROM asked ORDER BY key
    ON CONFLICT (key) DO UPDATE SET token = excluded.token, forget = NULL
        WHERE k.forget <= statement_timestamp()
    RETURNING key
), stored AS (
    INSERT INTO <notifications> (key, line, body, due)
    SELECT key, line, body, statement_timestamp() + make_interval(secs => after)
    FROM asked JOIN new USING (key) ORDER BY asked.number
)
SELECT number FROM asked JOIN new USING (key)
"""
"""Stores; takes keys, bodies, lines, seconds until they are due, and tokens."""
# When it is asked again, because the response was lost.
PUT_BEFORE = "UNION ALL SELECT number FROM asked JOIN <known> USING (key, token)"

# Of a line, the one that has a token goes on, else the first that is due. Two that look at the same
# moment may not see each other's: the unique index then refuses one.
_TAKE = """
WITH due AS MATERIALIZED (
    SELECT key FROM <notifications> n
    WHERE due BETWEEN to_timestamp(($3::float8[])[1]) AND statement_timestamp() AND CASE
        WHEN token IS NOT NULL THEN <taken>
        WHEN line IS NULL THEN TRUE
        ELSE NOT EXISTS (
            SELECT FROM <notifications> o WHERE o.line = n.line
                AND (o.token IS NOT NULL OR o.due <= statement_timestamp() AND o.number < n.number)
        )
    END
    ORDER BY due, number LIMIT cardinality($1::uuid[]) FOR UPDATE SKIP LOCKED
), chosen AS (
    SELECT key, row_number() OVER () AS number FROM due
)
UPDATE <notifications> n SET
    token = ($1::uuid[])[c.number], holder = ($2::text[])[c.number],
    due = statement_timestamp() + <lease>, expiries = expiries + (token IS NOT NULL)::int
FROM chosen c WHERE n.key = c.key
RETURNING c.number, n.key, body, line, failures, expiries, releases, error
"""
TAKE = _TAKE.replace("<taken>", "TRUE")
"""Takes tokens, holders, and the lowest time; finds what is free, or whose lease has expired."""

TAKE_FREE = _TAKE.replace("<taken>", "FALSE")
"""The same without expired leases."""

# Beside an old transaction, the index keeps entries of what was completed since, and a take would
# look at all of them. What is written gets a time that isn't past, so nothing comes before what is
# there now, but for a statement that has waited for longer than these seconds: that is found when
# this is asked again.
LOWEST = f"""
SELECT extract(epoch FROM
    least(min(due), statement_timestamp() - make_interval(secs => {SLACK}))
)::float8 - 0.001 FROM <notifications> WHERE due IS NOT NULL
"""
"""Before this time, in seconds since 1970, nothing is due."""

GIVE_BACK = """
UPDATE <notifications> SET token = NULL, holder = NULL, due = statement_timestamp()
WHERE token = ANY($1::uuid[])
"""
"""Gives back what has one of the tokens, in one array."""

_ASKED = """
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS a (key, token, number)
)"""

RENEW = f"""{_ASKED}
UPDATE <notifications> n SET due = statement_timestamp() + <lease>
FROM asked a WHERE n.key = a.key AND n.token = a.token RETURNING a.number
"""
"""Takes keys and tokens."""

COMPLETE = f"""{_ASKED}, gone AS (
    DELETE FROM <notifications> n USING asked a WHERE n.key = a.key AND n.token = a.token
    RETURNING a.number, a.key, a.token
), kept AS (
    UPDATE <known> k SET token = g.token, forget = statement_timestamp() + <keep>
    FROM gone g WHERE k.key = g.key
)
SELECT number FROM gone
"""
"""The same."""
COMPLETED_BEFORE = f"{PUT_BEFORE} WHERE forget IS NOT NULL"

END = """
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::float8[], $4::int[], $5::int[], $6::text[])
        WITH ORDINALITY AS a (key, token, pause, failures, releases, error, number)
), ended AS (
    UPDATE <notifications> n SET
        token = NULL, holder = NULL, ended = a.token,
        due = statement_timestamp() + make_interval(secs => a.pause),
        failures = n.failures + a.failures, releases = n.releases + a.releases,
        error = coalesce(a.error, n.error)
    FROM asked a WHERE n.key = a.key AND n.token = a.token RETURNING a.number
)
SELECT number FROM ended
"""
"""Ends leases; takes keys, tokens, seconds until they are due, failures and releases to add, and
errors."""
ENDED_BEFORE = """
UNION ALL SELECT a.number FROM asked a JOIN <notifications> n USING (key) WHERE n.ended = a.token
"""

RECALL = """
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (key, name, number)
)
SELECT number, value FROM asked JOIN <records> USING (key, name)
"""
"""Takes keys and names; its second column is the value."""

REMEMBER = """
INSERT INTO <records> (key, name, value)
SELECT key, name, value FROM unnest($1::text[], $2::text[], $3::bytea[]) AS a (key, name, value)
JOIN <notifications> USING (key)
ON CONFLICT (key, name) DO UPDATE SET value = excluded.value
"""
"""Takes keys, names and values."""

INBOX = "SELECT inbox::text FROM <version>"
"""What tells the tables from those in another database."""

IS_UNFINISHED = """
SELECT inbox::text, EXISTS (SELECT FROM <notifications> WHERE key = $1) FROM <version>
"""
"""The same, and whether a notification isn't completed; takes its key."""

# One call of each: they run on a connection of the user's.
REMEMBER_WITHIN = """
INSERT INTO <records> (key, name, value) VALUES ($1, $2, $3)
ON CONFLICT (key, name) DO NOTHING RETURNING name
"""
"""Takes a key, a name and a value; returns the name if it is new."""
REPLACE_WITHIN = """
UPDATE <records> SET value = $3 WHERE key = $1 AND name = $2 RETURNING name
"""
"""The same; returns the name."""

CLAIM = """
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::float8[])
        WITH ORDINALITY AS a (name, token, inbox, seconds, number)
), granted AS (
    INSERT INTO <claims> AS c (name, token, inbox, until)
    SELECT name, token, inbox, statement_timestamp() + make_interval(secs => seconds)
    FROM asked ORDER BY name
    ON CONFLICT (name) DO UPDATE SET
        token = excluded.token, inbox = excluded.inbox, until = excluded.until
        WHERE c.until <= statement_timestamp() OR c.token = excluded.token
    RETURNING name
)
SELECT number FROM asked JOIN granted USING (name)
"""
"""Takes names, tokens, inboxes and seconds."""

UNCLAIM = """
DELETE FROM <claims> c USING unnest($1::text[], $2::uuid[]) AS a (name, inbox)
WHERE c.name = a.name AND c.inbox = a.inbox
"""
"""Takes names and inboxes."""

COUNTS = """
SELECT count(*), count(*) FILTER (WHERE token IS NOT NULL AND due > statement_timestamp()),
    count(*) FILTER (WHERE due IS NULL),
    extract(epoch FROM statement_timestamp() - min(stored) FILTER (
        WHERE due IS NOT NULL AND (token IS NULL OR due <= statement_timestamp())
    ))::float8
FROM <notifications>
"""

UNFINISHED = f"""
SELECT number, key, substr(body, 1, {BEGINNING}), octet_length(body), CASE
        WHEN due IS NULL THEN 'failed'
        WHEN token IS NOT NULL AND due > statement_timestamp() THEN 'running'
        ELSE 'waiting'
    END, stored, due, failures, expiries, error, holder, line
FROM <notifications> WHERE number > $1::bigint ORDER BY number LIMIT $2::int
"""
"""Those after a number; takes it, and how many."""

# The caller finds out from the body whether one can be read.
CHOSEN = f"""
SELECT number, key, due IS NULL, substr(body, 1, {BEGINNING}), octet_length(body)
FROM <notifications> WHERE key = ANY($1::text[]) OR number = ANY($2::bigint[])
"""
"""What `retry` and `drop` may be about; takes keys and numbers."""

RETRY = """
UPDATE <notifications> SET due = statement_timestamp(), failures = 0, expiries = 0, releases = 0
WHERE key = ANY($1::text[]) AND due IS NULL RETURNING key
"""
"""Takes keys of failed ones; returns those that were changed."""

DROP = """
WITH gone AS (
    DELETE FROM <notifications>
    WHERE key = ANY($1::text[]) AND due IS NULL OR key = ANY($2::text[]) RETURNING key
)
DELETE FROM <known> k USING gone g WHERE k.key = g.key RETURNING k.key
"""
"""Takes keys of failed ones, and of unreadable ones; returns what was removed."""

FORGET = """
WITH claims AS (
    DELETE FROM <claims> WHERE name IN (
        SELECT name FROM <claims> WHERE until <= statement_timestamp()
        ORDER BY until LIMIT $1::int FOR UPDATE SKIP LOCKED
    )
)
DELETE FROM <known> WHERE key IN (
    SELECT key FROM <known> WHERE forget <= statement_timestamp()
    ORDER BY forget LIMIT $1::int FOR UPDATE SKIP LOCKED
)
"""
"""Takes how many keys and claims whose time has passed are removed."""
