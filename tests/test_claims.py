# pyright: reportPrivateUsage=false

import pytest

from webex_webhooks_async.claims import MemoryClaims

pytestmark = pytest.mark.once


async def test_claims_of_one_process() -> None:
    """A claim is granted once within its seconds, or again when it is given back."""
    now = 0.0
    claims = MemoryClaims(lambda: now)
    first = [await claims.claim(name, 10) for name in ("a", "b")]
    refused = await claims.claim("a", 1000)
    now = 10.0
    later = [await claims.claim("a", 10), await claims.claim("a", 10)]
    await claims.unclaim("a")

    assert (first, refused, later) == ([True, True], False, [True, False])
    assert await claims.claim("a", 10) is True


async def test_claims_that_have_ended_take_no_memory() -> None:
    """However many names are claimed, those that have ended are forgotten."""
    now = 0.0
    claims = MemoryClaims(lambda: now)
    for number in range(20_000):
        now = float(number)
        assert await claims.claim(f"{number}", 100) is True

    assert len(claims._ends) < 2_000
