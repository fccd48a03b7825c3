"""The tables of a `PostgresInbox`, and its statements, one for each method.

Another role may have functions in the search path whose parameters fit better than those of
PostgreSQL's own. So each function has its schema, and each constant and parameter its type.
`unnest` of several arrays can't have one, and is PostgreSQL's own without it.
"""

import re
from collections.abc import Callable

from attrs import frozen

from webex_webhooks_async.inbox.base import EXPIRED
from webex_webhooks_async.inbox.listing import BEGINNING
from webex_webhooks_async.notifications.identity import JOB

VERSION = 3
"""Rises with a change after which an older release can't use the tables any more."""

OLD_RELEASES = {1: "0.4", 2: "0.5"}
"""The releases whose tables have an older version."""

SLACK = 5.0
"""Seconds for which a statement may wait, after it has looked at the clock."""

TABLES = (
    *("claims", "known", "lines", "notifications", "outbox", "questions", "records", "times"),
    "version",
)

# The stages of a notification: it is kept as failed, it comes first in its line (it runs, or goes
# on before the others), or it was due, or due later, when it was written. So the first of a line
# is found without a look at what is due later or has failed.
FAILED, AHEAD, DUE, LATER = range(4)

# Of a notification that isn't completed, `forget` is NULL. It has a `token` while a process has it;
# `due` is then the end of the lease. A failed one isn't due. `next` is the body of its successor.
# `ended` is the token of the lease that ended last, and `known.token` of who stored it, then of who
# completed it: so a call whose response was lost can be made again.
#
# A line has a row in `lines` when something in it is to be looked at. Whoever makes an entry of it
# due, or ends one, writes that row in the same statement; a take removes it, unless it was written
# again since the snapshot of the take. So what is committed at the same moment isn't overlooked.
_SCHEMA = (
    """
CREATE TABLE {schema}.known (
    key text PRIMARY KEY,
    token uuid NOT NULL,
    forget timestamptz
)""",
    "CREATE INDEX known_forget ON {schema}.known (forget) WHERE forget IS NOT NULL",
    """
CREATE TABLE {schema}.notifications (
    number bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL UNIQUE,
    line text,
    body bytea NOT NULL,
    stored timestamptz NOT NULL DEFAULT pg_catalog.statement_timestamp(),
    due timestamptz,
    stage int NOT NULL,
    token uuid,
    ended uuid,
    holder text,
    failures int NOT NULL DEFAULT 0,
    expiries int NOT NULL DEFAULT 0,
    releases int NOT NULL DEFAULT 0,
    outages int NOT NULL DEFAULT 0,
    outage timestamptz,
    unreadable boolean NOT NULL DEFAULT FALSE,
    owner text COLLATE pg_catalog."C",
    stopped boolean NOT NULL DEFAULT FALSE,
    waits boolean NOT NULL DEFAULT FALSE,
    asks boolean NOT NULL DEFAULT FALSE,
    error text,
    next bytea,
    next_line text,
    next_due timestamptz,
    next_stored timestamptz
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500
)""",
    """
CREATE INDEX notifications_due ON {schema}.notifications (due, number)
    WHERE due IS NOT NULL AND (line IS NULL OR token IS NOT NULL)""",
    f"""
CREATE UNIQUE INDEX notifications_ahead ON {{schema}}.notifications (line)
    WHERE stage = {AHEAD} AND line IS NOT NULL""",
    f"""
CREATE INDEX notifications_next ON {{schema}}.notifications (line, stage, number)
    WHERE stage BETWEEN {AHEAD} AND {DUE} AND line IS NOT NULL""",
    f"""
CREATE INDEX notifications_later ON {{schema}}.notifications (line, due)
    WHERE stage = {LATER} AND line IS NOT NULL""",
    """
CREATE INDEX notifications_stopped ON {schema}.notifications (number) WHERE stopped""",
    """
CREATE TABLE {schema}.lines (
    line text PRIMARY KEY,
    due timestamptz NOT NULL
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500
)""",
    "CREATE INDEX lines_due ON {schema}.lines (due)",
    """
CREATE TABLE {schema}.records (
    number bigint REFERENCES {schema}.notifications ON DELETE CASCADE,
    name text,
    value bytea NOT NULL,
    PRIMARY KEY (number, name)
)""",
    # Those of the entry `number`. What is stored after a question was opened has a higher number
    # than `opened`; without it, the question waits for another one at its place. `until` is there
    # when its message was sent, and `line` is that of what may answer it.
    """
CREATE TABLE {schema}.questions (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    number bigint NOT NULL REFERENCES {schema}.notifications ON DELETE CASCADE,
    record text NOT NULL,
    place text NOT NULL,
    owner text COLLATE pg_catalog."C",
    queues boolean NOT NULL,
    opened bigint,
    until timestamptz,
    line text,
    postponed boolean NOT NULL DEFAULT FALSE,
    data bytea NOT NULL,
    UNIQUE (number, record)
)""",
    "CREATE INDEX questions_place ON {schema}.questions (place)",
    "CREATE INDEX questions_owner ON {schema}.questions (owner) WHERE owner IS NOT NULL",
    """
CREATE UNIQUE INDEX questions_open ON {schema}.questions (place)
    WHERE queues AND opened IS NOT NULL""",
    """
CREATE TABLE {schema}.claims (
    name text PRIMARY KEY,
    token uuid NOT NULL,
    inbox uuid NOT NULL,
    until timestamptz NOT NULL
)""",
    "CREATE INDEX claims_until ON {schema}.claims (until)",
    "CREATE TABLE {schema}.times (name text PRIMARY KEY, time timestamptz NOT NULL)",
    # What transactions of users leave: without a body, the key is cancelled.
    """
CREATE TABLE {schema}.outbox (
    number bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    transaction xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    key text NOT NULL,
    body bytea,
    line text NOT NULL,
    at float8 NOT NULL,
    replace boolean NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)""",
    """
CREATE TABLE {schema}.version (
    number int NOT NULL,
    inbox uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    is_only boolean NOT NULL DEFAULT TRUE UNIQUE CHECK (is_only)
)""",
    f"INSERT INTO {{schema}}.version (number) VALUES ({VERSION})",
)

