"""Webhooks themselves."""

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.webex import Webex


@assumption(
    "secret-in-clear",
    "The secret of a webhook comes back in clear text.",
    source=sources.OPENAPI,
    grade="documented",
)
async def test_secret_in_clear(webex: Webex) -> None:
    hook = await webex.hook(await webex.room(), secret="a secret")
    assert (await webex.bot.get(f"/webhooks/{hook.id}")).json()["secret"] == "a secret"


@assumption(
    "members-of-a-webhook",
    "A webhook has an organization, a creator, an application, an owner, a status and a time.",
    source=sources.CAPTURE,
    grade="recorded",
)
async def test_members_of_a_webhook(webex: Webex) -> None:
    hook = await webex.hook(await webex.room())
    webhook = (await webex.bot.get(f"/webhooks/{hook.id}")).json()
    wanted = {"orgId", "createdBy", "appId", "ownedBy", "status", "created"}
    assert wanted <= webhook.keys()
    assert [webhook[each] for each in ("ownedBy", "status")] == ["creator", "active"]


@assumption(
    "put-changes-four-members",
    "A PUT changes name, target, secret and status; resource, event and filter stay.",
    source=sources.OPENAPI,
    grade="documented",
)
async def test_put_changes_four_members(webex: Webex) -> None:
    room = await webex.room()
    hook = await webex.hook(room)
    await webex.update(hook, resource="rooms", event="updated", filter="type=group")
    webhook = (await webex.bot.get(f"/webhooks/{hook.id}")).json()
    members = [webhook[each] for each in ("name", "resource", "event", "filter")]
    assert members == [webex.tag, "messages", "created", f"roomId={room}"]


@assumption("webhook-of-another", "The webhook of another creator is 404.", grade="assumed")
async def test_webhook_of_another(webex: Webex) -> None:
    hook = await webex.hook(await webex.room(webex.person), by=webex.person)
    assert (await webex.bot.get(f"/webhooks/{hook.id}")).status_code == 404


@assumption(
    "unknown-filter",
    "A filter with a key that the resource doesn't have is refused with 400.",
    source=sources.GUIDE,
    grade="documented",
)
async def test_unknown_filter(webex: Webex) -> None:
    response = await webex.bot.post(
        "/webhooks",
        name=webex.tag,
        targetUrl=webex.target().url,
        resource="messages",
        event="created",
        filter="colour=red",
    )
    assert response.status_code == 400
