"""The statements of a `PostgresInbox` about questions, one for each method.

An answer, the end of a question, and the wait of its entry may come at the same moment. Each locks
the row of the question first, and a row that is gone decides for the one that was there before. A
condition on the entry that asks stands in the new value, because a row whose old version doesn't
meet it would be passed over.
"""

from webex_webhooks_async.inbox.base import PUT_OFF_SECONDS
from webex_webhooks_async.inbox.postgres.sql import AHEAD, DUE, LATER, noted, within, woken
from webex_webhooks_async.notifications.identity import JOB

_NEVER = "'5000-01-01 00:00:00+00'::timestamptz"  # later than all that is said
_HIGHEST = "(SELECT COALESCE(pg_catalog.max(number), 0::bigint) FROM <notifications>)"
# An entry that runs finds the record when it would wait.
_DUE_NOW = f"""
        due = CASE WHEN n.token IS NULL THEN <now> ELSE n.due END,
        stage = CASE WHEN n.stage = {LATER} THEN {DUE} ELSE n.stage END"""
# Whether it is the turn of a question: no other one that queues there is open, or of an earlier
# entry.
_TURN = """(NOT q.queues OR NOT EXISTS (
        SELECT FROM <questions> o WHERE o.place = q.place AND o.queues AND o.id <> q.id
            AND (o.opened IS NOT NULL OR (o.number, o.id) < (q.number, q.id))
    ))"""
# Whether the time of a question has passed, and nothing that was stored by then may answer it.
_MAY_ANSWER = f"""(n.stage = {AHEAD} OR n.stage = {DUE}) AND n.stored <= q.until
    AND NOT n.waits AND NOT pg_catalog.starts_with(n.key, '{JOB}'::text)"""
_OVER = f"""(q.until <= <now> AND (
        q.until <= <now> - pg_catalog.make_interval(secs => {PUT_OFF_SECONDS}::float8)
        OR NOT EXISTS (
            SELECT 1 FROM <notifications> n WHERE n.line = q.line AND {_MAY_ANSWER}
            UNION ALL SELECT 1 FROM <notifications> n
            WHERE n.line IS NOT NULL AND q.line IS NULL AND {_MAY_ANSWER}
        )
    ))"""
_QUESTION = "q.id, q.number, q.record, q.place, q.owner, q.opened, q.data"

RECORDS = "SELECT name, value FROM <records> WHERE number = $1::bigint"
"""Takes a number."""