_LOCK = 0x57627849  # of those who make tables; any number that others don't use


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def creation(schema: str) -> tuple[str, ...]:
    """Return the statements that make the tables, if they aren't there.

    Several may run them at once. They stand in a transaction.
    """
    name = quoted(schema)
    tables = ";\n".join(each.strip().replace("{schema}", name) for each in _SCHEMA)
    refusals = "".join(
        f"""
    IF EXISTS (SELECT FROM {name}.version WHERE number = {version}) THEN
        RAISE EXCEPTION USING MESSAGE = {literal(older(schema, version))}::text;
    END IF;"""
        for version in OLD_RELEASES
    )
    body = f"""PERFORM pg_catalog.pg_advisory_xact_lock({_LOCK}::bigint);
IF pg_catalog.to_regclass({literal(f"{name}.version")}::text) IS NOT NULL THEN{refusals}
    RETURN;
END IF;
-- CREATE SCHEMA IF NOT EXISTS needs a right even if the schema exists.
IF pg_catalog.to_regnamespace({literal(name)}::text) IS NULL THEN
    CREATE SCHEMA {name};
END IF;
{tables};"""
    return ("SET LOCAL search_path = ''", in_a_block(body))


def in_a_block(body: str) -> str:
    """Return a statement that runs the lines of a block."""
    tag = next(tag for tag in (f"$_{'x' * n}$" for n in range(70)) if tag not in body)
    return f"DO {tag} BEGIN\n{body}\nEND {tag}"


BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


def script(schema: str) -> str:
    """Return what makes the tables, for `psql`."""
    return "".join(f"{each};\n" for each in (BEGIN, *creation(schema), "COMMIT"))


def older(schema: str, version: int) -> str:
    """Return the words about tables of an older release."""
    return (
        f"the tables in the schema {schema!r} are those of webex-webhooks-async "
        f"{OLD_RELEASES[version]}, which this release can't use: pass another schema, or begin "
        f"again with DROP SCHEMA {quoted(schema)} CASCADE, which removes what is stored there"
    )


# This is asked before the search path is known, in which another `text` may come first.
SETTINGS = b"""
SELECT pg_catalog.current_setting('default_transaction_isolation'::pg_catalog.text),
    pg_catalog.current_setting('server_encoding'::pg_catalog.text),
    pg_catalog.current_schemas(FALSE)::pg_catalog.text[]
"""
"""The settings that matter: isolation, encoding, and the schemas that a search path names."""

# From the catalog, which needs no right.
FOUND = b"""
SELECT c.relname::text, pg_catalog.has_schema_privilege(n.oid, 'USAGE'::text)
    AND pg_catalog.has_table_privilege(c.oid, 'SELECT'::text)
    AND (c.relname = 'version'::name OR pg_catalog.has_table_privilege(c.oid, 'INSERT'::text)
        AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'::text)
        AND pg_catalog.has_table_privilege(c.oid, 'DELETE'::text))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::name AND c.relname = ANY($2::name[])
"""
"""The tables that are there, and whether we may use them."""


@frozen
class Query:
    """A statement."""

    text: bytes
    again: bytes  # the SQL for a call that may have been executed already


def writer(schema: str, *, lease: float, keep: float) -> Callable[..., Query]:
    """Return what makes one of the statements below one on the tables of a schema."""
    name = quoted(schema)
    given = {each: f"{name}.{each}" for each in TABLES}
    given["now"] = "pg_catalog.statement_timestamp()"
    given["lease"] = f"pg_catalog.make_interval(secs => {lease!r}::float8)"
    given["keep"] = f"pg_catalog.make_interval(secs => {keep!r}::float8)"
    places = re.compile(f"<({'|'.join(given)})>")

    def write(statement: str, again: str = "") -> Query:
        # All at once, so that a name which looks like a placeholder stays as it is.
        first, repeated = (
            places.sub(lambda place: given[place[1]], each).strip().encode()
            for each in (statement, statement + again)
        )
        return Query(first, repeated)

    return write


FOUND_VERSION = "SELECT number FROM <version>"
"""The version of the tables."""


