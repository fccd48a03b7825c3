import asyncio
import gc
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
import pytest
from attrs import evolve

from tests.support.clients import client_of, client_on
from tests.support.wire import (
    FOUND,
    PATIENCE,
    Act,
    Peer,
    Step,
    Wire,
    after,
    http_response,
    idle_loop,
    reset,
    until,
)
from webex_webhooks_async import (
    AuthenticationError,
    BadRequestError,
    Client,
    DecodeError,
    LockedError,
    NotFoundError,
    RateLimitError,
    RefreshingToken,
    ServerError,
    TokenProvider,
    Tokens,
    TransportError,
    WebexError,
    authorization_url,
    from_json,
    to_json,
)
from webex_webhooks_async.client.auth import Flight

pytestmark = pytest.mark.once

OLD = "old-access"
NEW = "new-access"
TOKENS: dict[str, object] = {
    "access_token": NEW,
    "expires_in": 1209599,
    "refresh_token": "new-refresh",
    "refresh_token_expires_in": 7776000,
    "token_type": "Bearer",
    "scope": "spark:all",
}
GRANTED = http_response(200, TOKENS)
REJECTED = http_response(401, {"message": "The request requires a valid access token."})


def integration(
    access_token: str | None = OLD, on_refresh: Callable[[Tokens], object] | None = None
) -> RefreshingToken:
    """The token of an integration."""
    return RefreshingToken(
        client_id="id",
        client_secret="client-secret",
        refresh_token="old-refresh",
        access_token=access_token,
        on_refresh=on_refresh,
    )


def webex(grant: Step = GRANTED) -> Act:
    """Accept the new token, reject the old one, and respond to a refresh like this."""

    async def act(peer: Peer) -> None:
        if peer.request.target == "/v1/access_token":
            await (peer.send(grant) if isinstance(grant, bytes) else grant(peer))
        else:
            is_new = peer.request.headers["authorization"] == f"Bearer {NEW}"
            await peer.send(FOUND if is_new else REJECTED)

    return act


NEEDED = {"client_id": "a", "client_secret": "b"}
OF_A_URL = {"client_id": "C1", "redirect_uri": "R1", "scopes": "spark:all", "state": "x"}
MAKERS: dict[Callable[..., object], dict[str, str]] = {
    RefreshingToken: {**NEEDED, "refresh_token": "c"},
    RefreshingToken.from_code: {**NEEDED, "code": "c", "redirect_uri": "d"},
    authorization_url: {**OF_A_URL, "code_challenge": "y", "base_url": "https://webexapis.com"},
}


@pytest.mark.parametrize(
    ("make", "name"),
    [(make, name) for make, needed in MAKERS.items() for name in needed if name != "scopes"],
)
def test_what_is_needed_is_text_and_not_empty(make: Callable[..., object], name: str) -> None:
    """An argument that is empty, of another type or not Unicode is named."""
    odd: list[tuple[object, type[Exception], str]] = [
        ("", ValueError, "is empty"),
        (b"a", TypeError, "must be str"),
        ("\udcff", ValueError, "is not valid Unicode"),
    ]
    for value, error, message in odd:
        with pytest.raises(error, match=f"^{name} {message}"):
            make(**{**MAKERS[make], name: value})


def test_tokens_are_read_from_the_token_endpoint_s_json() -> None:
    """Its keys are snake_case, and so are those of a file that holds them."""
    assert from_json(json.dumps(TOKENS), Tokens) == EXPECTED
    assert from_json(to_json(EXPECTED), Tokens) == EXPECTED
    assert from_json('{"access_token": "a", "refresh_token": "b"}', Tokens) == Tokens(
        access_token="a", refresh_token="b"
    )
    with pytest.raises(DecodeError, match=r"\$\.refresh_token: missing"):
        from_json('{"access_token": "a", "refreshToken": "b"}', Tokens)


def test_a_repr_shows_no_token() -> None:
    """No repr of a provider or of `Tokens` shows a token or a secret."""
    assert "canary" not in repr(Tokens(access_token="canary", refresh_token="canary"))
    assert "secret" not in repr(integration())


