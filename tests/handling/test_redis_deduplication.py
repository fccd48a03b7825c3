import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count, cycle
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
import redis as sync_redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.notifications.doubles import Bot, deliver, distinct
from tests.support.clocks import soon
from tests.support.programs import printed_by
from tests.support.redis_server import RedisServer, running_redis
from tests.support.refusals import refused
from tests.support.wire import PATIENCE, until
from webex_webhooks_async.handling.redis_deduplication import RedisClient, RedisDeduplicator
from webex_webhooks_async.testing import check_deduplicator

KEY = "webex-webhooks:a"
PASSWORD = "hunter2-hunter2"


@pytest.fixture
def server() -> Generator[RedisServer]:
    """A Redis that a test may stop, freeze and restart."""
    with running_redis() as running:
        yield running


@pytest.fixture(scope="module")
def lasting_server() -> Generator[RedisServer]:
    """A Redis that stays up."""
    with running_redis() as running:
        yield running


@asynccontextmanager
async def connected(port: int, **options: Any) -> AsyncGenerator[RedisClient]:  # noqa: ANN401 - any
    """A client for the block; it retries once, without a pause."""
    client = Redis(
        port=port, retry=Retry(NoBackoff(), 1), retry_on_error=[RedisConnectionError], **options
    )
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def redis(server: RedisServer) -> AsyncGenerator[RedisClient]:
    """A client that reads and changes what is in Redis."""
    async with connected(server.port, decode_responses=True) as client:
        yield client


Join = Callable[..., Coroutine[Any, Any, RedisDeduplicator]]


@pytest.fixture
async def join(server: RedisServer) -> AsyncGenerator[Join]:
    """Make deduplicators that share the Redis, each with its own client."""
    async with AsyncExitStack() as clients:

        async def make(client: dict[str, Any] | None = None, **options: Any) -> RedisDeduplicator:  # noqa: ANN401 - any
            redis = await clients.enter_async_context(connected(server.port, **client or {}))
            return RedisDeduplicator(redis, **options)

        yield make


async def outcome(deduplicator: RedisDeduplicator, key: str = "a") -> str:
    """The result of a claim."""
    return (await deduplicator.claim(key)).value


class TestLeases:
    async def test_it_is_a_deduplicator(self, join: Join) -> None:
        """Claims, confirmations and releases do what a receiver relies on."""
        everyone = cycle([await join() for _ in range(10)])

        await check_deduplicator(lambda: next(everyone))

    async def test_a_lease_ends_in_time(self, join: Join) -> None:
        """The lease of a killed receiver expires; then another one can claim the key."""
        killed, other = await join(lease=0.05), await join()
        await killed.claim("a")

        async with asyncio.timeout(PATIENCE):
            while await outcome(other) == "in progress":
                pass

    async def test_the_times_are_seconds(self, join: Join, redis: RedisClient) -> None:
        """A lease is remembered for `lease` seconds, a confirmed key for `ttl` seconds."""
        deduplicator = await join(lease=50, ttl=5000)
        await deduplicator.claim("a")
        leased = await redis.execute_command("PTTL", KEY)
        await deduplicator.confirm("a")
        confirmed = await redis.execute_command("PTTL", KEY)

        assert 0 < leased <= 50_000 < confirmed <= 5_000_000

    async def test_the_shortest_time(self, join: Join) -> None:
        """A time below a millisecond is rounded up to one."""
        deduplicator = await join(ttl=1e-9, lease=1e-9)

        assert await outcome(deduplicator) == "granted"
        await deduplicator.confirm("a")

    async def test_keys_have_a_prefix(self, join: Join, redis: RedisClient) -> None:
        """Bots with different prefixes don't affect each other."""
        default, other = await join(), await join(prefix="another-bot:")

        assert [await outcome(default), await outcome(other)] == ["granted", "granted"]
        assert {KEY, "another-bot:a"} == set(await redis.execute_command("KEYS", "*"))

    @pytest.mark.parametrize("options", [{"decode_responses": True}, {"protocol": 3}], ids=str)
    async def test_any_client_will_do(self, join: Join, options: dict[str, Any]) -> None:
        """It doesn't matter how the client decodes responses."""
        plain, other = await join(), await join(client=options)
        await other.claim("a")
        await other.claim("b")
        await other.confirm("b")

        assert [await outcome(each, "a") for each in (plain, other)] == ["in progress"] * 2
        assert [await outcome(each, "b") for each in (plain, other)] == ["done", "done"]


