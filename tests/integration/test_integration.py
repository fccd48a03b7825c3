import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve

from tests.integration.stage import (
    ANN,
    BOB,
    KEY,
    OTHER_KEY,
    SECRET,
    URL,
    Browser,
    Shift,
    Stage,
    until,
    until_there_are,
)
from tests.support.clocks import let_pass
from tests.support.logs import Log
from webex_webhooks_async import (
    Client,
    Event,
    GiveUpError,
    MeetingData,
    MessageData,
    OwnedBy,
    RateLimitError,
    Resource,
    SQLiteInbox,
    Tokens,
    sign,
)
from webex_webhooks_async.errors import NotConnectedError
from webex_webhooks_async.handling.once import once
from webex_webhooks_async.integration.contexts import UserContext, UserJobContext
from webex_webhooks_async.integration.integration import Integration
from webex_webhooks_async.integration.keyring import Keyring
from webex_webhooks_async.integration.looks import Looks
from webex_webhooks_async.integration.sqlite_store import SQLiteUserStore
from webex_webhooks_async.integration.users import Change, ConnectedUser, Details, User
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.notifications.identity import body_of_job, key_of_job


async def test_a_meeting_is_read_with_its_owners_token(stage: Stage) -> None:
    """Each user's notification is handled with that user's own token."""
    integration = stage.integration()
    seen: list[tuple[str | None, str]] = []

    @integration.on(Resource.MEETINGS, Event.ENDED)
    async def ended(context: UserContext[MeetingData]) -> None:
        meeting: Any = await context.fetch()
        assert context.data.id == meeting["id"]
        assert context.route == "on ended"
        seen.append((context.user.email, meeting["title"]))

    async with stage.running(integration):
        for email in (ANN, BOB):
            assert (await stage.connect(integration, email)).status_code == 200
            await stage.meeting(email)
        await stage.sandbox.idle()

    assert sorted(seen) == [(ANN, ANN), (BOB, BOB)]
    (webhook,) = stage.webhooks()
    assert (webhook.name, webhook.target_url) == (
        "integration:meetings:ended",
        f"{URL}/notifications",
    )
    assert webhook.secret == Keyring([KEY]).secret_of(
        comparable(stage.person(ANN)), Keyring([KEY]).first
    )


def body_of(created_by: Any, **more: Any) -> bytes:
    """A notification of a meeting that somebody's webhook brings."""
    envelope = {"id": "W", "name": "x", "resource": "meetings", "event": "ended", "data": {}}
    return json.dumps({**envelope, "createdBy": created_by, **more}).encode()


def signed(stage: Stage, email: str, **more: Any) -> dict[str, Any]:
    """A notification for somebody's webhook, as a request of httpx."""
    ring, person = Keyring([KEY]), stage.person(email)
    body = body_of(person, **more)
    secret = ring.secret_of(comparable(person), ring.first)
    return {"content": body, "headers": sign(body, secret)}


async def test_forged_notifications(stage: Stage, caplog: Log) -> None:
    """Only the secret of who made the webhook, in any form of the id, signs a notification."""
    integration = stage.listening(encryption_keys=[KEY, OTHER_KEY])
    async with stage.running(integration), Browser(integration) as browser:
        await stage.connect(integration)
        ann, bob = stage.person(ANN), stage.person(BOB)
        ring = Keyring([KEY, OTHER_KEY])
        own = [ring.secret_of(comparable(ann), each) for each in ring.ids]
        bobs = ring.secret_of(comparable(bob), ring.first)
        mine = body_of(ann)
        two = mine[:-1] + b', "createdBy": ' + json.dumps(bob).encode() + b"}"
        table: list[tuple[bytes, str, int]] = [
            (mine, own[0], 204),
            (body_of(comparable(ann)), own[0], 204),
            (body_of(comparable(ann).upper(), name="y"), own[1], 204),
            (mine, bobs, 401),
            (mine, SECRET, 401),
            (body_of(bob), own[0], 401),
            (two, own[0], 401),
            (two, bobs, 401),
            (body_of(None), own[0], 401),
            (body_of(""), ring.secret_of("", ring.first), 401),
            (body_of([ann]), own[0], 401),
            (b"\xff", own[0], 401),
            (b"{}", own[0], 401),
        ]
        for body, secret, status in table:
            response = await browser.post(
                "/notifications", content=body, headers=sign(body, secret)
            )
            assert (response.status_code, body) == (status, body)
        assert (await browser.post("/notifications", content=mine)).status_code == 401
        large = await browser.post("/notifications", content=b" " * 1_048_577)
        assert large.status_code == 413
    assert own[0] not in caplog.text


async def _nothing(_: Any) -> None:
    pass