async def test_a_rejected_token_is_refreshed_and_the_request_replayed() -> None:
    """A 401 is followed by one refresh, as documented, and one replay; it uses up no attempt."""
    async with client_on(webex(), token=integration()) as (wire, client):
        webhook = await client.webhooks.get("W1")
        await client.webhooks.get("W1")

    assert webhook.id == "W1"
    assert wire.tokens == [OLD, None, NEW, NEW]
    refresh = wire.requests[1]
    assert (refresh.method, refresh.target) == ("POST", "/v1/access_token")
    assert refresh.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in refresh.headers
    assert parse_qs(refresh.body.decode(), strict_parsing=True) == {
        "grant_type": ["refresh_token"],
        "client_id": ["id"],
        "client_secret": ["client-secret"],
        "refresh_token": ["old-refresh"],
    }


async def test_stored_tokens_go_on_where_they_were() -> None:
    """The access token is sent as it is, and the refresh token refreshes it; both are checked."""
    seen: list[Tokens] = []
    stored = to_json(Tokens(access_token=OLD, refresh_token="old-refresh"))
    token = RefreshingToken.from_tokens(
        from_json(stored, Tokens), client_id="id", client_secret="secret", on_refresh=seen.append
    )
    async with client_on(webex(), token=token) as (wire, client):
        await client.webhooks.get("W1")

    assert wire.tokens == [OLD, None, NEW]
    assert b"refresh_token=old-refresh" in wire.requests[1].body
    assert [each.refresh_token for each in seen] == ["new-refresh"]
    app: dict[str, Any] = {"client_id": "id", "client_secret": "secret"}
    with pytest.raises(ValueError, match="access token"):
        RefreshingToken.from_tokens(Tokens(access_token="", refresh_token="R"), **app)
    with pytest.raises(TypeError, match="tokens must be Tokens, got bytes"):
        RefreshingToken.from_tokens(cast("Any", stored), **app)


async def test_a_second_401_is_raised_after_a_retry_too() -> None:
    """One request refreshes once, however many attempts it takes."""
    script = REJECTED, GRANTED, http_response(503), REJECTED
    async with client_on(*script, token=integration(), attempts=4) as (wire, client):
        with pytest.raises(AuthenticationError):
            await client.webhooks.get("W1")

    assert wire.tokens == [OLD, None, NEW, NEW]


@pytest.mark.parametrize("access_token", [OLD, None])
@pytest.mark.parametrize("limit", [1, 20])
async def test_as_many_401s_are_seen_as_requests_are_sent_at_a_time(
    access_token: str | None, limit: int
) -> None:
    """Requests that weren't sent yet wait for the refresh, which passes their queue."""
    token = integration(access_token)
    async with client_on(webex(), token=token, max_concurrency=limit) as (wire, client):
        await asyncio.gather(*(client.webhooks.get("W1") for _ in range(40)))

    tokens = wire.tokens
    rejected = limit if access_token else 0
    assert (tokens.count(OLD), tokens.count(None), tokens.count(NEW)) == (rejected, 1, 40)


async def test_a_refresh_that_fails_is_tried_once_for_all_that_wait() -> None:
    """Its error is raised in each task that waited; the next request tries again."""
    refusal = http_response(400, {"error": "invalid_grant"})
    async with client_on(webex(refusal), token=integration()) as (wire, client):
        results = await asyncio.gather(
            *(client.webhooks.get("W1") for _ in range(40)), return_exceptions=True
        )
        before = wire.tokens
        with pytest.raises(BadRequestError):
            await client.webhooks.get("W1")

    assert {type(each) for each in results} == {BadRequestError}
    assert (before.count(OLD), before.count(None)) == (20, 1)
    assert wire.tokens[len(before) :] == [OLD, None]


