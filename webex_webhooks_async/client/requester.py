"""Sends requests to Webex: authenticated, limited, retried, and to one origin only."""

import asyncio
import logging
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from types import NoneType
from typing import NamedTuple
from urllib.parse import SplitResult, urlencode

import httpx
import idna

from webex_webhooks_async.client.auth import (
    ClosedError,
    Flight,
    TokenProvider,
    checked_token,
    is_in_refresh,
    result,
    without_exit,
)
from webex_webhooks_async.client.bodies import CodingError, Sink, TooLargeError, read_body
from webex_webhooks_async.client.limiter import Clock, Limiter
from webex_webhooks_async.client.pool import ConnectionPool, pool_size, proxy_for
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.client.retries import (
    RetryPolicy,
    delay_before_next,
    may_have_been_processed,
    parse_retry_after,
)
from webex_webhooks_async.errors import (
    APIError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    TransportError,
)
from webex_webhooks_async.formatting import (
    SECRET_NAMES,
    Redactor,
    describe_exception,
    describe_status,
    short_id,
)
from webex_webhooks_async.validation import (
    absolute_url,
    check_count,
    check_text,
    check_type,
    is_loopback,
    seconds_of,
)

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

# One timeout covers the whole attempt, so httpx has none for its phases.
_NO_TIMEOUT = httpx.Timeout(None).as_dict()

# httpx reads the URL of each redirect, also of one that it doesn't follow.
NO_RESPONSE = (httpx.HTTPError, OSError, idna.IDNAError, httpx.InvalidURL)
"""What httpx raises without a response that can be read; a `TimeoutError` is an `OSError`."""

JSON_TYPE = "application/json"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Request(NamedTuple):
    """One request, however many attempts it takes.

    With `max_bytes` it downloads a file, and the timeout counts from piece to piece. With a `sink`,
    which gets the body of a successful response, a redirect is returned, and not followed.
    """

    method: str
    target: str  # percent-encoded path and query, as they follow the origin
    content: bytes | None = None
    content_type: str = JSON_TYPE
    secrets: tuple[str, ...] = ()  # the parts that must not be shown
    authorized: bool = True  # whether it carries the access token
    max_bytes: int | None = None
    is_repeated: bool = True  # as the policy says
    origin: str | None = None  # another one than that of the API
    sink: Sink | None = None

    def __repr__(self) -> str:
        """The method and the path: the rest may have secrets."""
        return f"Request({self.method} {self.path})"

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class _Attempt(NamedTuple):
    """How an attempt ended.

    Its error isn't raised, because one of the same type that a token provider raises isn't retried.
    """

    outcome: Response | TransportError
    milliseconds: float  # without its wait


