import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from tests.integration.conftest import NewStore
from tests.integration.stage import ANN, BOB, KEY, Shift, Stage, until
from tests.support.clocks import START, let_pass
from tests.support.logs import Log
from webex_webhooks_async import (
    AuthenticationError,
    BadRequestError,
    RequestTimeoutError,
    ServerError,
    Tokens,
    TransportError,
    WebexError,
)
from webex_webhooks_async.errors import NotConnectedError
from webex_webhooks_async.integration.keyring import Keyring
from webex_webhooks_async.integration.tokens import TokenKeeper, UserToken, is_early, is_grant_gone
from webex_webhooks_async.integration.users import (
    Change,
    ConnectedUser,
    Details,
    User,
    Users,
    in_state,
)

PERSON = "00000000-0000-0000-0000-00000000000a"


class Webex:
    """Grants new tokens, and refuses a refresh token that was used, at once."""

    def __init__(self, time: Shift) -> None:
        self.time = time
        self.valid = "R0"
        self.refreshes = 0
        self.errors: list[WebexError] = []
        self.before: Callable[[], Any] | None = None

    async def refresh(self, refresh_token: str) -> Tokens:
        self.refreshes += 1
        await asyncio.sleep(0.01)
        if self.before is not None:
            await self.before()
        if self.errors:
            raise self.errors.pop(0)
        if refresh_token != self.valid:
            raise GONE
        self.valid = f"R{self.refreshes}"
        return self.tokens(f"A{self.refreshes}")

    def tokens(self, name: str = "A0") -> Tokens:
        return Tokens(
            access_token=name,
            refresh_token=self.valid,
            expires_in=1000,
            expires_at=self.time.now() + timedelta(seconds=1000),
        )


GONE = BadRequestError(400, "the refresh token is not valid", ["invalid_grant"])


class Replica:
    """What a process has of the tokens, with a store of its own."""

    def __init__(self, webex: Webex, new_store: NewStore) -> None:
        self.store = new_store()
        self.users = Users(self.store, Keyring([KEY]))
        self.lost: list[str] = []
        self.keeper = TokenKeeper(self.users, webex.refresh, self._lose, webex.time)

    async def _lose(self, details: Details) -> None:
        self.lost.append(details.grant)

    async def token(self, *, may_leave: bool = False) -> UserToken:
        return UserToken(self.keeper, await self.user(), may_leave=may_leave)

    async def user(self) -> User:
        user = await self.users.get(PERSON)
        assert user is not None
        return user

    async def change(self, change: Callable[[Details], Details]) -> None:
        await self.users.change(PERSON, lambda user: user and Change(change(user.details)))


@asynccontextmanager
async def replicas(
    time: Shift, new_store: NewStore, number: int = 1
) -> AsyncGenerator[tuple[Webex, list[Replica]]]:
    """Some processes, and somebody who is connected."""
    webex = Webex(time)
    made = [Replica(webex, new_store) for _ in range(number)]
    public = ConnectedUser(person_id=PERSON, since=time.now())
    details = Details(user=public, tokens=webex.tokens())
    await made[0].users.change(PERSON, lambda _: Change(details, 1000))
    try:
        yield webex, made
    finally:
        for each in made:
            await each.keeper.aclose()
            await each.store.aclose()


async def test_one_expiry_is_one_refresh(time: Shift, new_store: NewStore) -> None:
    """However many requests of however many processes see an expiry, it is refreshed once."""
    async with replicas(time, new_store, 3) as (webex, each):
        tokens = [await replica.token() for replica in each for _ in range(4)]
        for expiry in (1, 2):
            time.advance(1001)
            assert {await token.get() for token in tokens} == {""}
            sent = await asyncio.gather(*(token.refresh("") for token in tokens))

            assert webex.refreshes == expiry
            assert set(sent) == {f"A{expiry}"}