async def test_an_inbox_that_fails(stage: Stage) -> None:
    """What can't be stored is a 503; a request that is broken off gets no response."""
    integration = stage.listening()
    async with stage.running(integration), Browser(integration) as browser:
        notification = signed(stage, ANN)

        async def fail(*_: Any, **__: Any) -> bool:
            raise OSError("the disk is full")

        put, integration._inbox.put = integration._inbox.put, fail  # type: ignore[method-assign] # of this test
        assert (await browser.post("/n", **notification)).status_code == 503
        integration._inbox.put = put  # type: ignore[method-assign] # the same
        for _ in range(2):  # a copy as well
            assert (await browser.post("/n", **notification)).status_code == 204
        integration._worker.is_open = False
        assert (await browser.post("/n", **notification)).status_code == 503
        integration._worker.is_open = True

        async def hang_up() -> dict[str, str]:
            return {"type": "http.disconnect"}

        sent: list[Any] = []
        scope = {"type": "http", "method": "POST", "path": "/n", "headers": []}
        await integration(scope, hang_up, _append_to(sent))
        assert not sent
        with pytest.raises(ValueError, match="scope of type 'x'"):
            await integration({"type": "x"}, hang_up, _append_to(sent))
        await integration({"type": "websocket"}, hang_up, _append_to(sent))
        assert sent == [{"type": "websocket.close"}]


def _append_to(sent: list[Any]) -> Callable[[Any], Any]:
    async def send(message: Any) -> None:
        sent.append(message)

    return send


async def test_a_server_starts_and_ends_it(stage: Stage) -> None:
    """The lifespan of a server starts and ends an integration, which can be started again."""
    integration = stage.integration()
    for _ in range(2):
        messages = asyncio.Queue[Any]()
        sent: list[Any] = []
        messages.put_nowait({"type": "lifespan.startup"})
        serving = asyncio.create_task(
            integration({"type": "lifespan"}, messages.get, _append_to(sent))
        )
        await until_there_are(sent, 1)
        with pytest.raises(RuntimeError, match="has been started"):
            await integration.start()
        messages.put_nowait({"type": "lifespan.shutdown"})
        await serving
        assert [each["type"] for each in sent] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]


async def test_a_start_that_fails(stage: Stage) -> None:
    """What the lifespan or the store raises ends the start; a store that is away doesn't."""

    def fail(_: Any) -> Any:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        await stage.integration(lifespan=fail).start()
    store, _ = stage.new_storage()
    for error, is_raised in ((OSError("broken"), True), (ConnectionError("away"), False)):

        async def counts(_: str, error: OSError = error) -> Any:
            raise error

        store.counts = counts  # type: ignore[assignment, method-assign] # of this test
        integration = stage.integration(store=store)
        if is_raised:
            with pytest.raises(OSError, match="broken"):
                await integration.start()
        else:
            async with integration:
                pass


async def test_all_that_match_run_in_order(stage: Stage) -> None:
    """All handlers that match run, in the order of registration; the largest `attempts` counts."""
    integration = stage.integration()
    ran: list[str] = []

    @integration.on(Resource.MEETINGS, attempts=1)
    async def first(context: UserContext[MeetingData]) -> None:
        ran.append(context.route)

    @integration.on(attempts=2)
    async def second(context: UserContext[Any]) -> None:
        ran.append(context.route)
        if len(ran) < 4:
            raise LookupError

    @integration.on("recordings", "created")
    async def never(context: UserContext[Any]) -> None:
        ran.append(context.route)

    integration.on(Resource.MEETINGS, Event.ENDED)(first)
    async with stage.running(integration):
        await stage.connect(integration)
        await stage.meeting()
        await stage.meeting(event="something")
        await until(lambda: len(ran) == 7)

    assert ran.count("on first 2") == 1
    assert ran.count("on second") == 3
    names = {each.name for each in stage.webhooks()}
    assert names == {"integration:meetings:all", "integration:recordings:created"}


async def test_what_fails_is_reported_and_kept(stage: Stage) -> None:
    """Failures get to `on_error`, and no secret is stored with them, however many fail."""
    people = [f"person-{number}@example.com" for number in range(20)]
    reported: list[str] = []
    together = asyncio.Event()

    async def report(error: Exception, _: object) -> None:
        reported.append(type(error).__name__)
        if len(reported) == 20:
            together.set()
        await together.wait()

    integration = stage.integration(on_error=report)

    @integration.on(Resource.MEETINGS)
    async def leak(context: UserContext[MeetingData]) -> None:
        user = await integration._users.get(context.user.person_id)
        assert user is not None
        tokens = user.details.tokens
        ring = integration._keyring
        secret = ring.secret_of(user.row.person, ring.first)
        raise GiveUpError(f"{tokens.access_token} {tokens.refresh_token} {secret} {KEY} {SECRET}")

    async with stage.running(integration):
        await asyncio.gather(*(stage.connect(integration, each) for each in people))
        await asyncio.gather(*(stage.meeting(each) for each in people))
        await together.wait()
        failed: list[str | None] = []
        while len(failed) < 20:
            unfinished = [each async for each in integration._inbox.unfinished()]
            failed = [each.error for each in unfinished if each.state == "failed"]

    assert reported == ["GiveUpError"] * 20
    assert {*failed} == {"GiveUpError: *** *** *** *** ***"}


async def test_data_that_does_not_fit(stage: Stage) -> None:
    """Handlers without a resource get data that doesn't fit, and the others don't."""
    integration = stage.integration()
    ran: list[Any] = []

    @integration.on(Resource.MESSAGES)
    async def typed(context: UserContext[MessageData]) -> None:
        ran.append(context)

    @integration.on()
    async def anything(context: UserContext[Any]) -> None:
        ran.append(context.data)

    async with stage.running(integration), Browser(integration) as browser:
        await stage.connect(integration)
        for email in (ANN, BOB):
            message = {"resource": "messages", "event": "created", "data": {"id": 5}}
            await browser.post("/n", **signed(stage, email, **message))
        await stage.sandbox.idle()
        (failed,) = [each async for each in integration._inbox.unfinished()]

    assert ran == [{"id": 5}]
    assert failed.state == "failed"