def noted(rows: str) -> str:
    """Return what writes that lines are to be looked at; each row has a line and a time."""
    return f"""noted AS (
    INSERT INTO <lines> AS l (line, due)
    SELECT line, pg_catalog.min(due) FROM ({rows}) r WHERE line IS NOT NULL
    GROUP BY line ORDER BY line
    ON CONFLICT (line) DO UPDATE SET due = LEAST(l.due, excluded.due) RETURNING 1
)"""


# Whoever has written the row of a line holds it until the commit, so numbers that are drawn after
# that are higher than all that are visible in the line.
_AFTER_NOTED = "(SELECT pg_catalog.count(*) FROM noted) >= 0::bigint"


def within(column: str, given: str) -> str:
    """Return the condition that a text begins with another one, which an index can find."""
    return f"({column} >= {given} AND {column} < {given} || pg_catalog.chr(1114111))"


def woken(shut: str) -> str:
    """Return what makes due what waits to ask at the places of questions that are closed.

    A running one isn't, and notices it when it would wait.
    """
    return f"""shut AS MATERIALIZED ({shut}), woken AS (
    UPDATE <notifications> n SET
        due = CASE WHEN n.asks AND n.token IS NULL THEN <now> ELSE n.due END,
        stage = CASE WHEN n.asks AND n.token IS NULL THEN {DUE} ELSE n.stage END
    WHERE n.number IN (
        SELECT q.number FROM <questions> q JOIN shut s ON q.place = s.place
        WHERE q.queues AND q.opened IS NULL AND q.id NOT IN (SELECT id FROM shut)
            AND NOT EXISTS (
                SELECT FROM <questions> o WHERE o.place = q.place AND o.queues AND o.id <> q.id
                    AND (o.opened IS NOT NULL OR (o.number, o.id) < (q.number, q.id))
                    AND o.id NOT IN (SELECT id FROM shut)
            )
    ) RETURNING n.line, <now> AS due
)"""


SHUT_WITH = "SELECT q.id, q.place FROM <questions> q JOIN gone g ON q.number = g.number"
"""The questions of what is removed: its rows are `gone`."""

SHUT_WITH_MINE = SHUT_WITH.replace("JOIN gone", "JOIN mine")
"""The same of what is kept as failed, whose row is `mine`."""

_STAGE = f"CASE WHEN t.due > <now> THEN {LATER} ELSE {DUE} END"

# The uniqueness of a known key alone decides. The keys are sorted, so that no two statements wait
# for each other's. The number says in which order they were stored.
PUT = f"""
WITH asked AS (
    SELECT key, NULLIF(line, ''::text) AS line, NULLIF(owner, ''::text) AS owner, body, place,
        GREATEST(
            <now>, <now> + pg_catalog.make_interval(secs => after), pg_catalog.to_timestamp(at)
        ) AS due
    FROM unnest($1::text[], $2::bytea[], $3::text[], $4::float8[], $5::float8[], $6::text[])
        WITH ORDINALITY AS a (key, body, line, after, at, owner, place)
), new AS (
    INSERT INTO <known> AS k (key, token) SELECT key, $7::uuid FROM asked ORDER BY key
    ON CONFLICT (key) DO UPDATE SET token = excluded.token, forget = NULL WHERE k.forget <= <now>
    RETURNING key
), {noted("SELECT line, due FROM asked JOIN new USING (key)")}, stored AS (
    INSERT INTO <notifications> (key, line, owner, body, due, stage)
    SELECT key, t.line, t.owner, t.body, t.due, {_STAGE} FROM asked t JOIN new USING (key)
    WHERE {_AFTER_NOTED} ORDER BY t.place
)
SELECT key FROM new
"""
"""Stores; takes keys, bodies, lines or empty texts, seconds until they are due, the times before
which they aren't in seconds since 1970, owners or empty texts, and a token for all. The last four
arrays may be empty. Returns the keys that are new."""
# When it is asked again, because the response was lost.
PUT_BEFORE = "UNION ALL SELECT key FROM asked JOIN <known> USING (key) WHERE token = $7::uuid"

BEHIND = """
WITH succeeded AS (
    UPDATE <notifications> SET
        next = $2::bytea, next_line = NULLIF($3::text, ''::text), next_stored = <now>,
        next_due = GREATEST(
            <now> + pg_catalog.make_interval(secs => $4::float8),
            pg_catalog.to_timestamp($5::float8)
        )
    WHERE key = $1::text AND stopped AND next IS NULL RETURNING key
)
SELECT EXISTS (SELECT FROM succeeded), EXISTS (
    SELECT FROM <known> WHERE key = $1::text AND (forget IS NULL OR forget > <now>)
)
"""
"""Stores behind a job that is stopped; takes what `PUT` takes, once. Returns whether it did, and
whether the key is known."""

_RUNS = "(token IS NOT NULL AND due > <now>)"
_GOES_ON = f"(stopped OR {_RUNS})"

