# pyright: reportPrivateUsage=false

import asyncio

import pytest

from webex_webhooks_async.inbox.claim_tokens import OwnClaims

pytestmark = pytest.mark.once


class _Storage:
    """Grants a name to the first token that asks, and again to that; it responds on demand."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.responds = asyncio.Event()

    async def ask(self, token: str) -> bool:
        self.tokens.append(token)
        is_granted = token == self.tokens[0]
        await self.responds.wait()
        return is_granted


async def test_two_claims_of_one_name_whose_responses_are_lost() -> None:
    """The next claim gets what one of two was granted, if both responses were lost."""
    claims, storage = OwnClaims(), _Storage()
    lost = [asyncio.create_task(claims.claim("a", 60, storage.ask)) for _ in range(2)]
    await asyncio.sleep(0)
    for each in lost:
        each.cancel()
    await asyncio.wait(lost)
    storage.responds.set()

    assert [await claims.claim("a", 60, storage.ask) for _ in range(2)] == [True, False]


async def test_claims_of_one_name_at_the_same_time() -> None:
    """Of two claims at the same time one is granted, although they are one for the storage."""
    claims, storage = OwnClaims(), _Storage()
    storage.responds.set()
    both = (claims.claim("a", 60, storage.ask) for _ in range(2))

    assert sorted(await asyncio.gather(*both)) == [False, True]
    assert await claims.claim("a", 60, storage.ask) is False
    assert claims._asked == {}


async def test_a_claim_beside_one_that_is_refused() -> None:
    """A claim is granted, although one that was asked for before it is refused meanwhile."""
    claims = OwnClaims()
    responses = [asyncio.get_running_loop().create_future() for _ in range(3)]
    coming = iter(responses)
    first, second, third = (claims.claim("a", 60, lambda _: next(coming)) for _ in range(3))
    both = [asyncio.create_task(each) for each in (first, second)]
    await asyncio.sleep(0)
    responses[0].set_result(True)
    assert await both[0]
    last = asyncio.create_task(third)
    await asyncio.sleep(0)
    responses[1].set_result(False)
    assert not await both[1]
    responses[2].set_result(True)

    assert await last


async def test_a_lost_claim_is_forgotten_after_its_seconds() -> None:
    """The token of a lost claim is kept for as long as the claim may last."""
    now = 0.0
    claims, storage = OwnClaims(lambda: now), _Storage()
    lost = asyncio.create_task(claims.claim("a", 60, storage.ask))
    await asyncio.sleep(0)
    lost.cancel()
    await asyncio.wait([lost])
    now = 60.0
    storage.responds.set()
    await claims.claim("b", 60, storage.ask)

    assert claims._asked == {}
