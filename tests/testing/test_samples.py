import json

import httpx
import pytest

from webex_webhooks_async.notifications.signatures import verify
from webex_webhooks_async.testing import sample_notification, signed_request

URL = "https://example.com/hook"
SECRET = "s3cret"


def test_a_sample_has_the_whole_envelope() -> None:
    """A sample has every member that a notification of a webhook without a filter has."""
    sample = json.loads(sample_notification("messages", "created"))

    assert sample.keys() == {
        "id",
        "name",
        "targetUrl",
        "resource",
        "event",
        "orgId",
        "createdBy",
        "appId",
        "ownedBy",
        "status",
        "created",
        "actorId",
        "data",
    }


def test_data_and_envelope_can_be_given() -> None:
    """Given values replace those of the sample; None leaves a key out."""
    sample = json.loads(
        sample_notification(
            "messages",
            "created",
            data={"roomId": "R", "roomType": None},
            name="mine",
            createdBy=None,
            futureMember=[1],
        )
    )

    assert (sample["name"], sample["futureMember"], sample["data"]["roomId"]) == ("mine", [1], "R")
    assert "createdBy" not in sample
    assert "roomType" not in sample["data"]


def test_a_sample_is_of_something_concrete() -> None:
    """A sample of ``all`` raises, because no notification says that."""
    with pytest.raises(ValueError, match="concrete"):
        sample_notification("all", "created")


def test_a_signed_request() -> None:
    """The request is a POST of the raw bytes as JSON, and passes verification."""
    body = sample_notification("messages", "created")

    request = signed_request(URL, body, SECRET)

    assert (request.method, str(request.url), request.content) == ("POST", URL, body)
    assert request.headers["Content-Type"] == "application/json"
    verify(body, request.headers, SECRET)


def test_a_request_without_a_secret() -> None:
    """The requests of a webhook without a secret are unsigned."""
    headers = signed_request(URL, b"{}", None).headers

    assert headers.keys().isdisjoint({"x-spark-signature", "x-webex-signature"})


def test_an_empty_secret_is_refused() -> None:
    """An empty secret is refused, and doesn't count as no secret."""
    with pytest.raises(ValueError, match="secret"):
        signed_request(URL, b"{}", "")


def test_a_url_that_is_none_is_refused() -> None:
    """An invalid URL is refused."""
    with pytest.raises(httpx.InvalidURL):
        signed_request("http://a:b", b"{}", SECRET)