# What isn't there yet is found by the uniqueness of keys, and then this is asked again.
REPLACE = f"""
WITH asked AS MATERIALIZED (
    SELECT $1::text AS key, NULLIF($3::text, ''::text) AS line, $2::bytea AS body, GREATEST(
        <now> + pg_catalog.make_interval(secs => $4::float8), pg_catalog.to_timestamp($5::float8)
    ) AS due
    WHERE NOT EXISTS (SELECT FROM <known> WHERE key = $1::text AND token = $7::uuid)
), succeeded AS (
    UPDATE <notifications> n SET
        next = a.body, next_line = a.line, next_due = a.due, next_stored = <now>
    FROM asked a WHERE n.key = a.key AND (n.stopped OR n.token IS NOT NULL AND n.due > <now>)
    RETURNING n.key
), gone AS (
    DELETE FROM <notifications> n USING asked a
    WHERE n.key = a.key AND NOT n.stopped AND (n.token IS NULL OR n.due <= <now>)
    RETURNING n.line, n.number
), {woken(SHUT_WITH)}, new AS (
    INSERT INTO <known> AS k (key, token) SELECT key, $7::uuid FROM asked
    WHERE (SELECT pg_catalog.count(*) FROM gone) >= 0::bigint
    ON CONFLICT (key) DO UPDATE SET token = excluded.token, forget = NULL RETURNING key
), {
    noted(
        "SELECT line, due FROM asked WHERE NOT EXISTS (SELECT FROM succeeded)"
        " UNION ALL SELECT line, <now> FROM gone UNION ALL SELECT line, due FROM woken"
    )
}, stored AS (
    INSERT INTO <notifications> (key, line, owner, body, due, stage)
    SELECT key, t.line, NULLIF($6::text, ''::text), t.body, t.due, {_STAGE}
    FROM asked t JOIN new USING (key)
    WHERE NOT EXISTS (SELECT FROM succeeded) AND {_AFTER_NOTED}
)
SELECT 1
"""
"""Stores in place of what is known, or as its successor; takes what `PUT` takes, once."""

CANCEL = f"""
WITH alone AS (
    UPDATE <notifications> SET next = NULL, next_line = NULL, next_due = NULL, next_stored = NULL
    WHERE key = $1::text AND {_GOES_ON} AND next IS NOT NULL RETURNING key
), gone AS (
    DELETE FROM <notifications> WHERE key = $1::text AND {_GOES_ON} IS NOT TRUE
    RETURNING key, line, number
), {woken(SHUT_WITH)}, forgotten AS (
    UPDATE <known> k SET token = $2::uuid, forget = <now> FROM gone g WHERE k.key = g.key
), {noted("SELECT line, <now> AS due FROM gone UNION ALL SELECT line, due FROM woken")}
SELECT key FROM alone UNION ALL SELECT key FROM gone
"""
"""Removes what doesn't run, and what succeeds; takes a key, and a token of the call."""
CANCELLED_BEFORE = """
UNION ALL SELECT key FROM <known> WHERE key = $1::text AND token = $2::uuid
"""

IS_REMOVABLE = f"""
SELECT 1 FROM <notifications> WHERE key = $1::text AND ({_GOES_ON} IS NOT TRUE OR next IS NOT NULL)
"""
"""Finds what `CANCEL` would remove."""

_SEEN = """
WITH seen AS MATERIALIZED (
    SELECT line, xmin AS version FROM <lines>
    WHERE due BETWEEN pg_catalog.to_timestamp($3::float8) AND <now> ORDER BY due LIMIT $4::bigint
)"""
_ALONE = """SELECT number, due FROM <notifications>
    WHERE due BETWEEN pg_catalog.to_timestamp($3::float8) AND <now>
        AND (line IS NULL OR token IS NOT NULL) AND (token IS NULL OR $5::boolean)"""
_OLDEST = "ORDER BY due, number LIMIT 1::bigint FOR NO KEY UPDATE SKIP LOCKED"
_LEASED = f"""taken AS (
    UPDATE <notifications> n SET
        stage = {AHEAD}, token = $1::uuid, holder = $2::text, due = <now> + <lease>, asks = FALSE,
        expiries = n.expiries + (n.token IS NOT NULL)::int
    FROM chosen c WHERE n.number = c.number
    RETURNING n.number, n.key, n.body, n.line,
        EXTRACT(epoch FROM <now> - c.due)::float8 AS late,
        n.failures, n.expiries, n.releases, n.outages, n.waits, n.error, n.stopped
)"""

