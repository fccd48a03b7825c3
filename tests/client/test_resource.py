"""The verbs of a client, and `fetch`: what they send, and what they make of the response."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clients import client_on
from tests.support.wire import WEBHOOK, http_response
from webex_webhooks_async import (
    AttachmentAction,
    AttachmentActionData,
    BadRequestError,
    Client,
    DecodeError,
    Message,
    MessageData,
    NewWebhook,
    NotFoundError,
    Notification,
    RoomData,
    TelephonyCallData,
    WebhookUpdate,
    to_json,
)


@frozen(kw_only=True)
class Room:
    id: str
    title: str
    is_locked: bool = False

    @classmethod
    def parse(cls, json: Any) -> Self:  # noqa: ANN401 - JSON
        """Read it without the package, as classes of other libraries do."""
        return cls(id=json["id"], title=json["title"])


@frozen(kw_only=True)
class Meeting:
    """A class whose field JSON can't be read into."""

    number: UUID


@frozen(kw_only=True)
class Recording:
    """Another one."""

    content: bytes | None = None


async def parse_later(json: object) -> object:
    """Take the JSON, but not at once."""
    return json


@frozen(kw_only=True)
class NewMembership:
    """A class of a user's own, with a default that the service doesn't share."""

    room_id: str
    person_email: str | None = None
    is_moderator: bool = True
    created: datetime | None = None


ROOM = {"id": "R1", "title": "Lobby", "newcomer": 1}
LOBBY = Room(id="R1", title="Lobby")
FOUND = http_response(200, ROOM)

WITH_A_RESULT = ("get", "post", "put", "patch")
WITH_A_BODY = ("post", "put", "patch")
ALL = (*WITH_A_RESULT, "delete", "list")


def about(resource: str, data: object) -> Notification[Any]:
    """A notification with these data."""
    return Notification(id="W1", name="bot", resource=resource, event="created", data=data)


@pytest.mark.parametrize("name", WITH_A_RESULT)
async def test_a_verb_sends_its_method_and_returns_parsed_json(name: str) -> None:
    """The path is below the base URL, and the result is what the response holds."""
    async with client_on(FOUND) as (wire, client):
        found = await getattr(client, name)("rooms", "R1")

    (request,) = wire.requests
    assert (request.method, request.target) == (name.upper(), "/v1/rooms/R1")
    assert (request.body, request.headers.get("content-type")) == (b"", None)
    assert request.headers["authorization"] == "Bearer a-token"
    assert found == ROOM


@pytest.mark.parametrize("name", WITH_A_RESULT)
async def test_into_makes_an_instance_of_a_class(name: str) -> None:
    """`into` reads a user's class, or a list of it, from camelCase."""
    async with client_on(FOUND, http_response(200, [ROOM])) as (_, client):
        assert await getattr(client, name)("rooms/R1", into=Room) == LOBBY
        assert await getattr(client, name)("rooms", into=list[Room]) == [LOBBY]


async def test_into_is_what_a_function_makes_of_the_json() -> None:
    """A function gets the JSON of a result, or of each item, and what it raises is raised."""
    page = http_response(200, {"items": [ROOM, ROOM]})
    async with client_on(FOUND, page, FOUND, page, http_response(200, b"<html>")) as (_, client):
        assert await client.get("rooms", "R1", into=lambda json: json["title"]) == ROOM["title"]
        titles = [each async for each in client.list("rooms", into=lambda json: json["title"])]
        assert titles == [ROOM["title"]] * 2
        assert await client.fetch(about("rooms", RoomData(id="R1")), into=Room.parse) == LOBBY
        with pytest.raises(KeyError, match="subtitle"):
            await client.list("rooms", into=lambda json: json["subtitle"])
        with pytest.raises(DecodeError, match="not JSON"):
            await client.get("rooms", "R1", into=lambda json: json)