async def test_who_is_not_connected_has_no_handler(stage: Stage, caplog: Log) -> None:
    """For somebody who isn't connected, or ceases to be, nothing runs and nothing is reported."""
    caplog.set_level(logging.INFO)
    reported: list[Any] = []
    integration = stage.integration(on_error=lambda *what: reported.append(what))

    @integration.on(Resource.MEETINGS)
    async def ended(context: UserContext[MeetingData]) -> None:
        stage.sandbox.revoke_user(ANN)
        await context.fetch()

    @integration.job("ask")
    async def ask(_: UserJobContext) -> None:
        async with integration.client(stage.person(BOB)):
            pass

    async with stage.running(integration):
        await stage.connect(integration)
        await stage.meeting()
        await stage.sandbox.idle()
        assert (await integration.counts()).lost == 1
        await integration.enqueue("ask", None, person_id=stage.person(ANN))
        await stage.sandbox.idle()
        assert not reported
        assert caplog.text.count("is completed: ") == 2

        await stage.connect(integration)
        await integration.enqueue("ask", None, person_id=stage.person(ANN))
        await until(lambda: reported)
        assert isinstance(reported[0][0], NotConnectedError)  # of somebody else


async def test_an_outage_uses_up_no_attempt(stage: Stage) -> None:
    """What fails in an outage of Webex is given back, and handled after it."""
    integration = stage.integration()
    done: list[Any] = []

    @integration.on(Resource.MEETINGS, attempts=1)
    async def ended(context: UserContext[MeetingData]) -> None:
        done.append(await context.fetch())

    async with stage.running(integration):
        await stage.connect(integration)
        stage.sandbox.fail(status=503, times=None)
        await stage.meeting()
        outage = integration._worker.outage
        assert outage is not None
        await until(lambda: outage.given_back)
        stage.sandbox.clear_faults()
        await until(lambda: done)


async def test_jobs_are_of_a_user(stage: Stage) -> None:
    """A job runs as its user, and its key is that user's."""
    integration = stage.integration()
    ran: list[tuple[str | None, Any, str | None, str]] = []

    @integration.job("remind", attempts=2)
    async def remind(context: UserJobContext) -> None:
        me: Any = await context.client.get("people/me")
        ran.append((me["emails"][0], context.value, context.key, context.route))
        if context.key == "k":
            assert await context.enqueue("remind", "again", key="later", after=3600)
            assert await context.cancel("remind", key="later")
            with pytest.raises(TypeError, match="pass a connection or a session"):
                await context.cancel("remind", key="k", transaction=5)
            assert await context.enqueue("remind", 2)

    async with stage.running(integration):
        for email in (ANN, BOB):
            await stage.connect(integration, email)
            person = stage.person(email)
            assert await integration.enqueue("remind", 1, person_id=person, key="k", after=0.01)
            uuid = comparable(person)
            assert not await integration.enqueue("remind", 1, person_id=uuid, key="k")
        await until(lambda: len(ran) == 4)
        await stage.sandbox.idle()
        later: Any = {"person_id": stage.person(ANN), "key": "later"}
        assert await integration.enqueue("remind", 1, after=99, **later)
        assert await integration.cancel("remind", **later)
        with pytest.raises(ValueError, match="no job 'other'"):
            await integration.enqueue("other", 1, person_id="x")
        with pytest.raises(TypeError, match="pass a connection or a session"):
            await integration.enqueue("remind", 1, transaction=5, **later)

    assert sorted(ran, key=str) == [
        (email, value, key, "job remind")
        for email in (ANN, BOB)
        for value, key in ((1, "k"), (2, None))
    ]


def test_a_context_without_an_integration() -> None:
    """A context that a test makes has no jobs, and says so."""
    user = ConnectedUser(person_id="P", since=Shift().now())
    context = UserJobContext(user=user, client=Client("token"), value=1)

    with pytest.raises(RuntimeError, match="isn't of an integration"):
        context._of_integration()


async def test_a_welcome(stage: Stage) -> None:
    """`on_connect` runs as a job each time somebody has connected, when the webhooks are there."""
    integration = stage.listening(lifespan=_lifespan)
    welcomed: list[tuple[str | None, int]] = []

    @integration.on_connect
    async def welcome(context: UserJobContext) -> None:
        assert context.state.name == integration.state.name == "Minutes"
        welcomed.append((context.user.email, len(stage.webhooks())))

    async with stage.running(integration):
        for number in (1, 2):
            await stage.connect(integration)
            await until_there_are(welcomed, number)

    assert welcomed == [(ANN, 1), (ANN, 1)]


@asynccontextmanager
async def _lifespan(_: Integration) -> AsyncGenerator[dict[str, str]]:
    yield {"name": "Minutes"}


