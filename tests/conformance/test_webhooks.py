"""Webhooks themselves."""

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.webex import Webex


@assumption("documented", source=sources.OPENAPI)
async def test_secret_in_clear(webex: Webex) -> None:
    """The secret of a webhook comes back in clear text."""
    hook = await webex.hook(await webex.room(), secret="a secret")
    assert (await webex.bot.get(f"/webhooks/{hook.id}")).json()["secret"] == "a secret"


@assumption("recorded", source=sources.CAPTURE)
async def test_members_of_a_webhook(webex: Webex) -> None:
    """A webhook has an organization, a creator, an application, an owner, a status and a time."""
    hook = await webex.hook(await webex.room())
    webhook = (await webex.bot.get(f"/webhooks/{hook.id}")).json()
    assert {"orgId", "createdBy", "appId", "ownedBy", "status", "created"} <= webhook.keys()
    assert [webhook[each] for each in ("ownedBy", "status")] == ["creator", "active"]


@assumption("documented", source=sources.OPENAPI)
async def test_put_changes_four_members(webex: Webex) -> None:
    """A PUT changes name, target, secret and status; resource, event and filter stay."""
    hook = await webex.watch()
    await webex.update(hook, resource="rooms", event="updated", filter="type=group")
    webhook = (await webex.bot.get(f"/webhooks/{hook.id}")).json()
    members = [webhook[each] for each in ("name", "resource", "event", "filter")]
    assert members == [webex.tag, "messages", "created", f"roomId={hook.room_id}"]


@assumption("assumed")
async def test_webhook_of_another(webex: Webex) -> None:
    """The webhook of another creator is 404."""
    hook = await webex.hook(await webex.room(webex.person), by=webex.person)
    assert (await webex.bot.get(f"/webhooks/{hook.id}")).status_code == 404


@assumption("documented", source=sources.GUIDE)
async def test_unknown_filter(webex: Webex) -> None:
    """A filter with a key that the resource doesn't have is refused with 400."""
    response = await webex.bot.post(
        "/webhooks",
        name=webex.tag,
        targetUrl=webex.target().url,
        resource="messages",
        event="created",
        filter="colour=red",
    )
    assert response.status_code == 400
