import asyncio
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest

from tests.notifications.doubles import SECRET, deliver
from tests.support.logs import Log
from webex_webhooks_async.inbox.sqlite import SQLiteInbox
from webex_webhooks_async.notifications.signing_secrets import Keys
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.testing import sample_notification


@pytest.mark.parametrize("kind", [Mock, AsyncMock])
async def test_secrets_may_change(kind: type[Mock], caplog: Log) -> None:
    """A function, plain or async, is asked for each request; if it can't say, it is a 503."""
    secrets = kind(
        side_effect=[
            *(["another"], SECRET, [], [SECRET, ""], LookupError("the vault is sealed")),
            *(SystemExit(2), {"webhook": SECRET}, ["new", SECRET], SECRET),
        ]
    )
    receiver = Receiver(secrets)

    assert [await deliver(receiver) for _ in range(9)] == [401, 204, *[503] * 5, 204, 204]
    errors = [each for each in caplog.records if each.levelname == "ERROR"]
    assert [each.getMessage() for each in errors] == [
        "refused a request: the function for the secrets failed"
    ] * 5
    assert "the vault is sealed" in caplog.text
    assert "got dict, a mapping, whose keys are no secrets: pass its values" in caplog.text


async def test_webhooks_get_the_secret_of_an_async_function() -> None:
    """`wanted_webhooks` waits for the function."""
    receiver = Receiver(AsyncMock(return_value=["new", SECRET]))
    receiver.on("messages")(AsyncMock())

    (webhook,) = await receiver.wanted_webhooks(name="bot", target_url="https://example.com")

    assert webhook.secret == "new"


async def test_what_has_not_been_asked_for_is_not_known(tmp_path: Path) -> None:
    """With an inbox the secrets are asked for at the start, so that errors can be redacted."""
    with pytest.raises(LookupError, match="hasn't returned any yet"):
        Keys(AsyncMock()).recent()

    secrets = AsyncMock(side_effect=["secret", LookupError()])
    for expected in (1, 2):
        async with Receiver(secrets, inbox=SQLiteInbox(tmp_path / "inbox.db")):
            assert secrets.await_count == expected


async def test_an_error_is_its_type_alone_while_no_secret_is_known(tmp_path: Path) -> None:
    """Its text may hold a secret that the function hasn't returned since the start."""
    path, failed = tmp_path / "inbox.db", asyncio.Event()
    inbox = SQLiteInbox(path)
    await inbox.put("key", sample_notification("messages", "created"))
    await inbox.aclose()
    secrets = Mock(side_effect=ConnectionError("the vault is sealed"))

    def report(_error: Exception, _: object) -> None:
        failed.set()

    receiver = Receiver(secrets, inbox=SQLiteInbox(path), attempts=1, on_error=report)
    receiver.on()(AsyncMock(side_effect=ValueError(f"{SECRET} is wrong")))
    async with receiver:
        await failed.wait()

    assert [each.error async for each in inbox.unfinished()] == ["ValueError"]
    await inbox.aclose()


async def test_secrets_may_come_from_anywhere() -> None:
    """Secrets from an iterator verify every request."""
    receiver = Receiver(iter(["old", SECRET]))

    assert [await deliver(receiver), await deliver(receiver)] == [204, 204]
