import re

import httpx
import pytest


@pytest.mark.parametrize("path", ["/", "/nope", "/webhook", "/people", "/../webhooks"])
async def test_unknown_paths(api: httpx.AsyncClient, path: str) -> None:
    """An unknown path is not found."""
    assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/webhooks/W1"),
        ("POST", "/webhooks/W1"),
        ("DELETE", "/webhooks"),
        ("GET", "/access_token"),
        ("PUT", "/people/me"),
    ],
)
async def test_other_methods(api: httpx.AsyncClient, method: str, path: str) -> None:
    """A method that a path doesn't have is refused."""
    response = await api.request(method, path)

    assert response.status_code == 405
    assert method not in response.headers["Allow"]


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic abc", "token"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks"),
        ("POST", "/webhooks"),
        ("DELETE", "/webhooks/W1"),
        ("GET", "/people/me"),
    ],
)
async def test_no_token(
    api: httpx.AsyncClient, authorization: str | None, method: str, path: str
) -> None:
    """Every operation checks the token first."""
    del api.headers["Authorization"]
    headers = {} if authorization is None else {"Authorization": authorization}

    response = await api.request(method, path, headers=headers)

    assert response.status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer x", "bearer x", "BEARER  x", "Bearer é"])
async def test_any_token(api: httpx.AsyncClient, authorization: str) -> None:
    """Any token is valid that isn't empty."""
    headers = {b"Authorization": authorization.encode()}

    assert (await api.get("/webhooks", headers=headers)).status_code == 200


async def test_errors_have_webexs_form(api: httpx.AsyncClient) -> None:
    """An error has a message, descriptions, and the same tracking id as the header."""
    response = await api.get("/webhooks/nope")

    message = "The requested resource could not be found."
    assert response.json() == {
        "message": message,
        "errors": [{"description": message}],
        "trackingId": response.headers["trackingid"],
    }
    assert re.fullmatch(r"ROUTER_[0-9A-F-]{36}", response.headers["trackingid"])


async def test_every_response_has_its_own_tracking_id(api: httpx.AsyncClient) -> None:
    """Success or failure, the response has a tracking id of its own."""
    paths = ["/webhooks", "/webhooks", "/nope", "/people/me"]

    ids = {(await api.get(path)).headers["trackingid"] for path in paths}

    assert len(ids) == len(paths)


async def test_head(api: httpx.AsyncClient) -> None:
    """HEAD is GET without a body."""
    response = await api.head("/people/me")

    assert (response.status_code, response.content) == (200, b"")


async def test_every_method_of_a_path_is_allowed(api: httpx.AsyncClient) -> None:
    """The refusal of a method names all that the path has."""
    response = await api.request("PATCH", "/webhooks/W1")

    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "DELETE"}
