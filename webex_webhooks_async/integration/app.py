"""The application as which Webex knows an integration: its id, its secret and its scopes."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping

import httpx

from webex_webhooks_async.client.auth import TokenProvider
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.oauth import Tokens, authorization_url, refresh_with, tokens_in
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.validation import check_not_empty, check_type


class App:
    """Gets tokens from Webex, and makes clients that use them, which share their connections."""

    def __init__(  # noqa: PLR0913 - what Webex knows, and how it is reached
        self,
        client_id: str,
        client_secret: str,
        scopes: str | Iterable[str],
        *,
        base_url: str,
        http_client: httpx.AsyncClient | httpx.AsyncBaseTransport | None,
        clock: Clock,
    ) -> None:
        self._id = check_not_empty("client_id", client_id)
        self._secret = check_not_empty("client_secret", client_secret)
        check_type("scopes", scopes, str, Iterable)
        self._scopes = scopes.split() if isinstance(scopes, str) else [*scopes]
        for each in self._scopes:
            check_not_empty("a scope", each)
        self._base_url = base_url
        self._http_client = http_client
        self._clock = clock
        self._client: Client | None = None

    def open(self) -> None:
        """Begin to use the connections, which `aclose` ends, unless they are the user's."""
        self._client = Client(_NO_TOKEN, base_url=self._base_url, http_client=self._http_client)

    async def aclose(self) -> None:
        """Close them."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @property
    def is_open(self) -> bool:
        """Whether clients can be made."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """A client without a token."""
        if self._client is None:
            raise RuntimeError(NOT_RUNNING)
        return self._client

    def client_with(self, token: str | TokenProvider) -> Client:
        """Return a client that sends a token."""
        return Client(token, base_url=self._base_url, http_client=self.client.http_client)

    def authorization_url(self, redirect_uri: str, state: str, verifier: str) -> str:
        """Return the URL at which people allow the scopes."""
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        return authorization_url(
            client_id=self._id,
            redirect_uri=redirect_uri,
            scopes=self._scopes,
            state=state,
            code_challenge=challenge.rstrip(b"=").decode(),
            base_url=self._base_url,
        )

    async def exchange(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """Ask for the tokens of somebody who has just allowed the scopes."""
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return await self._granted({**grant, "code_verifier": verifier}, None)

    async def refresh(self, refresh_token: str) -> Tokens:
        """Ask for new tokens."""
        return await self._granted(refresh_with(refresh_token), refresh_token)

    async def _granted(self, grant: Mapping[str, str], refresh_token: str | None) -> Tokens:
        form = {"client_id": self._id, "client_secret": self._secret, **grant}
        requester = InternalRequests.of(self.client).requester
        response = await requester.post_form("/access_token", form)
        return tokens_in(response, refresh_token, self._clock.now())


NOT_RUNNING = (
    "the integration isn't running: serve it as the application, or enter it with `async with "
    "integration:` in the lifespan of the application that it is a part of"
)
_NO_TOKEN = "none"  # noqa: S105 - of a client that asks whether Webex responds