# A question that is seen, and gone when it is locked, was answered: then this is asked again.
ASK = f"""
WITH mine AS MATERIALIZED (
    SELECT number FROM <notifications> WHERE number = $1::bigint AND token = $2::uuid
), known AS MATERIALIZED (
    SELECT value FROM <records> WHERE number = $1::bigint AND name = $3::text
), seen AS MATERIALIZED (
    SELECT id FROM <questions> WHERE number = $1::bigint AND record = $3::text
), old AS MATERIALIZED (
    SELECT id, {_OVER} AS is_over FROM <questions> q
    WHERE number = $1::bigint AND record = $3::text AND EXISTS (SELECT FROM mine) FOR UPDATE
), over AS (
    DELETE FROM <questions> q USING old o WHERE q.id = o.id AND o.is_over
    RETURNING q.id, q.place
), unanswered AS (
    INSERT INTO <records> (number, name, value) SELECT $1::bigint, $3::text, ''::bytea FROM over
), closed AS (
    DELETE FROM <questions> WHERE number = $1::bigint AND record <> $3::text
        AND EXISTS (SELECT FROM mine) AND NOT EXISTS (SELECT FROM known)
        AND NOT EXISTS (SELECT FROM seen) AND NOT $10::boolean
    RETURNING id, place
), changed AS (
    UPDATE <questions> q SET
        data = $8::bytea,
        place = CASE
            WHEN q.until IS NULL AND NOT q.queues AND $9::float8 IS NOT NULL THEN $4::text
            ELSE q.place
        END,
        until = COALESCE(q.until, <now> + pg_catalog.make_interval(secs => $9::float8)),
        line = COALESCE(q.line, $6::text),
        opened = COALESCE(q.opened, CASE WHEN {_TURN} THEN {_HIGHEST} END)
    FROM old o WHERE q.id = o.id AND o.is_over IS NOT TRUE
    RETURNING {_QUESTION}
), new AS (
    INSERT INTO <questions> AS q (number, record, place, owner, line, queues, data, until, opened)
    SELECT number, $3::text, $4::text, $5::text, $6::text, $7::boolean, $8::bytea,
        <now> + pg_catalog.make_interval(secs => $9::float8),
        CASE WHEN NOT $7::boolean OR NOT EXISTS (
            SELECT FROM <questions> o
            WHERE o.place = $4::text AND o.queues
                AND (o.opened IS NOT NULL OR o.number <= $1::bigint)
                AND (o.number <> $1::bigint OR $10::boolean)
        ) THEN {_HIGHEST} END
    FROM mine WHERE NOT EXISTS (SELECT FROM known) AND NOT EXISTS (SELECT FROM seen)
    RETURNING {_QUESTION}
), asking AS (
    UPDATE <notifications> SET waits = TRUE
    WHERE number = $1::bigint AND EXISTS (SELECT FROM new)
), {woken("SELECT id, place FROM over UNION ALL SELECT id, place FROM closed")}, {
    noted("SELECT line, due FROM woken")
}
SELECT (SELECT value FROM known), EXISTS (SELECT FROM over), EXISTS (SELECT FROM mine), q.*
FROM (SELECT) s LEFT JOIN (
    SELECT * FROM new UNION ALL SELECT * FROM changed
) q ON TRUE
"""
"""Opens a question, or changes or ends it; takes number and token of the entry that asks, record,
place, owner, line, whether it queues, data, its seconds, and whether others stay open. Returns what
is recorded, whether it is over, whether the lease is there, and the question."""

UNASK = f"""
WITH asked AS MATERIALIZED (
    SELECT id FROM <questions> WHERE number = $1::bigint AND record = $2::text FOR UPDATE
), mine AS MATERIALIZED (
    SELECT number FROM <notifications> WHERE number = $1::bigint AND token = $3::uuid
        AND EXISTS (SELECT FROM asked) FOR SHARE
), closed AS (
    DELETE FROM <questions> q USING asked a, mine m WHERE q.id = a.id RETURNING q.id, q.place
), {woken("SELECT id, place FROM closed")}, {noted("SELECT line, due FROM woken")}
SELECT 1
"""
"""Closes a question; takes the number of its entry, its record, and the token of the entry."""

QUESTIONS = f"""
SELECT $2::bigint IS NOT NULL AND NOT EXISTS (
    SELECT FROM <notifications> WHERE number = $2::bigint AND token = $3::uuid
), q.* FROM (SELECT) s LEFT JOIN (
    SELECT {_QUESTION} FROM unnest($1::text[]) AS p (place) JOIN <questions> q
        ON q.place = p.place OR {within("q.owner", "p.place")}
    UNION SELECT {_QUESTION} FROM <questions> q
    WHERE q.number = $2::bigint AND q.until > <now> AND pg_catalog.cardinality($1::text[]) = 0
) q ON TRUE ORDER BY q.id
"""
"""Takes places or owners, and number and token of an entry, or NULL. Returns whether its lease is
lost, and the questions: without a place, those of the entry that can be answered."""

