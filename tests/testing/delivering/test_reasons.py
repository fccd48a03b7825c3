"""Why a bot doesn't take a notification, and what to do; each is provoked with a real server."""

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tests.bot.doubles import SECRET
from tests.support.wire import unused_port
from tests.testing.delivering.test_event_stream import state, stream_of
from tests.testing.doubles import ANN, BOT, NEW, Api, created
from webex_webhooks_async import Bot, Client, Receiver
from webex_webhooks_async.models.vocabulary import WebhookStatus
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.delivering.reasons import reason_of_status
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

NOT_STARTED = "the bot isn't started, or can't receive now: its log says which, and what to do"


@pytest.mark.parametrize(
    ("application", "reason"),
    [
        (
            lambda: Receiver("another secret"),
            "401 Unauthorized: the bot's secret differs from the webhook's: restart the bot",
        ),
        (
            lambda: Starlette(routes=[Mount("/webex", Receiver(SECRET))]),
            "307 Temporary Redirect: the bot is mounted at another path: use /webex/",
        ),
        (Starlette, "404 Not Found: the bot is mounted at another path than /webex"),
        (
            lambda: Starlette(routes=[Route("/webex", Response(), methods=["GET"])]),
            "405 Method Not Allowed: the bot is mounted at another path than /webex",
        ),
        (lambda: Bot(Client("token"), SECRET), f"503 Service Unavailable: {NOT_STARTED}"),
    ],
)
async def test_a_status(
    webex_sandbox: Sandbox, api: Api, application: Callable[[], ASGIApp], reason: str
) -> None:
    """A status says what to do; a query, which may be secret, isn't repeated."""
    async with serve_on_loopback(application(), 0) as origin:
        fields = {**NEW, "targetUrl": f"{origin}/webex?canary", "secret": SECRET}
        await created(api, "webhooks", **fields)
        (delivery,) = await webex_sandbox.say("Hello")

    assert delivery.reason == reason
    first = await state(stream_of(webex_sandbox))
    assert [each["reason"] for each in first["deliveries"]] == [reason]


async def test_nothing_listens(webex_sandbox: Sandbox, api: Api) -> None:
    """A port without a server asks for the bot; an error of TLS says what it is."""
    async with serve_on_loopback(Starlette(), 0) as served:
        for origin in (f"http://127.0.0.1:{unused_port()}", served.replace("http", "https")):
            await created(api, "webhooks", **{**NEW, "targetUrl": origin})
        absent, without_tls = await webex_sandbox.say("Hello")

    assert absent.reason == "nothing listens there: is your bot running?"
    assert "SSL" in (without_tls.reason or "")


async def test_why_nothing_notifies_the_bot(
    webex_sandbox: Sandbox, api: Api, unused_tcp_port: int
) -> None:
    """A bot that hasn't called, has no webhook, or has one that is switched off, is said."""
    stream = stream_of(webex_sandbox)
    events = stream.follow()
    hints = [(await anext(events))["hint"]]

    await api.get("people/me", headers=ANN)
    webex_sandbox.authorize_as("bob@example.com")
    form = {"grant_type": "refresh_token", "client_secret": "s", "refresh_token": "r"}
    nobody = {"Authorization": ""}
    fields = {**form, "client_id": "id"}
    granted = (await api.post("access_token", data=fields, headers=nobody)).json()
    bob = {"Authorization": f"Bearer {granted['access_token']}"}
    await created(api, "webhooks", bob, **NEW)
    await api.get("people/me", headers=BOT)
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    webhook = await created(api, "webhooks", **{**NEW, "targetUrl": url})
    fields = {"name": "Messages", "targetUrl": url}
    for status in (WebhookStatus.INACTIVE, WebhookStatus.ACTIVE):
        await api.put(f"webhooks/{webhook['id']}", json={**fields, "status": status})
    *_, last = await webex_sandbox.say("Hello")

    while len(hints) < 7:
        event = await anext(events)
        if event["kind"] == "hint":
            hints.append(event["hint"])
    await events.aclose()
    step = "is switched off after so many failures: restart the bot"
    off = f"the bot's webhook of messages {step}"
    lacking = "a bot called, but made no webhook: set WEBEX_TARGET_URL"
    absent = "no bot has called: start one that uses this sandbox"
    assert hints == [absent, absent, lacking, None, off, None, off]
    assert (last.switched_off, last.reason) == (
        True,
        f"nothing listens there: is your bot running?; the webhook {step}",
    )


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://bot.example.com", "/"),
        ("/webex/\n?canary", r"/webex/"),
        ("/" + "x" * 1_000, "/" + "x" * 199),
        ("http://[", "/"),
        (None, None),
    ],
)
def test_where_a_redirect_leads(location: str | None, shown: str | None) -> None:
    """Only a path is shown, on one line, and not too much of it."""
    use = "" if shown is None else f": the bot is mounted at another path: use {shown}"

    assert reason_of_status(308, "http://bot/", location) == f"308 Permanent Redirect{use}"