# Of a line that is to be looked at, the one that is ahead, else the first of those that are due,
# else the one that is due next. In a join with a row that was written again, its old version isn't
# equal to the new one, and nothing is found.
TAKE = f"""{_SEEN}, locked AS MATERIALIZED (
    SELECT l.line FROM <lines> l JOIN seen s ON l.line = s.line AND l.xmin = s.version
    FOR NO KEY UPDATE OF l SKIP LOCKED
), first AS MATERIALIZED (
    SELECT l.line, n.* FROM locked l LEFT JOIN LATERAL (
        (
            SELECT number, due, token IS NOT NULL AS runs, stage FROM <notifications>
            WHERE line = l.line AND stage BETWEEN {AHEAD} AND {DUE}
            ORDER BY stage, number LIMIT 1::bigint
        ) UNION ALL (
            SELECT number, due, FALSE, {DUE} FROM <notifications>
            WHERE line = l.line AND stage = {LATER} AND due <= <now>
            ORDER BY number LIMIT 1::bigint
        ) UNION ALL (
            SELECT number, due, FALSE, {LATER} FROM <notifications>
            WHERE line = l.line AND stage = {LATER} AND due > <now>
            ORDER BY due LIMIT 1::bigint
        ) ORDER BY stage, number LIMIT 1::bigint
    ) n ON TRUE
), alone AS MATERIALIZED (
    {_ALONE} {_OLDEST}
), chosen AS (
    SELECT n.number, n.due FROM <notifications> n JOIN (
        SELECT number FROM first WHERE due <= <now> AND NOT runs
        UNION ALL SELECT number FROM alone
    ) f USING (number) WHERE n.due <= <now>
    ORDER BY n.due, n.number LIMIT 1::bigint FOR NO KEY UPDATE OF n SKIP LOCKED
), {_LEASED}, removed AS (
    DELETE FROM <lines> l USING first f WHERE l.line = f.line AND (
        f.number IS NULL OR f.runs OR f.number = (SELECT number FROM taken)
    )
), postponed AS (
    UPDATE <lines> l SET due = f.due FROM first f
    WHERE l.line = f.line AND f.due > <now> AND NOT f.runs
)
SELECT (SELECT pg_catalog.count(*) FROM seen), (SELECT pg_catalog.count(*) FROM locked), t.*
FROM (SELECT) s LEFT JOIN taken t ON TRUE
"""
"""Takes a token, a holder, the lowest time, how many lines are looked at, and whether leases that
have expired are taken over. Returns how many lines were to be looked at, how many of them were
looked at, and what was taken."""

TAKE_ALONE = f"""{_SEEN}, chosen AS (
    {_ALONE} AND NOT EXISTS (SELECT FROM seen) {_OLDEST}
), {_LEASED}
SELECT (SELECT pg_catalog.count(*) FROM seen), 0::bigint, t.*
FROM (SELECT) s LEFT JOIN taken t ON TRUE
"""
"""The same while no line is to be looked at, and else nothing: half as much to plan, which costs
more than the rest."""

# Beside an old transaction, the indexes keep entries of what was completed since, and a take would
# look at all of them. What is written gets a time that isn't past, so nothing comes before what is
# there now, but for a statement that has waited for longer than these seconds: that is found when
# this is asked again.
LOWEST = f"""
SELECT EXTRACT(epoch FROM LEAST(
    (SELECT pg_catalog.min(due) FROM <notifications>
        WHERE due IS NOT NULL AND (line IS NULL OR token IS NOT NULL)),
    (SELECT pg_catalog.min(due) FROM <lines>),
    <now> - pg_catalog.make_interval(secs => {SLACK}::float8)
))::float8 - 0.001::float8
"""
"""Before this time, in seconds since 1970, nothing is due."""

GIVE_BACK = f"""
WITH given AS (
    UPDATE <notifications> SET token = NULL, holder = NULL, due = <now>
    WHERE token = ANY($1::uuid[]) RETURNING line, due
), {noted("SELECT line, due FROM given")}
SELECT 1
"""
"""Gives back what has one of the tokens, in one array."""

RENEW = """
UPDATE <notifications> SET due = <now> + <lease> WHERE key = $1::text AND token = $2::uuid
RETURNING key
"""
"""Takes a key and a token."""

LEAVE_LINE = f"""
WITH old AS MATERIALIZED (
    SELECT number, line FROM <notifications> WHERE key = $1::text AND token = $2::uuid
    FOR NO KEY UPDATE
), renewed AS (
    UPDATE <notifications> n SET due = <now> + <lease>, line = NULL
    FROM old o WHERE n.number = o.number
), {noted("SELECT line, <now> AS due FROM old")}
SELECT 1 FROM old
"""
"""The same, of what leaves its line."""

STOP = f"""
WITH stopped AS (
    UPDATE <notifications> SET stopped = TRUE
    WHERE {within("owner", "$1::text")} AND number < $2::bigint
        AND stage <> {FAILED} AND NOT stopped
    RETURNING number, body,
        token IS NOT NULL OR waits OR error IS NOT NULL OR expiries + outages > 0 AS has_begun
)
SELECT number, body FROM stopped s WHERE has_begun
    AND NOT EXISTS (SELECT FROM <questions> q WHERE q.number = s.number)
"""
"""Takes how an owner begins, and a number."""

# As in `questions`, those are locked first.
STOP_KEY = f"""
WITH asked AS MATERIALIZED (
    SELECT q.id FROM <questions> q JOIN <notifications> n USING (number)
    WHERE n.key = $1::text AND NOT n.stopped FOR UPDATE OF q
), gone AS (
    DELETE FROM <questions> q USING asked a WHERE q.id = a.id
    RETURNING q.id, q.number, q.record, q.place
), recorded AS (
    INSERT INTO <records> (number, name, value) SELECT number, record, $2::bytea FROM gone
), stopped AS (
    UPDATE <notifications> SET
        stopped = TRUE, next = NULL, next_line = NULL, next_due = NULL, next_stored = NULL,
        due = CASE WHEN token IS NULL THEN <now> ELSE due END,
        stage = CASE WHEN stage = {LATER} THEN {DUE} ELSE stage END
    WHERE key = $1::text AND NOT stopped
        AND ({_RUNS} OR number IN (SELECT number FROM gone))
    RETURNING number, body, line
), {woken("SELECT id, place FROM gone")}, {
    noted("SELECT line, <now> AS due FROM stopped UNION ALL SELECT line, due FROM woken")
}
SELECT number, body FROM stopped
"""
"""Takes a key, and what is recorded for its questions."""