@pytest.mark.parametrize("max_concurrency", [1, 20])
async def test_on_refresh_may_use_the_client(max_concurrency: int) -> None:
    """Its requests don't wait for the refresh that calls it, however many others do."""
    found: list[str] = []

    async def look(tokens: Tokens) -> None:
        found.append((await client.webhooks.get("W1")).id)

    token = integration(on_refresh=look)
    async with client_on(webex(), token=token, max_concurrency=max_concurrency) as (wire, client):
        await asyncio.gather(*(client.webhooks.get("W1") for _ in range(max_concurrency + 5)))

    assert found == ["W1"]
    assert wire.tokens.count(None) == 1


@pytest.mark.parametrize("is_wrapped", [False, True])
async def test_on_refresh_whose_new_token_is_rejected_gets_the_401(*, is_wrapped: bool) -> None:
    """It doesn't wait for itself: not through its client, and not through another one."""
    errors: list[object] = []

    async def look(tokens: Tokens) -> None:
        for each in (first, second):
            with pytest.raises(AuthenticationError) as raised:
                await each.webhooks.get("W1")
            errors.append(raised.value)

    async def act(peer: Peer) -> None:
        await peer.send(GRANTED if peer.request.target == "/v1/access_token" else REJECTED)

    token = integration(on_refresh=look)
    async with (
        Wire(act) as wire,
        client_of(wire, Wrapper(token) if is_wrapped else token) as first,
        client_of(wire, Wrapper(token) if is_wrapped else token) as second,
    ):
        async with asyncio.timeout(PATIENCE):
            results = await asyncio.gather(
                *(each.webhooks.get("W1") for each in [first, second] * 5), return_exceptions=True
            )

    assert {type(each) for each in [*results, *errors]} == {AuthenticationError}
    assert wire.tokens.count(None) == 1


async def test_a_task_that_on_refresh_leaves_running_is_like_any_other() -> None:
    """After the refresh, its requests are refreshed and wait as those of other tasks."""
    going_on = asyncio.Event()
    later: list[asyncio.Task[object]] = []

    async def work() -> None:
        await going_on.wait()
        await client.webhooks.get("W1")

    def start(tokens: Tokens) -> None:
        if not later:
            later.append(asyncio.create_task(work()))

    token = integration(on_refresh=start)
    third = http_response(200, {"access_token": "third"})
    script = REJECTED, GRANTED, FOUND, REJECTED, third, FOUND
    async with client_on(*script, token=token) as (wire, client):
        await client.webhooks.get("W1")
        going_on.set()
        await later[0]

    assert wire.tokens == [OLD, None, NEW, NEW, None, "third"]


class Grants:
    """A client that grants tokens, but never responds to the first posts."""

    def __init__(self, token: RefreshingToken, *, silent: int = 1) -> None:
        self.posts = 0
        self._silent = silent
        Flight.of(token).clients.add(self)

    async def post_form(self, path: str, form: Mapping[str, str]) -> object:
        self.posts += 1
        if self.posts <= self._silent:
            await asyncio.get_running_loop().create_future()
        return {**TOKENS, "access_token": f"token-{self.posts}"}

    async def posted(self, count: int = 1) -> None:
        """Wait for so many posts."""
        await until(lambda: self.posts == count)


