import asyncio
from collections.abc import Mapping

import pytest

from tests.examples.serving import Server as ServeOn
from tests.examples.serving import serve_with_hypercorn
from tests.faults.incoming import (
    BODY,
    BROKEN,
    FAILURES,
    FATAL,
    MAX_BODY,
    Act,
    Acting,
    Trouble,
    kept_alive,
    serve_on_uvicorn,
    serve_with_eager_tasks,
    serve_without_grace,
    served_by,
)
from tests.notifications.doubles import Bot, distinct, posted, request
from tests.support.wire import until
from webex_webhooks_async.notifications.deduplication import MemoryDeduplicator
from webex_webhooks_async.notifications.receiver import Receiver

GOOD = posted(BODY)

SERVERS = [
    pytest.param(serve_on_uvicorn, id="uvicorn"),
    pytest.param(serve_with_hypercorn, id="hypercorn", marks=pytest.mark.once),
]
EAGER_TASKS = pytest.param(serve_with_eager_tasks, id="eager tasks", marks=pytest.mark.once)

each_server = pytest.mark.parametrize("serve", SERVERS)
each_server_and_loop = pytest.mark.parametrize("serve", [*SERVERS, EAGER_TASKS])


@each_server
async def test_a_broken_request_is_not_handled(serve: ServeOn) -> None:
    """The response is never 2xx, alone or with others; after each one the receiver works."""
    bot = Bot(max_body=MAX_BODY)
    async with served_by(serve, bot.receiver) as served:
        for number, (name, broken) in enumerate(BROKEN.items()):
            refused = await served.responses_to_part(broken)
            assert (name, [each for each in refused if each < 400]) == (name, [])
            assert await served.responses(posted(distinct(number))) == [204]
        await asyncio.gather(*(served.responses_to_part(each) for each in [*BROKEN.values()] * 5))

        assert bot.done == [f"MESSAGE-{number}" for number in range(len(BROKEN))]
        assert await served.responses(GOOD) == [204]
        assert bot.done[-1] == "MESSAGE"


@each_server
@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
async def test_a_request_may_be_cut_off_anywhere(serve: ServeOn, *, reset: bool) -> None:
    """A client that goes away before its request is complete has sent no notification."""
    bot = Bot()
    parts = [GOOD[:length] for length in range(1, len(GOOD), 7)]
    async with served_by(serve, bot.receiver) as served:
        await asyncio.gather(*(served.responses_to_part(each, reset=reset) for each in parts))

        assert bot.started == []
        assert await served.responses(GOOD) == [204]

    assert bot.done == ["MESSAGE"]


@each_server
async def test_slow_senders_delay_nobody(serve: ServeOn) -> None:
    """A hundred senders that never finish delay no other request, not even a slow one."""
    bot = Bot()
    async with served_by(serve, bot.receiver) as served:
        never_done = await asyncio.gather(*(served.begin(GOOD[:-1]) for _ in range(100)))
        slow = await served.begin(b"")
        for number, byte in enumerate(GOOD):
            slow.write(bytes([byte]))
            await slow.drain()
            if number % 100 == 0:
                assert await served.responses(posted(distinct(number))) == [204]
        await until(lambda: bot.done[-1] == "MESSAGE")
        for each in (slow, *never_done):
            each.close()


async def test_slow_senders_dont_outlast_the_server() -> None:
    """A server that stops waits for them no longer than its settings say."""
    bot = Bot()
    async with served_by(serve_without_grace, bot.receiver) as served:
        never_done = [await served.begin(GOOD[:-1]), await served.begin(GOOD[:20])]
        assert await served.responses(GOOD) == [204]
        served.stop.set()
        await served.ended
        for each in never_done:
            each.close()

    assert bot.done == ["MESSAGE"]


