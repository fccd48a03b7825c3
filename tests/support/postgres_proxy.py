"""What stands between an inbox and PostgreSQL in tests, and holds back or cuts off what is sent."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class PostgresProxy:
    """Forwards connections to a server on loopback."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._passes = {is_request: asyncio.Event() for is_request in (True, False)}
        self._refuses = False
        self.thaw()
        self._marker: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.port = 0
        self.latency = 0.0  # seconds
        self.connections = 0
        self.requests: list[bytes] = []
        self.changes = b"", b""  # in responses, before and after

    def freeze(self, *, requests: bool = True) -> None:
        """Forward no response any more, and no request either: connections are still accepted."""
        self._passes[False].clear()
        if requests:
            self._passes[True].clear()

    def thaw(self) -> None:
        """Forward what was sent meanwhile, and all that comes."""
        for each in self._passes.values():
            each.set()

    def refuse(self) -> None:
        """Close all connections, and accept none any more."""
        self._refuses = True
        self.close_connections()

    def accept(self) -> None:
        """Accept connections again."""
        self._refuses = False

    def sent(self, part_of_sql: str = "") -> int:
        """How many such statements clients have sent."""
        parsed = [each for each in self.requests if each.startswith(b"P")]
        return sum(part_of_sql.encode() in each for each in parsed)

    def lose_response_to(self, part_of_sql: str) -> None:
        """Let the server execute the next such statement, and close instead of responding."""
        self._marker = part_of_sql.encode()

    @property
    def has_lost_all(self) -> bool:
        """Whether each response that was to be lost is."""
        return self._marker is None

    def close_connections(self) -> None:
        """Close all connections; others are accepted."""
        for each in [*self._writers]:
            each.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self.connections += 1
        if self._refuses:
            writer.transport.abort()
            return
        try:
            theirs = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        loses = asyncio.Event()
        both = {writer, theirs[1]}
        self._writers |= both
        await asyncio.gather(
            self._forward(reader, theirs[1], loses, is_request=True),
            self._forward(theirs[0], writer, loses, is_request=False),
        )
        self._writers -= both

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        loses: asyncio.Event,
        *,
        is_request: bool,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1_000_000):
                await self._passes[is_request].wait()
                if is_request:
                    self.requests.append(data)
                    if self._marker is not None and self._marker in data:
                        self._marker = None
                        loses.set()
                elif loses.is_set():
                    break
                forwarded = data if is_request else data.replace(*self.changes)
                if self.latency:
                    asyncio.get_running_loop().call_later(self.latency, writer.write, forwarded)
                    continue
                writer.write(forwarded)
                await writer.drain()
        if is_request:
            writer.close()
        else:
            writer.transport.abort()


@asynccontextmanager
async def running_proxy(port: int) -> AsyncGenerator[PostgresProxy]:
    """Run a proxy before the server with this port while the block runs."""
    proxy = PostgresProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    proxy.url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
    try:
        yield proxy
        assert proxy.has_lost_all  # else a test would test nothing
    finally:
        server.close()
        proxy.thaw()
        proxy.close_connections()
        await server.wait_closed()