@pytest.mark.parametrize(
    ("into", "message"),
    [
        (parse_later, "into must be a class or a plain function, got the async "),
        ("Room", "expected a class, or a function that takes the JSON, got an instance of str"),
        (LOBBY, "expected a class, or a function that takes the JSON, got an instance of Room"),
        (list[Meeting], r"JSON can't be read into UUID, the type of Meeting\.number: "),
        (Recording, r"JSON can't be read into bytes, the type of Recording\.content: "),
        (dict[str, set[UUID]], "JSON can't be read into UUID: "),
        (list[tuple[int, UUID]], "JSON can't be read into UUID: "),
    ],
    ids=["async", "text", "instance", "field", "bytes", "set", "tuple"],
)
@pytest.mark.parametrize("name", [*WITH_A_RESULT, "list"])
async def test_what_no_response_could_become_is_refused(
    name: str,
    into: Any,  # noqa: ANN401 - mistakes
    message: str,
) -> None:
    """It is a TypeError before anything is sent, so a POST isn't processed for nothing."""
    async with client_on() as (wire, client):
        with pytest.raises(TypeError, match=message):
            await getattr(client, name)("rooms", into=into)

    assert wire.connections == 0


@pytest.mark.parametrize("name", WITH_A_RESULT)
async def test_an_empty_body_is_none(name: str) -> None:
    """A response without a body has no JSON to parse."""
    async with client_on(http_response(204)) as (_, client):
        assert await getattr(client, name)("rooms") is None


@pytest.mark.parametrize(
    ("body", "into", "problem"),
    [
        (b"<html>", None, r"\$: not JSON"),
        (b"", Room, r"\$: "),
        (b'{"id": "R1"}', Room, r"\$\.title: missing"),
        (b'{"id": "R1", "title": "x", "isLocked": "yes"}', Room, r"\$\.isLocked: expected a bool"),
        (b'[{"id": 1, "title": "x"}]', list[Room], r"\$\[0\]\.id: expected a string"),
        (b"{}", list[Room], r"\$: expected an array, got an object"),
        (b"null", Room, r"\$: expected an object, got null"),
    ],
)
async def test_what_does_not_fit_is_a_decode_error(
    body: bytes, into: type[Any] | None, problem: str
) -> None:
    """A user's class is read strictly, and an empty body doesn't fit it."""
    step = http_response(200, body, "TrackingID: ROUTER_1")
    async with client_on(step) as (_, client):
        with pytest.raises(DecodeError, match=problem) as raised:
            await client.get("rooms", into=into)

    assert (raised.value.method, raised.value.path) == ("GET", "/v1/rooms")
    assert raised.value.tracking_id == "ROUTER_1"


@pytest.mark.parametrize("body", [b"", b"gone", b"{}"])
async def test_delete_returns_nothing(body: bytes) -> None:
    """`delete` sends no body, and ignores the body of a 2xx."""
    async with client_on(http_response(200, body)) as (wire, client):
        await client.delete("messages", "M1", params={"a": "b"})

    (request,) = wire.requests
    assert (request.method, request.target, request.body) == ("DELETE", "/v1/messages/M1?a=b", b"")


@pytest.mark.parametrize(
    "content",
    [
        {"roomId": "R1", "text": "Hello, wörld", "nested": [{"a": None}, 1.5, True]},
        {},
        [],
        "text",
        0,
        False,
    ],
    ids=repr,
)
async def test_json_is_sent_as_it_is(content: object) -> None:
    """Anything that JSON can hold is sent as a body, also a false value."""
    async with client_on(FOUND) as (wire, client):
        await client.post("messages", json=content)

    (request,) = wire.requests
    assert json.loads(request.body) == content
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", WITH_A_BODY)
async def test_an_attrs_instance_is_sent_in_camel_case(name: str) -> None:
    """Every value is sent but `None`, also one that equals its default."""
    moment = datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC)
    async with client_on(FOUND) as (wire, client):
        await getattr(client, name)("memberships", json=NewMembership(room_id="R1"))
        await getattr(client, name)(
            "memberships", json=NewMembership(room_id="R1", is_moderator=False, created=moment)
        )

    first, second = (json.loads(each.body) for each in wire.requests)
    assert first == {"roomId": "R1", "isModerator": True}
    assert second == {"roomId": "R1", "isModerator": False, "created": "2022-04-07T09:17:23.164Z"}