WAIT = f"""
WITH asked AS MATERIALIZED (
    SELECT CASE
        WHEN q.until <= <now>
            THEN <now> + (<now> - q.until + pg_catalog.make_interval(secs => 1::float8)) / 4::float8
        WHEN q.opened IS NOT NULL THEN COALESCE(q.until, <now>)
        WHEN {_TURN} THEN <now> ELSE {_NEVER}
    END AS due
    FROM <questions> q WHERE q.number = $1::bigint AND q.record = ANY($3::text[]) FOR UPDATE
), ended AS (
    UPDATE <notifications> n SET
        token = NULL, holder = NULL, ended = $2::uuid, asks = TRUE, due = t.due,
        stage = CASE WHEN t.due > <now> THEN {LATER} ELSE {DUE} END
    FROM (
        SELECT GREATEST(pg_catalog.min(due), <now>) AS due FROM asked
        HAVING pg_catalog.count(*) = pg_catalog.cardinality($3::text[])
        UNION ALL SELECT <now> FROM asked
        HAVING pg_catalog.count(*) < pg_catalog.cardinality($3::text[])
    ) t
    WHERE n.number = $1::bigint AND n.token = $2::uuid RETURNING n.line
), {noted("SELECT line, <now> AS due FROM ended")}
SELECT 1 FROM ended
"""
"""Ends a lease until a question is answered, or its time is over; takes number and token of the
entry that asks, and the records."""
WAITED_BEFORE = """
UNION ALL SELECT 1 FROM <notifications> WHERE number = $1::bigint AND ended = $2::uuid
"""

ANSWER = f"""
WITH done AS MATERIALIZED (
    SELECT number FROM <records> WHERE number = $1::bigint AND name = $4::text
), gone AS (
    DELETE FROM <questions> WHERE id = $2::bigint AND opened IS NOT NULL
        AND NOT EXISTS (SELECT FROM done)
        AND EXISTS (SELECT FROM <notifications> WHERE number = $1::bigint)
    RETURNING id, number, record, place
), answered AS (
    INSERT INTO <records> (number, name, value) SELECT number, record, $3::bytea FROM gone
), answering AS (
    INSERT INTO <records> (number, name, value)
    SELECT $1::bigint, $4::text, $5::bytea FROM gone
), due AS (
    UPDATE <notifications> n SET {_DUE_NOW},
        failures = 0, expiries = 0, releases = 0, outages = 0, outage = NULL
    FROM gone g WHERE n.number = g.number RETURNING n.line
), {woken("SELECT id, place FROM gone")}, {
    noted("SELECT line, <now> AS due FROM due UNION ALL SELECT line, due FROM woken")
}
SELECT 1 FROM gone UNION ALL SELECT 1 FROM done
"""
"""Answers a question; takes the number of the entry that answers, the id of the question, the
answer, and name and value of the record of the entry that answers."""

END = f"""
WITH gone AS (
    DELETE FROM <questions> WHERE id = ANY($1::bigint[]) RETURNING id, number, record, place
), recorded AS (
    INSERT INTO <records> (number, name, value) SELECT number, record, $2::bytea FROM gone
), due AS (
    UPDATE <notifications> n SET {_DUE_NOW}
    WHERE n.number IN (SELECT number FROM gone) RETURNING n.line
), {woken("SELECT id, place FROM gone")}, {
    noted("SELECT line, <now> AS due FROM due UNION ALL SELECT line, due FROM woken")
}
SELECT pg_catalog.count(*) FROM gone
"""
"""Ends questions; takes their ids, and what is recorded for them."""

POSTPONE = f"""
WITH later AS (
    UPDATE <questions> SET
        until = <now> + pg_catalog.make_interval(secs => $1::float8), postponed = TRUE
    WHERE until < <now> + pg_catalog.make_interval(secs => $1::float8) AND NOT postponed
    RETURNING number, until
), moved AS (
    UPDATE <notifications> n SET due = l.until, stage = {LATER}
    FROM later l WHERE n.number = l.number AND n.asks AND n.token IS NULL
)
SELECT 1
"""
"""Lets open questions end later; takes seconds."""

# A question that is opened to wait at the moment at which the one before it is closed isn't seen.
WAKE = f"""
WITH woken AS (
    UPDATE <notifications> n SET due = <now>, stage = {DUE}
    WHERE n.asks AND n.token IS NULL AND n.due > <now> AND n.number IN (
        SELECT q.number FROM <questions> q WHERE q.queues AND q.opened IS NULL AND {_TURN}
    ) RETURNING n.line, n.due
), {noted("SELECT line, due FROM woken")}
SELECT 1
"""
"""Makes due what waits to ask, and whose turn it is."""