def refresh_in_a_loop_that_dies(token: RefreshingToken, post: Grants, rejected: str) -> None:
    """Start a refresh, and close the event loop without an end."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(token.refresh(rejected))
    loop.run_until_complete(post.posted())
    loop.close()
    setattr(task, "_log_destroy_pending", False)  # noqa: B010 - for type checkers


async def cancel_everything() -> None:
    """Cancel all other tasks, as a program that stops."""
    everything = asyncio.all_tasks() - {asyncio.current_task()}
    for task in everything:
        task.cancel()
    await asyncio.wait(everything)


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_refresh_works_in_one_event_loop_after_another() -> None:
    """Also after a loop was closed in the middle of a refresh."""
    post = Grants(token := integration())
    refresh_in_a_loop_that_dies(token, post, OLD)

    assert asyncio.run(token.refresh(OLD)) == "token-2"
    assert asyncio.run(token.refresh("token-2")) == "token-3"


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_code_that_was_under_way_in_a_loop_that_died_is_spent() -> None:
    """It may have reached Webex, so it is never sent again, and the error says so."""
    post = Grants(token := from_code())
    refresh_in_a_loop_that_dies(token, post, "")

    for _ in range(2):
        with pytest.raises(TransportError, match="cut off: authorize again"):
            asyncio.run(token.refresh(""))
    assert post.posts == 1


def test_a_refresh_in_another_event_loop_is_an_error_at_once() -> None:
    """Two loops at once would wait for each other; this says so instead."""
    post = Grants(token := integration())

    async def start() -> None:
        task = asyncio.create_task(token.refresh(OLD))
        await post.posted()

        def elsewhere() -> None:
            with pytest.raises(RuntimeError, match="in another event loop"):
                asyncio.run(token.refresh(OLD))

        await asyncio.to_thread(elsewhere)
        await cancel_everything()
        assert task.cancelled()

    asyncio.run(start())
    assert asyncio.run(token.refresh(OLD)) == "token-2"


async def test_a_refresh_goes_on_through_another_client() -> None:
    """When the client that refreshes is closed before it could send, the other one does it."""
    token = integration()
    limited = asyncio.Event()
    async with (
        Wire(webex(after(limited, http_response(429, b"", "Retry-After: 0")))) as one,
        Wire(webex()) as other,
    ):
        first, second = client_of(one, token, attempts=2), client_of(other, token)
        tasks = [asyncio.create_task(first.webhooks.get("W1"))]
        await one.received(2)
        tasks.append(asyncio.create_task(second.webhooks.get("W1")))
        await idle_loop()
        await first.aclose()
        limited.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await second.aclose()

    assert isinstance(results[0], RuntimeError)  # its own request
    assert not isinstance(results[1], BaseException)
    assert (one.tokens, other.tokens) == ([OLD, None], [None, NEW])


@pytest.mark.parametrize(
    ("grant", "error", "tokens"),
    [
        (GRANTED, None, [OLD, OLD, None, NEW, NEW]),
        (http_response(400, {"error": "invalid_grant"}), BadRequestError, [OLD, OLD, None]),
    ],
    ids=["granted", "refused"],
)
async def test_a_401_that_comes_late_takes_the_outcome_that_is_there(
    grant: bytes, error: type[Exception] | None, tokens: list[str | None]
) -> None:
    """A request that was sent before the refresh, and rejected after it, doesn't refresh again."""
    refreshed = asyncio.Event()
    script = after(refreshed, REJECTED), webex(grant)
    async with client_on(*script, token=integration()) as (wire, client):
        late = asyncio.create_task(client.webhooks.get("W1"))
        await wire.received(1)
        with pytest.raises(error) if error else nullcontext():
            await client.webhooks.get("W1")
        refreshed.set()
        with pytest.raises(error) if error else nullcontext():
            await late

    assert wire.tokens == tokens


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_cancelled_task_takes_no_other_down(cancelled: int) -> None:
    """If one task that waits for a refresh is cancelled, the others succeed."""
    granting = asyncio.Event()
    async with client_on(webex(after(granting, GRANTED)), token=integration()) as (wire, client):
        tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(3)]
        await wire.received(4)
        tasks[cancelled].cancel()
        await asyncio.wait([tasks[cancelled]])
        granting.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each).__name__ for each in results].count("Webhook") == 2
    assert wire.tokens == [OLD, OLD, OLD, None, NEW, NEW]


async def test_a_refresh_that_nobody_waits_for_is_kept() -> None:
    """The new tokens are stored and used even if every waiting task was cancelled."""
    granting = asyncio.Event()
    stored: list[Tokens] = []
    token = integration(on_refresh=stored.append)
    async with client_on(webex(after(granting, GRANTED)), token=token) as (wire, client):
        task = asyncio.create_task(client.webhooks.get("W1"))
        await wire.received(2)
        task.cancel()
        await asyncio.wait([task])
        granting.set()
        await until(lambda: bool(stored))
        await client.webhooks.get("W1")

    assert wire.tokens == [OLD, None, NEW]