async def test_a_loss_is_told_once(stage: Stage) -> None:
    """`on_lost` runs once for each loss, again if it fails, also for the next loss."""
    integration = stage.integration()
    lost: list[str | None] = []

    @integration.on_lost
    async def on_lost(user: ConnectedUser) -> None:
        lost.append(user.email)
        if len(lost) == 1:
            raise LookupError

    async with stage.running(integration):
        for losses in (2, 3):
            await stage.connect(integration)
            stage.sandbox.revoke_user(ANN)
            async with integration.client(stage.person(ANN)) as client:
                for _ in range(2):
                    with pytest.raises(NotConnectedError):
                        await client.get("people/me")
            await until_there_are(lost, losses)
            user = await integration.get(stage.person(ANN))
            assert user is not None
            assert user.state == "lost"
    assert lost == [ANN] * 3


async def test_who_leaves(stage: Stage) -> None:
    """Who leaves has no webhooks, then no row, and then `on_disconnect` runs."""
    integration = stage.listening()
    left: list[tuple[ConnectedUser, Any]] = []

    @integration.on_disconnect
    async def on_disconnect(user: ConnectedUser) -> None:
        left.append((user, await integration.get(user.person_id)))
        if len(left) == 1:
            raise LookupError

    async with stage.running(integration):
        await stage.connect(integration)
        await stage.connect(integration, BOB)
        person = stage.person(ANN)
        assert await integration.disconnect(comparable(person))
        with pytest.raises(NotConnectedError, match=r"leaves|never"):
            async with integration.client(person):
                pass
        await until(lambda: len(left) == 2)
        assert not await integration.disconnect(person)
        assert not stage.webhooks(ANN)
        assert len(stage.webhooks(BOB)) == 1
        assert (await integration.counts()).leaving == 0

    assert [(user.email, row) for user, row in left] == [(ANN, None)] * 2


async def test_leaving_in_an_outage(stage: Stage, caplog: Log) -> None:
    """Webhooks are deleted after an outage, from another process as well."""
    integration = stage.listening()
    async with stage.running(integration):
        await stage.connect(integration)
        stage.sandbox.fail(status=502, times=None)
        assert await integration.disconnect(stage.person(ANN))
        assert not await integration.disconnect(stage.person(ANN))
        await until(lambda: "aren't as wanted" in caplog.text)
    stage.sandbox.clear_faults()
    stage.time.advance(61)
    other = stage.integration()
    async with stage.running(other):
        await until(lambda: not stage.webhooks())
        await stage.sandbox.idle()
        await _until_counts(other, 0)


async def test_a_removal_that_waits(stage: Stage) -> None:
    """Who leaves and isn't removed yet is looked at as often as others."""
    integration = stage.listening(watch_every=600)
    async with stage.running(integration):
        await stage.connect(integration)
        looks = stop_looking(integration)
        looks.part = _nothing
        await integration.disconnect(stage.person(ANN))
        (user,) = [each async for each in integration._users.each(None)]
        await looks.look(user.row)
        for seconds, number in ((595, 0), (10, 1)):
            stage.time.advance(seconds)
            assert len(await integration._store.take_due(2, 1.0)) == number


async def _until_counts(integration: Integration, number: int) -> None:
    for _ in range(500):
        counts = await integration.counts()
        if counts.connected + counts.leaving + counts.lost == number:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"not {number} users: {counts}")


@pytest.mark.parametrize("why", ["the permission is gone", "502"])
async def test_webhooks_that_stay(stage: Stage, caplog: Log, why: str) -> None:
    """Without a permission, or after seven days, somebody is gone although webhooks stay."""
    integration = stage.listening()
    async with stage.running(integration):
        await stage.connect(integration)
        if why == "502":
            stage.sandbox.fail(status=502, times=None)
        else:
            stage.sandbox.revoke_user(ANN)
        await integration.disconnect(stage.person(ANN))
        if why == "502":
            await until(lambda: "aren't as wanted" in caplog.text)
            stage.time.advance(7 * 86_400 + 100)
        await _until_counts(integration, 0)

    assert len(stage.webhooks()) == 1
    assert "stay" in caplog.text
    assert why in caplog.text


async def test_who_connects_again_stays(stage: Stage) -> None:
    """Who connects before the end of leaving stays, with webhooks, and without `on_disconnect`."""
    integration = stage.listening()
    left: list[ConnectedUser] = []

    @integration.on_disconnect
    async def on_disconnect(user: ConnectedUser) -> None:
        left.append(user)

    async with stage.running(integration):
        await stage.connect(integration)
        user = await integration._users.get(stage.person(ANN))
        assert user is not None
        await integration._part(user)  # as a look that was slow would
        await stage.sandbox.idle()

        assert (await integration.counts()).connected == 1
        assert len(stage.webhooks()) == 1
    assert not left


async def test_leaving_during_a_removal(stage: Stage) -> None:
    """A removal that meets a change looks again."""
    integration = stage.integration()
    async with stage.running(integration):
        await stage.connect(integration)
        user = await integration._users.get(stage.person(ANN))
        assert user is not None
        store = integration._store
        remove = store.remove

        async def changed(person: str, version: str) -> bool:
            store.remove = remove  # type: ignore[method-assign] # of this test
            return False

        async def hold(*_: Any) -> Any:
            return ()

        store.remove, store.take_due = changed, hold  # type: ignore[assignment, method-assign] # the same
        await integration.disconnect(stage.person(ANN))
        assert await integration._remove(user.public, user.details.connection)
        assert await integration._remove(user.public, user.details.connection)