async def test_a_token_is_refreshed_early(time: Shift, new_store: NewStore) -> None:
    """With less than a tenth of its life left, a token is refreshed before the request."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token = await replica.token()
        time.advance(890)
        assert (await token.get(), webex.refreshes) == ("A0", 0)
        time.advance(20)
        assert (await token.get(), await token.get(), webex.refreshes) == ("A1", "A1", 1)


def test_an_hour_is_early_enough() -> None:
    """Of a long life an hour is left; what says no end has none."""
    long = Tokens(
        access_token="A",
        refresh_token="R",
        expires_in=14 * 86_400,
        expires_at=START + timedelta(hours=2),
    )

    assert not is_early(long, START)
    assert is_early(long, START + timedelta(minutes=61))
    assert not is_early(evolve(long, expires_at=None), START)


async def test_an_early_refresh_may_fail(time: Shift, new_store: NewStore) -> None:
    """After a failure, a token that is still good is sent, and the next try is a minute later."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token = await replica.token()
        time.advance(910)
        webex.errors = [ServerError(503), TransportError("reset")]
        assert [await token.get() for _ in range(3)] == ["A0"] * 3
        assert webex.refreshes == 1
        time.advance(30)
        assert (await token.get(), webex.refreshes) == ("A0", 1)
        time.advance(31)
        assert (await token.get(), webex.refreshes) == ("A0", 2)
        webex.errors = [ServerError(503)]
        with pytest.raises(ServerError):
            await token.refresh("A0")
        assert await token.refresh("A0") == "A4"


async def test_an_early_refresh_finds_a_loss(time: Shift, new_store: NewStore) -> None:
    """A grant that is gone is noticed early, and the token isn't sent."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token = await replica.token()
        time.advance(910)
        webex.errors = [GONE]
        with pytest.raises(NotConnectedError):
            await token.get()


async def test_an_early_refresh_waits_for_nobody(time: Shift, new_store: NewStore) -> None:
    """While another process refreshes, a token that is still good is sent."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token = await replica.token()
        await replica.store.claim(PERSON, "another", 9000)
        time.advance(910)

        assert (await token.get(), webex.refreshes) == ("A0", 0)


async def test_an_early_refresh_finds_newer_tokens(time: Shift, new_store: NewStore) -> None:
    """What another process has refreshed is used, without a refresh."""
    async with replicas(time, new_store, 2) as (webex, (one, other)):
        first, second = await one.token(), await other.token()
        time.advance(910)
        assert [await first.get(), await second.get()] == ["A1", "A1"]
        assert webex.refreshes == 1


async def test_a_needed_refresh_follows_an_early_one(time: Shift, new_store: NewStore) -> None:
    """A rejected token is refreshed after an early refresh that failed meanwhile."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token = await replica.token()
        time.advance(910)
        webex.errors = [ServerError(503)]
        early, needed = await asyncio.gather(token.get(), token.refresh("A0"))

        assert (early, needed, webex.refreshes) == ("A0", "A2", 2)


async def test_a_claimant_that_is_killed(time: Shift, new_store: NewStore) -> None:
    """The others wait until the claim of a killed process is over, and then refresh."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token = await replica.token()
        await replica.store.claim(PERSON, "killed", 0.3)
        refreshing = asyncio.create_task(token.refresh("A0"))
        await asyncio.sleep(0.35)
        time.advance(1)

        assert await refreshing == "A1"
        assert webex.refreshes == 1


async def test_a_claim_that_never_ends(time: Shift, new_store: NewStore) -> None:
    """Whoever waits for another process longer than 100 s gets a `RequestTimeoutError`."""
    async with replicas(time, new_store) as (_, (replica,)):
        token = await replica.token()
        await replica.store.claim(PERSON, "another", 9000)
        refreshing = asyncio.create_task(token.refresh("A0"))
        await until(lambda: time.sleepers)
        time.advance(101)

        with pytest.raises(RequestTimeoutError, match="100 s"):
            await refreshing


async def test_a_refresh_without_a_response(time: Shift, new_store: NewStore) -> None:
    """A refresh takes 45 s at most, and its claim is given back."""
    async with replicas(time, new_store) as (webex, (replica,)):
        webex.before = asyncio.Event().wait
        refreshing = asyncio.create_task((await replica.token()).refresh("A0"))
        await until(lambda: webex.refreshes)
        let_pass(45)
        with pytest.raises(RequestTimeoutError, match="no response"):
            await refreshing
        assert await replica.store.claim(PERSON, "next", 9)


