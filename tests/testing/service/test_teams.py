import pytest

from tests.testing.doubles import ANN, BOB, Api, created, items, kinds, notifications_of
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


async def team_with_ann(api: Api) -> tuple[str, str]:
    """Create a team of the bot with Ann in it; return its id, and that of her membership."""
    team = await created(api, "/teams", name="Cooks")
    ann = await created(api, "/team/memberships", teamId=team["id"], personEmail="ann@example.com")
    return str(team["id"]), str(ann["id"])


async def test_a_team(api: Api) -> None:
    """A team is created, found by its members, changed and deleted; another one stays."""
    other = await created(api, "/teams", name="Others")
    team = await created(api, "/teams", name="Cooks", description="At lunch")
    path = f"/teams/{team['id']}"
    (mine,) = await items(api, "/team/memberships", teamId=team["id"])

    assert team == {**team, "name": "Cooks", "description": "At lunch"}
    assert (await api.get(path)).json() == team
    assert await items(api, "/teams") == [other, team]
    assert await items(api, "/teams", ANN) == []
    assert (await api.get(path, headers=ANN)).status_code == 404
    updated = await api.put(path, json={"name": "Chefs"})
    assert updated.json() == {**team, "name": "Chefs"} == (await api.get(path)).json()
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).status_code == 404
    assert (await api.get(f"/team/memberships/{mine['id']}")).status_code == 404
    assert [each["teamId"] for each in await items(api, "/rooms", type="group")] == [other["id"]]
    assert len(await items(api, "/team/memberships", teamId=other["id"])) == 1


async def test_a_general_room(api: Api, webex_sandbox: Sandbox) -> None:
    """A team has a room of its name, which its members join and leave with the team."""
    notified = await notifications_of(webex_sandbox, api, "all")

    team, ann = await team_with_ann(api)
    rooms = await items(api, "/rooms", ANN, teamId=team)
    await api.delete(f"/team/memberships/{ann}")

    assert [each["title"] for each in rooms] == ["Cooks"]
    assert await items(api, "/rooms", ANN, teamId=team) == []
    assert (await items(api, "/team/memberships", teamId=team))[0]["isModerator"] is True
    assert kinds(notified) == [
        "rooms created",
        "memberships created",
        "memberships created",
        "memberships deleted",
    ]
    await api.delete(f"/rooms/{rooms[0]['id']}")
    await created(api, "/team/memberships", teamId=team, personEmail="ann@example.com")
    assert await items(api, "/rooms", ANN, teamId=team) == []


async def test_rooms_of_a_team(api: Api) -> None:
    """The members of a team create rooms in it, and a list may be of one team's rooms."""
    team, _ = await team_with_ann(api)
    room = await created(api, "/rooms", ANN, title="Soups", teamId=team)
    await created(api, "/rooms", ANN, title="Elsewhere")

    of_others = await api.post("/rooms", json={"title": "T", "teamId": team}, headers=BOB)

    assert room["teamId"] == team
    listed = [each["title"] for each in await items(api, "/rooms", ANN, teamId=team)]
    assert listed == ["Soups", "Cooks"]
    assert of_others.status_code == 404


async def test_memberships(api: Api) -> None:
    """Members of a team are found, become moderators, and leave."""
    team, ann = await team_with_ann(api)
    await created(api, "/rooms", title="Without Ann", teamId=team)
    path = f"/team/memberships/{ann}"

    membership = (await api.get(path, headers=ANN)).json()
    updated = await api.put(path, json={"isModerator": True})
    emails = [each["personEmail"] for each in await items(api, "/team/memberships", teamId=team)]

    assert membership == {**membership, "teamId": team, "isModerator": False}
    assert updated.json() == {**membership, "isModerator": True}
    assert emails == ["sandbox@webex.bot", "ann@example.com"]
    assert (await api.get(path, headers=BOB)).status_code == 404
    assert (await api.delete(path, headers=ANN)).status_code == 204
    assert (await api.get(path)).status_code == 404


async def test_who_may_change_a_team(api: Api) -> None:
    """It takes a moderator to change a team or its members, and a team keeps its last one."""
    team, ann = await team_with_ann(api)
    (bot, _) = await items(api, "/team/memberships", teamId=team)
    new = {"teamId": team, "personEmail": "bob@example.com"}
    by_ann = [
        await api.put(f"/teams/{team}", json={"name": "T"}, headers=ANN),
        await api.delete(f"/teams/{team}", headers=ANN),
        await api.post("/team/memberships", json=new, headers=ANN),
        await api.put(f"/team/memberships/{ann}", json={"isModerator": True}, headers=ANN),
        await api.delete(f"/team/memberships/{bot['id']}", headers=ANN),
    ]
    last = [
        await api.put(f"/team/memberships/{bot['id']}", json={"isModerator": False}),
        await api.delete(f"/team/memberships/{bot['id']}"),
    ]

    assert [each.status_code for each in by_ann] == [403] * 5
    assert by_ann[0].json()["message"] == "only a moderator can change the team 'Cooks'"
    assert [(each.status_code, each.json()["message"]) for each in last] == [
        (400, "the last moderator of a team can't be removed")
    ] * 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/teams", {}, 400),
        ("GET", "/teams/nope", None, 404),
        ("GET", "/team/memberships", None, 400),
        ("GET", "/team/memberships?teamId=nope", None, 404),
        ("GET", "/team/memberships/nope", None, 404),
        ("POST", "/team/memberships", {"teamId": "TEAM"}, 400),
        ("POST", "/team/memberships", {"teamId": "TEAM", "personEmail": "ann@example.com"}, 409),
        ("PUT", "/team/memberships/ANN", {"isModerator": "yes"}, 400),
    ],
)
async def test_what_is_refused(
    api: Api, method: str, path: str, body: dict[str, str] | None, status: int
) -> None:
    """What isn't there isn't found, and what is required is named."""
    team, ann = await team_with_ann(api)
    document = {key: team if value == "TEAM" else value for key, value in (body or {}).items()}

    response = await api.request(method, path.replace("ANN", ann), json=document)

    assert response.status_code == status
