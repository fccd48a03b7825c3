import httpx
import pytest

from tests.testing.doubles import NEW

NO_JSON = "The request's body is not valid JSON."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", NO_JSON),
        (b"\xff", NO_JSON),
        (b'{"name": NaN}', NO_JSON),
        (b"[" * 100_000, NO_JSON),
        (b"[]", "The request's body must be a JSON object."),
    ],
    ids=range(5),
)
async def test_no_json(api: httpx.AsyncClient, body: bytes, message: str) -> None:
    """A body that isn't a JSON object is refused, whatever it is."""
    response = await api.post("/webhooks", content=body)

    assert (response.status_code, response.json()["message"]) == (400, message)


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
        ("ownedBy", "me", "must be creator or org"),
    ],
)
async def test_fields(api: httpx.AsyncClient, field: str, value: object, problem: str) -> None:
    """Nothing is coerced, what is required is there, and words and URLs are valid."""
    response = await api.post("/webhooks", json={**NEW, field: value})

    assert (response.status_code, response.json()["message"]) == (400, f"{field} {problem}")


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
