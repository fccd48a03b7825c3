"""An inbox in a process that was forked, on either database."""

from pathlib import Path

import pytest

from tests.support.postgres_inboxes import Database
from tests.support.programs import printed_by

pytestmark = pytest.mark.once

BEGIN = """
import asyncio, os, sys, warnings
from webex_webhooks_async import PostgresInbox, SQLiteInbox

warnings.simplefilter("ignore")  # newer Pythons warn of what this is about
inbox = eval(sys.argv[1])

async def closed(call):
    result = await call
    await inbox.aclose()
    return result

def show(call):
    try:
        print(asyncio.run(call), flush=True)
    except RuntimeError as error:
        print(error, flush=True)
"""
USED = """
asyncio.run(inbox.put("a", b"{}"))
if os.fork() == 0:
    show(inbox.put("b", b"{}"))
    show(inbox.aclose())
    sys.exit()
print(os.wait()[1])
"""
CLAIMS = """
show(closed(inbox.claim("a name", 60)))
if os.fork() == 0:
    show(closed(inbox.unclaim("a name")))
    show(closed(inbox.claim("a name", 60)))
    sys.exit()
os.wait()
show(closed(inbox.unclaim("a name")))
show(closed(inbox.claim("a name", 60)))
"""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> str:
    """Say how an inbox is made."""
    if request.param == "SQLite":
        return f"SQLiteInbox({str(tmp_path / 'inbox.db')!r})"
    return f"PostgresInbox({database.url!r}, schema={database.schema!r})"


async def test_an_inbox_can_not_be_carried_across_a_fork(inbox: str) -> None:
    """The child gets an error that says where to make one, and disturbs nothing of the parent."""
    error, closing, status = await printed_by("-c", f"{BEGIN}{USED}", inbox)

    assert "before the process was forked: " in error
    assert closing == ("None" if "Postgres" in inbox else error)
    assert status == "0"


async def test_claims_of_forked_processes(inbox: str) -> None:
    """Processes that were forked with an inbox give back their own claims alone."""
    printed = await printed_by("-c", f"{BEGIN}{CLAIMS}", inbox)

    assert printed == ["True", "None", "False", "None", "True"]
