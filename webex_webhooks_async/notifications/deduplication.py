"""Remembers which notifications were handled, so that a duplicate isn't handled again.

Webex gives a delivery no id. Duplicates have the same body, so the key is the SHA-256 of the body.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from itertools import count
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

from webex_webhooks_async.errors import InProgressError
from webex_webhooks_async.validation import check_type


@runtime_checkable
class Deduplicator(Protocol):
    """Remembers for a while which notifications were claimed.

    Receivers that share its memory, such as replicas of a service, handle a notification once
    between them. If `claim` raises, the response is 503, so that the notification comes again.
    """

    async def claim(self, key: str) -> bool:
        """Remember the key; return False if it was already remembered."""
        ...

    async def release(self, key: str) -> None:
        """Forget the key, if it is remembered, so that it can be claimed again."""
        ...


@runtime_checkable
class LeasingDeduplicator(Deduplicator, Protocol):
    """A `Deduplicator` whose claims are leases until they are confirmed.

    When a receiver is killed while it handles a notification, its lease expires, and the next
    receiver that gets the notification handles it. Until then the notification is neither done nor
    free: the response is 503, so that it comes again.

    A receiver doesn't release a lease that another one has taken over. A confirmed key is done,
    even if the lease has moved to another receiver.
    """

    async def claim(self, key: str) -> bool:
        """Lease the key; return False if it is confirmed, which means done.

        Raises:
            InProgressError: Another receiver holds the lease.
        """
        ...

    async def confirm(self, key: str) -> None:
        """Remember the key as done. If this raises, a copy may be handled again."""
        ...


class MemoryDeduplicator:
    """A `Deduplicator` within one process.

    When it is full, it forgets the oldest claim, even if that notification is still being handled;
    a `Receiver` knows by itself what it is handling.

    Args:
        ttl: For how many seconds a claim is remembered.
        max_entries: How many claims are remembered at most.
        clock: Returns the time in seconds, and never goes back.

    Raises:
        ValueError: `ttl` or `max_entries` isn't positive.
        TypeError: An argument has a wrong type.
    """

    def __init__(
        self,
        ttl: float = 600.0,
        max_entries: int = 100_000,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_type("ttl", ttl, float, int)
        check_type("max_entries", max_entries, int)
        if not ttl > 0:
            raise ValueError(f"ttl must be a positive number of seconds, got {ttl}")
        if max_entries < 1:
            raise ValueError(f"max_entries must be positive, got {max_entries}")
        self._ttl = ttl
        self._max_entries = max_entries
        self._clock = clock
        self._expiries: OrderedDict[str, float] = OrderedDict()  # the oldest first

    async def claim(self, key: str) -> bool:
        """Remember the key; return False if it was already remembered."""
        now = self._clock()
        # It stops at the first entry that stays, so the cost of a claim is constant.
        while self._expiries and next(iter(self._expiries.values())) <= now:
            self._expiries.popitem(last=False)
        if key in self._expiries:
            return False
        if len(self._expiries) == self._max_entries:
            self._expiries.popitem(last=False)
        self._expiries[key] = now + self._ttl
        return True

    async def release(self, key: str) -> None:
        """Forget the key, if it is remembered."""
        self._expiries.pop(key, None)


class RedisClient(Protocol):
    """The part of a `redis.asyncio` client that a `RedisDeduplicator` uses."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it is there
        """Send a command, and return the response."""
        ...

    async def aclose(self) -> None:
        """Close the client. It is never called; only clients of `redis.asyncio` have it."""
        ...


class RedisDeduplicator:
    """A `LeasingDeduplicator` in Redis or Valkey, for receivers in several processes.

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

    async def claim(self, key: str) -> bool:
        """Lease the key; return False if it is confirmed.

        Raises:
            InProgressError: Another receiver holds the lease.
        """
        if key in self._leases:  # even if it has expired
            raise InProgressError
        self._leases[key] = f"{self._owner}:{next(self._numbers)}"
        granted = False
        try:
            holder = await self._execute(
                *("EVAL", _CLAIM, 1, self._prefix + key),
                *(self._owner, self._leases[key], self._lease),
            )
            granted = bool(holder == _OURS)
        finally:
            if not granted:
                del self._leases[key]
        if holder == _THEIRS:
            raise InProgressError
        return granted

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
        return uuid4().hex

    async def _execute(self, *command: str | int) -> Any:  # noqa: ANN401 - as in RedisClient
        try:
            async with asyncio.timeout(self._timeout), self._limit:
                return await self._redis.execute_command(*command)
        except TimeoutError as error:
            raise TimeoutError(f"Redis didn't respond within {self._timeout} seconds") from error


_MAX_SECONDS = 1e15  # Redis keeps times as milliseconds in 64 bits

_MAX_CONNECTIONS = 50  # a client with a limit of its own, such as 100, fails beyond it

_DONE = "done"
_DONE_BEFORE, _OURS, _THEIRS = 0, 1, -1

# If the lease is ours but unknown to us, the response to our claim was lost: take it.
_CLAIM = f"""
local holder = redis.call('GET', KEYS[1])
if holder == '{_DONE}' then return {_DONE_BEFORE} end
if holder and holder:sub(1, #ARGV[1]) ~= ARGV[1] then return {_THEIRS} end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {_OURS}
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