async def test_a_look_corrects_what_has_happened(stage: Stage, caplog: Log) -> None:
    """A webhook that was deleted is made again by a look; one user's error is a WARNING."""
    integration = stage.listening(watch_every=timedelta(minutes=10))
    async with stage.running(integration):
        for email in (ANN, BOB):
            await stage.connect(integration, email)
            for each in stage.webhooks(email):
                async with Client(f"person:{email}", http_client=stage.http_client) as client:
                    await client.webhooks.delete(each.id)
        stage.sandbox.revoke_user(BOB)
        before = len(stage.sent("/v1/webhooks"))
        stage.time.advance(595)
        await stage.sandbox.idle()
        await until(lambda: stage.time.sleepers)
        assert len(stage.sent("/v1/webhooks")) == before
        stage.time.advance(10)
        await until(lambda: stage.webhooks(ANN))
        await until(lambda: comparable(stage.person(BOB))[:20] in caplog.text)
        assert not stage.webhooks(BOB)


async def pass_at_once(seconds: float) -> None:
    """Sleep, and find that the time is over."""
    let_pass(seconds)
    await asyncio.sleep(seconds)


async def test_a_slow_login_leaves_the_webhooks_to_a_look(stage: Stage) -> None:
    """A login succeeds before its webhooks are there; a look makes them, and welcomes."""
    integration = stage.listening()
    welcomed: list[str | None] = []

    @integration.on_connect
    async def welcome(context: UserJobContext) -> None:
        welcomed.append(context.user.email)

    async with stage.running(integration):
        stage.sleep = pass_at_once
        stage.sandbox.fail(path="/webhooks", delay=60, times=1)
        assert (await stage.connect(integration)).status_code == 200
        await until(lambda: welcomed)
        assert len(stage.webhooks()) == 1


def stop_looking(integration: Integration) -> Looks:
    """Let a process look no more by itself."""
    assert integration._looking is not None
    integration._looking.cancel()
    return integration._looks


async def noted(integration: Integration, is_so: Callable[[Details], bool]) -> User:
    """Wait until something is stored about the only user."""
    while True:
        (user,) = [each async for each in integration._users.each(None)]
        if is_so(user.details):
            return user
        await asyncio.sleep(0.01)


async def test_two_releases(stage: Stage) -> None:
    """A new release deletes what it doesn't want; an older process makes and deletes nothing."""
    old = stage.integration()

    def names() -> set[str]:
        return {each.name for each in stage.webhooks()}

    old.on(Resource.MEETINGS)(_nothing)
    old.on(Resource.RECORDINGS)(_nothing)
    async with stage.running(old):
        await stage.connect(old)
        assert len(stage.webhooks()) == 2
        new = stage.listening()
        new.on(Resource.ROOMS)(_nothing)
        wanted = {"integration:meetings:all", "integration:rooms:all"}
        old_looks = stop_looking(old)
        stage.time.advance(700)
        async with stage.running(new):
            await until(lambda: names() == wanted)
            user = await noted(old, lambda details: "integration:rooms:all" in details.names)
            await old_looks.look(user.row)
            assert names() == wanted
            async with new.client(stage.person(ANN)) as client:
                for each in stage.webhooks():
                    await client.webhooks.delete(each.id)
            await old_looks.look(user.row)
            assert names() == {"integration:meetings:all"}


async def test_a_key_is_replaced(stage: Stage) -> None:
    """A key is replaced in three deploys, while notifications and pages go on."""
    handled: list[str | None] = []

    async def ended(context: UserContext[MeetingData]) -> None:
        handled.append(context.user.email)

    def deploy(*keys: str) -> Integration:
        integration = stage.integration(encryption_keys=keys)
        integration.on(Resource.MEETINGS)(ended)
        return integration

    first = deploy(KEY)
    async with stage.running(first):
        await stage.connect(first)
        await stage.connect(first, BOB)
        stage.sandbox.revoke_user(BOB)
        async with first.client(stage.person(BOB)) as client:
            with pytest.raises(NotConnectedError):
                await client.get("people/me")
        assert (await first.counts()).old_keys == 0
    old = stage.webhooks()[0].secret
    for number, keys in enumerate(((KEY, OTHER_KEY), (OTHER_KEY, KEY), (OTHER_KEY,)), 1):
        stage.time.advance(700)
        integration = deploy(*keys)
        async with stage.running(integration):
            for _ in range(500):
                if not (await integration.counts()).old_keys:
                    break
                await asyncio.sleep(0.01)
            await stage.meeting()
            await until_there_are(handled, number)
            assert (await integration.counts()).old_keys == 0
            assert (stage.webhooks()[0].secret == old) is (number == 1)
    async with stage.running(deploy(KEY)) as wrong:
        with pytest.raises(ValueError, match="missing from encryption_keys"):
            await wrong.get(stage.person(ANN))


