from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bot.doubles import ignore, raising
from tests.support.inboxes import FullInbox
from tests.support.wire import PATIENCE
from webex_webhooks_async import (
    Bot,
    Client,
    MessageContext,
    NewWebhook,
    Receiver,
)
from webex_webhooks_async.handling.sandbox_reports import header_of
from webex_webhooks_async.notifications.signing_secrets import Secrets
from webex_webhooks_async.testing import Sandbox, sample_notification, signed_request

SECRET = "the secret of the webhook"
ASKS = {"Webex-Sandbox": "1"}
ERROR = "webex-sandbox-error"
BODY = sample_notification("rooms", "created")


def failing(
    error: BaseException,
    secrets: Secrets = SECRET,
    **options: Any,  # noqa: ANN401 - a receiver's
) -> Receiver:
    """A receiver whose handler fails."""
    receiver = Receiver(secrets, **options)
    receiver.on()(raising(error))
    return receiver


async def response_of(
    receiver: Receiver, headers: dict[str, str] = ASKS, secret: str = SECRET, body: bytes = BODY
) -> httpx.Response:
    """The response to a notification."""
    request = signed_request("http://bot/", body, secret)
    request.headers.update(headers)
    async with receiver, httpx.AsyncClient(transport=httpx.ASGITransport(receiver)) as webex:
        return await webex.send(request)


@pytest.mark.parametrize(
    ("headers", "secret", "options", "shown"),
    [
        (ASKS, SECRET, {}, "KeyError: 'dish'"),
        ({}, SECRET, {}, None),
        ({"Webex-Sandbox": "yes"}, SECRET, {}, None),
        ({"Webex-Sandbox": ""}, SECRET, {}, None),
        (ASKS, "another secret", {}, None),
        (ASKS, SECRET, {"respond_within": 0}, None),
        (ASKS, SECRET, {"respond_within": PATIENCE}, "KeyError: 'dish'"),
    ],
)
async def test_an_error_in_the_response(
    headers: dict[str, str], secret: str, options: dict[str, Any], shown: str | None
) -> None:
    """Nothing is said unasked, unverified, or of handlers that run after the response."""
    response = await response_of(failing(KeyError("dish"), **options), headers, secret)

    assert response.headers.get(ERROR) == shown


async def test_why_a_notification_is_not_handled_now(
    tmp_path: Path, webex_sandbox: Sandbox, webex_client: Client
) -> None:
    """A sandbox says which reason a 503 has; nobody learns it unasked, or unverified."""
    receiver = failing(KeyError("dish"), inbox=FullInbox(tmp_path / "inbox.db"))
    answers = [
        await response_of(receiver, headers, secret)
        for headers, secret in ((ASKS, "another secret"), ({}, SECRET))
    ]
    assert [each.headers.get(ERROR) for each in answers] == [None, None]

    async with webex_sandbox.serve(), receiver:
        webex_sandbox.deliver_to(receiver)
        wanted = NewWebhook(
            name="bot",
            target_url="https://bot/",
            resource="messages",
            event="created",
            secret=SECRET,
        )
        await webex_client.webhooks.ensure([wanted])
        (delivery,) = await webex_sandbox.say("Hello")

    assert delivery.reason == "503 Service Unavailable: the inbox failed"
    assert delivery.handler_error is None


async def test_a_handler_that_does_not_fail(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """A delivery of a served sandbox asks, and a handler that doesn't fail adds nothing."""
    bot = Bot(webex_client, SECRET, target_url="https://bot.example.com/")
    bot.message()(ignore)
    async with webex_sandbox.serve(), bot:
        webex_sandbox.deliver_to(bot)
        (delivery,) = await webex_sandbox.say("Hello")

    assert (delivery.headers["webex-sandbox"], delivery.handler_error) == ("1", None)


async def test_what_is_private(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """Neither the token of a bot is shown, nor its secrets, nor an address."""
    bot = Bot(webex_client, [SECRET, "another \\ 'secret'"], target_url="https://bot.example.com/")

    @bot.message()
    async def fail(context: MessageContext) -> None:
        raise KeyError("a bug", context.text, "sandbox-token", SECRET, "another \\ 'secret'")

    await webex_sandbox.emit("messages", "created", data={"id": "M1", "text": "ann@example.com"})
    body = sample_notification("messages", "created", data={"id": "M1"})
    response = await response_of(bot, body=body)

    assert response.headers[ERROR] == "KeyError: ('a bug', '...@...', '***', '***', \"***\")"


async def test_secrets_that_change_while_a_handler_runs() -> None:
    """What verified the request is hidden, and the function isn't asked for that."""
    secrets = Mock(side_effect=["another secret", SECRET])
    receiver = failing(KeyError(SECRET, "another secret"), secrets=secrets)

    assert (await response_of(receiver)).status_code == 401
    response = await response_of(receiver)

    assert (response.status_code, response.headers[ERROR]) == (500, "KeyError: ('***', '***')")
    assert secrets.call_count == 2


PARTS = st.text(min_size=1) | st.sampled_from(["ann@example.com", "\n", "'", "é", "@", "*"])
HIDDEN = st.text(
    st.characters(codec="utf-8", min_codepoint=33, exclude_characters="*.@\\"), min_size=8
)


@given(
    st.lists(PARTS),
    st.lists(PARTS),
    HIDDEN,
    st.integers(1, 5_000),
    st.sampled_from([str, partial(quote, safe="")]),
)
def test_what_a_header_shows(
    before: list[str], after: list[str], secret: str, count: int, form: Callable[[str], str]
) -> None:
    """At most 500 bytes of printable ASCII on a line; no secret in any form, and no address."""
    text = "".join([*before, form(secret) * count, *after])

    shown = header_of(ValueError(text), [secret])

    assert shown.startswith(b"ValueError")
    assert len(shown) <= 500
    assert all(32 <= each < 127 for each in shown)
    assert b"ann@" not in shown
    assert form(secret).encode("ascii", "backslashreplace") not in shown


@pytest.mark.parametrize("length", [8, 100, 3_000])
def test_no_part_of_a_secret(length: int) -> None:
    """A secret at the end of what is read of a long text is hidden as a whole."""
    secret = "canary" * (length // 6) + "ab" * (length % 6)

    for offset in range(0, length, length // 8):
        shown = header_of(ValueError("." * offset + secret * (100_000 // length)), [secret])

        assert b"can" not in shown
