"""Sends requests to Webex: authenticated, gated, retried, to one origin."""

import asyncio
import ipaddress
import logging
import random
import uuid
from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from importlib.metadata import version
from types import NoneType
from urllib.parse import SplitResult, urlencode, urlsplit

import httpx
from attrs import field, frozen

from webex_webhooks_async.client.auth import (
    FormPost,
    RefreshingToken,
    TokenProvider,
    checked_token,
    refreshing_through,
)
from webex_webhooks_async.client.clock import Clock
from webex_webhooks_async.client.limiter import Limiter
from webex_webhooks_async.client.redaction import Redactor
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.client.retries import (
    RetryPolicy,
    delay_before_next,
    may_have_been_done,
    parse_retry_after,
)
from webex_webhooks_async.client.transports.pool import ConnectionPool
from webex_webhooks_async.errors import (
    APIError,
    RateLimitError,
    RequestTimeoutError,
    TransportError,
)
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.validation import check_text, check_type

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

USER_AGENT = f"webex-webhooks-async/{version('webex-webhooks-async')}"

_SECRET_FIELDS = ("client_secret", "refresh_token", "code", "code_verifier")


@frozen(kw_only=True)
class Request:
    """One request, whatever attempts it takes.

    Attributes:
        method: The HTTP method, in capitals.
        target: Percent-encoded path and query, as they follow the origin.
        content: The body.
        content_type: Its media type.
        secrets: What must not be shown of it.
        authorized: Whether it carries the access token.
    """

    method: str
    target: str
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    authorized: bool = True

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Requester:
    """What a client sends its requests through.

    Args:
        tokens: Where the access token comes from.
        base_url: Absolute; https, but on loopback. No request goes to another origin.
        http_client: To send through, and left as it is. Without it, connections are made.
        timeout: Seconds for an attempt, from its start to the last byte of its answer.
        retry: Which attempts follow.
        max_concurrency: How many requests, and with them connections, there are at a time.
        clock: The time.

    Raises:
        ValueError: An argument is out of its range.
        TypeError: An argument is of a wrong type.
    """

    def __init__(  # noqa: PLR0913 - a client's arguments, and the clock
        self,
        tokens: TokenProvider,
        *,
        base_url: str,
        http_client: httpx.AsyncClient | httpx.AsyncBaseTransport | None,
        timeout: float,
        retry: RetryPolicy,
        max_concurrency: int,
        clock: Clock | None = None,
    ) -> None:
        check_text("base_url", base_url)
        check_type(
            "http_client", http_client, httpx.AsyncClient, httpx.AsyncBaseTransport, NoneType
        )
        check_type("retry", retry, RetryPolicy)
        check_type("timeout", timeout, float, int)
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, got {timeout}")
        base = _checked_base_url(base_url)
        self.base_url: str = base.geturl()
        self._origin = base._replace(path="").geturl()
        self._base_path = base.path
        self._tokens = tokens
        self._timeout = timeout
        self.retry = retry
        self.clock: Clock = clock or Clock()
        self._gate = Limiter(max_concurrency, self.clock)
        self._owns_http = http_client is None
        self._http = http_client or ConnectionPool.to(httpx.URL(base.geturl()))
        self._closed = False
        if isinstance(tokens, RefreshingToken):
            tokens.bind(self._post_form)

    async def aclose(self) -> None:
        """Refuse further requests, and close the HTTP client if it was made here."""
        if isinstance(self._tokens, RefreshingToken) and not self._closed:
            self._tokens.unbind(self._post_form)
        self._closed = True
        if self._owns_http:
            await self._http.aclose()

    def target(self, path: str) -> str:
        """The target of a request for a path below the base URL."""
        return self._base_path + path

    async def send(self, request: Request) -> Response:
        """The answer to a request that was carried out.

        A DELETE that finds nothing (404), after an attempt that may have been carried out, counts
        as carried out.

        Raises:
            APIError: Webex answered with an error status.
            TransportError: No answer came.
            RuntimeError: The client is closed.
            ValueError: The token provider gave what can't stand in a header.
        """
        credentials = _Credentials(self._tokens)
        attempt = 1
        may_be_done = False
        while True:  # until the retry policy has had enough
            error: APIError | TransportError
            outcome = await self._attempt(request, credentials)
            now = self.clock.now()
            if isinstance(outcome, Response):
                status_code, retry_after = outcome.status_code, outcome.retry_after
                gone = request.method == "DELETE" and status_code == HTTPStatus.NOT_FOUND
                if outcome.is_success or (gone and may_be_done):
                    return outcome
                error = outcome.error(parse_retry_after(retry_after, now))
            else:
                error, status_code, retry_after = outcome, None, None
            delay = delay_before_next(
                self.retry,
                method=request.method,
                attempt=attempt,
                status_code=status_code,
                retry_after=retry_after,
                now=now,
                jitter=random.random(),  # noqa: S311 - spreads load, guards nothing
            )
            if isinstance(error, RateLimitError):
                self._pause_all(error.retry_after if delay is None else delay)
            if delay is None:
                raise error
            may_be_done = may_be_done or may_have_been_done(status_code)
            attempt += 1
            await self.clock.sleep(delay)

    def _pause_all(self, seconds: float | None) -> None:
        """One 429 speaks for the user, and so for every request of this client."""
        if seconds is not None and seconds <= self.retry.max_delay:
            self._gate.pause(seconds)

    async def _attempt(
        self, request: Request, credentials: "_Credentials"
    ) -> Response | TransportError:
        """What came of one attempt; with a token that has to be refreshed for it, of two."""
        if not request.authorized:
            async with self._gate:
                return await self._outcome(request, token=None)
        async with self._gate:
            token = await credentials.get()
            outcome = await self._outcome(request, token) if token else None
        if outcome is None or _is_rejection(outcome):
            # Outside of the gate: the refresh is a request too, and needs a slot.
            fresh = await credentials.refresh(token, self._post_form)
            if outcome is None or fresh != token:
                async with self._gate:
                    return await self._outcome(request, fresh)
        return outcome

    async def _post_form(self, path: str, form: Mapping[str, str]) -> object:
        request = Request(
            method="POST",
            target=self.target(path),
            content=urlencode(form).encode(),
            content_type="application/x-www-form-urlencoded",
            secrets=tuple(form[name] for name in _SECRET_FIELDS if name in form),
            authorized=False,
        )
        return (await self.send(request)).json()

    async def _outcome(self, request: Request, token: str | None) -> Response | TransportError:
        """The answer, or that there was none.

        Returned, for one that is raised here comes from elsewhere, a refresh that failed for one.
        """
        try:
            return await self._exchange(request, token)
        except TransportError as no_answer:
            return no_answer

    async def _exchange(self, request: Request, token: str | None) -> Response:
        """Send once and read the whole answer."""
        if self._closed:
            raise RuntimeError("this client is closed; keep one open for as long as it is used")
        tracking_id = f"webex-webhooks-async_{uuid.uuid4()}"
        mask = Redactor(request.secrets if token is None else (*request.secrets, token))
        started = self.clock.monotonic()
        outcome: object = "no answer"
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._response(request, _headers(request, token, tracking_id))
            outcome = response.status_code
        except (TimeoutError, httpx.TimeoutException) as error:
            message = mask(f"no answer within {self._timeout} s ({describe_exception(error)})")
            raise RequestTimeoutError(message, request.method, request.path, tracking_id) from error
        except (httpx.RequestError, httpx.InvalidURL, OSError) as error:
            told = describe_exception(error)
            message = mask(told)
            raise TransportError(message, request.method, request.path, tracking_id) from (
                error if message == told else None  # a traceback shows a cause, with all it says
            )
        finally:
            milliseconds = (self.clock.monotonic() - started) * 1000
            logger.debug(
                "%s %s: %s in %.0f ms (tracking id %s)",
                request.method,
                request.path,
                outcome,
                milliseconds,
                tracking_id,
            )
        return Response(
            method=request.method,
            url=self._origin + request.target,
            path=request.path,
            status_code=response.status_code,
            body=response.content,
            links=tuple(response.headers.get_list("link")),
            tracking_id=response.headers.get("trackingid"),
            retry_after=response.headers.get("retry-after"),
            mask=mask,
        )

    async def _response(self, request: Request, headers: dict[str, str]) -> httpx.Response:
        url = httpx.URL(self._origin + request.target)
        if isinstance(self._http, httpx.AsyncClient):
            return await _through_client(self._http, request, url, headers)
        return await _through_transport(self._http, request, url, headers)


