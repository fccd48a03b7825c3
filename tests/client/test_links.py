from contextlib import suppress
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webex_webhooks_async.client.pagination import absolute_link, next_link, target_on
from webex_webhooks_async.errors import PaginationError

BASE = "https://webexapis.com/v1"
NEXT = f"{BASE}/webhooks?cursor=two"

SCHEMES = ["https://", "http://", "HTTPS://", "//", "https:/", "ftp://", ""]
USERS = ["", "someone@", "someone:word@", "@", "evil.example\\@", "evil.example/@"]
HOSTS = [
    "webexapis.com",
    "WebexAPIs.com",
    "webexapis.com.",
    "webexapis.com.evil.example",
    "webexapis%2ecom",
    "webexapis\u3002com",
    "webex\tapis.com",
    "evil.example",
    "[::1]",
    "[::1",
    "::1]",
    "",
]
PORTS = ["", ":443", ":80", ":0", ":", ":8900", ":99999", ":port", ":443:443", "@evil.example"]
RESTS = ["", "/v1/webhooks?cursor=two", "?max=null", "#top", "\\evil.example", "//evil.example/x"]

PIECES = ["<", ">", ";", ",", "=", '"', "\\", " ", "\t", "rel", "next", '"next"', "rel=next", NEXT]


def any_text() -> st.SearchStrategy[str]:
    """Any text, with lone surrogates too."""
    return st.text(st.characters(exclude_categories=()))


def headers() -> st.SearchStrategy[str]:
    """Text with all that makes a Link header, in any order."""
    return st.lists(st.sampled_from(PIECES) | any_text()).map("".join)


def urls() -> st.SearchStrategy[str]:
    """Absolute and relative URLs, sound and odd ones."""
    parts = (st.sampled_from(each) for each in (SCHEMES, USERS, HOSTS, PORTS, RESTS))
    return st.tuples(*parts).map("".join)


@given(st.lists(any_text() | headers()))
def test_no_header_is_too_odd(lines: list[str]) -> None:
    """Whatever stands in Link headers, it is a link or none, and nothing is raised."""
    link = next_link(lines)

    assert link is None or any(f"<{link}>" in line for line in lines)


@pytest.mark.parametrize(
    ("query", "link", "absolute"),
    [
        ("max=10&ownedBy=org", "cursor=two", "cursor=two&max=10&ownedBy=org"),
        ("ownedBy=org", "cursor=two&ownedBy=creator", "cursor=two&ownedBy=creator"),
        ("ownedBy=org", "notOwnedBy=org", "notOwnedBy=org&ownedBy=org"),
        ("max=10", "max=null&cursor=two", "cursor=two&max=10"),
        ("a=1&a=2", "cursor=two", "cursor=two&a=1&a=2"),
        ("a=1&a=2", "a=3", "a=3"),
        ("mentioned%50eople=me", "mentionedPeople=you", "mentionedPeople=you"),
        ("ownedBy=a%26b%3D%C3%BC%2F", "cursor=two", "cursor=two&ownedBy=a%26b%3D%C3%BC%2F"),
        ("before=x&beforeMessage=x&offset=1&cursor=one&start=1", "max=5", "max=5"),
        ("", "cursor=two#fragment", "cursor=two"),
    ],
)
def test_a_link_gets_back_what_it_lost(query: str, link: str, absolute: str) -> None:
    """Parameters of the request are added, encoded as they were, unless they are a position."""
    assert absolute_link(f"?{link}", f"{BASE}/webhooks?{query}") == f"{BASE}/webhooks?{absolute}"


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://localhost:8900/v1", "http://localhost:8900/v1/webhooks"),
        ("http://LOCALHOST:8900/v1", "http://localhost:8900/v1/webhooks"),
        ("http://127.0.0.1:80/v1", "http://127.0.0.1/v1/webhooks"),
        ("http://[::1]:8900/v1", "http://[::1]:8900/v1/webhooks"),
        ("https://webexapis.com:443/v1", "https://webexapis.com/v1/webhooks"),
    ],
)
def test_the_origin_may_be_any_that_a_client_has(base: str, url: str) -> None:
    """The case and the default port don't change the origin."""
    assert target_on(base, url) == "/v1/webhooks"


def test_a_link_that_is_too_long_is_not_followed() -> None:
    """A URL that httpx can't send raises `PaginationError` instead."""
    with pytest.raises(PaginationError, match="the next link is longer than 65536 characters"):
        target_on(BASE, NEXT + "x" * 65_536)


def test_a_refused_link_is_not_shown() -> None:
    """The error names the expected origin, and doesn't show the link."""
    with pytest.raises(PaginationError) as raised:
        target_on(BASE, "https://c4n4ry@evil.example/?token=c4n4ry")

    assert "c4n4ry" not in repr(raised.value)
    assert BASE in str(raised.value)
    assert raised.value.__cause__ is None


@settings(max_examples=1000)
@given(
    link=any_text() | urls(),
    owned_by=st.none() | st.text(),
    base=st.sampled_from([BASE, "http://[::1]:8900/v1"]),
)
def test_no_link_leads_away(link: str, owned_by: str | None, base: str) -> None:
    """Any link is refused, or has the base URL's origin also as httpx reads it."""
    query = "" if owned_by is None else "?" + urlencode({"ownedBy": owned_by})
    url = absolute_link(link, f"{base}/webhooks{query}")

    with suppress(PaginationError):
        assert target_on(base, url).startswith("/")
        with suppress(
            httpx.InvalidURL, UnicodeEncodeError
        ):  # a URL that httpx can't read is never requested
            assert origin(httpx.URL(url)) == origin(httpx.URL(base))


@settings(max_examples=1000)
@given(any_text() | urls())
def test_no_kept_url_leads_away(url: str) -> None:
    """Any changed `start` is refused, or has the base URL's origin."""
    with suppress(PaginationError):
        assert target_on(BASE, url).startswith("/")
        with suppress(httpx.InvalidURL, UnicodeEncodeError):
            assert origin(httpx.URL(url)) == origin(httpx.URL(BASE))


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Read scheme, host and port; httpx drops a scheme's own port, but not of HTTPS in capitals."""
    implied = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, implied if url.port is None else url.port