async def test_a_refresh_that_fails_while_nobody_waits_is_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its error isn't logged, and the next task that needs a token refreshes again."""
    failing = asyncio.Event()

    class Refusing(Grants):
        async def post_form(self, path: str, form: Mapping[str, str]) -> object:
            self.posts += 1
            await failing.wait()
            raise BadRequestError(400)

    post = Refusing(token := integration())
    task = asyncio.create_task(token.refresh(OLD))
    await post.posted()
    task.cancel()
    await asyncio.wait([task])
    failing.set()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    await asyncio.sleep(0)
    gc.collect()

    assert caplog.messages == []
    with pytest.raises(BadRequestError):
        await token.refresh(OLD)
    assert post.posts == 2


EXPECTED = Tokens(
    access_token=NEW,
    refresh_token="new-refresh",
    expires_in=1209599,
    refresh_token_expires_in=7776000,
)


def without_date(tokens: Tokens) -> Tokens:
    """The tokens without `expires_at`, which has a test of its own."""
    return evolve(tokens, expires_at=None)


async def test_a_refresh_that_is_cancelled_itself_is_repeated() -> None:
    """After a stopping program cancelled the refresh, the next task starts another one."""
    post = Grants(token := integration(), silent=2)
    for attempt in (1, 2):
        waiting = asyncio.create_task(token.refresh(OLD))
        await post.posted(attempt)
        await cancel_everything()

        assert waiting.cancelled()


async def test_an_async_on_refresh_is_awaited_before_any_task_goes_on() -> None:
    """The replays wait until the tokens are stored."""
    storing, stored = asyncio.Event(), asyncio.Event()

    async def store(tokens: Tokens) -> None:
        assert without_date(tokens) == EXPECTED
        storing.set()
        await stored.wait()

    async with client_on(webex(), token=integration(on_refresh=store)) as (wire, client):
        tasks = [asyncio.create_task(client.webhooks.get("W1")) for _ in range(3)]
        await storing.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        before = len(wire.requests)
        stored.set()
        await asyncio.gather(*tasks)

    assert (before, len(wire.requests)) == (4, 7)


@pytest.mark.parametrize("error", [LookupError, TransportError])
async def test_what_on_refresh_raises_every_waiting_task_gets(error: type[Exception]) -> None:
    """If storing fails, every waiting task gets the error at once, and the new token is in use."""

    async def fail(tokens: Tokens) -> None:
        raise error("the vault is away")

    token = integration(on_refresh=fail)
    async with client_on(webex(), token=token, attempts=4) as (wire, client):
        results = await asyncio.gather(
            *(client.webhooks.get("W1") for _ in range(3)), return_exceptions=True
        )
        await client.webhooks.get("W1")

    assert [str(each) for each in results] == ["the vault is away"] * 3
    assert [type(each) for each in results] == [error] * 3
    assert wire.tokens == [OLD, OLD, OLD, None, NEW]


async def test_a_refresh_without_a_response_deletes_nothing() -> None:
    """A DELETE that was rejected, and then found nothing, hasn't succeeded."""
    script = REJECTED, reset, http_response(404)
    async with client_on(*script, token=integration(), attempts=4) as (_, client):
        with pytest.raises(TransportError):
            await client.webhooks.delete("W1")
        with pytest.raises(NotFoundError):
            await client.webhooks.delete("W1")


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": "new\naccess"},
        {"access_token": NEW, "refresh_token": "naccess\udc00"},
        {"access_token": "naccess".ljust(16_385, "x")},
        {"access_token": NEW, "refresh_token": "naccess".ljust(16_385, "x")},
    ],
    ids=lambda document: ascii(document)[:60],
)
async def test_a_response_without_a_usable_token_is_a_decode_error(document: object) -> None:
    """The new tokens are checked before they are used."""
    grant = http_response(200, document)
    async with client_on(webex(grant), token=integration()) as (wire, client):
        with pytest.raises(DecodeError, match=r"\$\.(access|refresh)_token") as raised:
            await client.webhooks.get("W1")

    assert "naccess" not in str(raised.value)
    assert wire.tokens == [OLD, None]


