import re

import pytest
from starlette.requests import Request

from webex_webhooks_async.testing.answers import RefusedError
from webex_webhooks_async.testing.tokens import Tokens

FORM = {
    "grant_type": "refresh_token",
    "client_id": "C1",
    "client_secret": "S1",
    "refresh_token": "R1",
}


def request(authorization: str) -> Request:
    """Make a request with a header that says who sends it."""
    return Request({"type": "http", "headers": [(b"authorization", authorization.encode())]})


def test_grant() -> None:
    """A refresh token gives an access token, and says how long both last, in seconds."""
    granted = Tokens().grant(FORM)

    assert granted == {
        **granted,
        "expires_in": 14 * 24 * 3600,
        "refresh_token": "R1",
        "refresh_token_expires_in": 90 * 24 * 3600,
        "token_type": "Bearer",
    }
    assert granted.keys() >= {"access_token", "scope"}


def test_granted_tokens_are_distinct() -> None:
    """Each grant is of another token."""
    tokens = Tokens()

    assert tokens.grant(FORM)["access_token"] != tokens.grant(FORM)["access_token"]


@pytest.mark.parametrize("left_out", FORM)
def test_a_grant_needs_every_field(left_out: str) -> None:
    """A form that lacks a field is refused."""
    form = {name: value for name, value in FORM.items() if name != left_out}

    with pytest.raises(RefusedError) as raised:
        Tokens().grant(form)

    assert raised.value.status_code == 400
    assert raised.value.problems == (f"{left_out} is required and must not be empty",)


def test_another_grant_is_refused() -> None:
    """Only a refresh token is taken for a new one."""
    with pytest.raises(RefusedError) as raised:
        Tokens().grant({**FORM, "grant_type": "password"})

    assert (raised.value.status_code, raised.value.problems) == (
        400,
        ("unsupported grant_type: password",),
    )


def test_a_revoked_refresh_token_is_refused() -> None:
    """Nothing is granted for a refresh token that was revoked."""
    tokens = Tokens()
    tokens.revoke("R1")

    with pytest.raises(RefusedError) as raised:
        tokens.grant(FORM)

    assert raised.value.status_code == 400
    assert re.match("invalid_grant", raised.value.problems[0])


def test_a_revoked_access_token_is_refused() -> None:
    """A token that was revoked is taken no more, others are."""
    tokens = Tokens()
    tokens.revoke("old")

    tokens.check(request("Bearer new"))
    with pytest.raises(RefusedError) as raised:
        tokens.check(request("Bearer old"))

    assert raised.value.status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer   ", "Basic new", "", "Bearer  old "])
def test_no_token(authorization: str) -> None:
    """Blanks are no token, and hide none."""
    tokens = Tokens()
    tokens.revoke("old")

    with pytest.raises(RefusedError) as raised:
        tokens.check(request(authorization))

    assert raised.value.status_code == 401
