import logging

import httpx
import pytest

from tests.testing.doubles import NEW, Api, descriptions
from webex_webhooks_async.testing import Sandbox


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/team"),
        ("GET", "/webhooks/W1/x"),
        ("PATCH", "/rooms/R1"),
        ("GET", "/telephony/calls/history"),  # of calls, and no call
    ],
)
async def test_what_the_sandbox_lacks(
    api: Api, webex_sandbox: Sandbox, method: str, path: str
) -> None:
    """A path or a method that the sandbox doesn't have is a 501 that names both."""
    response = await api.request(method, path)

    assert response.status_code == 501
    message = response.json()["message"]
    assert message == f"The sandbox doesn't have {method} /v1{path}; errors lists what it has."
    assert webex_sandbox.requests[-1].error == message


async def test_a_path_outside_of_the_api(webex_sandbox: Sandbox) -> None:
    """A client with a wrong base URL reads where the API is."""
    async with webex_sandbox.serve() as base_url, httpx.AsyncClient(trust_env=False) as http_client:
        response = await http_client.get(base_url.removesuffix("/v1") + "/webhooks")

    assert response.status_code == 501
    assert response.json()["message"] == (
        "The sandbox doesn't have GET /webhooks: its paths begin with /v1/. A base URL may need a "
        "slash at its end."
    )


async def test_what_there_is(api: Api) -> None:
    """The refusal of a method lists those of its path, and the refusal of a path everything."""
    of_path = descriptions(await api.request("PATCH", "/webhooks/W1"))
    everything = descriptions(await api.get("/organizations"))

    assert of_path == [f"{each} /v1/webhooks/{{id}}" for each in ("GET", "PUT", "DELETE")]
    assert {"POST /v1/messages", "GET /v1/recordings/{id}"} < set(everything)


async def test_unknown_query_parameters(
    api: Api, webex_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Unknown parameters, with or without a value, are ignored; the log and the request say so."""
    for path in ("/rooms?orgPublicSpaces=true&max=2&x", "/people/me?callingData=true", "/rooms"):
        assert (await api.get(path)).status_code == 200

    remarks = [each.remark for each in webex_sandbox.requests]
    of_rooms = "its query parameters are teamId, type, sortBy, max, cursor"
    assert remarks == [
        f"GET /v1/rooms ignores orgPublicSpaces, x; {of_rooms}",
        "GET /v1/people/me ignores callingData; its query parameters are none",
        None,
    ]
    logged = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert logged == remarks[:2]


async def test_any_id_is_an_id(api: Api, webex_sandbox: Sandbox) -> None:
    """A percent-encoded slash belongs to an id, and one at the end to no id: that is the list."""
    await webex_sandbox.emit("rooms", "created", data={"id": "a/b"})
    paths = ("/rooms/a%2Fb", "/rooms/", "/rooms/a%2Fc", "/contents/a%2Fb", "/telephony/calls/past")

    assert [(await api.get(path)).status_code for path in paths] == [200, 200, 404, 404, 404]


async def test_tokens(api: Api) -> None:
    """Every operation checks the token first; any token is valid that isn't empty."""

    async def status(authorization: str | None, method: str, path: str) -> int:
        api.headers.pop("Authorization", None)
        headers = {} if authorization is None else {b"Authorization": authorization.encode()}
        return (await api.request(method, path, headers=headers)).status_code

    refused = [
        await status(None, "GET", "/webhooks"),
        await status("", "POST", "/webhooks"),
        await status("Bearer  ", "DELETE", "/webhooks/W1"),
        await status("Basic abc", "GET", "/people/me"),
        await status("token", "POST", "/messages"),
    ]
    valid = ("Bearer x", "bearer x", "BEARER  x", "Bearer é")

    assert refused == [401] * 5
    assert [await status(each, "GET", "/webhooks") for each in valid] == [200] * 4


NO_JSON = "The request's body is not valid JSON."
EMPTY = "name is required and must not be empty"
WRONG_TYPE = "The request's media type is not supported; send application/json."
JSON = "application/json"


@pytest.mark.parametrize(
    ("media_type", "body", "status", "message"),
    [
        (JSON, b"", 400, NO_JSON),
        (JSON, b"\xff", 400, NO_JSON),
        (JSON, b'{"name": NaN}', 400, NO_JSON),
        (JSON, b"[" * 100_000, 400, NO_JSON),
        (JSON, b"[]", 400, "The request's body must be a JSON object."),
        ("Application/JSON;charset=utf-8", b"{}", 400, EMPTY),
        (None, b"{}", 400, EMPTY),
        ("json", b"{}", 415, WRONG_TYPE),
        ("text/plain", b"{}", 415, WRONG_TYPE),
    ],
    ids=range(9),
)
async def test_no_json(
    api: Api, media_type: str | None, body: bytes, status: int, message: str
) -> None:
    """A body that isn't a JSON object is refused; so is another media type, unless it's missing."""
    headers = {} if media_type is None else {"Content-Type": media_type}

    response = await api.post("/webhooks", content=body, headers=headers)

    assert (response.status_code, response.json()["message"]) == (status, message)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("name", 1, "must be a string"),
        ("targetUrl", True, "must be a string"),
        ("resource", [], "must be a string"),
        ("event", {}, "must be a string"),
        ("filter", 0, "must be a string"),
        ("name", None, "is required and must not be empty"),
        ("event", "", "is required and must not be empty"),
        ("targetUrl", "example.com", "must be an absolute http(s) URL"),
        ("targetUrl", "ftp://example.com", "must be an absolute http(s) URL"),
        ("targetUrl", "https://xn--/", "must be an absolute http(s) URL"),
        ("targetUrl", "https://localhost:-1", "must be an absolute http(s) URL"),
        ("ownedBy", "me", "must be creator or org"),
    ],
)
async def test_fields(api: Api, field: str, value: object, problem: str) -> None:
    """Nothing is coerced, what is required is there, and words and URLs are valid."""
    response = await api.post("/webhooks", json={**NEW, field: value})

    assert (response.status_code, response.json()["message"]) == (400, f"{field} {problem}")


@pytest.mark.parametrize(
    ("body", "media_type", "expected"),
    [
        (b"grant_type=%ff\xff", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"{}", JSON, 415),
    ],
)
async def test_no_form(api: Api, body: bytes, media_type: str, expected: int) -> None:
    """A body that isn't a form is refused where one is expected."""
    response = await api.post("/access_token", content=body, headers={"Content-Type": media_type})

    assert response.status_code == expected
