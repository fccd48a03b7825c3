"""A Webex that costs almost nothing: its responses are prepared, and it reads only the target.

$ python -m tests.benchmarks.server

It prints its base URL, and ends when its input does.
"""

import asyncio
import json
import sys
from functools import cache
from urllib.parse import parse_qs, urlsplit

PAGES = 100
ITEMS = 100
"""So many pages has the list, and so many items each page."""

WEBHOOK = {
    "id": "Y2lzY29zcGFyazovL3VzL1dFQkhPT0svOTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh",
    "name": "My Message Webhook",
    "targetUrl": "https://example.com/webhook-receiver",
    "resource": "messages",
    "event": "created",
    "filter": "roomId=Y2lzY29zcGFyazovL3VzL1JPT00vYmJjZWIxYWQtNDNmMS0zYjU4LTkxNDctZjE0YmIwYzRkMTU0",
    "secret": "a-secret-of-the-bot",
    "status": "active",
    "ownedBy": "creator",
    "orgId": "Y2lzY29zcGFyazovL3VzL09SR0FOSVpBVElPTi85NmFiYzJhYS0zZGNjLTExZTUtYTE1Mi1mZTM0ODE5",
    "createdBy": "Y2lzY29zcGFyazovL3VzL1BFT1BMRS9mNWIzNjE4Ny1jOGRkLTQ3MjctOGIyZi1mOWM0NDdmMjkw",
    "appId": "Y2lzY29zcGFyazovL3VzL0FQUExJQ0FUSU9OL0MyNzljYjMwYzAyOTE4MGJiNGJkYWViYjA2MWI3OTY1",
    "created": "2024-05-17T09:30:00.000Z",
}
"""A webhook as Webex sends it."""


class WebexProtocol(asyncio.Protocol):
    """One connection, with one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Respond when the request is complete; it has no body."""
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        target = self._received.split(b" ", 2)[1].decode()
        self._received = b""
        port: int = self._transport.get_extra_info("sockname")[1]
        self._transport.write(ready_response(target, port))


@cache
def ready_response(target: str, port: int) -> bytes:
    """A webhook, or a page of them with a link to the next."""
    url = urlsplit(target)
    if not url.path.endswith("/webhooks"):
        return response(WEBHOOK)
    query = parse_qs(url.query)
    page = int(query.get("page", ["1"])[0])
    items = [WEBHOOK | {"id": f"W{page}-{number}"} for number in range(ITEMS)]
    if page == PAGES:
        return response({"items": items})
    following = f"http://127.0.0.1:{port}/v1/webhooks?max={ITEMS}&page={page + 1}"
    return response({"items": items}, f'Link: <{following}>; rel="next"\r\n')


def response(document: object, header: str = "") -> bytes:
    """JSON with headers as Webex sends them."""
    body = json.dumps(document, separators=(",", ":"))
    return (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json;charset=UTF-8\r\n"
        "Date: Fri, 17 May 2024 09:30:00 GMT\r\n"
        "TrackingID: ROUTER_6647253C-01BB-0089-0000-000000000000\r\n"
        "Cache-Control: no-cache, no-store\r\n"
        "Server: istio-envoy\r\n"
        f"{header}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def serve() -> None:
    """Serve on loopback until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(WebexProtocol, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)  # noqa: T201 - the process that started it reads it
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve())