class Requester:
    """Sends the requests of one client, whose arguments it has, and the clock for tests."""

    def __init__(  # noqa: PLR0913 - a client's arguments, and the clock
        self,
        tokens: TokenProvider,
        *,
        base_url: str,
        http_client: httpx.AsyncClient | httpx.AsyncBaseTransport | None,
        timeout: float | timedelta,
        retry: RetryPolicy,
        max_concurrency: int,
        max_body: int,
        clock: Clock | None = None,
    ) -> None:
        check_text("base_url", base_url)
        check_type(
            "http_client", http_client, httpx.AsyncClient, httpx.AsyncBaseTransport, NoneType
        )
        check_type("retry", retry, RetryPolicy)
        check_count("max_body", max_body)
        base = _checked_base_url(base_url)
        self.base_url: str = base.geturl()
        self.origin: str = f"{base.scheme}://{base.netloc}"
        self._base_path = base.path
        self.token_in_use: str = ""  # what an error of a bot must not show
        self._tokens = tokens
        self._flight = Flight.of(tokens)
        self._timeout = seconds_of("timeout", timeout)
        self._max_body = max_body
        self.retry = retry
        self.clock: Clock = clock or Clock()
        self._limiter = Limiter(max_concurrency, self.clock)
        self._owns_http_client = http_client is None
        url = httpx.URL(self.base_url)
        self._host = url.netloc.decode()  # as errors name it, with the proxy on the way there
        if http_client is None:
            http_client = ConnectionPool.to(url)
            if proxy := proxy_for(url.scheme, url.host, url.netloc):
                self._host += f" through the proxy {httpx.Proxy(proxy).url}"  # no credentials
        if isinstance(http_client, httpx.AsyncBaseTransport):
            http_client = httpx.AsyncClient(transport=http_client)
            http_client._cookies = _NoCookies()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - its setter makes a copy
        _check_pool_size(http_client, max_concurrency)
        self.http_client: httpx.AsyncClient = http_client
        self._closed = False
        self._flight.clients.add(self)

    async def aclose(self) -> None:
        """Refuse further requests, and close the HTTP client unless it was given."""
        self._closed = True
        if self._owns_http_client:
            await self.http_client.aclose()

    def target(self, path: str) -> str:
        """The target of a request for a path below the base URL."""
        return self._base_path + path

    async def send(self, request: Request) -> Response:
        """Send a request, repeat it where that is safe, and return the successful response.

        A DELETE that finds nothing (404), after an attempt that the server may have processed,
        counts as successful.
        """
        url = self._url(request)
        attempt = 0
        refreshed: str | None = None  # the token that this request has refreshed, once
        may_be_processed = False
        while True:
            attempt += 1
            if request.authorized and refreshed is None:
                sent, refreshed = await self._authorized_attempt(request, url)
            else:
                sent = await self._attempt(request, url, refreshed)
            outcome = sent.outcome
            if isinstance(outcome, TransportError):
                error: APIError | TransportError = outcome
            elif (
                outcome.is_success
                or (may_be_processed and _is_gone(outcome))
                or (request.sink is not None and _is_redirect(outcome))
            ):
                return outcome
            else:
                error = self.error(request, outcome)
            delay = self._delay_before_next(request, attempt, error, outcome)
            if delay is None:
                raise error
            self._log_retry(attempt, error, delay, sent.milliseconds)
            await self.clock.sleep(delay)
            may_be_processed |= may_have_been_processed(error)

    async def _authorized_attempt(
        self, request: Request, url: httpx.URL
    ) -> tuple[_Attempt, str | None]:
        """Send a request in its turn, and once more if its token has to be refreshed.

        The second result is the token that was refreshed.
        """
        await self._turn(request)
        try:
            known = self._flight.latest
            token = await self._token()
            sent = await self._sent(request, url, token) if token else None
        finally:
            self._limiter.release()
        if sent is not None and not _is_rejected(sent.outcome):
            return sent, None
        # Outside of the turn, since a refresh is a request too.
        refreshed = checked_token(await self._flight.refreshed(token, known=known, client=self))
        self.token_in_use = refreshed
        if sent is not None and refreshed == token:
            return sent, None
        return await self._attempt(request, url, refreshed), refreshed

    async def _attempt(self, request: Request, url: httpx.URL, token: str | None) -> _Attempt:
        """Send a request in its turn, with a token or without one."""
        await self._turn(request)
        try:
            return await self._sent(request, url, token)
        finally:
            self._limiter.release()

    async def _sent(self, request: Request, url: httpx.URL, token: str | None) -> _Attempt:
        started = self.clock.monotonic()
        outcome: Response | TransportError
        try:
            outcome = await self._exchange(request, url, token)
        except TransportError as error:
            outcome = error
        return _Attempt(outcome, self._milliseconds_since(started))

    async def _turn(self, request: Request) -> None:
        """Wait until no refresh is in progress, and fewer requests than the limit are."""
        while True:
            if (refresh := self._refresh_before(request)) is not None:
                await result(refresh)
            await self._limiter.acquire()
            if self._refresh_before(request) is None:
                return
            self._limiter.release()  # a refresh began while this was waiting

    def _refresh_before(self, request: Request) -> "asyncio.Task[str] | None":
        """The refresh in progress, if the request has to wait for it: not if that sends it."""
        refresh = self._flight.in_progress
        if refresh is None or not request.authorized or is_in_refresh():
            return None
        return refresh

    async def _token(self) -> str:
        """The token to send, empty if a refresh comes first."""
        token = await without_exit(self._tokens.get())
        self.token_in_use = checked_token(token) if token else ""
        return self.token_in_use

    def _delay_before_next(
        self,
        request: Request,
        attempt: int,
        error: APIError | TransportError,
        outcome: Response | TransportError,
    ) -> float | None:
        """Seconds to wait, `None` when the error is raised; a 429 pauses the other requests too."""
        delay = delay_before_next(
            self.retry if request.is_repeated else RetryPolicy.none(),
            error,
            attempt=attempt,
            has_retry_after=isinstance(outcome, Response) and "retry-after" in outcome.headers,
            jitter=self.clock.jitter(),
        )
        if isinstance(error, RateLimitError) and request.origin is None:
            self._pause(error.retry_after if delay is None else delay)
        return delay

    def _pause(self, seconds: float | None) -> None:
        """Pause every request of this client: Webex's rate limit is one for all of them."""
        if seconds is not None and seconds <= self.retry.max_delay and self._limiter.pause(seconds):
            logger.warning("rate limit reached (429): all requests pause for %.2f s", seconds)

    def _log_retry(
        self, attempt: int, error: APIError | TransportError, delay: float, milliseconds: float
    ) -> None:
        status = error.status_code if isinstance(error, APIError) else None
        logger.info(
            "%s %s: %s; attempt %d of %d follows in %.2f s",
            error.method,
            error.path,
            "no response" if status is None else describe_status(status),
            attempt + 1,
            self.retry.attempts,
            delay,
            extra=_fields(error.method, error.path, status, error.tracking_id, milliseconds),
        )

    def error(self, request: Request, response: Response) -> APIError:
        """Return the error of a response."""
        retry_after = response.headers.get("retry-after")
        error = response.error(parse_retry_after(retry_after, self.clock.now()))
        end = self._base_path.rpartition("/")[2]
        repeats_end = end and f"{request.path}/".startswith(f"{self._base_path}/{end}/")
        if repeats_end and isinstance(error, NotFoundError):  # such as v1/people/me below /v1
            error.add_note(f"The path repeats the end of base_url, {self.base_url}: leave it out.")
        return error

    def _url(self, request: Request) -> httpx.URL:
        try:
            return httpx.URL((request.origin or self.origin) + request.target)
        except httpx.InvalidURL as error:
            raise ValueError(
                f"the URL of this {request.method} can't be sent ({error}): check the id and the "
                "parameters"
            ) from None

    async def post_form(self, path: str, form: Mapping[str, str]) -> object:
        """Post a form to a path below the base URL, without a token; return the parsed JSON."""
        request = Request(
            method="POST",
            target=self.target(path),
            content=urlencode(form).encode(),
            content_type="application/x-www-form-urlencoded",
            secrets=tuple(form[name] for name in SECRET_NAMES if name in form),
            authorized=False,
        )
        return (await self.send(request)).json()

    async def _exchange(self, request: Request, url: httpx.URL, token: str | None) -> Response:
        if self._closed:
            raise ClosedError("this client is closed; keep one open for as long as it is used")
        if self.http_client.is_closed:
            raise ClosedError(
                "http_client is closed; keep it open for as long as this client is used"
            )
        tracking_id = f"webex-webhooks-async_{os.urandom(16).hex()}"
        where = request.method, request.path, tracking_id
        host = self._host if request.origin is None else url.netloc.decode()
        redact = Redactor(request.secrets if token is None else (*request.secrets, token))
        sent = httpx.Request(
            request.method,
            url,
            headers=self._headers(request, token, tracking_id),
            content=request.content,
            extensions={"timeout": _NO_TIMEOUT},
        )
        started = self.clock.monotonic()
        outcome: httpx.Response | None = None
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                received = outcome = await self._received(sent)
                body = await self._body(request, received, deadline)
        except NO_RESPONSE as error:
            text = describe_exception(error)
            # h11 quotes bytes of the response, and so possibly a part of a secret, in its errors.
            description = redact(re.sub(r"""(?s)(bytearray\()?b['"].*""", "...", text))
            cause = error if description == text else None  # a traceback shows it, secrets included
            if isinstance(error, TimeoutError | httpx.TimeoutException):
                message = f"no response from {host} within {self._timeout:g} s"
                raise RequestTimeoutError(f"{message} ({description})", *where) from cause
            raise TransportError(f"no response from {host}: {description}", *where) from cause
        except TooLargeError as error:
            message = f"the response from {host} has {error}"
            raise ResponseTooLargeError(message, *where) from None
        except CodingError:
            raise DecodeError(["the body has more than one content coding"], *where) from None
        finally:
            if logger.isEnabledFor(logging.DEBUG):
                self._log_sent(request, outcome, tracking_id, started, redact)
        return Response(
            method=request.method,
            path=request.path,
            status_code=received.status_code,
            headers=received.headers,
            body=body,
            sent_tracking_id=tracking_id,
            redact=redact,
        )

    def _log_sent(
        self,
        request: Request,
        received: httpx.Response | None,
        tracking_id: str,
        started: float,
        redact: Redactor,
    ) -> None:
        status = None if received is None else received.status_code
        milliseconds = self._milliseconds_since(started)
        theirs = None if received is None else received.headers.get("trackingid")
        tracking_id = short_id(redact(theirs)) if theirs else tracking_id
        logger.debug(
            "%s %s: %s in %.0f ms (tracking id %s)",
            request.method,
            request.path,
            "no response" if status is None else status,
            milliseconds,
            tracking_id,
            extra=_fields(request.method, request.path, status, tracking_id, milliseconds),
        )

    def _milliseconds_since(self, started: float) -> float:
        return (self.clock.monotonic() - started) * 1000

    async def _received(self, sent: httpx.Request) -> httpx.Response:
        """Send, and return the response, whose body may not be read yet."""
        try:
            return await self.http_client.send(sent, stream=True, auth=None, follow_redirects=False)
        except httpx.HTTPStatusError as error:
            if error.request is not sent:
                raise
            return error.response  # a hook of a given client raised for its status

    async def _body(
        self, request: Request, received: httpx.Response, deadline: asyncio.Timeout
    ) -> bytes:
        if request.max_bytes is None or not received.is_success:
            return await read_body(received, self._max_body)
        loop = asyncio.get_running_loop()

        def on_piece() -> None:
            deadline.reschedule(loop.time() + self._timeout)

        return await read_body(received, request.max_bytes, on_piece, request.sink)

    def _headers(
        self, request: Request, token: str | None, tracking_id: str
    ) -> list[tuple[bytes, bytes]]:
        """Our own headers, and before them the HTTP client's other defaults."""
        own = [
            (b"Accept", JSON_TYPE.encode() if request.max_bytes is None else b"*/*"),
            (b"Accept-Encoding", b"gzip"),
            (b"TrackingID", tracking_id.encode()),
            (b"User-Agent", _user_agent()),
        ]
        if token is not None:
            own.append((b"Authorization", f"Bearer {token}".encode()))
        if request.content is not None:
            own.append((b"Content-Type", request.content_type.encode()))
        excluded = {b"authorization", b"cookie"} | {name.lower() for name, _ in own}
        defaults = self.http_client.headers.raw
        return [each for each in defaults if each[0].lower() not in excluded] + own


