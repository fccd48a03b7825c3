"""Sends notifications to receivers that die, as Webex might."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
from attrs import define, field

from tests.support.stage import SECRET
from webex_webhooks_async.testing import signed_request

SENDERS = 20


@define
class Sender:
    """Sends as Webex does: it sends again after any response but a 2xx, and after none.

    It takes the URLs in turn, as a load balancer does, and sets `happened` after each request. What
    got no 2xx is counted by the status of the response, or by the error.
    """

    urls: Iterator[str]
    happened: asyncio.Event
    acknowledged: int = 0
    refused: Counter[str] = field(factory=Counter[str])

    async def send(self, bodies: list[bytes]) -> None:
        waiting = iter(bodies)
        async with httpx.AsyncClient(trust_env=False) as http_client, asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send_each(waiting, http_client))

    async def _send_each(self, bodies: Iterator[bytes], http_client: httpx.AsyncClient) -> None:
        for body in bodies:
            while refusal := await self._attempt(body, http_client):
                self.refused[refusal] += 1
                self.happened.set()
                await asyncio.sleep(0.1)  # Webex doesn't come back at once either
            self.acknowledged += 1
            self.happened.set()

    async def _attempt(self, body: bytes, http_client: httpx.AsyncClient) -> str | None:
        try:
            response = await http_client.send(signed_request(next(self.urls), body, SECRET))
        except httpx.HTTPError as error:
            return type(error).__name__
        return None if response.is_success else str(response.status_code)
