"""`once` within a transaction, killed at each of six moments.

CHAOS_NOTIFICATIONS says how often: 2,000 are a hundred times at each.
"""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres_server import PostgresServer
from tests.support.services import environment_with

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

TIMES = max(1, int(os.environ.get("CHAOS_NOTIFICATIONS", "20")) // 20)
PROGRAM = Path(__file__).with_name("killed_steps.py")
TABLE = "CREATE TABLE orders (amount int)"
COUNT = "SELECT count(*) FROM orders"


def run(*arguments: str) -> int:
    """Run the program; return how many notifications were handled."""
    done = subprocess.run(
        [sys.executable, PROGRAM, *arguments, str(TIMES)],
        env=environment_with({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[1])


def test_postgres(postgres: PostgresServer, schema: str) -> None:
    """On PostgreSQL, there are exactly as many rows as notifications."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {schema}".encode())
    url = postgres.url.removesuffix("postgres") + schema
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
    handled = run(url.replace("postgresql:", "postgresql+asyncpg:"), url)
    with psycopg.connect(url) as connection:
        assert connection.execute(COUNT).fetchone() == (handled,)


def test_sqlite(tmp_path: Path) -> None:
    """In a file, there are exactly as many rows as notifications."""
    path = tmp_path / "orders.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(TABLE)
    handled = run(f"sqlite+aiosqlite:///{path}", str(path))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(COUNT).fetchone() == (handled,)