steps = st.tuples(
    st.sampled_from(["claim", "confirm", "release", "expire"]), st.sampled_from([0, 1, 2])
)
keys = count()


@pytest.fixture
async def clients(lasting_server: RedisServer) -> AsyncGenerator[list[RedisClient]]:
    """Clients that share a Redis."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(lasting_server.port)) for _ in range(4)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each has its own key
@given(st.lists(steps, max_size=12))
async def test_any_order(clients: list[RedisClient], steps: list[tuple[str, int]]) -> None:
    """In any order of calls and expiries, each claim has the result of this model."""
    key, holder, granted = f"key-{next(keys)}", None, set[int]()
    redis, *others = clients
    replicas = [RedisDeduplicator(each, prefix="") for each in others]
    for step, who in steps:
        match step:
            case "claim" if who in granted or holder not in {None, "done"}:
                assert await outcome(replicas[who], key) == "in progress"
            case "claim" if holder == "done":
                assert await outcome(replicas[who], key) == "done"
            case "claim":
                assert await outcome(replicas[who], key) == "granted"
                granted.add(who)
                holder = str(who)
            case "confirm":
                await replicas[who].confirm(key)
                granted.discard(who)
                holder = "done"
            case "release":
                await replicas[who].release(key)
                granted.discard(who)
                holder = None if holder == str(who) else holder
            case _:
                await redis.execute_command("DEL", key)
                holder = None


@contextmanager
def held(redis: RedisClient) -> Generator[tuple[AsyncMock, asyncio.Event]]:
    """Let the commands that are sent in the block wait for the event."""
    execute, may_go = redis.execute_command, asyncio.Event()

    async def wait_and_execute(*args: Any) -> Any:  # noqa: ANN401 - as there
        await may_go.wait()
        return await execute(*args)

    with patch.object(redis, "execute_command", side_effect=wait_and_execute) as sent:
        yield sent, may_go


class TestLostResponses:
    async def test_a_claim_is_no_obstacle_to_who_made_it(
        self, redis: RedisClient, join: Join
    ) -> None:
        """A receiver can take its own lease whose response was lost; another one can't."""
        deduplicator, other = RedisDeduplicator(redis), await join()
        execute = redis.execute_command

        async def execute_and_lose(*args: Any) -> None:  # noqa: ANN401 - as there
            await execute(*args)
            raise RedisConnectionError

        with (
            patch.object(redis, "execute_command", execute_and_lose),
            pytest.raises(RedisConnectionError),
        ):
            await deduplicator.claim("a")

        assert [await outcome(other), await outcome(deduplicator)] == ["in progress", "granted"]

    async def test_a_release_that_comes_late(self, redis: RedisClient, join: Join) -> None:
        """A release that is overtaken by a new claim doesn't release it."""
        deduplicator, other = RedisDeduplicator(redis), await join()
        await deduplicator.claim("a")
        with held(redis) as (sent, may_go):
            releasing = asyncio.create_task(deduplicator.release("a"))
            await until(lambda: sent.called)

        assert await outcome(deduplicator) == "granted"
        may_go.set()
        await releasing

        assert await outcome(other) == "in progress"

    async def test_a_confirmation_that_is_under_way(self, redis: RedisClient) -> None:
        """A key that is being confirmed isn't granted."""
        deduplicator = RedisDeduplicator(redis)
        await deduplicator.claim("a")
        with held(redis) as (sent, may_go):
            confirming = asyncio.create_task(deduplicator.confirm("a"))
            await until(lambda: sent.called)

        assert await outcome(deduplicator) == "in progress"
        may_go.set()
        await confirming

        assert await outcome(deduplicator) == "done"

    async def test_forked_workers_are_not_one(self, lasting_server: RedisServer) -> None:
        """Workers that are forked from a process that made the deduplicator share no lease."""
        program = f"""
import asyncio, os
from redis.asyncio import Redis
from webex_webhooks_async import RedisDeduplicator

redis = Redis(port={lasting_server.port})
deduplicator = RedisDeduplicator(redis, prefix="fork:")

async def claim():
    print((await deduplicator.claim("a")).value)
    await redis.aclose()

child = os.fork()
if child:
    os.waitpid(child, 0)
asyncio.run(claim())
"""
        assert await printed_by("-W", "error", "-c", program) == ["granted", "in progress"]


