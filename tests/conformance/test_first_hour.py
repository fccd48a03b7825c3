"""What an hour with a token should settle first."""

import hashlib
import hmac

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.ids import ids_of
from tests.conformance.inbox import Answer, Hook
from tests.conformance.targets import TIMEOUT
from tests.conformance.webex import Webex
from webex_webhooks_async.models.ids import comparable

SECRET = "the secret of a row"


# Comes first: afterwards, the two have a direct room.
@assumption(
    "recorded",
    source=f"{sources.JS_SDK}/plugin-rooms/test/integration/spec/rooms.js, over a websocket",
)
async def test_first_direct_message(webex: Webex) -> None:
    """The first message between two notifies its author of rooms created."""
    stranger = await webex.stranger()
    hook = await webex.hook(None, resource="rooms", event="created", by=stranger)
    message = await stranger.make("/messages", toPersonId=webex.bot.id, text=webex.tag)
    arrival = await webex.delivery(hook, {"id": message["roomId"]})
    assert arrival.data["type"] == "direct"


@assumption("documented", source=sources.VERIFY)
async def test_signature(webex: Webex) -> None:
    """X-Spark-Signature is the HMAC-SHA1 of the raw body in lower-case hexadecimal digits."""
    hook = await webex.watch(secret=SECRET)
    await _signed(webex, hook)


@assumption("second-hand", source=sources.WEBHOOK_MANAGER)
async def test_second_signature(webex: Webex) -> None:
    """X-Webex-Signature has the SHA-256 and the SHA-512 beside it."""
    hook = await webex.watch(secret=SECRET)
    arrival = await webex.heard(hook)
    key = SECRET.encode()
    expected = [
        f"SHA-256={hmac.new(key, arrival.body, hashlib.sha256).hexdigest()}",
        f"SHA-512={hmac.new(key, arrival.body, hashlib.sha512).hexdigest()}",
    ]
    assert [each.strip() for each in arrival.headers["x-webex-signature"].split(",")] == expected


@assumption("second-hand", source=sources.WEBHOOK_MANAGER)
async def test_delivery_headers(webex: Webex) -> None:
    """A delivery is application/json;charset=UTF-8, and has a user agent and a trackingid."""
    hook = await webex.watch()
    headers = (await webex.heard(hook)).headers
    assert headers["content-type"].replace(" ", "").lower() == "application/json;charset=utf-8"
    assert headers["user-agent"]
    assert headers["trackingid"]


@assumption(
    "assumed",
    source="WebexCommunity/webex-node-bot-framework, issue 20: in 2020 Cisco said that an edit "
    "looks like created",
)
async def test_edit(webex: Webex) -> None:
    """Nobody is notified when a message is edited, neither of updated nor of created."""
    hook = await webex.watch(event="all")
    message = await webex.say(webex.bot, hook.room_id)
    await webex.delivery(hook, message)
    webex.bot.needed(
        await webex.bot.put(f"/messages/{message['id']}", roomId=hook.room_id, text="Good-bye")
    )
    await webex.quiet()
    assert len(hook.arrivals) == 1


@assumption("assumed", source=sources.EVENTS)
async def test_thread_without_mention(webex: Webex) -> None:
    """A reply in the bot's own thread of a group room isn't delivered without a mention."""
    hook = await webex.watch(webex.person)
    message = await webex.say(webex.bot, hook.room_id)
    reply = await webex.say(webex.person, hook.room_id, parentId=message["id"])
    await webex.quiet()
    assert comparable(reply["id"]) not in hook.ids


@assumption(
    "recorded", source=f"{sources.FRAMEWORK}, test/common/bot-test-messages.js, without the status"
)
async def test_reply_to_a_reply(webex: Webex) -> None:
    """A reply to a reply is refused with 400."""
    room = await webex.room()
    root = await webex.say(webex.bot, room)
    reply = await webex.say(webex.bot, room, parentId=root["id"])
    response = await webex.bot.post("/messages", roomId=room, text="Hello", parentId=reply["id"])
    assert response.status_code == 400


@assumption("recorded", source=sources.CAPTURE)
async def test_own_message(webex: Webex) -> None:
    """A bot is notified of its own message in a group room; actorId and createdBy are the bot's."""
    hook = await webex.watch()
    notification = (await webex.heard(hook)).json
    assert notification["actorId"] == notification["createdBy"] == webex.bot.id
    assert notification["data"]["personId"] == webex.bot.id


@assumption("recorded", source=f"{sources.FRAMEWORK}, test/common/common.js, over a websocket")
async def test_deleted_room(webex: Webex) -> None:
    """When a room is deleted, memberships deleted is notified for each member."""
    hook = await webex.watch(webex.person, resource="memberships", event="deleted")
    webex.bot.needed(await webex.bot.delete(f"/rooms/{hook.room_id}"))
    arrivals = await webex.deliveries(hook, 2)
    assert {each.data["personId"] for each in arrivals} == {webex.bot.id, webex.person.id}


