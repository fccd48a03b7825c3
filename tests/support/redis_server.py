"""A real Redis server on loopback that a test can stop, freeze and restart."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.wire import unused_port


class RedisServer:
    """A Redis server on loopback, whose data survive a restart."""

    def __init__(self, program: str, port: int, folder: Path) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._command = [
            *(program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
            # Every write goes to the kernel before the response, so a kill loses nothing.
            *("--save", "", "--appendonly", "yes", "--appendfsync", "no"),
        ]
        self._process = self._started()

    def stop(self) -> None:
        """Kill it, also while it is frozen; connections are refused from then on."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start it again after `stop`, at the same address and with its data."""
        self._process = self._started()

    def freeze(self) -> None:
        """Suspend it: the kernel still accepts connections, but nothing responds."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it after `freeze`; it then executes what it was sent meanwhile."""
        self._process.send_signal(signal.SIGCONT)

    def _started(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as output:
            lines: list[str] = []
            for line in output:
                if "Ready to accept connections" in line:
                    return process
                lines.append(line)
        process.wait()
        raise OSError("the Redis server didn't start:\n" + "".join(lines))


@contextmanager
def running_redis() -> Generator[RedisServer]:
    """Run a Redis server while the block runs; without a binary, skip the test that needs it."""
    program = binary()
    if program is None:
        pytest.skip("no Redis server: put redis-server on PATH, or set REDIS_SERVER to its path")
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(program, unused_port(), Path(folder))
        try:
            yield server
        finally:
            server.stop()


def binary() -> str | None:
    """Find the Redis server to run: the one in the environment, or the one on PATH."""
    return (
        os.environ.get("REDIS_SERVER")
        or shutil.which("redis-server")
        or shutil.which("valkey-server")
    )
