import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import StoppedClock
from tests.support.json_values import JSON
from tests.testing.doubles import NEW, Api, created, descriptions, items, webhook
from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.service.webhooks import matches, problems_of_subscription

pytestmark = pytest.mark.once

FIELDS = ["name", "targetUrl", "resource", "event", "filter", "secret", "ownedBy", "status"]
WORDS = st.sampled_from(["messages", "all", "created", "org", "active", "roomId=R", "https://t"])
DOCUMENTS = JSON | st.dictionaries(st.sampled_from(FIELDS), WORDS | JSON)


async def create(api: Api, **changes: object) -> dict[str, Any]:
    """Create a webhook, and return it."""
    return await created(api, "/webhooks", **{**NEW, **changes})


async def test_create() -> None:
    """The response has the given fields, and those that the service adds; others are absent."""
    sandbox = Sandbox(clock=StoppedClock().now)
    async with sandbox.http_client() as api:
        api.headers["Authorization"] = "Bearer token"
        created = await create(api, filter="roomId=R", secret="s3cret", ownedBy="org")
        least = await create(api, filter=None, secret="")

    expected = {
        **NEW,
        "filter": "roomId=R",
        "secret": "s3cret",
        "status": "active",
        "ownedBy": "org",
        "createdBy": sandbox.bot.id,
        "orgId": sandbox.bot.org_id,
        "created": "2024-05-17T09:30:00.000Z",
    }
    assert created == {**created, **expected}
    assert created.keys() == {*expected, "id", "appId"}
    assert least.keys() == created.keys() - {"filter", "secret"}
    assert least["ownedBy"] == "creator"