@pytest.mark.parametrize(
    ("error", "is_gone"),
    [
        (GONE, True),
        (BadRequestError(400, "invalid_grant: the token was revoked"), True),
        (AuthenticationError(401, "", ["invalid_grant"]), True),
        (BadRequestError(400, "invalid_request"), False),
        (BadRequestError(400), False),
        (AuthenticationError(401, "", ["invalid_client"]), False),
        (ServerError(500, "invalid_grant"), False),
        (TransportError("invalid_grant"), False),
    ],
)
async def test_who_is_lost(
    time: Shift,
    new_store: NewStore,
    error: WebexError,
    caplog: Log,
    *,
    is_gone: bool,
) -> None:
    """Only a 400 or 401 with `invalid_grant` loses somebody; anything else loses nobody."""
    async with replicas(time, new_store) as (webex, (replica,)):
        webex.errors = [error]
        with pytest.raises(NotConnectedError if is_gone else type(error)):
            await (await replica.token()).refresh("A0")

        user = await replica.user()
        assert (user.row.state == "lost") is is_gone is is_grant_gone(error)
        assert len(replica.lost) == is_gone
        assert ("Webex refuses the client id" in caplog.text) is ("invalid_client" in str(error))
        if is_gone:
            with pytest.raises(NotConnectedError) as refused:
                await UserToken(replica.keeper, user).refresh("A0")
            assert refused.value.reason == "lost"


async def test_a_race_loses_nobody(time: Shift, new_store: NewStore) -> None:
    """A refresh that is refused because another one was first finds that one's tokens."""
    async with replicas(time, new_store) as (webex, (replica,)):

        async def another() -> None:
            webex.before, webex.valid = None, "R9"
            await replica.change(lambda details: evolve(details, tokens=webex.tokens("A9")))

        webex.before = another

        assert await (await replica.token()).refresh("A0") == "A9"
        assert (await replica.user()).row.state == "connected"


async def test_what_happens_during_a_refresh(time: Shift, new_store: NewStore) -> None:
    """Who leaves goes on leaving, a newer permission wins, and who was lost is connected."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token, leaving = await replica.token(), await replica.token(may_leave=True)

        async def do(change: Callable[[Details], Details]) -> None:
            webex.before = None
            await replica.change(change)

        webex.before = lambda: do(lambda each: in_state(each, "lost", time.now()))
        assert await token.refresh("A0") == "A1"
        assert (await replica.user()).row.state == "connected"

        webex.before = lambda: do(
            lambda each: evolve(each, connection="new", tokens=webex.tokens("A-new"))
        )
        assert await token.refresh("A1") == "A-new"

        webex.valid = "R1"
        webex.before = lambda: do(lambda each: in_state(each, "leaving", time.now()))
        await replica.change(lambda each: evolve(each, tokens=webex.tokens("A-new")))
        with pytest.raises(NotConnectedError, match="leaves") as refused:
            await token.refresh("A-new")
        assert refused.value.reason == "leaving"
        user = await replica.user()
        assert (user.row.state, user.details.tokens.access_token) == ("leaving", "A3")
        assert await leaving.refresh("A-new") == "A3"

        webex.errors = [GONE]
        with pytest.raises(NotConnectedError):
            await leaving.refresh("A3")
        assert not replica.lost

        async def remove() -> None:
            webex.before = None
            row = (await replica.user()).row
            await replica.store.remove(row.person, row.version)

        webex.before = remove
        with pytest.raises(NotConnectedError) as unknown:
            await leaving.refresh("A3")
        assert unknown.value.reason == "unknown"


async def test_changes_at_once_are_both_made(time: Shift, new_store: NewStore) -> None:
    """Of two changes of a user at once, the second is made on top of the first."""
    async with replicas(time, new_store, 2) as (_, (one, other)):
        put = one.store.put

        async def put_late(*row: Any, **options: Any) -> bool:
            one.store.put = put  # type: ignore[method-assign] # of this test
            await other.change(lambda each: evolve(each, connection="C"))
            return await put(*row, **options)

        one.store.put = put_late  # type: ignore[method-assign] # the same
        await one.change(lambda each: evolve(each, grant="G"))
        details = (await one.user()).details

        assert (details.grant, details.connection) == ("G", "C")


async def test_losses_that_are_noticed_late(time: Shift, new_store: NewStore) -> None:
    """Somebody who has connected again, or leaves, while a loss is noticed isn't lost."""
    for state in ("connected", "leaving"):
        async with replicas(time, new_store) as (webex, (replica,)):

            async def lose(_: Details, state: Any = state, replica: Replica = replica) -> None:
                if state == "connected":
                    await replica.change(lambda each: evolve(each, grant="newer"))
                else:
                    await replica.change(lambda each: in_state(each, "leaving", time.now()))

            replica.keeper.lose = lose
            webex.errors = [GONE]
            with pytest.raises(NotConnectedError):
                await (await replica.token()).refresh("A0")
            user = await replica.user()
            assert user.row.state == state
            await replica.store.remove(user.row.person, user.row.version)


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_tokens_outlast_a_store_that_is_away(
    time: Shift, new_store: NewStore, *, is_cancelled: bool
) -> None:
    """New tokens are stored before they are sent, again and again, also for who was cancelled."""
    async with replicas(time, new_store) as (webex, (replica,)):
        token = await replica.token()
        put = replica.store.put

        async def away(*_: Any, **__: Any) -> bool:
            raise TimeoutError("away")

        replica.store.put = away  # type: ignore[method-assign] # of this test
        refreshing = asyncio.create_task(token.refresh("A0"))
        await until(lambda: time.sleepers)
        if is_cancelled:
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing
        replica.store.put = put  # type: ignore[method-assign] # the same
        time.advance(1)
        await replica.keeper.aclose()

        assert (await replica.user()).details.tokens.access_token == "A1"
        assert is_cancelled or await refreshing == "A1"
        assert webex.refreshes == 1


