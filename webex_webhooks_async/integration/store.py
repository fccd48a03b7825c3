"""What a store of users keeps: a row for each, which it can't read."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from attrs import asdict, field, fields, frozen

State = Literal["connected", "leaving", "lost"]
"""Whether a user is connected, leaves at the moment, or has taken back the permission."""


@frozen(kw_only=True)
class Row:
    """A user in a store."""

    person: str  # the UUID, by which the row is found
    version: str  # a text that each change replaces
    state: State
    key: str  # the id of the key that has sealed it
    webhooks_key: str  # the id of the key that made the secret of the webhooks
    sealed: bytes = field(repr=False)  # everything else, encrypted


@frozen(kw_only=True)
class UserCounts:
    """How many users there are.

    Attributes:
        connected: Those that are connected.
        leaving: Those whose webhooks aren't deleted yet.
        lost: Those that have taken back the permission, or whose grant has ended.
        old_keys: Those whose tokens or webhooks an older key than the first has made; at 0, the
            older keys can go.
    """

    connected: int
    leaving: int
    lost: int
    old_keys: int


class UserStore(ABC):
    """Keeps the users of an integration, for all processes that share it.

    Its errors are `OSError`; while it is away, they are `ConnectionError` or `TimeoutError`.
    """

    async def get(self, person: str) -> Row | None:
        """Return the row of a person."""
        rows = await self._read(f"{SELECT} WHERE person = :person", person=person)
        return row_of(rows[0]) if rows else None

    async def put(self, row: Row, *, replaces: str | None, due_in: float | None) -> bool:
        """Store a row in place of the version that it replaces; `None` is no row.

        A call whose response was lost can be repeated.

        Args:
            row: The row, with a new version.
            replaces: The version.
            due_in: After how many seconds it is due; `None` leaves that as it is, or is at once.

        Returns:
            False if another version is stored; then nothing is changed.
        """
        values = asdict(row, recurse=False)
        if replaces is None:
            return await self._write(_INSERT, **values, due_in=due_in)
        return await self._write(_UPDATE, **values, due_in=due_in, replaces=replaces)

    async def remove(self, person: str, version: str) -> bool:
        """Remove a version of a row; return False if another one, or none, is stored."""
        remove = "DELETE FROM <users> WHERE person = :person AND version = :version"
        return await self._write(remove, person=person, version=version)

    async def claim(self, person: str, holder: str, seconds: float) -> bool:
        """Let somebody hold a row for so many seconds; return whether nobody else does.

        The holder may claim it again.
        """
        return await self._write(_CLAIM, person=person, holder=holder, seconds=seconds)

    async def unclaim(self, person: str, holder: str) -> None:
        """Give back what a holder has claimed."""
        unclaim = "UPDATE <users> SET holder = NULL WHERE person = :person AND holder = :holder"
        await self._write(unclaim, person=person, holder=holder)

    @abstractmethod
    async def take_due(self, most: int, seconds: float) -> Sequence[Row]:
        """Return some of the rows that are due, each of which is due again in so many seconds."""

    async def set_due(self, row: Row, seconds: float) -> None:
        """Let a row be due in so many seconds, unless it has changed."""
        set_due = f"{_SET_DUE} WHERE person = :person AND version = :version"
        await self._write(set_due, seconds=seconds, person=row.person, version=row.version)

    async def page(self, after: str, most: int) -> Sequence[Row]:
        """Return the first rows after a person, in the order of their UUIDs."""
        select = f"{SELECT} WHERE person > :after ORDER BY person LIMIT :most"
        return [row_of(each) for each in await self._read(select, after=after, most=most)]

    async def counts(self, key: str) -> UserCounts:
        """Count the rows; `key` is the id of the first key."""
        counts = dict.fromkeys((each.name for each in fields(UserCounts)), 0)
        for state, number, old_keys in await self._read(_COUNTS, key=key, none=""):
            counts[state] = number
            counts["old_keys"] += old_keys
        return UserCounts(**counts)

    @abstractmethod
    async def aclose(self) -> None:
        """Free what it holds open. The next call opens it again."""

    @abstractmethod
    async def _read(self, statement: str, **values: object) -> Sequence[Sequence[Any]]:
        """Return the rows that a statement finds."""

    @abstractmethod
    async def _write(self, statement: str, **values: object) -> bool:
        """Execute a statement durably; return whether it changes a row."""


def row_of(values: Sequence[Any]) -> Row:
    """Return the row whose columns were read."""
    *texts, sealed = values
    found: dict[str, Any] = dict(zip(COLUMNS, [*texts, bytes(sealed)], strict=True))
    return Row(**found)


def newer(where: str) -> OSError:
    """Return the error for tables of a newer release."""
    return OSError(f"the users in {where} were stored by a newer release of webex-webhooks-async")


VERSION = 1
"""Rises with a change after which an older release can't use the tables any more."""

# Both databases execute the same statements. A store puts in the name of the table for <users>, the
# time in seconds for <now>, an order of texts by their bytes for <C>, and values for :names.
COLUMNS = tuple(each.name for each in fields(Row))
SELECT = f"SELECT {', '.join(COLUMNS)} FROM <users>"
TABLES = f"""CREATE TABLE IF NOT EXISTS <users> (
    person text <C> PRIMARY KEY,
    version text NOT NULL,
    state text NOT NULL,
    key text NOT NULL,
    webhooks_key text NOT NULL,
    sealed bytea NOT NULL,
    due double precision NOT NULL,
    holder text,
    held_until double precision
);
CREATE INDEX IF NOT EXISTS webex_users_due ON <users> (due);
CREATE TABLE IF NOT EXISTS <users_version> (number int PRIMARY KEY);
INSERT INTO <users_version> VALUES ({VERSION}) ON CONFLICT DO NOTHING;
"""

# The version that it writes is known already where the response to an earlier attempt was lost.
_INSERT = f"""
INSERT INTO <users> AS u ({", ".join(COLUMNS)}, due)
VALUES ({", ".join(f":{each}" for each in COLUMNS)}, coalesce(<now> + :due_in, <now>))
ON CONFLICT (person) DO UPDATE SET version = u.version WHERE u.version = :version"""
_UPDATE = f"""
UPDATE <users> SET {", ".join(f"{each} = :{each}" for each in COLUMNS)},
    due = coalesce(<now> + :due_in, due)
WHERE person = :person AND version IN (:version, :replaces)"""
_SET_DUE = "UPDATE <users> SET due = <now> + :seconds"
_CLAIM = """
UPDATE <users> SET holder = :holder, held_until = <now> + :seconds
WHERE person = :person AND (holder IS NULL OR holder = :holder OR held_until <= <now>)"""
_COUNTS = """
SELECT state, count(*), count(*) FILTER (WHERE key <> :key OR webhooks_key NOT IN (:key, :none))
FROM <users> GROUP BY state"""