async def test_an_unknown_event(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Webex adds events, so an unknown one is taken, but with a warning of the unknown word."""
    await create(api, resource="incidentAlerts", event="all")
    await create(api, event="reacted")
    await create(api, resource="all", event="all")

    assert caplog.messages == [
        f"the {word} of the webhook {NEW['name']!r} isn't known: is it misspelled?"
        for word in ("resource 'incidentAlerts'", "event 'reacted'")
    ]


async def test_update(api: Api) -> None:
    """An update changes name, target, secret and status alone, and keeps those by default."""
    created = await create(api, filter="roomId=R")
    path = f"/webhooks/{created['id']}"
    changes = {"name": "n", "targetUrl": "http://t", "secret": "new", "status": "inactive"}
    ignored = {"resource": "rooms", "event": "updated", "filter": "a=b", "ownedBy": "org", "id": 1}

    response = await api.put(path, json={**changes, **ignored})

    assert (response.status_code, response.json()) == (200, {**created, **changes})
    for wrong, problem in (
        ({"name": None}, "name is required and must not be empty"),
        ({"targetUrl": None}, "targetUrl is required and must not be empty"),
        ({"status": "off"}, "status must be active or inactive"),
    ):
        refused = await api.put(path, json={**NEW, "status": "active", **wrong})
        assert (refused.status_code, refused.json()["message"]) == (400, problem)
    assert (await api.get(path)).json() == {**created, **changes}
    kept = await api.put(path, json={"name": "m", "targetUrl": "http://u"})
    assert kept.json() == {**created, **changes, "name": "m", "targetUrl": "http://u"}


async def test_delete(api: Api, webex_sandbox: Sandbox) -> None:
    """A deleted webhook is not found, to be deleted again either; so is any other unknown id."""
    path = f"/webhooks/{(await create(api))['id']}"
    change = {"name": "n", "targetUrl": "http://t"}

    responses = [
        await api.delete(path),
        await api.delete(path),
        await api.get(f"/webhooks/{quote('a/../../people/me', safe='')}"),
        await api.put("/webhooks/nope", json=change),
        await api.delete(f"/webhooks/{quote('x?y#z', safe='')}"),
    ]

    assert [each.status_code for each in responses] == [204, 404, 404, 404, 404]
    assert webex_sandbox.webhooks == ()


async def test_every_problem_is_named(api: Api) -> None:
    """One response names all that is missing or malformed."""
    response = await api.post("/webhooks", json={"name": 7, "targetUrl": "nope", "event": None})

    assert response.status_code == 400
    assert descriptions(response) == [
        "name must be a string",
        "targetUrl must be an absolute http(s) URL",
        "resource is required and must not be empty",
        "event is required and must not be empty",
    ]


async def test_a_refused_subscription_is_relayed(api: Api, webex_sandbox: Sandbox) -> None:
    """A refusal of the inner service is relayed in the outer one's words."""
    response = await api.post("/webhooks", json={**NEW, "filter": "nope=1"})

    assert response.status_code == 400
    assert re.fullmatch(
        r"POST failed: HTTP/1\.1 400 Bad Request "
        r"\(url = \S+, error = 'Invalid value for filter: nope'\)",
        response.json()["message"],
    )
    assert webex_sandbox.webhooks == ()


async def test_the_owner(api: Api) -> None:
    """A list may be of one owner's webhooks; they are in the order of creation."""
    for name, owner in (("A", "org"), ("B", "creator"), ("C", "org"), ("D", "creator")):
        await create(api, name=name, ownedBy=owner)

    lists = [await items(api, "/webhooks", ownedBy=each) for each in ("org", "creator", "")]

    assert ["".join(each["name"] for each in webhooks) for webhooks in lists] == [
        "AC",
        "BD",
        "ABCD",
    ]


async def test_page_sizes(api: Api) -> None:
    """A page has 100 webhooks, or fewer on request, and a link with the host that was asked."""
    for _ in range(101):
        await create(api)

    response = await api.get("/webhooks?max=1", headers={"Host": "localhost:8900"})
    link = f"<{api.base_url.scheme}://localhost:8900/v1/webhooks?max=1&cursor="
    assert response.headers["Link"].startswith(link)
    assert response.headers["Link"].endswith('>; rel="next"')
    pages = [await items(api, "/webhooks", max=size) for size in ("100", "1000000000000", "007")]

    assert [len(each) for each in (*pages, await items(api, "/webhooks"))] == [100, 100, 7, 100]


@pytest.mark.parametrize(
    "query",
    [
        *("max=0", "max=-1", "max=", "max=²"),
        *("cursor=", "cursor=-1-", "cursor=²-", f"cursor={'1' * 5000}-", "ownedBy=nobody"),
    ],
)
async def test_unknown_words_in_the_query(api: Api, query: str) -> None:
    """The size of a page is a positive number; cursors from elsewhere and owners are refused."""
    assert (await api.get(f"/webhooks?{query}")).status_code == 400


@given(
    body=st.binary() | DOCUMENTS.map(lambda each: json.dumps(each).encode()), update=st.booleans()
)
async def test_any_body_is_understood_or_refused(body: bytes, update: bool) -> None:  # noqa: FBT001 - made by Hypothesis
    """For any body the status is success or 400, and a created webhook can be listed."""
    async with Sandbox().http_client() as api:
        api.headers.update({"Authorization": "Bearer token"})
        created = await create(api)
        api.headers.update({"Content-Type": "application/json"})

        if update:
            response = await api.put(f"/webhooks/{created['id']}", content=body)
        else:
            response = await api.post("/webhooks", content=body)
        listed = await api.get("/webhooks")

    assert response.status_code in {200, 400}
    if response.status_code == 200:
        assert response.json() in listed.json()["items"]


@given(query=st.text(), path=st.text())
async def test_any_request_gets_a_response(query: str, path: str) -> None:
    """Any request gets a status that says what is wrong with it."""
    async with Sandbox().http_client() as api:
        api.headers.update({"Authorization": "Bearer token"})
        statuses = {
            (await api.get(where)).status_code
            for where in (
                f"/webhooks?max={quote(query)}&cursor={quote(query)}",
                f"/webhooks/{quote(path, safe='')}",
            )
        }

    assert statuses <= {200, 400, 404}


@pytest.mark.parametrize(
    "fields",
    [
        {"resource": "all", "event": "all"},
        {"resource": "all", "event": "created"},
        {"resource": "attachmentActions", "event": "all"},
        {"resource": "messages", "event": "created", "filter": "roomId=R&hasFiles=true"},
        {"resource": "messages", "event": "reacted"},  # an event that is new
        {"resource": "whiteboards", "event": "created", "filter": "color=red"},  # a new resource
        {"resource": "rooms", "event": "migrated"},
        {"resource": "meetings", "event": "started", "filter": "hostEmail=a", "owned_by": "org"},
        {"resource": "videoMeshAlerts", "event": "triggered", "owned_by": "org"},
        {"filter": "roomId=a=="},
        {"resource": "telephony_queue", "event": "updated", "filter": "x=y"},  # undocumented
    ],
)
def test_accepted(fields: dict[str, str]) -> None:
    """What Webex accepts is accepted, and so is what it may have added."""
    assert list(problems_of_subscription(webhook(**fields))) == []


FILTER = "Invalid value for filter: "
OF_ORG = "requires ownedBy=org"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"event": "updated"}, "Invalid event for resource messages: updated"),
        ({"resource": "all", "event": "migrated"}, "Invalid event for resource all: migrated"),
        ({"filter": "roomid=R"}, f"{FILTER}roomid"),
        ({"filter": "roomId"}, f"{FILTER}roomId"),
        ({"filter": "roomId="}, f"{FILTER}roomId="),
        ({"filter": "=R"}, f"{FILTER}=R"),
        ({"filter": "roomId=R&"}, f"{FILTER}roomId=R&"),
        ({"resource": "whiteboards", "filter": "color"}, f"{FILTER}color"),
        ({"resource": "rooms", "event": "migrated", "filter": "type=a"}, f"{FILTER}type"),
        ({"resource": "all", "event": "all", "filter": "roomId=R"}, f"{FILTER}roomId"),
        ({"resource": "meetings", "filter": "hostEmail=a"}, f"Filter hostEmail {OF_ORG}"),
        ({"resource": "controlHubAlerts"}, f"Resource controlHubAlerts {OF_ORG}"),
    ],
)
def test_refused(fields: dict[str, str], problem: str) -> None:
    """A webhook that Webex refuses, for a creator or for all, is refused with the reason."""
    assert list(problems_of_subscription(webhook(**fields))) == [problem]