STOPPING = "SELECT number FROM <notifications> WHERE stopped AND token IS NOT NULL"

# What somebody's transaction with a record holds isn't waited for, because others wait meanwhile.
_MINE = """
WITH mine AS MATERIALIZED (
    SELECT number, next IS NULL AS is_last FROM <notifications>
    WHERE key = $1::text AND token = $2::uuid FOR UPDATE NOWAIT
)"""

SUCCESSOR = f"""next AS (
    INSERT INTO <notifications> (key, line, body, due, stored, stage, ended)
    SELECT key, next_line, next, t.due, next_stored, {_STAGE}, $2::uuid FROM gone
    CROSS JOIN LATERAL (SELECT GREATEST(next_due, <now>) AS due) t
    WHERE next IS NOT NULL AND {_AFTER_NOTED}
)"""

_NEXT = "SELECT next_line, GREATEST(next_due, <now>) FROM gone WHERE next IS NOT NULL"

COMPLETE = f"""{_MINE}, gone AS (
    DELETE FROM <notifications> n USING mine m WHERE n.number = m.number RETURNING n.*
), kept AS (
    UPDATE <known> k SET token = $2::uuid, forget = <now> + CASE
        WHEN g.stopped AND pg_catalog.starts_with(g.key, '{JOB}'::text)
        THEN pg_catalog.make_interval() ELSE <keep>
    END
    FROM gone g WHERE k.key = g.key AND g.next IS NULL
), {woken(SHUT_WITH)}, {
    noted(
        f"SELECT line, <now> AS due FROM gone UNION ALL {_NEXT}"
        " UNION ALL SELECT line, due FROM woken"
    )
}, {SUCCESSOR}
SELECT 1 FROM gone
"""
"""The same."""

_ENDED_BEFORE = "SELECT 1 FROM <notifications> WHERE key = $1::text AND ended = $2::uuid"
ENDED_BEFORE = f"UNION ALL {_ENDED_BEFORE}"
COMPLETED_BEFORE = f"""{ENDED_BEFORE}
UNION ALL SELECT 1 FROM <known> WHERE key = $1::text AND token = $2::uuid
"""

_END = "token = NULL, holder = NULL, ended = $2::uuid"

GIVE_UP = f"""{_MINE}, failed AS (
    UPDATE <notifications> n SET
        {_END}, due = NULL, stage = {FAILED}, failures = n.failures + 1, outages = 0,
        error = $3::text, unreadable = $4::boolean, stopped = FALSE
    FROM mine m WHERE n.number = m.number AND m.is_last RETURNING n.line, n.number
), gone AS (
    DELETE FROM <notifications> n USING mine m
    WHERE n.number = m.number AND NOT m.is_last RETURNING n.*
), closed AS (
    DELETE FROM <questions> q USING failed f WHERE q.number = f.number
), {woken(SHUT_WITH_MINE)}, {
    noted(
        "SELECT line, <now> AS due FROM failed UNION ALL SELECT line, <now> FROM gone"
        f" UNION ALL {_NEXT} UNION ALL SELECT line, due FROM woken"
    )
}, {SUCCESSOR}
SELECT 1 FROM mine
"""
"""Keeps as failed, or puts the successor there; takes a key, a token, an error, and whether it is
unreadable."""


def _ended(changes: str) -> str:
    return f"""
WITH ended AS (
    UPDATE <notifications> SET
        {_END}, due = <now> + pg_catalog.make_interval(secs => $3::float8), {changes}
    WHERE key = $1::text AND token = $2::uuid RETURNING line, due, stage
), {noted(f"SELECT line, CASE WHEN stage = {AHEAD} THEN due ELSE <now> END AS due FROM ended")}
SELECT 1 FROM ended
"""


def _waiting(holds: str) -> str:
    """Return the stage of what waits for its time, and holds up its line or doesn't."""
    return (
        f"stage = CASE WHEN {holds} THEN {AHEAD} WHEN $3::float8 > 0::float8 THEN {LATER}"
        f" ELSE {DUE} END"
    )


FAIL = _ended(
    f"{_waiting('$4::boolean')}, error = $5::text, failures = failures + $6::boolean::int,"
    " releases = releases + (NOT $6::boolean)::int,"
    " outages = CASE WHEN $6::boolean THEN 0 ELSE outages END"
)
"""Takes a key, a token, seconds until it is due, whether it holds up its line, an error, and
whether it is a failure."""

# A conversation that nobody there can go on with holds up what may answer it.
RELEASE = _ended(f"{_waiting('$4::boolean OR waits')}, releases = releases + 1")
"""Takes a key, a token, seconds until it is due, and whether it holds up its line."""

