import traceback
from unittest.mock import AsyncMock

import pytest
from attrs import define, field

from tests.support.clients import client_on
from tests.support.wire import FOUND, http_response
from webex_webhooks_async import Client, TransportError

OLD = "old-access"
NEW = "new-access"
REJECTED = http_response(401)
UNSENDABLE = [" ", "canary canary", "canary\n", "canary\r\nX-Other: 1", "cänary", "canary\x7f"]


@define
class Vault:
    token: str
    next_token: str = ""
    rejected: list[str] = field(factory=list[str])

    async def get(self) -> str:
        return self.token

    async def refresh(self, rejected: str) -> str:
        self.rejected.append(rejected)
        return self.next_token


@pytest.mark.parametrize(
    ("token", "message"),
    [
        *((each, "visible ASCII") for each in ("", *UNSENDABLE)),
        pytest.param("canary".ljust(16_385, "x"), "visible ASCII", id="too long"),
        *((each, "without 'Bearer '") for each in ("Bearer canary", "bearer canary\n")),
    ],
)
def test_a_token_that_no_header_can_carry_is_refused_unshown(token: str, message: str) -> None:
    """A token is visible ASCII without a scheme, 16 KB at most; no error shows another."""
    with pytest.raises(ValueError, match=message) as raised:
        Client(token)

    assert "nary" not in str(raised.value)


@pytest.mark.parametrize("token", ["", OLD])
async def test_a_provider_of_ones_own_is_asked_to_refresh(token: str) -> None:
    """`refresh` gets the rejected token: the one that was sent, or an empty string."""
    vault = Vault(token, next_token=NEW)
    async with client_on(*[REJECTED, FOUND][not token :], token=vault) as (wire, client):
        await client.webhooks.get("W1")

    assert vault.rejected == [token]
    assert wire.tokens == [OLD, NEW][not token :]


@pytest.mark.parametrize("place", ["token", "next_token"])
@pytest.mark.parametrize(
    ("token", "error", "message"),
    [
        *((each, ValueError, "visible ASCII") for each in ["", *UNSENDABLE]),
        (b"a-canary-token", TypeError, "^an access token must be str, got bytes$"),
    ],
)
async def test_a_provider_s_unsendable_token_is_not_sent_and_not_shown(
    place: str, token: object, error: type[Exception], message: str
) -> None:
    """A token, or a fresh one, that no header can carry raises an error without it."""
    vault = Vault(OLD)
    setattr(vault, place, token)
    async with client_on(REJECTED, token=vault) as (wire, client):
        with pytest.raises(error, match=message) as raised:
            await client.webhooks.get("W1")

    assert wire.tokens == ([] if place == "token" else [OLD])
    assert "nary" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("method", ["get", "refresh"])
@pytest.mark.parametrize(
    ("reason", "error", "message"),
    [
        (TransportError("the vault is away"), TransportError, "the vault is away"),
        (SystemExit("sealed"), RuntimeError, "provider of the token raised SystemExit: sealed"),
    ],
)
async def test_what_a_provider_raises_is_raised(
    method: str, reason: BaseException, error: type[Exception], message: str
) -> None:
    """At once, also what looks like a lost response; `SystemExit` ends no event loop."""
    asked = AsyncMock(side_effect=reason)
    failing = type("Failing", (Vault,), {method: asked})
    async with client_on(REJECTED, token=failing(OLD), attempts=4) as (wire, client):
        with pytest.raises(error, match=message):
            await client.webhooks.get("W1")

    assert asked.await_count == 1
    assert wire.tokens == [OLD][method == "get" :]