class TestOutages:
    @pytest.mark.parametrize("method", ["claim", "confirm", "release"])
    async def test_a_redis_that_is_down(self, server: RedisServer, join: Join, method: str) -> None:
        """The client's error is raised, and the next call works when Redis is back."""
        deduplicator = await join()
        if method != "claim":
            await deduplicator.claim("a")
        server.stop()
        with pytest.raises(RedisError):
            await getattr(deduplicator, method)("a")
        server.restart()

        assert await outcome(deduplicator, "b") == "granted"

    async def test_a_redis_that_hangs(self, server: RedisServer, join: Join) -> None:
        """A call ends after `timeout` even if the client has none, and the next call works."""
        deduplicator = await join(timeout=5)
        await deduplicator.confirm("b")
        server.freeze()
        with pytest.raises(TimeoutError, match="Redis didn't respond within 5 seconds"):
            await soon(deduplicator.claim("a"), 5)
        server.thaw()

        assert [await outcome(deduplicator, key) for key in "ab"] == ["granted", "done"]

    async def test_a_key_of_someone_else(self, join: Join, redis: RedisClient) -> None:
        """If another program stores a value under the key, nothing is claimed."""
        deduplicator = await join()
        await redis.execute_command("RPUSH", KEY, "theirs")
        with pytest.raises(RedisError, match="WRONGTYPE"):
            await deduplicator.claim("a")

        assert await redis.execute_command("LRANGE", KEY, 0, -1) == ["theirs"]


@pytest.mark.usefixtures("tasks")
async def test_each_notification_is_handled_once(join: Join) -> None:
    """Of 50 notifications, delivered twice in any order to replicas, each is handled once."""
    replicas = [Bot(deduplicator=await join()) for _ in range(3)]
    dice = random.Random(1)  # noqa: S311 - no secret
    bodies = [distinct(number) for number in range(50)] * 2
    dice.shuffle(bodies)

    async def deliver_once(body: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            while await deliver(dice.choice(replicas).receiver, body) != 204:
                pass

    await asyncio.gather(*map(deliver_once, bodies))
    done = [each for replica in replicas for each in replica.done]

    assert sorted(done) == sorted(f"MESSAGE-{number}" for number in range(50))


async def test_a_password_is_not_logged(
    server: RedisServer, redis: RedisClient, caplog: pytest.LogCaptureFixture
) -> None:
    """No password is shown, whether Redis refuses it or is down."""
    await redis.execute_command("CONFIG", "SET", "requirepass", PASSWORD)
    for password in (PASSWORD, f"not-{PASSWORD}"):
        async with connected(server.port, password=password) as client:
            receiver = Bot(deduplicator=RedisDeduplicator(client)).receiver
            assert await deliver(receiver) == (204 if password == PASSWORD else 503)
            server.stop()
            assert await deliver(receiver, distinct(1)) == 503
            server.restart()
            await redis.execute_command("CONFIG", "SET", "requirepass", PASSWORD)

    assert AuthenticationError.__name__ in caplog.text
    assert PASSWORD not in caplog.text


SECONDS = "must be a positive number of seconds"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        *(({"ttl": each}, f"ValueError: ttl {SECONDS}") for each in (0, 1e20, float("nan"))),
        ({"lease": 0}, f"ValueError: lease {SECONDS}"),
        ({"timeout": 1e20}, f"ValueError: timeout {SECONDS}"),
        ({"ttl": "5"}, "TypeError: ttl must be float or int, got str"),
        ({"lease": "5"}, "TypeError: lease must be float or int, got str"),
        ({"timeout": "5"}, "TypeError: timeout must be float or int, got str"),
        ({"prefix": b"bot:"}, "TypeError: prefix must be str, got bytes"),
        (
            {"client": sync_redis.Redis()},
            "TypeError: redis must be a client of redis.asyncio, got a redis.client.Redis",
        ),
        (
            {"client": f"redis://user:{PASSWORD}@redis.example.com"},
            "TypeError: redis must be a client of redis.asyncio, got a builtins.str",
        ),
    ],
)
def test_wrong_arguments(options: dict[str, Any], error: str) -> None:
    """A time that isn't positive or is too long, and a wrong type, are named; no URL is shown."""
    client = options.pop("client", Redis())
    with refused(error) as raised:
        RedisDeduplicator(client, **options)

    assert PASSWORD not in str(raised.value)
