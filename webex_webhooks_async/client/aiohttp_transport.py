"""httpx over aiohttp, for a client that sends many requests at a time."""

from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import httpx

from webex_webhooks_async.client.pool import KEEPALIVE_SECONDS, proxy_for, tls_context
from webex_webhooks_async.formatting import describe_exception

if TYPE_CHECKING:
    import aiohttp


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends a client's requests with aiohttp, which takes less CPU time than httpx does.

    It needs the extra ``aiohttp``. Make it while the event loop runs, pass it to a client, and
    close it after the client::

        async with (
            AiohttpTransport() as transport,
            Client("token", http_client=transport) as client,
        ):
            ...

    Proxies and certificates come from the environment, as without it; SOCKS proxies aren't
    supported. httpx's own timeouts don't apply: a `Client` has one timeout for the whole attempt.

    Raises:
        ImportError: aiohttp isn't installed.
        RuntimeError: No event loop is running.
    """

    def __init__(self) -> None:
        self._session = _session()
        self._proxy_for = cache(_http_proxy_for)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body is read from the response.

        Raises:
            httpx.TransportError: No response.
            RuntimeError: The transport is closed.
        """
        from yarl import URL  # noqa: PLC0415 - comes with the extra

        if self._session.closed:
            raise RuntimeError("this transport is closed; keep it open as long as its client")
        url = request.url
        received = await self._session.request(
            request.method,
            URL(str(url), encoded=True),  # unchanged
            headers=request.headers,
            data=await request.aread() or None,
            allow_redirects=False,
            proxy=self._proxy_for(url.scheme, url.host, url.netloc),
        )
        return httpx.Response(received.status, headers=received.raw_headers, stream=_Body(received))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    def __init__(self, received: "aiohttp.ClientResponse") -> None:
        self._received = received

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        with _errors_of_httpx():
            async for part in self._received.content.iter_any():
                yield part

    async def aclose(self) -> None:
        self._received.close()  # a connection whose response is complete is in the pool already


@contextmanager
def _errors_of_httpx() -> Generator[None]:
    """Raise httpx's errors in place of aiohttp's, which hold the headers, and so the token."""
    import aiohttp  # noqa: PLC0415 - an extra

    try:
        yield
    except aiohttp.ClientHttpProxyError as error:
        proxy = error.request_info.real_url
        message = f"the proxy {proxy.host}:{proxy.port} responded with {error.status}"
        raise httpx.ProxyError(message) from None
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(describe_exception(error)) from None
    except OSError as error:
        raise httpx.ReadError(describe_exception(error)) from None
    except aiohttp.ClientError as error:
        # It may quote a part of the response, and in it a part of a secret, which redaction doesn't
        # find.
        raise httpx.ReadError(type(error).__name__) from None


def _session() -> "aiohttp.ClientSession":
    try:
        import aiohttp  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ImportError(
            f'AiohttpTransport needs {error.name}: pip install "webex-webhooks-async[aiohttp]"'
        ) from error

    async def send_once(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        # aiohttp repeats a lost request itself, unless a middleware raises another error.
        with _errors_of_httpx():
            return await send(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # max_concurrency is the limit
            keepalive_timeout=KEEPALIVE_SECONDS,
            ssl=tls_context(),
        ),
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        middlewares=(send_once,),
    )


def _http_proxy_for(scheme: str, host: str, netloc: bytes) -> str | None:
    proxy = proxy_for(scheme, host, netloc)
    if proxy and not proxy.startswith(("http://", "https://")):  # aiohttp would speak HTTP to it
        raise httpx.UnsupportedProtocol("aiohttp supports HTTP proxies only")
    return proxy
