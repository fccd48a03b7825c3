"""The default connection pool: one connection for each request in flight."""

import asyncio
import math
import os
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

if TYPE_CHECKING:
    import ssl

KEEPALIVE_SECONDS = 120.0  # a bot that calls once a minute reuses its connection


class ConnectionPool(httpx.AsyncBaseTransport):
    """One connection for each request in flight; the connection last used is reused first.

    httpx's own pool opens a connection for nearly every request when there are more than 20, walks
    over all of them for each request, and leaks connections of cancelled requests
    (https://github.com/encode/httpcore/issues/1093).
    """

    def __init__(self, new_connection: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._new_connection = new_connection
        self._idle: deque[tuple[float, httpx.AsyncBaseTransport]] = deque()  # expires first: left
        self._expiry: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def to(cls, base_url: httpx.URL) -> Self:
        """A pool of connections to one origin, with the environment's proxies and certificates."""
        proxy_url = proxy_for(base_url.scheme, base_url.host, base_url.netloc)
        proxy = None if proxy_url is None else httpx.Proxy(proxy_url)
        limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)
        tls = tls_context()
        return cls(lambda: httpx.AsyncHTTPTransport(verify=tls, proxy=proxy, limits=limits))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over an idle connection, or over a new one; the body is read from the response."""
        self._loop = self._loop or asyncio.get_running_loop()
        self._check_loop()
        connection = self._idle.pop()[1] if self._idle else self._new_connection()
        sockets: list[Any] = []

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith("connect_tcp.complete"):
                sockets.append(info["return_value"])
            elif event.endswith("send_request_headers.started"):  # it is connected
                del request.extensions["trace"]

        request.extensions["trace"] = trace
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            async with aclosing(connection):
                for socket in sockets:  # httpcore leaves one open whose TLS handshake was cancelled
                    await socket.aclose()
            raise
        stream = cast("httpx.AsyncByteStream", response.stream)
        response.stream = _Body(stream, connection, self)
        return response

    async def aclose(self) -> None:
        """Close the idle connections now, and each other one when its request has ended."""
        self._check_loop()
        self._closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        while self._idle:
            await self._idle.pop()[1].aclose()
        await asyncio.gather(*self._closing)

    def _check_loop(self) -> None:
        if self._loop not in {None, asyncio.get_running_loop()}:
            raise RuntimeError(
                "a client belongs to the event loop of its first request; make another client here"
            )

    async def release(self, connection: httpx.AsyncBaseTransport) -> None:
        """Keep a connection whose response was read, for the next request."""
        if self._closed:
            await connection.aclose()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time() + KEEPALIVE_SECONDS, connection))
        if self._expiry is None:
            self._expiry = loop.call_at(self._idle[0][0], self._close_expired, loop)

    def _close_expired(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._idle and self._idle[0][0] <= loop.time():
            closing = loop.create_task(self._idle.popleft()[1].aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._expiry = (
            loop.call_at(self._idle[0][0], self._close_expired, loop) if self._idle else None
        )


class _Body(httpx.AsyncByteStream):
    """The body of a response; its connection is released when all of it was read, or closed."""

    def __init__(
        self,
        stream: httpx.AsyncByteStream,
        connection: httpx.AsyncBaseTransport,
        pool: ConnectionPool,
    ) -> None:
        self._stream = stream
        self._parts = aiter(stream)
        self._connection = connection
        self._pool = pool
        self._is_complete = False
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._parts)
        except StopAsyncIteration:
            self._is_complete = True
            raise

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        is_reusable = False
        try:
            await self._stream.aclose()
            is_reusable = self._is_complete
        finally:
            if not is_reusable:
                await self._connection.aclose()
        if is_reusable:
            await self._pool.release(self._connection)


def pool_size(client: httpx.AsyncClient) -> float:
    """How many connections a client opens at most, as far as this can be seen.

    No public interface shows it.
    """
    pool = getattr(getattr(client, "_transport", None), "_pool", None)
    size: float = getattr(pool, "_max_connections", math.inf)
    return size


@cache
def tls_context() -> "ssl.SSLContext":
    """The one TLS context of the process, since making it is slow; SSL_CERT_FILE counts."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl's errors, too
        named = f"SSL_CERT_FILE is {os.environ.get('SSL_CERT_FILE')!r}"
        raise ValueError(f"no certificates can be read: {named}: {error}") from error


def proxy_for(scheme: str, host: str, netloc: bytes) -> str | None:
    """The URL of the environment's proxy for a URL.

    httpx doesn't look for one when a client has a transport of its own.
    """
    bypasses = urllib.request.proxy_bypass
    if bypasses(host) or bypasses(netloc.decode()):  # NO_PROXY may name a port
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
