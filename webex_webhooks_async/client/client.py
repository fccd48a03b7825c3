"""The client: where calling Webex starts."""

import os
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from webex_webhooks_async.client.auth import StaticToken, TokenProvider
from webex_webhooks_async.client.requester import Requester
from webex_webhooks_async.client.retries import RetryPolicy
from webex_webhooks_async.client.webhooks import Webhooks
from webex_webhooks_async.validation import check_type

if TYPE_CHECKING:
    import httpx

BASE_URL = "https://webexapis.com/v1"


class ClientOptions(TypedDict, total=False):
    """What a `Client` takes beside the token."""

    base_url: str
    http_client: "httpx.AsyncClient | httpx.AsyncBaseTransport | None"
    timeout: float
    retry: RetryPolicy
    max_concurrency: int


class Client:
    """Calls Webex. Make one at the start of a program or worker, and close it at the end.

    ::

        async with Client("token") as client:
            webhook = await client.webhooks.get(webhook_id)

    Any number of tasks of one event loop may share it.

    Args:
        token: An access token, or a `TokenProvider` such as `RefreshingToken`. It goes into each
            request, and to the origin of `base_url` alone.
        base_url: Where the API is; https, or http on loopback. The government cloud's is
            ``https://api-usgov.webex.com/v1``.
        http_client: Requests go through it, and it is left as it was, and open: a client of httpx,
            or a transport of httpx, such as `AiohttpTransport`, which takes less time for it. A
            client's ``auth``, ``Authorization``, ``base_url``, ``params``, ``timeout`` and
            ``follow_redirects`` don't count.
        timeout: Seconds for one attempt, from its start to the last byte of the answer.
        retry: How often a request that failed in passing is sent again.
        max_concurrency: How many requests there are at a time; the others wait. A client without
            an `http_client` has at most as many connections.

    Attributes:
        webhooks: The `Webhooks` resource.

    Raises:
        ValueError: The token is empty or can't stand in a header, `base_url` isn't https, a number
            is out of its range, or the proxy that the environment names is none.
        TypeError: An argument is of a wrong type.
    """

    def __init__(  # noqa: PLR0913 - all but the token have a default
        self,
        token: str | TokenProvider,
        *,
        base_url: str = BASE_URL,
        http_client: "httpx.AsyncClient | httpx.AsyncBaseTransport | None" = None,
        timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        max_concurrency: int = 20,
    ) -> None:
        check_type("token", token, str, TokenProvider)
        self._requester = Requester(
            StaticToken(token) if isinstance(token, str) else token,
            base_url=base_url,
            http_client=http_client,
            timeout=timeout,
            retry=retry,
            max_concurrency=max_concurrency,
        )
        self.webhooks: Webhooks = Webhooks(self._requester)

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """A client with the token in the environment variable ``WEBEX_ACCESS_TOKEN``.

        Where ``WEBEX_BASE_URL`` is set, and no `base_url` is given, the API is there: on a sandbox,
        say.

        Raises:
            ValueError: ``WEBEX_ACCESS_TOKEN`` is unset or empty, or as when made directly.
            TypeError: As when made directly.
        """
        token = os.environ.get("WEBEX_ACCESS_TOKEN")
        if not token:
            raise ValueError("set the environment variable WEBEX_ACCESS_TOKEN to an access token")
        options.setdefault("base_url", os.environ.get("WEBEX_BASE_URL") or BASE_URL)
        return cls(token, **options)

    async def aclose(self) -> None:
        """Close the connections; a request after that is a `RuntimeError`."""
        await self._requester.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
