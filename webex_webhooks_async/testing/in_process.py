"""An httpx transport that reaches the sandbox in process, without a socket."""

import asyncio

import httpx

from webex_webhooks_async.testing.gateway import ConnectionDroppedError


class InProcessTransport(httpx.ASGITransport):
    """Like httpx's own; it also honors the read timeout, and reports a dropped connection."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request to the application.

        Raises:
            httpx.ReadTimeout: It took longer than the request allows.
            httpx.RemoteProtocolError: A fault dropped the connection.
        """
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(timeout):
                return await super().handle_async_request(request)
        except TimeoutError:
            raise httpx.ReadTimeout("No response came in time.", request=request) from None
        except ConnectionDroppedError:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            ) from None