@assumption("assumed")
async def test_order(webex: Webex) -> None:
    """Two messages that one person writes within 100 ms are delivered in their order."""
    hook = await webex.watch()
    messages = await webex.say_in_quick_succession(webex.bot, hook.room_id)
    await webex.deliveries(hook, 2)
    assert hook.ids == ids_of(messages)


@assumption("assumed")
async def test_failed_delivery(webex: Webex) -> None:
    """A notification that got 500 isn't sent again within half a minute."""
    hook = await webex.watch(answers=[Answer(status=500)])
    await webex.heard(hook)
    await webex.quiet(30)
    assert len(hook.arrivals) == 1


@assumption("assumed")
async def test_slow_response(webex: Webex) -> None:
    """A response that takes five seconds is waited for, and nothing is sent again."""
    hook = await webex.watch(answers=[Answer(late=TIMEOUT / 2)])
    arrival = await webex.heard(hook)
    await webex.quiet(30)
    assert arrival.hung_up_after is None
    assert len(hook.arrivals) == 1


@assumption("assumed")
async def test_late_response(webex: Webex) -> None:
    """Webex gives up on a response after ten seconds, and doesn't send the notification again."""
    hook = await webex.watch(answers=[Answer(late=3 * TIMEOUT)])
    await webex.say(webex.bot, hook.room_id)
    assert TIMEOUT / 2 < await webex.hung_up(hook) < 2 * TIMEOUT
    await webex.quiet(30)
    assert len(hook.arrivals) == 1


@assumption("assumed")
async def test_redirect(webex: Webex) -> None:
    """A redirect isn't followed, and the notification isn't sent again."""
    room = await webex.room()
    elsewhere = webex.target()
    hook = await webex.hook(room, answers=[Answer(status=307, location=elsewhere.url)])
    message = await webex.say(webex.bot, room)
    await webex.delivery(hook, message)
    await webex.quiet()
    assert [len(hook.arrivals), len(elsewhere.arrivals)] == [1, 0]


@assumption("assumed")
async def test_gone(webex: Webex) -> None:
    """A webhook whose target responds 410 once stays active, and nothing is sent again."""
    hook = await webex.watch(answers=[Answer(status=410)])
    await webex.heard(hook)
    await webex.quiet()
    assert [len(hook.arrivals), await webex.status(hook)] == [1, "active"]


@assumption("assumed")
async def test_secret_is_kept(webex: Webex) -> None:
    """A PUT without a secret keeps the secret of a webhook."""
    hook = await webex.watch(secret=SECRET)
    webex.bot.needed(await webex.update(hook))
    await _signed(webex, hook)


@assumption("assumed")
async def test_new_secret(webex: Webex) -> None:
    """After a PUT with a new secret, the next notification is signed with it."""
    hook = await webex.watch(secret="the secret before")
    webex.bot.needed(await webex.update(hook, secret=SECRET))
    await _signed(webex, hook)


@assumption("assumed")
async def test_equal_webhook(webex: Webex) -> None:
    """A webhook that equals another one is accepted, and each of the two is notified."""
    room = await webex.room()
    hook = webex.target()
    members = {
        "name": webex.tag,
        "targetUrl": hook.url,
        "resource": "messages",
        "event": "created",
        "filter": f"roomId={room}",
    }
    ids: list[str] = []
    for _ in range(2):
        response = await webex.bot.post("/webhooks", **members)
        assert response.is_success
        ids.append(response.json()["id"])
    await webex.say(webex.bot, room)
    arrivals = await webex.deliveries(hook, 2)
    assert sorted(each.json["id"] for each in arrivals) == sorted(ids)


@assumption("assumed")
async def test_unmentioned_message(webex: Webex) -> None:
    """A bot that gets a group room's message by its id, which doesn't mention it, is refused with
    403.
    """
    room = await webex.room(webex.person)
    message = await webex.say(webex.person, room)
    response = await webex.bot.get(f"/messages/{message['id']}")
    assert response.status_code == 403


@assumption("documented", source=sources.BASICS)
async def test_head_of_a_file(webex: Webex) -> None:
    """HEAD of a file has its name, its type and its size, and needs a token."""
    room = await webex.room()
    message = await webex.upload(webex.bot, room)
    headers = (await webex.bot.file("HEAD", message["files"][0])).headers
    assert 'filename="menu.txt"' in headers["content-disposition"]
    assert headers["content-type"].startswith("text/plain")
    assert int(headers["content-length"]) == len(b"Soup")


@assumption("assumed")
async def test_deleted_webhook(webex: Webex) -> None:
    """A webhook that is deleted while a notification is under way gets no further one."""
    hook = await webex.watch(answers=[Answer(late=TIMEOUT / 4)])
    await webex.heard(hook)
    webex.bot.needed(await webex.bot.delete(f"/webhooks/{hook.id}"))
    await webex.say(webex.bot, hook.room_id)
    await webex.quiet()
    assert len(hook.arrivals) == 1


async def _signed(webex: Webex, hook: Hook) -> None:
    """Expect that the next delivery is signed with the secret."""
    arrival = await webex.heard(hook)
    expected = hmac.new(SECRET.encode(), arrival.body, hashlib.sha1).hexdigest()
    assert arrival.headers["x-spark-signature"] == expected