@pytest.mark.parametrize("lifetime", [None, "1209599", True, 1.5])
async def test_an_odd_lifetime_is_no_lifetime(lifetime: object) -> None:
    """An invalid lifetime is `None`, and the token is used."""
    seen: list[Tokens] = []
    grant = http_response(200, {"access_token": NEW, "expires_in": lifetime})
    token = integration(on_refresh=seen.append)
    async with client_on(webex(grant), token=token) as (_, client):
        await client.webhooks.get("W1")

    assert seen == [Tokens(access_token=NEW, refresh_token="old-refresh")]


async def test_closing_one_client_does_not_take_the_token_from_another() -> None:
    """It refreshes through an open client; without one, the error says what to do."""
    token = integration()
    with pytest.raises(RuntimeError, match=r"Client\(token\)"):
        await token.refresh(OLD)
    async with Wire(webex()) as one, Wire(webex()) as other:
        first, second = client_of(one, token), client_of(other, token)
        await second.aclose()
        await second.aclose()
        assert await token.refresh(OLD) == NEW
        await first.aclose()
        with pytest.raises(RuntimeError, match="through an open client"):
            await token.refresh(NEW)

    assert (one.tokens, other.tokens) == ([None], [])


class Wrapper:
    """A provider that wraps another one, with the methods of the protocol only."""

    def __init__(self, inner: TokenProvider) -> None:
        self._inner = inner

    async def get(self) -> str:
        return await self._inner.get()

    async def refresh(self, rejected: str) -> str:
        return await self._inner.refresh(rejected)


@pytest.mark.parametrize("is_wrapped", [True, False])
async def test_a_shared_token_refreshes_through_the_client_that_calls(*, is_wrapped: bool) -> None:
    """Also a wrapped one: through the client whose request was rejected."""
    token: TokenProvider = integration()
    if is_wrapped:
        token = Wrapper(Wrapper(token))
    third = http_response(200, {"access_token": "third"})
    async with (
        Wire(webex()) as one,
        Wire(REJECTED, third, FOUND) as other,
        client_of(other, token, max_concurrency=1) as second,
        client_of(one, token, max_concurrency=1) as first,
    ):
        await first.webhooks.get("W1")
        await second.webhooks.get("W1")

    assert (one.tokens, other.tokens) == ([OLD, None, NEW], [NEW, None, "third"])


class ServiceApp:
    """The token of a service app, which an integration's client renews."""

    def __init__(self, integration: Client) -> None:
        self.integration = integration
        self._token = OLD
        self.rejected: list[str] = []

    async def get(self) -> str:
        return self._token

    async def refresh(self, rejected: str) -> str:
        self.rejected.append(rejected)
        self._token = (await self.integration.webhooks.get("W1")).id
        return self._token


async def test_a_refresh_may_refresh_another_token() -> None:
    """A provider may call Webex with another client, whose own token is refreshed through that."""
    async with (
        Wire(webex()) as one,
        Wire(REJECTED, FOUND) as other,
        client_of(one, integration()) as first,
        client_of(other, app := ServiceApp(first)) as second,
    ):
        await second.webhooks.get("W1")

    assert app.rejected == [OLD]
    assert (one.tokens, other.tokens) == ([OLD, None, NEW], [OLD, "W1"])


