import httpx
import pytest

from tests.testing.doubles import NEW


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b'{"name": NaN}',
        b"[" * 100_000,
    ],
    ids=range(4),
)
async def test_no_json(api: httpx.AsyncClient, body: bytes) -> None:
    """A body that isn't JSON is refused, whatever it is."""
    response = await api.post(
        "/webhooks", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.status_code == 400
    assert response.json()["message"] == "The request's body is not valid JSON."


@pytest.mark.parametrize("body", [[], None])
async def test_no_object(api: httpx.AsyncClient, body: object) -> None:
    """JSON that isn't an object is refused."""
    response = await api.post("/webhooks", json=body)

    assert response.status_code == 400
    assert response.json()["message"] in {
        "The request's body must be a JSON object.",
        "The request's body is not valid JSON.",  # httpx sends nothing for None
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", 1), ("targetUrl", True), ("resource", []), ("event", {}), ("filter", 0)],
)
async def test_wrong_types(api: httpx.AsyncClient, field: str, value: object) -> None:
    """Nothing is coerced: a value that must be text is refused otherwise."""
    response = await api.post("/webhooks", json={**NEW, field: value})

    assert response.status_code == 400
    assert response.json()["message"] == f"{field} must be a string"


@pytest.mark.parametrize(("field", "value"), [("name", None), ("event", "")])
async def test_required_fields(api: httpx.AsyncClient, field: str, value: str | None) -> None:
    """A required field that is null or empty is missing."""
    response = await api.post("/webhooks", json={**NEW, field: value})

    assert response.status_code == 400
    assert response.json()["message"] == f"{field} is required and must not be empty"


@pytest.mark.parametrize("url", ["example.com", "ftp://example.com", "https://xn--/"])
async def test_targets(api: httpx.AsyncClient, url: str) -> None:
    """A target that isn't an absolute http(s) URL is refused."""
    response = await api.post("/webhooks", json={**NEW, "targetUrl": url})

    assert response.status_code == 400
    assert response.json()["message"] == "targetUrl must be an absolute http(s) URL"


async def test_owners(api: httpx.AsyncClient) -> None:
    """An unknown owner is refused."""
    response = await api.post("/webhooks", json={**NEW, "ownedBy": "me"})

    assert response.status_code == 400
    assert response.json()["message"] == "ownedBy must be creator or org"


async def test_statuses(api: httpx.AsyncClient) -> None:
    """An unknown status is refused."""
    created = (await api.post("/webhooks", json=NEW)).json()

    response = await api.put(f"/webhooks/{created['id']}", json={**NEW, "status": "off"})

    assert response.status_code == 400
    assert response.json()["message"] == "status must be active or inactive"


@pytest.mark.parametrize(
    ("body", "media_type", "expected"),
    [
        (b"grant_type=%ff\xff", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
    ],
)
async def test_no_form(api: httpx.AsyncClient, body: bytes, media_type: str, expected: int) -> None:
    """A body that isn't a form is refused where one is expected."""
    response = await api.post("/access_token", content=body, headers={"Content-Type": media_type})

    assert response.status_code == expected
