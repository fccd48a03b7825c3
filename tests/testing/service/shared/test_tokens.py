import pytest
from starlette.requests import Request

from tests.testing.doubles import FakeClock
from webex_webhooks_async.testing.service.shared.persons import fake_person
from webex_webhooks_async.testing.service.shared.responses import RefusedCallError
from webex_webhooks_async.testing.service.shared.tokens import TokenStore


def request(authorization: str) -> Request:
    """Make a request with an Authorization header."""
    return Request({"type": "http", "headers": [(b"authorization", authorization.encode())]})


def test_a_revoked_access_token_is_refused() -> None:
    """A revoked token is refused; others stay valid."""
    tokens = TokenStore(FakeClock(), fake_person())
    tokens.revoke("old")

    assert tokens.bearer(request("Bearer new")) == "new"
    with pytest.raises(RefusedCallError) as raised:
        tokens.bearer(request("Bearer old"))

    assert raised.value.status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer   ", "Basic new", "", "Bearer  old "])
def test_no_token(authorization: str) -> None:
    """Blanks are not a token, and don't hide one."""
    tokens = TokenStore(FakeClock(), fake_person())
    tokens.revoke("old")

    with pytest.raises(RefusedCallError) as raised:
        tokens.bearer(request(authorization))

    assert raised.value.status_code == 401
