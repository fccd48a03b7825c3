from unittest.mock import Mock

import pytest

from tests.notifications.doubles import SECRET, deliver
from webex_webhooks_async.notifications.receiver import Receiver


async def test_secrets_may_change(caplog: pytest.LogCaptureFixture) -> None:
    """A function is asked for each request; if it can't say, the response is a 503."""
    secrets = Mock(
        side_effect=[
            *(["another"], SECRET, [], [SECRET, ""], LookupError("the vault is sealed")),
            *(SystemExit(2), ["new", SECRET]),
        ]
    )
    receiver = Receiver(secrets)

    assert [await deliver(receiver) for _ in range(7)] == [401, 204, *[503] * 4, 204]
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    assert [each.getMessage() for each in errors] == [
        "refused a request: the function for the secrets failed"
    ] * 4
    assert "the vault is sealed" in caplog.text


async def test_secrets_may_come_from_anywhere() -> None:
    """Secrets from an iterator verify every request."""
    receiver = Receiver(iter(["old", SECRET]))

    assert [await deliver(receiver), await deliver(receiver)] == [204, 204]