@pytest.mark.parametrize("name", ALL)
async def test_params_become_the_query(name: str) -> None:
    """`None` is left out, booleans are words, sequences repeat the key, datetimes are ISO 8601."""
    params = {
        "text": "a b&c=d",
        "none": None,
        "yes": True,
        "no": False,
        "number": 5,
        "share": 0.5,
        "many": ["x", None, True],
        "several": ("y",),
        "moment": datetime(2022, 4, 7, 9, 17, 23, tzinfo=UTC),
    }
    async with client_on(http_response(200, {"items": []})) as (wire, client):
        await getattr(client, name)("rooms", params=params)
        await getattr(client, name)("rooms", params=MappingProxyType({"none": None}))
        await getattr(client, name)("rooms", params={})

    first, second, third = wire.targets
    path, _, query = first.partition("?")
    assert path == second == third == "/v1/rooms"
    assert parse_qsl(query, strict_parsing=True) == [
        ("text", "a b&c=d"),
        ("yes", "true"),
        ("no", "false"),
        ("number", "5"),
        ("share", "0.5"),
        ("many", "x"),
        ("many", "true"),
        ("several", "y"),
        ("moment", "2022-04-07T09:17:23.000Z"),
    ]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("messages", "/v1/messages"),
        ("/attachment/actions", "/v1/attachment/actions"),
        ("people/me", "/v1/people/me"),
        ("identity/scim/v2/Users/", "/v1/identity/scim/v2/Users/"),
        ("a b/ü:@", "/v1/a%20b/%C3%BC%3A%40"),
        ("a/...", "/v1/a/..."),
        ("/.a/b..", "/v1/.a/b.."),
    ],
)
async def test_a_path_is_relative_to_the_base_url(path: str, target: str) -> None:
    """It may contain slashes, and one at its beginning makes no difference."""
    async with client_on(http_response(200, {"items": []})) as (wire, client):
        await client.get(path)

    assert wire.targets == [target]


async def test_a_segment_follows_a_path_that_ends_with_a_slash() -> None:
    """One slash separates the path from the segment."""
    async with client_on(FOUND) as (wire, client):
        await client.get("rooms/", "R1", "meetingInfo")

    assert wire.targets == ["/v1/rooms/R1/meetingInfo"]


NOT_UNICODE = "c4nary\udcff"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("https://elsewhere.example/rooms", "path must not have a scheme"),
        ("/https://elsewhere.example", "path must not have a scheme"),
        ("mailto:ann", "path must not have a scheme"),
        ("rooms?max=1", "a query or a fragment: pass params="),
        ("rooms#top", "a query or a fragment"),
        ("rooms/%2e%2e", "a percent sign: pass an id as a further argument"),
        ("rooms\\..", "a backslash"),
        *((each, "an empty segment") for each in ("//elsewhere.example", "rooms//R1")),
        *((each, "a dot segment") for each in ("..", "./rooms", "rooms/../people", "/rooms/.")),
        *((f"ro{each}oms", "a control character") for each in "\n\x00\x7f\x85"),
        *((each, "path is empty") for each in ("", "/")),
        (NOT_UNICODE, "path is not valid Unicode"),
    ],
    ids=ascii,
)
async def test_a_path_that_leads_elsewhere_is_refused(path: str, message: str) -> None:
    """It is an error before anything is sent."""
    async with client_on(FOUND) as (wire, client):
        for verb in (client.get, client.list):
            with pytest.raises(ValueError, match=message):
                await verb(path)

    assert wire.connections == 0


