"""An httpx transport that reaches an application with no socket."""

import asyncio

import httpx

from webex_webhooks_async.testing.gateway import ConnectionDroppedError


class InProcessTransport(httpx.ASGITransport):
    """As httpx's own, and honours the read timeout, and shows a dropped connection as one."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the application answer.

        Raises:
            httpx.ReadTimeout: It took longer than the request allows.
            httpx.RemoteProtocolError: A fault dropped the connection.
        """
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(timeout):
                return await super().handle_async_request(request)
        except TimeoutError:
            raise httpx.ReadTimeout("No answer came in time.", request=request) from None
        except ConnectionDroppedError:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            ) from None