@pytest.mark.parametrize(
    ("watched", "happening", "expected"),
    [
        ("messages created", "messages created", True),
        ("messages created", "messages deleted", False),
        ("messages created", "rooms created", False),
        ("messages all", "messages deleted", True),
        ("rooms all", "rooms updated", True),
        ("rooms all", "rooms migrated", False),
        ("rooms migrated", "rooms migrated", True),
        ("meetings all", "meetings started", True),
        ("all all", "messages created", True),
        ("all all", "memberships deleted", True),
        ("all all", "rooms updated", True),
        ("all all", "rooms migrated", False),
        ("all all", "attachmentActions created", False),
        ("all all", "meetings created", False),
        ("all all", "whiteboards created", False),
        ("all created", "rooms created", True),
        ("all created", "rooms updated", False),
        ("whiteboards moved", "whiteboards moved", True),
        ("whiteboards all", "whiteboards moved", True),
    ],
)
def test_watched_events(watched: str, happening: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """A webhook gets its own events; the firehose is of three resources and three events."""
    watched_resource, watched_event = watched.split()
    resource, event = happening.split()
    watching = webhook(resource=watched_resource, event=watched_event)

    assert matches(watching, resource, event, {}) == expected


FILTERED: list[tuple[str, dict[str, Any], bool]] = [
    ("roomId=R", {"roomId": "R"}, True),
    ("roomId=R", {"roomId": "Q"}, False),
    ("roomId=R", {}, False),
    ("roomId=None", {"roomId": None}, False),
    ("roomId=R&personId=P", {"roomId": "R", "personId": "P"}, True),
    ("roomId=R&personId=P", {"roomId": "R", "personId": "Q"}, False),
    ("roomId=a==", {"roomId": "a=="}, True),
    ("isLocked=true", {"isLocked": True}, True),
    ("isLocked=false", {"isLocked": False}, True),
    ("isLocked=true", {"isLocked": False}, False),
    ("isLocked=false", {}, False),
    ("meetingNumber=7", {"meetingNumber": 7}, True),
    ("mentionedPeople=P", {"mentionedPeople": ["Q", "P"]}, True),
    ("mentionedPeople=P", {"mentionedPeople": ["Q"]}, False),
    ("mentionedPeople=me", {"mentionedPeople": ["BOT"]}, True),
    ("mentionedPeople=me", {"mentionedPeople": ["me"]}, False),
    ("mentionedPeople=me", {}, False),
    ("hasFiles=true", {"files": ["https://files/1"]}, True),
    ("hasFiles=true", {}, False),
    ("hasFiles=false", {"files": []}, True),
    ("hasAttachments=true", {"attachments": [{}]}, True),
    ("hasAttachments=false", {}, True),
    ("number=+15550001", {"remoteParty": {"number": "+15550001"}}, True),
    ("number=+15550001", {"remoteParty": {"number": "+15550002"}}, False),
    ("number=+15550001", {"remoteParty": "withheld"}, False),
    ("personId=P", {"personId": "P", "remoteParty": {"personId": "Q"}}, True),
]


@pytest.mark.parametrize(("filter_", "data", "expected"), FILTERED)
def test_filters(filter_: str, data: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a table
    """Every condition of a filter must hold for the data; without a creator, `me` is nobody."""
    nobodys = webhook(filter="mentionedPeople=me", created_by=None)

    assert expected == matches(webhook(filter=filter_), "messages", "created", data)
    assert not matches(nobodys, "messages", "created", {"mentionedPeople": [None]})


KEYS = sorted(CATALOG["messages"].filters | {"remoteParty", "files"})


@given(
    filter_=st.lists(st.sampled_from(KEYS), min_size=1).map("=x&".join).map("{}=x".format),
    data=st.dictionaries(st.sampled_from(KEYS), JSON),
)
def test_any_data_can_be_filtered(filter_: str, data: dict[str, Any]) -> None:
    """For any data, a filter matches or it doesn't; nothing is raised."""
    assert matches(webhook(filter=filter_), "messages", "created", data) in {True, False}