@pytest.mark.parametrize(
    ("segments", "options", "error", "message"),
    [
        *(((each,), {}, ValueError, "a path segment") for each in ("", NOT_UNICODE)),
        *(((each,), {}, TypeError, "a path segment") for each in (5, None)),
        (("x" * 70_000,), {}, ValueError, "check the id and the parameters"),
        ((), {"params": {"q": "x" * 70_000}}, ValueError, "check the id and the parameters"),
        ((), {"params": {"a": 1j}}, TypeError, r"params\['a'\] must be str or int"),
        ((), {"params": {"a": [b"x"]}}, TypeError, r"params\['a'\] must be str"),
        ((), {"params": {"a": {"b": "c"}}}, TypeError, r"params\['a'\] must be str"),
        ((), {"params": {1: "a"}}, TypeError, "a name in params must be str, got int"),
        ((), {"params": "a=b"}, TypeError, "params must be Mapping, got str"),
        ((), {"params": {"a": NOT_UNICODE}}, ValueError, r"params\['a'\] is not valid Unicode"),
        ((), {"json": {"a": float("nan")}}, ValueError, "not JSON compliant"),
        ((), {"json": {"a": 1j}}, TypeError, r"^\$\.a: JSON can't hold a value of type complex"),
        ((), {"json": b"bytes"}, TypeError, r"^\$: JSON can't hold a value of type bytes"),
        *(((), {"into": each}, TypeError, "") for each in (int | str, list[UUID], "Room", LOBBY)),
    ],
    ids=lambda value: ascii(value)[:60],
)
async def test_what_cannot_be_sent_is_refused(
    segments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Every verb that takes it names it, and nothing is sent."""
    takers = WITH_A_BODY if "json" in options else ALL
    async with client_on(FOUND) as (wire, client):
        for name in takers if "into" not in options else (*WITH_A_RESULT, "list"):
            with pytest.raises(error, match=message or None):
                await getattr(client, name)("rooms", *segments, **options)

    assert wire.connections == 0


UPDATE = WebhookUpdate(name="n", target_url="https://example.com")
ODD_SEGMENTS = [".", "..", "/", "%2e", "a/b", "?", "#", "\\", "//x", "\r\n", "@", ";"]
segments_of_paths = st.sampled_from(ODD_SEGMENTS) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20
)


@given(
    name=st.sampled_from(ALL),
    segments=st.lists(segments_of_paths, max_size=4),
    webhook_id=segments_of_paths,
)
async def test_the_server_sees_exactly_the_segments(
    name: str, segments: list[str], webhook_id: str
) -> None:
    """Any segments, and any id, reach the server as separate segments below the base URL."""
    async with client_on(http_response(200, {**WEBHOOK, "items": []})) as (wire, client):
        await getattr(client, name)("rooms", *segments)
        await client.webhooks.get(webhook_id)
        await client.webhooks.update(webhook_id, UPDATE)
        await client.webhooks.delete(webhook_id)

    assert [each.method for each in wire.requests[1:]] == ["GET", "PUT", "DELETE"]
    expected = [["rooms", *segments], *[["webhooks", webhook_id]] * 3]
    for target, path in zip(wire.targets, expected, strict=True):
        empty, version, *rest = target.split("/")
        assert (empty, version) == ("", "v1")
        assert [unquote(each) for each in rest] == path
        assert not {".", ".."} & set(rest)
        assert not set(target) & set("?#;&=+@\\ ")
        assert target.isascii()


async def test_a_list_has_the_items_of_all_pages() -> None:
    """Its items are parsed JSON, or instances of a class, and a next link is followed."""
    script = [
        http_response(200, {"items": [ROOM]}, 'Link: </v1/rooms?cursor=2>; rel="next"'),
        http_response(200, {"items": [{**ROOM, "id": "R2"}]}),
    ]
    async with client_on(*script, *script) as (wire, client):
        found = [each async for each in client.list("rooms", params={"max": 1})]
        rooms = [each async for each in client.list("rooms", into=Room, prefetch=True)]

    assert found == [ROOM, {**ROOM, "id": "R2"}]
    assert rooms == [LOBBY, evolve(LOBBY, id="R2")]
    assert wire.targets[:2] == ["/v1/rooms?max=1", "/v1/rooms?cursor=2&max=1"]
    assert wire.targets[2:] == ["/v1/rooms", "/v1/rooms?cursor=2"]


async def test_a_list_has_the_member_that_is_named() -> None:
    """`items_key` names the member with the items."""
    async with client_on(http_response(200, {"Resources": [{"id": "P1"}]})) as (wire, client):
        page = await client.list("identity/scim", "O1", "v2/Users", items_key="Resources")

    assert page.items == ({"id": "P1"},)
    assert wire.targets == ["/v1/identity/scim/O1/v2%2FUsers"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([], r"\$: expected an object, got an array"),
        ({"rooms": []}, r"\$: lacks 'items'; if the list is in another member, pass that as i"),
        ({"items": None}, r"\$\.items: expected an array, got null"),
        ({"items": "R1"}, r"\$\.items: expected an array, got a string"),
        ({"items": [ROOM, {"id": "R2"}]}, r"\$\.items\[1\]\.title: missing"),
    ],
)
async def test_a_page_that_does_not_fit_is_a_decode_error(body: object, problem: str) -> None:
    """An item that doesn't fit a user's class is a `DecodeError`."""
    async with client_on(http_response(200, body)) as (_, client):
        with pytest.raises(DecodeError, match=problem):
            await client.list("rooms", into=Room)


@pytest.mark.parametrize(
    "content",
    [
        {"secret": "a-s3cret-value"},
        {"clientSecret": "a-s3cret-value"},
        {"refresh_token": "a-s3cret-value"},
        {"app": [{"client_secret": "a-s3cret-value", "secret": None}]},
        MappingProxyType({"apps": ({"secret": "a-s3cret-value"},)}),
        NewWebhook(
            name="n",
            target_url="https://example.com",
            resource="messages",
            event="created",
            secret="a-s3cret-value",
        ),
    ],
    ids=repr,
)
async def test_a_secret_of_a_body_is_redacted(content: object) -> None:
    """An error shows neither it nor the token, though the service repeats both."""
    step = http_response(400, {"message": "no a-s3cret-value, no a-token-value"})
    async with client_on(step, token="a-token-value") as (_, client):
        with pytest.raises(BadRequestError) as raised:
            await client.post("applications", json=content)

    assert raised.value.message == "no ***, no ***"


@pytest.mark.parametrize("name", ALL)
async def test_an_error_names_method_and_path(name: str) -> None:
    """It is the error of the status, with the path and without the query."""
    async with client_on(http_response(404, {"message": "Sorry"})) as (_, client):
        with pytest.raises(NotFoundError) as raised:
            await getattr(client, name)("rooms", "R/1", params={"a": "b"})

    method = name.upper() if name != "list" else "GET"
    assert (raised.value.method, raised.value.path) == (method, "/v1/rooms/R%2F1")


MESSAGE: dict[str, Any] = {
    "id": "a/b",
    "roomId": "R1",
    "roomType": "group",
    "personId": "P1",
    "personEmail": "ann@example.com",
    "text": "Bot, hello",
    "markdown": "Bot, **hello**",
    "html": "<p>Bot, <strong>hello</strong></p>",
    "files": ["https://webexapis.com/v1/contents/C1"],
    "parentId": "M0",
    "mentionedPeople": ["P2"],
    "mentionedGroups": ["all"],
    "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {}}],
    "created": "2022-04-07T09:17:23.164Z",
    "updated": "2022-04-07T09:18:23.164Z",
    "isVoiceClip": False,
    "newField": 1,
}
MESSAGE_DATA = MessageData(id="a/b", room_id="R1", person_id="P1", person_email="ann@example.com")
ACTION_DATA = AttachmentActionData(id="A1", message_id="M1", person_id="P1", room_id="R1")


@pytest.mark.parametrize("data", [MESSAGE_DATA, {"id": "a/b"}], ids=["class", "mapping"])
async def test_a_message_is_fetched_whole(data: object) -> None:
    """Every documented field has its type, and another one is kept, also if the data didn't fit."""
    async with client_on(http_response(200, MESSAGE)) as (wire, client):
        message = await client.fetch(about("messages", data))

    (request,) = wire.requests
    assert (request.method, request.target) == ("GET", "/v1/messages/a%2Fb")
    assert (type(message), json.loads(to_json(message))) == (Message, MESSAGE)
    assert message.created == datetime(2022, 4, 7, 9, 17, 23, 164000, tzinfo=UTC)
    assert message.extra == {"newField": 1}


async def test_a_card_is_fetched_with_its_inputs() -> None:
    """What someone submitted is there by the ids of the inputs."""
    document = {
        "id": "A1",
        "type": "submit",
        "messageId": "M1",
        "personId": "P1",
        "roomId": "R1",
        "inputs": {"name": "Ann", "agreed": "true"},
        "created": "2022-04-07T09:17:23.164Z",
    }
    async with client_on(http_response(200, document)) as (wire, client):
        action: Any = await client.fetch(about("attachmentActions", ACTION_DATA))

    assert wire.targets == ["/v1/attachment/actions/A1"]
    assert (type(action), json.loads(to_json(action))) == (AttachmentAction, document)
    assert (action.inputs, action.extra) == (document["inputs"], {})


@pytest.mark.parametrize(
    ("resource", "data", "target"),
    [
        ("rooms", RoomData(id="X1"), "/v1/rooms/X1"),
        *(
            (each, {"id": "X1"}, f"/v1/{each}/X1")
            for each in ("convergedRecordings", "meetingParticipants", "memberships", "recordings")
        ),
        ("meetings", {"id": "X1"}, "/v1/meetings/X1"),
        ("telephony_calls", TelephonyCallData(call_id="X1"), "/v1/telephony/calls/X1"),
        ("telephony_calls", {"id": "no", "callId": "X1"}, "/v1/telephony/calls/X1"),
    ],
)
async def test_other_resources_are_parsed_json(resource: str, data: object, target: str) -> None:
    """They are read by the id in the data, also where the data are the plain mapping."""
    async with client_on(FOUND) as (wire, client):
        found = await client.fetch(about(resource, data))
        room = await client.fetch(about(resource, data), into=Room)

    assert (found, room) == (ROOM, LOBBY)
    assert wire.targets == [target, target]


@pytest.mark.parametrize(
    ("resource", "data", "message"),
    [
        *(
            (each, {"id": "X1"}, f"a GET by id for {each};.*client.get")
            for each in ("meetingTranscripts", "uc_counters", "all", "holograms")
        ),
        *(
            ("messages", each, "this messages notification have no id; ")
            for each in ({}, {"id": 5}, {"id": ""}, None)
        ),
        ("telephony_calls", {"id": "X1"}, "this telephony_calls notification have no callId; "),
    ],
)
async def test_what_has_no_path_or_id_is_refused(
    resource: str, data: Mapping[str, Any] | None, message: str
) -> None:
    """The error says what to do instead, or names what is missing, and nothing is sent."""
    async with client_on() as (wire, client):
        with pytest.raises(ValueError, match=message):
            await client.fetch(about(resource, data))

    assert wire.connections == 0


async def test_only_a_notification_is_fetched() -> None:
    """Its data, say, don't say what they are about."""
    async with Client("t") as client:
        with pytest.raises(TypeError, match="notification must be Notification, got MessageData"):
            await client.fetch(cast("Notification[Any]", MESSAGE_DATA))