async def _through_client(
    client: httpx.AsyncClient, request: Request, url: httpx.URL, headers: dict[str, str]
) -> httpx.Response:
    built = client.build_request(
        request.method,
        url,
        content=request.content,
        headers=headers,
        timeout=None,  # an attempt has one deadline, not one a phase
    )
    built.url = url  # the client may have parameters of its own, which came in between
    if "Authorization" not in headers:  # it may have a token of its own
        built.headers.pop("Authorization", None)
    return await client.send(built, auth=None, follow_redirects=False)


async def _through_transport(
    transport: httpx.AsyncBaseTransport, request: Request, url: httpx.URL, headers: dict[str, str]
) -> httpx.Response:
    response = await transport.handle_async_request(
        httpx.Request(request.method, url, headers=headers, content=request.content)
    )
    async with aclosing(response):
        await response.aread()
    return response


def _headers(request: Request, token: str | None, tracking_id: str) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "TrackingID": tracking_id,
        "User-Agent": USER_AGENT,
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if request.content is not None:
        headers["Content-Type"] = request.content_type
    return headers


def _is_rejection(outcome: Response | TransportError) -> bool:
    return isinstance(outcome, Response) and outcome.status_code == HTTPStatus.UNAUTHORIZED


class _Credentials:
    """The access token of one request, fit for a header, refreshed once at most."""

    def __init__(self, provider: TokenProvider) -> None:
        self._provider = provider
        self._fresh: str | None = None

    async def get(self) -> str:
        """The token to send, empty when there is none yet."""
        token = self._fresh or await self._provider.get()
        return checked_token(token) if token else ""

    async def refresh(self, rejected: str, post: FormPost) -> str:
        """The token to send instead; the rejected one if there is no other."""
        if self._fresh is None:
            with refreshing_through(post):
                self._fresh = checked_token(await self._provider.refresh(rejected))
            return self._fresh
        return rejected


def _checked_base_url(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url.rstrip("/"))
        _port = parts.port  # raises for one that is no number, or out of range
        _host = httpx.URL(base_url).host  # raises for what httpx couldn't send to
    except (ValueError, httpx.InvalidURL):
        raise ValueError("base_url is no URL") from None
    host = parts.hostname or ""
    if "@" in parts.netloc or parts.query or parts.fragment or not host:
        raise ValueError(
            "base_url must be absolute, without credentials, query and fragment, such as "
            "https://webexapis.com/v1"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError(
            f"base_url must be https, or http on loopback, got {parts.scheme}://{host}: the access "
            "token would be readable on its way"
        )
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
