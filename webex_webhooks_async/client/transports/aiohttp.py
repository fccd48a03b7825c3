"""httpx over aiohttp, for a client that sends many requests at a time."""

from functools import cache
from typing import TYPE_CHECKING

import httpx

from webex_webhooks_async.client.transports.pool import KEEPALIVE_SECONDS, proxy_for, tls_context
from webex_webhooks_async.formatting import describe_exception

if TYPE_CHECKING:
    import aiohttp


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends a client's requests with aiohttp, which costs less CPU time than httpx does.

    It needs the extra ``aiohttp``. Make it while the event loop runs, give it to a client, and
    close it after that::

        async with (
            AiohttpTransport() as transport,
            Client("token", http_client=transport) as client,
        ):
            ...

    Proxies and certificates come from the environment, as without it, but for SOCKS proxies. An
    answer is read whole before it is handed out, and httpx's own timeouts don't count: a client has
    one for all of that.

    Raises:
        ImportError: aiohttp isn't installed.
        RuntimeError: No event loop runs.
    """

    def __init__(self) -> None:
        self._session = _session()
        self._proxy_for = cache(_http_proxy_for)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and read the answer.

        Raises:
            httpx.TransportError: No answer came.
            httpx.DecodingError: An answer isn't compressed as it says.
            RuntimeError: The transport is closed.
        """
        from yarl import URL  # noqa: PLC0415 - comes with the extra

        url = request.url
        async with self._session.request(
            request.method,
            URL(str(url), encoded=True),  # as it is
            headers=request.headers,
            data=await request.aread() or None,
            allow_redirects=False,
            proxy=self._proxy_for(url.scheme, url.host, url.netloc),
        ) as answer:
            body = await answer.read()
        response = httpx.Response(
            answer.status, headers=answer.raw_headers, stream=httpx.ByteStream(body)
        )
        response.read()
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


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
        # aiohttp would send again what was lost, if it weren't another error by then. Its own error
        # holds the headers, and so the token.
        try:
            answer = await send(request)
            await answer.read()
        except aiohttp.ClientHttpProxyError as error:
            raise httpx.ProxyError(f"the proxy answered {error.status}") from None
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(describe_exception(error)) from None
        except OSError as error:
            raise httpx.ReadError(describe_exception(error)) from None
        except aiohttp.ClientError as error:
            # It may quote a part of what came, and of a secret a part, which can't be masked.
            raise httpx.ReadError(type(error).__name__) from None
        return answer

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # a client has so many requests at a time as it has slots
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
        raise httpx.UnsupportedProtocol("aiohttp can't use a proxy that isn't one of HTTP")
    return proxy