# Those within a minute are counted as one.
_COUNTS = "outage IS NULL OR outage <= <now> - pg_catalog.make_interval(mins => 1)"
RELEASE_IN_OUTAGE = _ended(
    f"{_waiting('$4::boolean')}, outages = outages + ({_COUNTS})::int,"
    f" outage = CASE WHEN {_COUNTS} THEN <now> ELSE outage END"
)
"""The same."""

RECALL = "SELECT value FROM <records> WHERE number = $1::bigint AND name = $2::text"
"""Takes a number and a name."""

REMEMBER = """
INSERT INTO <records> (number, name, value)
SELECT number, $2::text, $3::bytea FROM <notifications> WHERE number = $1::bigint
ON CONFLICT (number, name) DO UPDATE SET value = excluded.value
"""
"""Takes a number, a name and a value."""

REMEMBER_LEASED = """
WITH mine AS MATERIALIZED (
    SELECT number FROM <notifications> WHERE number = $1::bigint AND token = $4::uuid FOR SHARE
)
INSERT INTO <records> (number, name, value) SELECT number, $2::text, $3::bytea FROM mine
ON CONFLICT (number, name) DO UPDATE SET value = excluded.value
"""
"""The same, and a token."""

INBOX = "SELECT inbox::text FROM <version>"
"""What tells the tables from those in another database."""

IS_UNFINISHED = """
SELECT inbox::text, EXISTS (SELECT FROM <notifications> WHERE number = $1::bigint) FROM <version>
"""
"""The same, and whether a notification isn't completed; takes its number."""

# These run on a connection of the user's.
REMEMBER_WITHIN = """
INSERT INTO <records> (number, name, value) VALUES ($1::bigint, $2::text, $3::bytea)
ON CONFLICT (number, name) DO NOTHING RETURNING name
"""
"""Takes a number, a name and a value; returns the name if it is new."""
REPLACE_WITHIN = """
UPDATE <records> SET value = $3::bytea WHERE number = $1::bigint AND name = $2::text RETURNING name
"""
"""The same; returns the name."""
PUT_WITHIN = """
INSERT INTO <outbox> (key, body, line, at, replace) VALUES (
    $1::text, $2::bytea, $3::text,
    GREATEST(EXTRACT(epoch FROM <now>)::float8 + $4::float8, $5::float8), $6::boolean
) RETURNING 1
"""
"""Takes what `REPLACE` takes first, or no body, and whether it replaces."""

OUTBOX = "SELECT 1 FROM <outbox> LIMIT 1::bigint"
"""Whether something is to be done there."""


def _of_left(statement: str) -> str:
    """Return a statement on the row that is left in the outbox, a `job`."""
    names = ("key", "body", "line", "after", "at", "owner")

    def value(place: re.Match[str]) -> str:
        kind = place[2]
        name = "token" if kind == "uuid" else names[int(place[1]) - 1]
        return f"ARRAY[job.{name}]::{kind}[]" if place[3] else f"job.{name}::{kind}"

    return re.sub(r"\$(\d)::(\w+)(\[\])?", value, statement)


# One transaction empties it at a time, or what one of the users' has left would be torn apart.
_OUTBOX_LOCK = f"({_LOCK}::int, tableoid::int) FROM <version>"


def _emptied(lock: str) -> str:
    return f"""DECLARE
    job record;
    done text;
    is_new boolean;
    is_known boolean;
BEGIN
    {lock}
    FOR job IN
        SELECT number, key, body, line, 0::float8 AS after, at, replace, ''::text AS owner,
            pg_catalog.gen_random_uuid() AS token
        FROM <outbox> WHERE transaction IN (
            SELECT transaction FROM <outbox> ORDER BY number LIMIT 1000::bigint
        ) ORDER BY number
    LOOP
        DELETE FROM <outbox> WHERE number = job.number;
        LOOP
            IF job.body IS NULL THEN
                {_of_left(CANCEL)} INTO done;
                EXIT WHEN FOUND;
                {_of_left(IS_REMOVABLE)} INTO done;
                EXIT WHEN NOT FOUND;
            ELSIF job.replace THEN
                {_of_left(REPLACE)} INTO done;
                EXIT;
            ELSE
                {_of_left(PUT)} INTO done;
                EXIT WHEN FOUND;
                {_of_left(BEHIND)} INTO is_new, is_known;
                EXIT WHEN is_known;
            END IF;
        END LOOP;
    END LOOP;
END;"""


EMPTY_OUTBOX = _emptied(f"PERFORM pg_catalog.pg_advisory_xact_lock{_OUTBOX_LOCK};")
"""The body of a block, which does what is in the outbox."""

TRY_TO_EMPTY_OUTBOX = _emptied(
    f"IF NOT (SELECT pg_catalog.pg_try_advisory_xact_lock{_OUTBOX_LOCK}) THEN RETURN; END IF;"
)
"""The same, unless another one does it now."""