async def test_an_older_process_during_a_change_of_keys(stage: Stage) -> None:
    """A process with the old order of keys leaves the secrets of the newer one."""
    older = stage.listening(encryption_keys=[KEY, OTHER_KEY])
    async with stage.running(older):
        await stage.connect(older)
        looks = stop_looking(older)
        stage.time.advance(700)
        newer = stage.listening(encryption_keys=[OTHER_KEY, KEY])
        before = stage.webhooks()[0].secret
        async with stage.running(newer):
            await until(lambda: stage.webhooks()[0].secret != before)
            user = await noted(older, lambda details: details.named_by > looks.started)
            made = stage.webhooks()[0].secret
            await looks.look(user.row)
            assert stage.webhooks()[0].secret == made
    unknown = stage.listening(encryption_keys=[OTHER_KEY])
    async with unknown:
        assert (await unknown.counts()).old_keys == 0


async def test_what_a_look_meets(stage: Stage, caplog: Log) -> None:
    """A look that meets a store that is away, or a change of the user, is none for others."""
    integration = stage.listening()
    async with stage.running(integration):
        await stage.connect(integration)
        stage.sandbox.fail(path="/webhooks", status=500, delay=0.2, times=10)
        for email in (ANN, *(f"{number}@example.com" for number in range(10))):  # due at once
            await stage.connect(integration, email)
            await integration.disconnect(stage.person(email))
        await _until_counts(integration, 0)

        store = integration._store
        take_due = store.take_due

        async def away(*_: Any) -> Any:
            raise ConnectionError("away")

        store.take_due = store.set_due = away  # type: ignore[assignment, method-assign] # of this test
        integration._looks.wake()
        await until(lambda: "the users can't be read" in caplog.text)
        store.take_due = take_due  # type: ignore[method-assign] # the same
        await stage.connect(integration)
        looks = stop_looking(integration)
        (user,) = [each async for each in integration._users.each(None)]
        await looks.look(user.row)
        assert "the next look can't be set" in caplog.text

        changed = Change(evolve(user.details, names=()), 5.0, user.row.webhooks_key)
        await integration.disconnect(stage.person(ANN))
        await looks._note(user, changed)  # who leaves by now
        await stage.connect(integration)
        await looks._note(user, changed)  # who has connected again
        (after,) = [each async for each in integration._users.each(None)]
        assert after.details.names == user.details.names


async def test_what_another_release_handles(stage: Stage, caplog: Log) -> None:
    """What has no handler here waits for a process of another release that has one."""
    caplog.set_level(logging.INFO)
    integration = stage.integration()
    async with stage.running(integration), Browser(integration) as browser:
        await browser.post("/n", **signed(stage, ANN, resource="rooms"))
        job = body_of_job("other", 1, None, stage.time.now(), person=stage.person(ANN))
        await integration._worker.inbox.put(key_of_job("x"), job)
        await until(lambda: caplog.text.count("it has no matching handler") == 2)


async def test_an_organizations_webhooks(stage: Stage) -> None:
    """With `OwnedBy.ORG` the user is the administrator, and nothing has a line."""
    integration = stage.listening(owned_by=OwnedBy.ORG, name="admin")
    async with stage.running(integration):
        await stage.connect(integration)
        (webhook,) = stage.webhooks()
        assert (webhook.name, webhook.owned_by) == ("admin:meetings:all", "org")


@pytest.mark.parametrize("others", [True, False])
async def test_the_order_is_that_of_a_user(stage: Stage, *, others: bool) -> None:
    """A user's notifications wait for each other, and nobody else's, if one handler wants order."""
    integration = stage.integration()
    gate = asyncio.Event()
    begun: list[str | None] = []

    @integration.on(Resource.MEETINGS, in_order=False)
    async def ended(context: UserContext[MeetingData]) -> None:
        begun.append(context.user.email)
        if context.user.email == ANN:
            await gate.wait()

    integration.on(in_order=others)(_nothing)
    async with stage.running(integration):
        for email in (ANN, BOB):
            await stage.connect(integration, email)
        for email in (ANN, ANN, BOB, BOB):
            await stage.meeting(email)
        await until(lambda: begun.count(BOB) == 2)
        if others:
            assert begun.count(ANN) == 1
            gate.set()
        await until(lambda: begun.count(ANN) == 2)
        gate.set()


async def test_a_failure_that_waits_holds_up_nobody(stage: Stage) -> None:
    """What fails and is due in ten seconds or later leaves its user's line until then."""
    integration = stage.integration(on_error=lambda error, _: reported.append(error))
    reported: list[Exception] = []
    handled: list[str | None] = []

    @integration.on(Resource.MEETINGS)
    async def ended(context: UserContext[MeetingData]) -> None:
        if context.notification.event == "ended":
            raise RateLimitError(429, retry_after=600.0)
        handled.append(context.notification.event)

    async with stage.running(integration):
        await stage.connect(integration)
        await stage.meeting()
        await until(lambda: reported)
        await stage.meeting(event="started")
        await until(lambda: handled)


async def test_what_holds_up_nobody_begins_in_its_turn(stage: Stage) -> None:
    """What needs no order waits for what is before it and does, and nothing waits for it."""
    integration = stage.integration()
    first, second = asyncio.Event(), asyncio.Event()
    begun: list[str] = []

    @integration.on(Resource.MEETINGS)
    async def met(context: UserContext[MeetingData]) -> None:
        begun.append(context.notification.event)
        await first.wait()

    @integration.on(Resource.RECORDINGS, in_order=False)
    async def recorded(context: UserContext[Any]) -> None:
        begun.append(context.notification.event)
        await second.wait()

    async with stage.running(integration):
        for email in (ANN, BOB):
            await stage.connect(integration, email)
        await stage.meeting()
        for email in (ANN, BOB):
            await stage.sandbox.emit("recordings", "created", owner=email)
        await until_there_are(begun, 2)
        assert set(begun) == {"ended", "created"}  # which is Bob's
        await stage.meeting(event="started")
        first.set()
        await until_there_are(begun, 4)
        second.set()
    assert set(begun[2:]) == {"created", "started"}  # at the same time


