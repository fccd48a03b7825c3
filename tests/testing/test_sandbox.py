from collections.abc import Callable
from typing import Any

import pytest

from tests.testing.doubles import NEW, Api, created
from webex_webhooks_async import Client, NewWebhook
from webex_webhooks_async.models.notification_data import MessageData
from webex_webhooks_async.notifications.parsing import parse_notification
from webex_webhooks_async.testing import Sandbox


async def test_our_client_finds_it_unasked(webex_sandbox: Sandbox) -> None:
    """The client needs no base URL to find the sandbox, and follows its pages."""
    fields = {"target_url": "https://e.com", "resource": "messages", "event": "created"}
    async with Client("token", http_client=webex_sandbox.http_client()) as client:
        made = [await client.webhooks.create(NewWebhook(name=name, **fields)) for name in "ABC"]
        listed = [each async for each in client.webhooks.list(max=2)]

    assert listed == made
    assert webex_sandbox.webhooks == tuple(made)


async def test_the_bots_own_action(webex_sandbox: Sandbox, api: Api) -> None:
    """The bot's own action has its id and its address."""
    await created(api, "/webhooks", **NEW, secret="s3cret")

    (delivery,) = await webex_sandbox.emit("messages", "created", actor_id=webex_sandbox.bot.id)

    notification = parse_notification(delivery.body, delivery.headers, secrets="s3cret")
    assert notification.is_own_action
    assert isinstance(notification.data, MessageData)
    assert notification.data.person_email == webex_sandbox.bot.emails[0]


WRONG: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda _: Sandbox(delivery_timeout=0), ValueError, "delivery_timeout"),
    (lambda _: Sandbox(delivery_timeout=-1), ValueError, "delivery_timeout"),
    (lambda _: Sandbox(delivery_timeout=float("nan")), ValueError, "delivery_timeout"),
    (lambda it: it.deliver_to("bot:app"), TypeError, "app must be an ASGI application or None"),
    (lambda it: it.revoke(""), ValueError, "token is empty"),
    (lambda it: it.revoke(None), TypeError, "token must be str, got NoneType"),
    (lambda it: it.authorize_as("ann"), ValueError, "no person has the id 'ann'"),
    (lambda it: it.next_reply(timeout=-1), ValueError, "not negative, of a century at most, got"),
    (lambda it: it.redeliver({}), TypeError, "delivery must be Delivery, got dict"),
]


@pytest.mark.parametrize(("call", "error", "match"), WRONG)
async def test_wrong_calls(
    webex_sandbox: Sandbox, call: Callable[[Any], Any], error: type[Exception], match: str
) -> None:
    """An argument that makes no sense is refused, with what is wrong."""
    with pytest.raises(error, match=match):
        await call(webex_sandbox)