# More ended claims are removed than come.
CLAIM = """
WITH forgotten AS (
    DELETE FROM <claims> WHERE name IN (
        SELECT name FROM <claims> WHERE until <= <now> AND name <> $1::text
        ORDER BY until LIMIT 4::bigint FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO <claims> AS c (name, token, inbox, until)
VALUES ($1::text, $2::uuid, $3::uuid, <now> + pg_catalog.make_interval(secs => $4::float8))
ON CONFLICT (name) DO UPDATE SET
    token = excluded.token, inbox = excluded.inbox, until = excluded.until
    WHERE c.until <= <now> OR c.token = excluded.token OR $5::boolean AND c.inbox = excluded.inbox
RETURNING name
"""
"""Takes a name, a token, an inbox, seconds, and whether a claim of the inbox is renewed."""

UNCLAIM = "DELETE FROM <claims> WHERE name = $1::text AND inbox = $2::uuid"
"""Takes a name and an inbox."""

_STATE = f"""CASE
        WHEN unreadable THEN 'unreadable'::text
        WHEN stage = {FAILED} THEN 'failed'::text
        WHEN due <= <now> THEN 'waiting'::text
        WHEN token IS NOT NULL THEN 'running'::text
        WHEN asks THEN 'asking'::text
        WHEN failures + expiries + releases + outages = 0 AND error IS NULL THEN 'scheduled'::text
        ELSE 'retrying'::text
    END"""

NOW = "SELECT <now>"
"""The time by the clock of the database."""

COUNTS = f"""
SELECT state, pg_catalog.count(*), EXTRACT(epoch FROM <now> - pg_catalog.min(due))::float8 FROM (
    SELECT {_STATE} AS state, due FROM <notifications>
    UNION ALL SELECT 'scheduled'::text, NULL FROM <notifications> WHERE next IS NOT NULL
    UNION ALL SELECT CASE WHEN due <= <now> THEN 'waiting'::text ELSE 'scheduled'::text END, due
    FROM (SELECT pg_catalog.to_timestamp(at) AS due FROM <outbox> WHERE body IS NOT NULL) o
) s GROUP BY state
"""
"""The states, how many are in each, and for how many seconds the oldest of them has been due."""

UNFINISHED = f"""
SELECT number, key, pg_catalog.substr(body, 1, {BEGINNING}), pg_catalog.octet_length(body),
    {_STATE}, stored, due, failures, expiries, error, holder, line,
    pg_catalog.substr(next, 1, {BEGINNING}), pg_catalog.octet_length(next), next_stored,
    next_due, next_line
FROM <notifications> WHERE number > $1::bigint ORDER BY number LIMIT $2::bigint
"""
"""Those after a number; takes it, and how many."""

# The pattern is that of keys which can be shown: others are known by their numbers.
_MEANT = "(key = ANY($1::text[]) OR number = ANY($2::bigint[]) AND key !~ $3::text)"

RETRY = f"""
WITH due AS (
    UPDATE <notifications> SET
        due = LEAST(due, <now>), stage = CASE WHEN stage = {AHEAD} THEN {AHEAD} ELSE {DUE} END,
        -- or its handlers would run as for the first time
        error = COALESCE(error, CASE WHEN expiries > 0 THEN '{EXPIRED}'::text END),
        failures = 0, expiries = 0, releases = 0
    WHERE {_MEANT} AND NOT unreadable AND {_RUNS} IS NOT TRUE
    RETURNING line, due, number
), over AS (
    UPDATE <questions> q SET until = <now> FROM due d
    WHERE q.number = d.number AND q.until > <now> AND d.due = <now>
), next AS (
    UPDATE <notifications> SET next_due = <now>
    WHERE {_MEANT} AND token IS NOT NULL AND next_due > <now> RETURNING key
), {noted("SELECT line, <now> AS due FROM due")}
SELECT (SELECT pg_catalog.count(*) FROM due WHERE due = <now>)
    + (SELECT pg_catalog.count(*) FROM next)
"""
"""Makes due what isn't, with all attempts; takes keys, numbers, and the pattern; returns how many
weren't due."""

DROP = f"""
WITH gone AS (
    DELETE FROM <notifications> WHERE {_MEANT} AND stage = {FAILED} RETURNING key
), kept AS (
    UPDATE <known> k SET forget = <now> + CASE
        WHEN pg_catalog.starts_with(k.key, $4::text) THEN pg_catalog.make_interval() ELSE <keep>
    END FROM gone g WHERE k.key = g.key
)
SELECT pg_catalog.count(*) FROM gone
"""
"""Takes the same, and how the keys of jobs begin; returns how many were removed."""

CAUGHT_UP = "SELECT time FROM <times> WHERE name = $1::text"
"""Takes a name."""

SET_CAUGHT_UP = """
INSERT INTO <times> (name, time) VALUES ($1::text, $2::timestamptz)
ON CONFLICT (name) DO UPDATE SET time = excluded.time
"""
"""Takes a name and a time."""

FORGET = """
DELETE FROM <known> WHERE key IN (
    SELECT key FROM <known> WHERE forget <= <now>
    ORDER BY forget LIMIT $1::bigint FOR UPDATE SKIP LOCKED
) RETURNING 1
"""
"""Takes how many keys whose time has passed are removed; returns a row for each."""