def _fields(
    method: str | None,
    path: str | None,
    status: int | None,
    tracking_id: str | None,
    milliseconds: float,
) -> dict[str, object]:
    """The fields for log services of a record about an attempt."""
    return {
        "webex_method": method,
        "webex_path": path,
        "webex_status": status,
        "webex_tracking_id": tracking_id,
        "webex_duration_ms": milliseconds,
    }


def _is_rejected(outcome: Response | TransportError) -> bool:
    return isinstance(outcome, Response) and outcome.status_code == HTTPStatus.UNAUTHORIZED


def _is_redirect(response: Response) -> bool:
    return response.status_code in _REDIRECTS and "location" in response.headers


def _is_gone(response: Response) -> bool:
    return response.method == "DELETE" and response.status_code == HTTPStatus.NOT_FOUND


@cache
def _user_agent() -> bytes:
    # Looking up the version takes a good part of the package's import time.
    from webex_webhooks_async.version import __version__  # noqa: PLC0415 - imported when needed

    return f"webex-webhooks-async/{__version__}".encode()


class _NoCookies(httpx.Cookies):
    """Takes no cookies. httpx has no setting for this, and a jar would get a request each time."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave the cookies that a response sets."""


def _check_pool_size(client: httpx.AsyncClient, max_concurrency: int) -> None:
    """Refuse a pool in which requests would wait.

    httpcore leaks the connection of a request that is cancelled while it waits for it:
    https://github.com/encode/httpcore/issues/1093
    """
    if (size := pool_size(client)) < max_concurrency:
        raise ValueError(
            f"http_client has a pool of {size} connections, and max_concurrency is "
            f"{max_concurrency}: requests that time out while they wait for a connection would "
            f"block the pool for good. Pass max_concurrency={size}, or give the client "
            f"limits=httpx.Limits(max_connections={max_concurrency})"
        )


def http_url(text: str) -> httpx.URL | None:
    """An absolute http(s) URL, which requests can be sent to; None if the text isn't one."""
    if absolute_url(text) is None:
        return None
    try:
        url = httpx.URL(text)
        is_complete = bool(url.host)
    except (httpx.InvalidURL, ValueError):  # the second for a host in bad Punycode
        return None
    return url if is_complete else None


def _checked_base_url(base_url: str) -> SplitResult:
    parts = absolute_url(base_url.rstrip("/"))
    if (
        parts is None
        or http_url(base_url) is None
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise ValueError(
            "base_url must be absolute, without credentials, query and fragment, such as "
            "https://webexapis.com/v1"
        )
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError(
            f"base_url must be https, or http on loopback, got {parts.scheme}://{host}: the access "
            "token would be readable on its way"
        )
    return parts
