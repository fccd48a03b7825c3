"""The connections to Webex that a client makes and keeps: one for each request under way."""

import asyncio
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import cache
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

if TYPE_CHECKING:
    import ssl

KEEPALIVE_SECONDS = 120.0  # a bot that calls once a minute reuses its connection


class ConnectionPool(httpx.AsyncBaseTransport):
    """One connection for each request under way, the one last used first.

    httpx's own pool opens a new connection for nearly every request where there are more than 20,
    and walks over all of them at each. An answer is read whole before it is handed out.

    Args:
        connection: Makes a transport that has one connection.
    """

    def __init__(self, connection: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._connection = connection
        self._idle: list[httpx.AsyncBaseTransport] = []
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def to(cls, base_url: httpx.URL) -> Self:
        """ConnectionPool to an origin; proxies and certificates are those of the environment.

        Raises:
            ValueError: The environment's proxy for it is none that httpx knows.
        """
        proxy_url = proxy_for(base_url.scheme, base_url.host, base_url.netloc)
        proxy = None if proxy_url is None else httpx.Proxy(proxy_url)
        limits = httpx.Limits(max_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)
        return cls(
            lambda: httpx.AsyncHTTPTransport(verify=tls_context(), proxy=proxy, limits=limits)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over an idle connection, or over a new one, and read the answer.

        Raises:
            httpx.TransportError: No answer came.
            httpx.DecodingError: An answer isn't compressed as it says.
            RuntimeError: Another event loop than that of the first request runs.
        """
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if loop is not self._loop:
            raise RuntimeError(
                "a client belongs to the event loop in which it was used first; make another one"
            )
        connection = self._idle.pop() if self._idle else self._connection()
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(connection.aclose)

            async def trace(event: str, info: Mapping[str, Any]) -> None:
                # httpcore itself doesn't close a socket whose TLS handshake was cancelled.
                if event.endswith("connect_tcp.complete"):
                    on_failure.push_async_callback(info["return_value"].aclose)

            request.extensions["trace"] = trace
            response = await connection.handle_async_request(request)
            stream = cast("httpx.AsyncByteStream", response.stream)
            response.stream = httpx.ByteStream(b"".join([part async for part in stream]))
            await stream.aclose()
            response.read()
            on_failure.pop_all()
        if self._closed or _has_more(connection):
            await connection.aclose()
        else:
            self._idle.append(connection)
        return response

    async def aclose(self) -> None:
        """Close the idle connections now, and each other one when its request is done."""
        self._closed = True
        while self._idle:
            await self._idle.pop().aclose()


def _has_more(connection: httpx.AsyncBaseTransport) -> bool:
    """Whether bytes came behind the answer, which httpcore keeps for the next one.

    It shows them to nobody, so this looks inside; and finds none where a release differs there.
    """
    opened: Iterable[object] = getattr(getattr(connection, "_pool", None), "connections", ())
    return any(map(_is_ahead, opened))


def _is_ahead(connection: object) -> bool:
    while (inner := getattr(connection, "_connection", None)) is not None:  # a proxy's has several
        connection = inner
    state = getattr(connection, "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])


@cache
def tls_context() -> "ssl.SSLContext":
    """One a process, for it takes long to make; SSL_CERT_FILE and SSL_CERT_DIR count."""
    return httpx.create_ssl_context()


def proxy_for(scheme: str, host: str, netloc: bytes) -> str | None:
    """The proxy that the environment names for a URL, which httpx would find itself.

    It doesn't for a client that has a transport of its own.
    """
    excepted = urllib.request.proxy_bypass
    if excepted(host) or excepted(netloc.decode()):  # NO_PROXY may name a port
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