async def test_a_refresh_whose_own_request_is_rejected_ends() -> None:
    """It gets the 401, where it would otherwise wait for itself, or call itself without an end."""
    app = ServiceApp(cast("Any", None))
    async with client_on(REJECTED, token=app) as (wire, client):
        app.integration = client
        with pytest.raises(AuthenticationError):
            await client.webhooks.get("W1")

    assert (app.rejected, wire.tokens) == ([OLD], [OLD, OLD])


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(1209599, 1209599), (0, 0), (None, None), ("1209599", None), (10**12, None)],
)
async def test_tokens_say_when_the_access_token_expires(
    expires_in: object, seconds: int | None
) -> None:
    """`expires_at` is an aware datetime, also when the tokens were stored."""
    seen: list[Tokens] = []
    grant = http_response(200, {"access_token": NEW, "expires_in": expires_in})
    async with client_on(webex(grant), token=integration(on_refresh=seen.append)) as (_, client):
        before = datetime.now(UTC)
        await client.webhooks.get("W1")
        after_it = datetime.now(UTC)

    expires_at = seen[0].expires_at
    assert from_json(to_json(seen[0]), Tokens).expires_at == expires_at
    if seconds is None:
        assert expires_at is None
    else:
        assert expires_at is not None
        assert before <= expires_at - timedelta(seconds=seconds) <= after_it


APP: dict[str, Any] = {"client_id": "id", "client_secret": "secret"}


def test_when_tokens_expire_is_an_aware_datetime() -> None:
    """Anything else is an error where the tokens are made, and the error names the argument."""
    with pytest.raises(TypeError, match=r"^expires_at must be datetime, got str"):
        Tokens(refresh_token="stored-refresh", expires_at="x")  # type: ignore[arg-type] # it is refused
    with pytest.raises(ValueError, match=r"^expires_at must be timezone-aware"):
        Tokens(refresh_token="stored-refresh", expires_at=datetime(2999, 1, 1))  # noqa: DTZ001 - the mistake


def test_on_refresh_is_a_function() -> None:
    """Anything else is an error at once: at the refresh, new tokens would be lost."""
    with pytest.raises(TypeError, match="on_refresh must be a function that takes Tokens, got 's"):
        from_code("store.json")  # type: ignore[arg-type] # it is refused


def from_code(
    on_refresh: Callable[[Tokens], object] | None = None, code_verifier: str | None = "a-verifier"
) -> RefreshingToken:
    """The token of an integration that was just authorized."""
    return RefreshingToken.from_code(
        client_id="id",
        client_secret="client-secret",
        code="the-code",
        redirect_uri="https://example.com/callback",
        code_verifier=code_verifier,
        on_refresh=on_refresh,
    )


@pytest.mark.parametrize("code_verifier", ["a-verifier", None])
async def test_a_code_is_exchanged_by_the_first_request(code_verifier: str | None) -> None:
    """The code is posted as documented; later refreshes use the last refresh token that came."""
    seen: list[Tokens] = []
    script = GRANTED, FOUND, REJECTED, http_response(200, {"access_token": "third"}), FOUND
    token = from_code(seen.append, code_verifier)
    async with client_on(*script, token=token) as (wire, client):
        await client.webhooks.get("W1")
        await client.webhooks.get("W1")

    assert wire.tokens == [None, NEW, NEW, None, "third"]
    exchange, refresh = (
        parse_qs(wire.requests[index].body.decode(), strict_parsing=True) for index in (0, 3)
    )
    assert exchange == {
        "client_id": ["id"],
        "client_secret": ["client-secret"],
        "grant_type": ["authorization_code"],
        "code": ["the-code"],
        "redirect_uri": ["https://example.com/callback"],
        **({"code_verifier": [code_verifier]} if code_verifier else {}),
    }
    assert (refresh["grant_type"], refresh["refresh_token"]) == (["refresh_token"], ["new-refresh"])
    assert [*map(without_date, seen)] == [
        EXPECTED,
        Tokens(access_token="third", refresh_token="new-refresh"),
    ]


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (http_response(400, {"error": "invalid_grant"}), BadRequestError),
        (http_response(500), ServerError),
        (http_response(200, {"access_token": NEW}), DecodeError),
        (http_response(200, {"access_token": NEW, "refresh_token": ""}), DecodeError),
        (http_response(200, b"<html>"), DecodeError),
        (reset, TransportError),
    ],
)
async def test_a_code_is_sent_once(failure: Step, error: type[WebexError]) -> None:
    """Every later request raises the error of the exchange, and sends nothing."""
    async with client_on(failure, token=from_code(), attempts=4) as (wire, client):
        raised: list[WebexError] = []
        for _ in range(3):
            with pytest.raises(error) as each:
                await client.webhooks.get("W1")
            raised.append(each.value)

    assert wire.tokens == [None]
    assert {str(each) for each in raised} == {str(raised[0])}