@each_server
async def test_requests_may_share_a_connection(serve: ServeOn) -> None:
    """Each of several requests in one packet gets its own response."""
    bot = Bot(deduplicator=None)
    unsigned = GOOD.replace(b"Signature", b"Autograph")
    several = b"".join(map(kept_alive, [GOOD, unsigned, GOOD.replace(b"POST", b"GET"), GOOD]))
    async with served_by(serve, bot.receiver) as served:
        assert await served.responses(several + GOOD) == [204, 401, 405, 204, 204]

    assert len(bot.done) == 3


@each_server
async def test_a_large_body_is_not_a_request(serve: ServeOn) -> None:
    """A body that was refused unread is never parsed as the next request."""
    bot = Bot(max_body=MAX_BODY)
    body = GOOD * 20
    async with served_by(serve, bot.receiver) as served:
        large = kept_alive(request(f"Content-Length: {len(body)}", body=body))
        refused = await served.responses_to_part(large)

    assert refused[:1] == [413]
    assert bot.started == []


@each_server_and_loop
async def test_a_flood(serve: ServeOn) -> None:
    """Beyond `max_pending` the response is 503; delivered again, each is handled, and once."""
    bot = Bot(background=True, max_pending=10)
    bot.may_end.clear()
    flood = [posted(distinct(number)) for number in range(50)]
    async with served_by(serve, bot.receiver) as served:
        assert sorted(await served.responses(*flood)) == [204] * 10 + [503] * 40
        await until(lambda: len(bot.started) == 10)
        bot.may_end.set()
        rounds = 0
        while (responses := await served.responses(*flood)) != [204] * 50:
            rounds += 1
            assert set(responses) == {204, 503}
            assert rounds < 50

    assert sorted(bot.done) == sorted(f"MESSAGE-{number}" for number in range(50))


@each_server_and_loop
async def test_clients_that_hang_up(serve: ServeOn) -> None:
    """Handlers go on when their clients hang up, and don't run again for copies."""
    bot = Bot()
    bot.may_end.clear()
    requests = [posted(distinct(number)) for number in range(20)]
    async with served_by(serve, bot.receiver) as served:
        clients = [await served.begin(each) for each in requests]
        await until(lambda: len(bot.started) == 20)
        for each in clients:
            each.transport.abort()
        assert await served.responses(*requests) == [204] * 20
        bot.may_end.set()
        await until(lambda: len(bot.done) == 20)

    assert len(bot.started) == 20


@pytest.mark.parametrize(
    ("serve", "failures"),
    [(serve_on_uvicorn, {**FAILURES, **FATAL}), (serve_with_hypercorn, FAILURES)],
    ids=["uvicorn", "hypercorn"],
)
async def test_handlers_may_fail_in_any_way(serve: ServeOn, failures: Mapping[str, Act]) -> None:
    """However a handler fails, the response is 500, and the next delivery is handled."""
    bot = Acting()
    async with served_by(serve, bot.receiver) as served:
        for number, (name, fail) in enumerate(failures.items()):
            again = posted(distinct(number))
            bot.act = fail
            assert (name, await served.responses(again)) == (name, [500])
            assert (name, await served.responses(again, again)) == (name, [204, 204])

    assert bot.done == [f"MESSAGE-{number}" for number in range(len(failures))]


async def test_handlers_may_fail_in_the_background() -> None:
    """However a handler fails in the background, the next delivery is handled."""
    bot = Acting(background=True)
    async with served_by(serve_on_uvicorn, bot.receiver) as served:
        for number, (name, fail) in enumerate(FAILURES.items()):
            again = posted(distinct(number))
            bot.act = fail
            assert (name, await served.responses(again)) == (name, [204])
            await until(lambda: not bot.receiver._pending)  # pyright: ignore[reportPrivateUsage] - nothing public says so
            assert (name, await served.responses(again)) == (name, [204])

    assert bot.done == [f"MESSAGE-{number}" for number in range(len(FAILURES))]