async def test_a_store_that_stays_away(time: Shift, new_store: NewStore, caplog: Log) -> None:
    """After 35 s, tokens that can't be stored are an ERROR, and aren't sent."""
    async with replicas(time, new_store) as (_, (replica,)):
        token = await replica.token()

        async def away(*_: Any, **__: Any) -> bool:
            raise ConnectionError("away")

        replica.store.put = replica.store.unclaim = away  # type: ignore[assignment, method-assign] # of this test
        refreshing = asyncio.create_task(token.refresh("A0"))
        await until(lambda: time.sleepers)
        time.advance(36)
        with pytest.raises(ConnectionError):
            await refreshing

        assert "the tokens of a refresh can't be stored" in caplog.text
        assert "a claim can't be given back" in caplog.text


async def test_requests_of_an_integration_share_a_refresh(stage: Stage, time: Shift) -> None:
    """Clients of a user share one refresh, and closing one closes nothing of the others."""
    async with stage.running(stage.integration()) as integration:
        await stage.connect(integration)
        person = stage.person(ANN)
        time.advance(1001)
        before = len(stage.sent())
        async with integration.client(person) as one:
            async with integration.client(person) as other:
                me, _ = await asyncio.gather(one.get("people/me"), other.get("people/me"))
            assert await one.get("people/me") == me

        assert len(stage.sent()) == before + 1
        assert me["id"] == person


async def test_nothing_is_sent_for_who_is_not_connected(stage: Stage) -> None:
    """Without a connected user there is an error, and no request."""
    async with stage.running(stage.integration()) as integration:
        await stage.connect(integration)
        stage.sandbox.revoke_user(ANN)
        async with integration.client(stage.person(ANN)) as client:
            with pytest.raises(NotConnectedError, match="connect again"):
                await client.get("people/me")
        before = len(stage.sandbox.requests)
        for person, reason in ((stage.person(ANN), "lost"), (stage.person(BOB), "unknown")):
            with pytest.raises(NotConnectedError) as refused:
                async with integration.client(person):
                    pass
            assert refused.value.reason == reason
        assert len(stage.sandbox.requests) == before


async def test_tokens_from_elsewhere(stage: Stage) -> None:
    """`connect` takes the tokens of a service app, and asks `allow` nothing."""
    integration = stage.integration(allow=lambda _: False)
    async with stage.running(integration):
        granted = Tokens(access_token=f"person:{ANN}", refresh_token="R")
        user = await integration.connect(granted, account="a-1")

        assert (user.email, user.account, user.state) == (ANN, "a-1", "connected")
        assert user == await integration.get(stage.person(ANN))
        assert "person:" not in repr(user)
        with pytest.raises(TypeError, match="tokens must be Tokens"):
            await integration.connect("A")  # type: ignore[arg-type] # on purpose