@pytest.mark.parametrize(
    ("refusal", "error"), [(http_response(429), RateLimitError), (http_response(423), LockedError)]
)
async def test_a_code_is_sent_again_where_nothing_was_processed(
    refusal: bytes, error: type[WebexError]
) -> None:
    """After a 429 or a 423 the next request exchanges it."""
    async with client_on(refusal, GRANTED, FOUND, token=from_code()) as (wire, client):
        with pytest.raises(error):
            await client.webhooks.get("W1")
        await client.webhooks.get("W1")

    assert wire.tokens == [None, None, NEW]


async def test_a_code_is_not_sent_again_after_a_cancelled_exchange() -> None:
    """A cancelled exchange may have reached Webex, so the code isn't sent again."""
    post = Grants(token := from_code())
    waiting = asyncio.create_task(token.refresh(""))
    await post.posted()
    await cancel_everything()

    assert waiting.cancelled()
    with pytest.raises(TransportError, match="exchange of the authorization code was cut off"):
        await token.refresh("")
    assert post.posts == 1


async def test_an_error_shows_nothing_of_an_exchange() -> None:
    """Neither the code nor the verifier is shown, though the service repeats them."""
    refusal = http_response(400, {"message": "the-code, a-verifier, client-secret"})
    async with client_on(refusal, token=from_code()) as (_, client):
        with pytest.raises(BadRequestError) as raised:
            await client.webhooks.get("W1")

    assert raised.value.message == "***, ***, ***"


@pytest.mark.parametrize("scopes", [["spark:all", "spark:kms"], "spark:all spark:kms"], ids=str)
@pytest.mark.parametrize("challenge", [None, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"])
def test_a_user_authorizes_an_integration_at_a_url(
    scopes: str | list[str], challenge: str | None
) -> None:
    """The URL has the documented parameters, percent-encoded; spaces separate the scopes."""
    url = authorization_url(
        client_id="C1",
        redirect_uri="https://example.com/callback?a=b",
        scopes=scopes,
        state="x&y",
        code_challenge=challenge,
        base_url="https://api-usgov.webex.com/v1/",
    )

    place, _, query = url.partition("?")
    assert place == "https://api-usgov.webex.com/v1/authorize"
    assert "+" not in query
    assert parse_qs(query, strict_parsing=True) == {
        "response_type": ["code"],
        "client_id": ["C1"],
        "redirect_uri": ["https://example.com/callback?a=b"],
        "scope": ["spark:all spark:kms"],
        "state": ["x&y"],
        **({"code_challenge": [challenge], "code_challenge_method": ["S256"]} if challenge else {}),
    }


@pytest.mark.parametrize(
    ("scopes", "error", "message"),
    [
        (" ", ValueError, "scope is empty"),
        ([], ValueError, "scope is empty"),
        ([1], TypeError, "a scope must be str"),
        (1, TypeError, "scopes must be str or Iterable"),
    ],
)
def test_an_authorization_needs_a_scope(
    scopes: Any,  # noqa: ANN401 - mistakes
    error: type[Exception],
    message: str,
) -> None:
    """Anything but text, or texts, is refused."""
    with pytest.raises(error, match=message):
        authorization_url(**{**OF_A_URL, "scopes": scopes})


async def test_a_token_that_was_refreshed_meanwhile() -> None:
    """Who was rejected with an older token than the one in use gets that, without a refresh."""
    token = RefreshingToken(
        client_id="C1", client_secret="S1", refresh_token="R1", access_token="new"
    )
    refused = httpx.MockTransport(lambda _: httpx.Response(500))
    async with Client(token, http_client=refused):
        assert await token.refresh("old") == "new"
