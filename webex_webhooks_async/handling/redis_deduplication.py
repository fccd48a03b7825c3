"""Remembers in Redis or Valkey which notifications were handled, for several processes."""

import asyncio
import math
import os
from functools import cached_property
from itertools import count
from typing import Any, Protocol

from webex_webhooks_async.handling.duplicates import Claim, Deduplicator
from webex_webhooks_async.validation import check_type


class RedisClient(Protocol):
    """The part of a `redis.asyncio` client that a `RedisDeduplicator` uses."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
        """Send a command, and return the response."""
        ...

    async def aclose(self) -> None:
        """Close the client. It is never called; only clients of `redis.asyncio` have it."""
        ...


class RedisDeduplicator(Deduplicator):
    """A `Deduplicator` with leases in Redis or Valkey, for receivers in several processes.

    ::

        redis = Redis.from_url(os.environ["REDIS_URL"])  # of redis.asyncio
        receiver = Receiver(secret, deduplicator=RedisDeduplicator(redis))

    While Redis is down or doesn't respond, the methods raise what the client raises, or
    `TimeoutError`. If Redis loses a key, for example when it is flushed, a copy is handled again.

    Args:
        redis: A `redis.asyncio` client, from the extra ``redis``. Closing it is up to you.
        ttl: For how many seconds a notification is remembered as done.
        lease: After how many seconds a claim expires that is neither confirmed nor released. If
            handlers take longer, the notification may be handled twice.
        timeout: How many seconds to wait for Redis.
        prefix: The prefix of its keys in Redis.

    Raises:
        ValueError: `ttl`, `lease` or `timeout` isn't positive, or more than Redis takes.
        TypeError: `redis` isn't a `redis.asyncio` client, or an argument has a wrong type.
    """

    def __init__(
        self,
        redis: RedisClient,
        *,
        ttl: float = 600.0,
        lease: float = 60.0,
        timeout: float = 5.0,
        prefix: str = "webex-webhooks:",
    ) -> None:
        # A client without asyncio has no aclose.
        if not all(hasattr(redis, method) for method in ("execute_command", "aclose")):
            given = f"{type(redis).__module__}.{type(redis).__qualname__}"
            raise TypeError(f"redis must be a client of redis.asyncio, got a {given}")
        check_type("prefix", prefix, str)
        for name, seconds in (("ttl", ttl), ("lease", lease), ("timeout", timeout)):
            check_type(name, seconds, float, int)
            if not 0 < seconds <= _MAX_SECONDS:
                raise ValueError(
                    f"{name} must be a positive number of seconds, {_MAX_SECONDS:g} at most, "
                    f"got {seconds}"
                )
        self._redis = redis
        self._ttl = _milliseconds(ttl)
        self._lease = _milliseconds(lease)
        self._timeout = timeout
        self._prefix = prefix
        self._limit = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._numbers = count()
        self._leases: dict[str, str] = {}  # the value in Redis of each key

    async def claim(self, key: str) -> Claim:
        """Lease the key, unless it is done or leased already."""
        if key in self._leases:  # even if it has expired
            return Claim.IN_PROGRESS
        self._leases[key] = f"{self._owner}:{next(self._numbers)}"
        claim = Claim.IN_PROGRESS
        try:
            holder = await self._execute(
                *("EVAL", _CLAIM, 1, self._prefix + key),
                *(self._owner, self._leases[key], self._lease),
            )
            claim = _CLAIMS[int(holder)]
        finally:
            if claim is not Claim.GRANTED:
                del self._leases[key]
        return claim

    async def confirm(self, key: str) -> None:
        """Remember the key as done, even if another receiver holds the lease by now."""
        try:
            await self._execute("SET", self._prefix + key, _DONE, "PX", self._ttl)
        finally:
            self._leases.pop(key, None)

    async def release(self, key: str) -> None:
        """Release the lease of the key, if it is ours."""
        lease = self._leases.pop(key, None)
        if lease is not None:
            await self._execute("EVAL", _RELEASE, 1, self._prefix + key, lease)

    @cached_property
    def _owner(self) -> str:
        # Made with the first claim: workers may be forked from a process that made us.
        return os.urandom(16).hex()

    async def _execute(self, *command: str | int) -> Any:  # noqa: ANN401 - as in RedisClient
        try:
            async with asyncio.timeout(self._timeout), self._limit:
                return await self._redis.execute_command(*command)
        except TimeoutError as error:
            raise TimeoutError(f"Redis didn't respond within {self._timeout} seconds") from error


_MAX_SECONDS = 1e15  # Redis keeps times as milliseconds in 64 bits

_MAX_CONNECTIONS = 50  # a client with a limit of its own, such as 100, fails beyond it

_DONE = "done"
_CLAIMS = (Claim.DONE, Claim.GRANTED, Claim.IN_PROGRESS)  # by what the script returns

# If the lease is ours but unknown to us, the response to our claim was lost: take it.
_CLAIM = f"""
local holder = redis.call('GET', KEYS[1])
if holder == '{_DONE}' then return 0 end
if holder and holder:sub(1, #ARGV[1]) ~= ARGV[1] then return 2 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