async def test_nothing_before_the_start_and_no_handler_after(stage: Stage) -> None:
    """Clients and jobs need a start; handlers come before it."""
    integration = stage.integration()
    integration.job("remind")(_nothing)
    with pytest.raises(RuntimeError, match="isn't running"):
        async with integration.client("P"):
            pass
    with pytest.raises(RuntimeError, match="isn't running"):
        await integration.connect(Tokens(refresh_token="R"))
    with pytest.raises(RuntimeError, match="isn't running"):
        await integration.enqueue("remind", 1, person_id="P")
    async with stage.running(integration):
        for register in (
            integration.on(),
            integration.job("x"),
            integration.on_connect,
            integration.on_lost,
        ):
            with pytest.raises(RuntimeError, match="before the start"):
                register(_nothing)


def test_names_that_are_taken(stage: Stage) -> None:
    """Each job has one handler, and the integration's own names are taken."""
    integration = stage.integration()
    integration.job("remind")(_nothing)
    integration.on_connect(_nothing)
    integration.on_lost(_nothing)
    for register in (integration.on_connect, integration.on_lost):
        with pytest.raises(ValueError, match="has a handler already"):
            register(_nothing)
    with pytest.raises(ValueError, match="has a handler already"):
        integration.job("remind")(_nothing)
    with pytest.raises(ValueError, match="the integration's own"):
        integration.job("on_lost")