async def test_a_deduplicator_may_fail_in_any_way() -> None:
    """However a claim fails, the response is 5xx, and the next delivery is handled."""
    trouble = Trouble()
    bot = Bot(deduplicator=trouble)
    async with served_by(serve_on_uvicorn, bot.receiver) as served:
        for number, (name, fail) in enumerate(FAILURES.items()):
            again = posted(distinct(number))
            trouble.acts["claim"] = fail
            (refused,) = await served.responses(again)
            assert (name, refused // 100) == (name, 5)
            assert (name, await served.responses(again, again)) == (name, [204, 204])

    assert bot.done == [f"MESSAGE-{number}" for number in range(len(FAILURES))]


async def test_a_claim_may_stay_behind() -> None:
    """However a release fails, the response says that the handler failed."""
    trouble = Trouble()
    bot = Bot(deduplicator=trouble)
    async with served_by(serve_on_uvicorn, bot.receiver) as served:
        for number, (name, fail) in enumerate(FAILURES.items()):
            trouble.acts["release"] = fail
            bot.errors = [ValueError()]
            assert (name, await served.responses(posted(distinct(2 * number)))) == (name, [500])
            assert (name, await served.responses(posted(distinct(2 * number + 1)))) == (name, [204])

    assert bot.done == [f"MESSAGE-{2 * number + 1}" for number in range(len(FAILURES))]


@each_server_and_loop
async def test_a_deduplicator_that_hangs(serve: ServeOn) -> None:
    """A notification waits for its claim, even if its client is gone, and delays no other."""
    may_return = asyncio.Event()
    trouble = Trouble()
    trouble.acts["claim"] = may_return.wait
    bot = Bot(deduplicator=trouble)
    async with served_by(serve, bot.receiver) as served:
        client = await served.begin(GOOD)
        await until(lambda: "claim" not in trouble.acts)
        client.transport.abort()
        assert await served.responses(posted(distinct(1))) == [204]
        assert bot.done == ["MESSAGE-1"]
        may_return.set()
        await until(lambda: len(bot.done) == 2)


@each_server
async def test_a_server_that_stops_in_the_middle(serve: ServeOn) -> None:
    """A server that stops responds to the requests in progress, and accepts no others."""
    bot = Bot()
    bot.may_end.clear()
    async with served_by(serve, bot.receiver) as served, asyncio.TaskGroup() as group:
        under_way = group.create_task(served.responses(*map(posted, map(distinct, range(20)))))
        await until(lambda: len(bot.started) == 20)
        served.stop.set()
        await served.stopped_listening()
        bot.may_end.set()

        assert await under_way == [204] * 20

    assert len(bot.done) == 20


def is_closing(receiver: Receiver) -> bool:
    """Whether the receiver is closing."""
    return receiver._is_closing  # pyright: ignore[reportPrivateUsage] - nothing public says so


@each_server_and_loop
async def test_a_server_that_stops_with_a_queue(serve: ServeOn) -> None:
    """A server that stops handles what it accepted before it ends."""
    bot = Bot(background=True)
    bot.may_end.clear()
    async with served_by(serve, bot.receiver) as served:
        assert await served.responses(*map(posted, map(distinct, range(100)))) == [204] * 100
        served.stop.set()
        await until(lambda: is_closing(bot.receiver))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not served.ended.done()
        bot.may_end.set()
        await served.ended

    assert len(bot.done) == 100


async def test_a_server_that_cancels_its_requests() -> None:
    """What a server cancelled is handled by the next server that gets it."""
    shared = MemoryDeduplicator()
    hanging, next_one = Bot(deduplicator=shared), Bot(deduplicator=shared)
    hanging.may_end.clear()
    requests = [posted(distinct(number)) for number in range(20)]
    async with served_by(serve_without_grace, hanging.receiver) as served:
        clients = [await served.begin(each) for each in requests]
        await until(lambda: len(hanging.started) == 20)
        served.stop.set()
        await served.ended
        for each in clients:
            each.close()
    async with served_by(serve_on_uvicorn, next_one.receiver) as served:
        assert await served.responses(*requests, *requests) == [204] * 40

    assert hanging.done == []
    assert sorted(next_one.done) == sorted(f"MESSAGE-{number}" for number in range(20))