async def test_who_closes_from_within(stage: Stage) -> None:
    """A handler can't close its own integration."""
    integration = stage.integration()
    errors: list[str] = []

    @integration.on_connect
    async def close(_: UserJobContext) -> None:
        try:
            await integration.aclose()
        except RuntimeError as error:
            errors.append(str(error))

    async with stage.running(integration):
        await stage.connect(integration)
        await until(lambda: errors)
    assert "can't close its own" in errors[0]


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"encryption_keys": []}, ValueError, "no key"),
        ({"public_url": "http://minutes.example.com"}, ValueError, "https"),
        ({"public_url": "minutes.example.com"}, ValueError, "absolute URL"),
        ({"public_url": "https://a:b@minutes.example.com"}, ValueError, "absolute URL"),
        ({"public_url": f"{URL}?a=b"}, ValueError, "absolute URL"),
        ({"client_id": ""}, ValueError, "client_id is empty"),
        ({"client_secret": ""}, ValueError, "client_secret is empty"),
        ({"scopes": [""]}, ValueError, "a scope is empty"),
        ({"scopes": 5}, TypeError, "scopes must be"),
        ({"name": ""}, ValueError, "name is empty"),
        ({"allow": 5}, TypeError, "allow must be a function"),
        ({"current_account": 5}, TypeError, "current_account must be a function"),
        ({"on_error": 5}, TypeError, "on_error must be a function"),
        ({"refusal": ""}, ValueError, "refusal is empty"),
        ({"owned_by": ""}, ValueError, "owned_by is empty"),
        ({"watch_every": 0}, ValueError, "watch_every must be"),
        ({"attempts": 0}, ValueError, "attempts must be"),
        ({"max_pending": 0}, ValueError, "max_pending must be"),
        ({"store": "users.db"}, TypeError, "store must inherit"),
        ({"inbox": "inbox.db"}, TypeError, "inbox must inherit"),
    ],
)
def test_wrong_arguments(
    stage: Stage, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """A wrong argument is an error at once, which names it and shows no secret."""
    with pytest.raises(error, match=words) as refusal:
        stage.integration(**options)
    assert SECRET not in str(refusal.value)
    assert "a:b" not in str(refusal.value)


def test_wrong_attempts(stage: Stage) -> None:
    """A handler runs once at least."""
    for register in (stage.integration().on, lambda **each: stage.integration().job("x", **each)):
        with pytest.raises(ValueError, match="attempts must be"):
            register(attempts=0)


async def test_a_pool_of_its_own(stage: Stage) -> None:
    """Without an `http_client` all clients share one pool, which ends with the integration."""
    async with stage.sandbox.serve() as base_url:
        integration = stage.integration(http_client=None, base_url=base_url)
        async with stage.running(integration):
            tokens_of = integration.connect
            async with Browser(integration) as browser:
                begun = await browser.get("/connect")
                url = httpx.URL(begun.headers["location"]).copy_merge_params({"login_hint": ANN})
                async with httpx.AsyncClient() as direct:
                    allowed = await direct.get(url)
                assert (await browser.get(allowed.headers["location"])).status_code == 200
            assert tokens_of is not None
            async with integration.client(stage.person(ANN)) as one:
                async with integration.client(stage.person(ANN)) as other:
                    assert one.http_client is other.http_client
                http_client = one.http_client
                await one.get("people/me")
        assert http_client.is_closed


VARIABLES = {
    "WEBEX_CLIENT_ID": "C1",
    "WEBEX_CLIENT_SECRET": SECRET,
    "WEBEX_SCOPES": "a b",
    "WEBEX_ENCRYPTION_KEYS": f"{KEY} {OTHER_KEY}",
    "WEBEX_PUBLIC_URL": URL,
}


def test_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables hold all that an integration needs; one error names each that is missing."""
    with pytest.raises(ValueError, match=r"APP_WEBEX_CLIENT_ID and .*APP_WEBEX_USER_STORE"):
        Integration.from_env(prefix="APP_")
    places = {"WEBEX_USER_STORE": "users.db", "WEBEX_INTEGRATION_INBOX": "inbox.db"}
    for name, value in (VARIABLES | {n: str(tmp_path / p) for n, p in places.items()}).items():
        monkeypatch.setenv(f"APP_{name}", value)
    integration = Integration.from_env(prefix="APP_", name="minutes")
    assert isinstance(integration._store, SQLiteUserStore)
    assert isinstance(integration._inbox, SQLiteInbox)
    assert len(integration._keyring.ids) == 2
    monkeypatch.setenv("APP_WEBEX_USER_STORE", "postgresql://ann@127.0.0.1/users")
    assert "Postgres" in type(Integration.from_env(prefix="APP_")._store).__name__
    with pytest.raises(TypeError, match="no argument 'nme': write name"):
        Integration.from_env(nme="x")  # type: ignore[call-arg] # on purpose


async def test_a_handler_does_things_once(stage: Stage) -> None:
    """`once` in a handler records in the integration's own inbox."""
    integration = stage.integration()
    calls: list[int] = []

    @integration.on_connect
    async def welcome(_: UserJobContext) -> None:
        async def call() -> int:
            calls.append(1)
            return len(calls)

        assert await once("call", call) == 1
        if len(calls) == 1:
            calls.append(2)
            raise LookupError

    async with stage.running(integration):
        await stage.connect(integration)
        await until(lambda: len(calls) == 2)
    assert calls == [1, 2]


async def test_no_secret_is_logged_stored_or_shown(stage: Stage, caplog: Log) -> None:
    """No log, no page and no byte of a storage has a token, a code, a state, a key or a secret."""
    caplog.set_level(logging.DEBUG)
    failed: list[str] = []
    integration = stage.integration(on_error=lambda error, _: failed.append(str(error)))

    @integration.on(Resource.MEETINGS, attempts=1)
    async def ended(context: UserContext[MeetingData]) -> None:
        await context.fetch()
        await context.client.get("people/nobody")

    async def note() -> None:
        ring = integration._keyring
        async for user in integration._users.each(None):
            tokens = user.details.tokens
            stage.secrets |= {tokens.access_token, tokens.refresh_token}
            stage.secrets.add(ring.secret_of(user.row.person, ring.first))

    async with stage.running(integration):
        pages = [(await stage.connect(integration, each)).text for each in (ANN, BOB)]
        await note()
        stage.time.advance(950)  # an early refresh, before the handlers fail
        for email in (ANN, BOB):
            await stage.meeting(email)
        await until_there_are(failed, 2)
        await note()
        stage.sandbox.revoke_user(BOB)
        await stage.meeting(BOB)
        await until(lambda: "is completed" in caplog.text)
        await integration.disconnect(stage.person(ANN))
        stored = stage.stored()
        await _until_counts(integration, 1)
        stored += stage.stored()
    logged = [each for each in caplog.records if each.name == "webex_webhooks_async"]
    shown = "\n".join([caplog.handler.format(each) for each in logged] + pages + failed)

    assert len(stage.secrets) == 2 + 2 * 2 + 2 * 2 * 2 + 2  # codes; tokens, twice; webhooks
    assert "BadRequestError" in shown
    assert b"BadRequestError" in stored
    assert not [each for each in stage.secrets if each in shown or each.encode() in stored]


@pytest.mark.once
async def test_many_tokens_that_expire_at_once(stage: Stage) -> None:
    """Over three replicas, with slow commits, each token is refreshed once, and nobody is lost."""
    handled: list[str | None] = []
    reported: list[Exception] = []
    replicas: list[Integration] = []
    emails = [f"person-{number}@example.com" for number in range(20)]

    async def ended(context: UserContext[MeetingData]) -> None:
        await context.fetch()
        handled.append(context.user.email)

    async with AsyncExitStack() as stack:
        for _ in range(3):
            replica = stage.integration(on_error=lambda error, _: reported.append(error))
            replica.on(Resource.MEETINGS, in_order=False)(ended)
            replicas.append(await stack.enter_async_context(stage.running(replica)))
        for email in emails:
            await stage.connect(replica, email)
        for each in replicas:
            each._store._write = partial(_slowly, each._store._write)  # type: ignore[method-assign] # of this test
        stage.time.advance(1001)
        before = len(stage.sent())
        for email in emails * 3:
            await stage.meeting(email)
        await until_there_are(handled, 60)
        assert len(stage.sent()) == before + 20
        assert (await replica.counts()).connected == 20
    assert not reported


async def _slowly(write: Callable[..., Any], *statement: str, **values: object) -> Any:
    is_changed = await write(*statement, **values)
    await asyncio.sleep(0.2)
    return is_changed
