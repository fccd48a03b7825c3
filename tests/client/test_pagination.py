import asyncio
import gc
from contextlib import aclosing, suppress
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clients import client_of, client_on
from tests.support.logs import Log
from tests.support.wire import Step, Wire, after, by_target, http_response, idle_loop, page, silence
from webex_webhooks_async import NotFoundError, PaginationError, TransportError, Webhook
from webex_webhooks_async.client.pagination import Paginator, absolute_link, next_link, target_on
from webex_webhooks_async.types import AsyncPaginator, Page

pytestmark = pytest.mark.once

FIRST = "/v1/webhooks"
NEXT = "/v1/webhooks?cursor=2"
THIRD = "/v1/webhooks?cursor=3"


def three_pages(at_second: Step | None = None) -> dict[str, Step]:
    """Three pages of one item; the second one may get another response."""
    return {
        FIRST: page("W1", links=(f'<{NEXT}>; rel="next"',)),
        NEXT: at_second or page("W2", links=(f'<{THIRD}>; rel="next"',)),
        THIRD: page("W3"),
    }


async def ids(paginator: AsyncPaginator[Webhook]) -> list[str]:
    """The ids of all items."""
    return [webhook.id async for webhook in paginator]


async def collect(found: list[str], paginator: AsyncPaginator[Webhook]) -> None:
    """Append the id of each item; some may come before an error."""
    async for webhook in paginator:
        await idle_loop()
        found.append(webhook.id)


@pytest.mark.parametrize(
    "links",
    [
        ['<{base_url}/webhooks?cursor=2>; rel="next"'],
        ['</v1/webhooks?cursor=2>; rel="next"'],
        ['<webhooks?cursor=2>; rel="next"'],
        ['<//127.0.0.1:{port}/v1/webhooks?cursor=2>; rel="next"'],
        ['<HTTP://127.0.0.1:{port}/v1/webhooks?cursor=2>; rel="next"'],
        ["<?cursor=2>; rel=next"],
        ["<?cursor=2>;rel=next"],
        ["<?cursor=2> ; rel = next"],
        ['<?cursor=2>; REL="next"'],
        ['<?cursor=2>; rel="NEXT"'],
        ['<?cursor=2>; rel="prev next"'],
        ['<?cursor=2>; title="a, b; c"; rel="next"; crossorigin'],
        ['<?c=1>; rel="prev", <?cursor=2>; rel="next"'],
        ['<?c=1>; rel="first"', '<?cursor=2>; rel="next"', '<?c=1>; rel="prev"'],
        ['<?c=1>; title="<?c=3>; rel=next"; rel="prev", <?cursor=2>; rel="next"'],
        ['<?c=1>; title="\\"<?c=3>; rel=next"; rel=prev, <?cursor=2>; rel=next'],
        ['<?max=null&cursor=2>; rel="next"'],
        ['<?cursor=2#part>; rel="next"'],
    ],
    ids=str,
)
async def test_a_next_link_is_followed(links: list[str]) -> None:
    """Each form that RFC 8288 allows leads to the next page."""
    async with client_on() as (wire, client):
        written = (each.format(base_url=wire.base_url, port=wire.port) for each in links)
        wire.script = [by_target({FIRST: page("W1", links=tuple(written)), NEXT: page("W2")})]
        found = await ids(client.webhooks.list())

    assert found == ["W1", "W2"]
    assert wire.targets == [FIRST, NEXT]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ('?cursor=a,b;c="d"', f"{FIRST}?cursor=a,b;c=%22d%22"),
        ("?cursor=a%2Cb%26", f"{FIRST}?cursor=a%2Cb%26"),
        ("?before&cursor=2&after=&max=5", f"{FIRST}?before&cursor=2&after=&max=5"),
        ("/elsewhere", "/elsewhere"),
    ],
)
async def test_a_next_link_is_followed_as_it_is(link: str, target: str) -> None:
    """Its query isn't decoded and encoded again, and its path may be another one."""
    first = page("W1", links=(f'<{link}>; rel="next"',))
    async with client_on(first, page("W2")) as (wire, client):
        await ids(client.webhooks.list())

    assert wire.targets == [FIRST, target]


@pytest.mark.parametrize(
    "links",
    [
        [],
        [""],
        ['<?cursor=2>; rel="prev"'],
        ['<?cursor=2>; rel="first"', '<?cursor=2>; rel="last"'],
        ["<?cursor=2>"],
        ['<?cursor=2>; rel="nextish"'],
        ['<?cursor=2>; rev="next"'],
        ['<?cursor=2>; title="rel=next"'],
        ['<?c=1>; rel="prev"; title="<?cursor=2>; rel=next"'],
        ['<?cursor=2>; rel="prev"; rel="next"'],
        ['?cursor=2; rel="next"'],
        ['<?cursor=2; rel="next"'],
    ],
)
async def test_without_a_next_link_the_list_ends(links: list[str]) -> None:
    """A header without a link with the relation ``next`` is ignored."""
    async with client_on(page("W1", links=tuple(links))) as (wire, client):
        found = await ids(client.webhooks.list())
        only = await client.webhooks.list()

    assert found == ["W1"]
    assert only.next_url is None
    assert wire.targets == [FIRST] * 2


ORIGINS = [
    *("http://127.0.0.1:{other}", "http://localhost:{port}", "http://localhost:{other}"),
    *("http://127.0.0.2:{port}", "http://127.0.0.1", "http://127.0.0.1:99999"),
    *("https://127.0.0.1:{port}", "ftp://127.0.0.1:{port}", "http://127.0.0.1:port"),
    *("//127.0.0.1:{other}", "//localhost:{port}", "//someone@127.0.0.1:{port}"),
    *("http://someone@127.0.0.1:{port}", "http://someone:word@127.0.0.1:{port}"),
    *("http://@127.0.0.1:{port}", "http://127.0.0.1:{port}@127.0.0.1:{other}"),
    "http://127.0.0.1:{other}\\@127.0.0.1:{port}",
    "http://127.0.0.1:{port}\\@127.0.0.1:{other}",
    "http://127.0.0.1:{other}\\.127.0.0.1:{port}",
    *("http://127.0.0.1:{other}#@127.0.0.1:{port}", "http://127.0.0.1:{other}?@127.0.0.1:{port}"),
    *("http://127.0.0.1:{port}.example.com", "http://127.1:{port}", "http://2130706433:{port}"),
    *("http://[::1]:{port}", "http://[::1"),
]
FOREIGN = ["javascript:alert(1)", *(each + "/v1/webhooks?cursor=2" for each in ORIGINS)]


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("link", FOREIGN)
async def test_a_link_to_another_origin_gets_no_request(link: str, *, prefetch: bool) -> None:
    """The items of the page come first, then a `PaginationError`; nothing is sent."""
    async with Wire(page("W9")) as other, client_on() as (wire, client):
        url = link.format(port=wire.port, other=other.port)
        wire.script = [page("W1", links=(f'<{url}>; rel="next"',)), page("W9")]
        found: list[str] = []
        with pytest.raises(PaginationError):
            await collect(found, client.webhooks.list(prefetch=prefetch))

    assert found == ["W1"]
    assert wire.targets == [FIRST]
    assert other.connections == 0


@pytest.mark.parametrize(
    "link",
    [
        *("\\\\127.0.0.1:{other}\\v1\\webhooks", "/\\127.0.0.1:{other}/v1/webhooks"),
        *("\\/127.0.0.1:{other}/v1/webhooks", "http:\\\\127.0.0.1:{other}\\v1\\webhooks"),
        *("http:127.0.0.1:{other}/v1/webhooks", "http:///127.0.0.1:{other}/v1/webhooks"),
        *("http:/127.0.0.1:{other}/v1/webhooks", "/@127.0.0.1:{other}/v1/webhooks"),
        *("@127.0.0.1:{other}/v1/webhooks", ":{other}/v1/webhooks"),
        *("..//127.0.0.1:{other}/v1/webhooks", "/..//127.0.0.1:{other}/v1/webhooks"),
        *("////127.0.0.1:{other}/v1/webhooks", "?url=http://127.0.0.1:{other}/v1/webhooks"),
    ],
)
async def test_a_link_that_others_misread_leads_nowhere_else(link: str) -> None:
    """A link whose host other parsers read differently stays on the origin, or is refused."""
    async with Wire(page("W9")) as other, client_on() as (wire, client):
        url = link.format(other=other.port)
        wire.script = [page("W1", links=(f'<{url}>; rel="next"',)), page("W2")]
        try:
            found = await ids(client.webhooks.list())
        except PaginationError:
            found = ["W1"]

    assert found == ["W1", "W2"][: len(wire.requests)]
    assert other.connections == 0


@pytest.mark.parametrize("link", [*FOREIGN, "http:///v1/webhooks", FIRST, "?cursor=2"])
async def test_a_kept_url_of_another_origin_gets_no_request(link: str) -> None:
    """A changed `start_url` is refused like a link, also one without a host."""
    async with Wire(page("W9")) as other, client_on(page("W1")) as (wire, client):
        start = link.format(port=wire.port, other=other.port)
        with pytest.raises(PaginationError):
            await client.webhooks.list(start_url=start)

    assert wire.connections == other.connections == 0


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1f", "\x7f"], ids=ascii)
async def test_a_start_that_is_no_url_is_named(character: str) -> None:
    """The error names `start_url`, not a link, and nothing is sent."""
    async with client_on(page("W1")) as (wire, client):
        with pytest.raises(PaginationError, match=r"^start_url, which must be a kept next_url,"):
            await client.webhooks.list(start_url="foo")
        with pytest.raises(PaginationError):
            await client.webhooks.list(start_url=f"{wire.base_url}/webhooks?cursor={character}")

    assert wire.connections == 0


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("back_to", [FIRST, NEXT, THIRD])
async def test_a_loop_ends_with_an_error(back_to: str, *, prefetch: bool) -> None:
    """A link back to a fetched page, also the first one, isn't followed."""
    pages = three_pages() | {THIRD: page("W3", links=(f'<{back_to}>; rel="next"',))}
    found: list[str] = []
    async with client_on(by_target(pages)) as (wire, client):
        with pytest.raises(PaginationError, match="already fetched"):
            await collect(found, client.webhooks.list(prefetch=prefetch))

    assert found == ["W1", "W2", "W3"]
    assert len(wire.requests) == 3


async def test_an_empty_page_isn_t_the_end() -> None:
    """An empty page with a next link is followed by the next page; one without is the end."""
    empty = page(links=(f'<{THIRD}>; rel="next"',))
    async with client_on(by_target(three_pages(empty))) as (_, client):
        assert await ids(client.webhooks.list()) == ["W1", "W3"]
    async with client_on(page()) as (_, client):
        assert await ids(client.webhooks.list()) == []
        assert await client.webhooks.list() == Page(items=(), next_url=None)


async def test_a_list_can_be_resumed() -> None:
    """A list with a kept `next_url` begins there, with the same owner."""
    kept = "max=1&ownedBy=org"
    targets = [f"{FIRST}?{kept}", f"{NEXT}&{kept}", f"{FIRST}?cursor=3&{kept}"]
    links = ["?cursor=2", "?cursor=3"]
    pages = [page(f"W{n}", links=(f"<{link}>; rel=next",)) for n, link in enumerate(links, 1)]
    async with Wire(by_target(dict(zip(targets, [*pages, page("W3")], strict=True)))) as wire:
        async with client_of(wire) as client:
            first = await client.webhooks.list(max=1, owned_by="org")
        async with client_of(wire) as client:
            found = await ids(client.webhooks.list(start_url=first.next_url))

    assert [each.id for each in first.items] == ["W1"]
    assert first.next_url == f"{wire.origin}{targets[1]}"
    assert found == ["W2", "W3"]
    assert wire.targets == targets


async def test_max_does_not_count_for_a_kept_url() -> None:
    """A kept URL has its own page size, so `max` is ignored."""
    async with client_on(page("W2")) as (wire, client):
        await client.webhooks.list(max=7, start_url=f"{wire.base_url}/webhooks?max=50&cursor=2")

    assert wire.targets == [f"{FIRST}?max=50&cursor=2"]


async def test_nothing_is_sent_before_it_is_asked_for() -> None:
    """Creating a list sends nothing; each page is fetched after the items of the previous one."""
    async with client_on(by_target(three_pages())) as (wire, client):
        webhooks = client.webhooks.list()
        await idle_loop()
        counts = [len(wire.requests)]
        async for _ in webhooks:
            await idle_loop()
            counts.append(len(wire.requests))

    assert counts == [0, 1, 2, 3]


async def test_a_list_starts_again_each_time() -> None:
    """A list can be awaited and iterated any number of times, also at once."""
    async with client_on(by_target(three_pages())) as (wire, client):
        webhooks = client.webhooks.list()
        first, again = await webhooks, await webhooks
        one, other = await asyncio.gather(ids(webhooks), ids(webhooks))

    assert first == again
    assert one == other == ["W1", "W2", "W3"]
    assert len(wire.requests) == 8


async def test_pages_come_one_by_one() -> None:
    """Each page has its items, and the absolute URL of the next page."""
    async with client_on(by_target(three_pages())) as (wire, client):
        pages = [each async for each in client.webhooks.list().pages()]

    base = f"{wire.base_url}/webhooks?cursor="
    assert [[item.id for item in each.items] for each in pages] == [["W1"], ["W2"], ["W3"]]
    assert [each.next_url for each in pages] == [f"{base}2", f"{base}3", None]


async def test_nothing_is_held_open_between_two_pages() -> None:
    """With `max_concurrency=1`, other requests are sent while a list is being consumed."""
    async with client_on(by_target(three_pages()), max_concurrency=1) as (wire, client):
        async for _ in client.webhooks.list():
            async for _ in client.webhooks.list():
                pass

    assert len(wire.requests) == 12
    assert wire.connections == 1


@pytest.mark.parametrize("prefetch", [False, True])
async def test_an_error_comes_after_the_items_before_it(*, prefetch: bool) -> None:
    """The items of the earlier pages come before the error of a later page."""
    found: list[str] = []
    async with client_on(by_target(three_pages(http_response(404)))) as (_, client):
        with pytest.raises(NotFoundError):
            await collect(found, client.webhooks.list(prefetch=prefetch))

    assert found == ["W1"]


async def test_prefetch_asks_for_the_next_page_while_the_consumer_works() -> None:
    """While a page is consumed, exactly the next page is requested."""
    counts: list[int] = []
    async with client_on(by_target(three_pages())) as (wire, client):
        async for webhook in client.webhooks.list(prefetch=True):
            await wire.received(min(len(counts) + 2, 3))  # while this loop's body runs
            await idle_loop()
            counts.append(len(wire.requests))
            assert webhook.id == f"W{len(counts)}"

    assert counts == [2, 3, 3]


async def test_prefetch_waits_for_a_page_that_isn_t_there_yet() -> None:
    """A consumer that is faster than the service gets every item."""
    coming = asyncio.Event()
    second = page("W2", links=(f"<{THIRD}>; rel=next",))
    async with client_on(by_target(three_pages(after(coming, second)))) as (wire, client):
        consumer = asyncio.create_task(ids(client.webhooks.list(prefetch=True)))
        await wire.received(2)
        coming.set()

        assert await consumer == ["W1", "W2", "W3"]


@pytest.mark.parametrize("at_second", [silence, http_response(404), page("W2")])
async def test_prefetch_stops_where_the_consumer_does(at_second: Step, caplog: Log) -> None:
    """After a break no request runs, and an error of the prefetched page isn't logged."""
    async with Wire(by_target(three_pages(at_second))) as wire:
        async with client_of(wire) as client:
            async for _ in client.webhooks.list(prefetch=True):
                await wire.received(2)
                await idle_loop()
                break
            gc.collect()
            await idle_loop()
        await wire.closed()
        assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()

    assert len(wire.requests) == 2
    assert caplog.messages == []


async def test_an_iteration_can_be_closed() -> None:
    """After `aclose`, without garbage collection, the prefetched page isn't requested any more."""
    asking, never_set = asyncio.Event(), asyncio.Event()

    async def fetch(url: str) -> Page[int]:
        if url == "two":
            asking.set()
            await never_set.wait()
        return Page(items=(1,), next_url="two")

    items = aiter(Paginator(fetch, "one", prefetch=True))
    async with aclosing(items):
        assert await anext(items) == 1
        await asking.wait()

    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("works", [True, False])
async def test_prefetch_stops_when_the_consumer_is_cancelled(caplog: Log, *, works: bool) -> None:
    """A prefetch ends if the consumer is cancelled in its loop or while it waits for a page."""
    working = asyncio.Event()

    async def consume() -> None:
        async for _ in client.webhooks.list(prefetch=True):
            if works:
                working.set()
                await asyncio.get_running_loop().create_future()

    async with Wire(by_target(three_pages(silence))) as wire:
        async with client_of(wire) as client:
            consumer = asyncio.create_task(consume())
            await wire.received(2)
            await idle_loop()
            consumer.cancel()
            await asyncio.wait([consumer])
            gc.collect()
            await idle_loop()
        await wire.closed()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    assert consumer.cancelled()
    assert working.is_set() == works
    assert caplog.messages == []


async def test_closing_the_client_ends_a_prefetch() -> None:
    """A list that is iterated after its client was closed raises the client's error."""
    found: list[str] = []

    async def consume() -> None:
        async for webhook in client.webhooks.list(prefetch=True):
            found.append(webhook.id)
            await wire.received(2)
            await client.aclose()

    async with client_on(by_target(three_pages())) as (wire, client):
        with pytest.raises(RuntimeError, match="closed"):
            await consume()

    assert found in (["W1"], ["W1", "W2"])


@pytest.mark.parametrize("prefetch", [False, True])
async def test_any_fetch_of_pages_can_be_paginated(*, prefetch: bool) -> None:
    """A paginator works with any function that fetches pages; what that raises comes at once."""
    pages = {"one": Page(items=(1, 2), next_url="two"), "two": Page(items=(3,), next_url=None)}

    async def fetch(url: str) -> Page[int]:
        if url not in pages:
            raise TransportError(url)
        return pages[url]

    paginator = Paginator(fetch, "one", prefetch=prefetch)

    assert [each async for each in paginator] == [1, 2, 3]
    assert await paginator == pages["one"]
    failing = Paginator(fetch, "three", prefetch=prefetch)
    with pytest.raises(TransportError, match="three"):
        await failing
    with pytest.raises(TransportError, match="three"):
        await anext(aiter(failing))


BASE = "https://webexapis.com/v1"
LINK = f"{BASE}/webhooks?cursor=two"

SCHEMES = ["https://", "http://", "HTTPS://", "//", "https:/", "ftp://", ""]
USERS = ["", "someone@", "someone:word@", "@", "evil.example\\@", "evil.example/@"]
HOSTS = [
    *("webexapis.com", "WebexAPIs.com", "webexapis.com.", "webexapis.com.evil.example"),
    *("webexapis%2ecom", "webexapis\u3002com", "webex\tapis.com", "evil.example"),
    *("[::1]", "[::1", "::1]", ""),
]
PORTS = ["", ":443", ":80", ":0", ":", ":8900", ":99999", ":port", ":443:443", "@evil.example"]
RESTS = ["", "/v1/webhooks?cursor=two", "?max=null", "#top", "\\evil.example", "//evil.example/x"]

PIECES = ["<", ">", ";", ",", "=", '"', "\\", " ", "\t", "rel", "next", '"next"', "rel=next", LINK]


any_text = st.text(st.characters(exclude_categories=()))  # with lone surrogates, too
headers = st.lists(st.sampled_from(PIECES) | any_text).map("".join)
urls = st.tuples(*map(st.sampled_from, (SCHEMES, USERS, HOSTS, PORTS, RESTS))).map("".join)


@given(st.lists(any_text | headers))
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
        target_on(BASE, LINK + "x" * 65_536)


def test_a_refused_link_is_not_shown() -> None:
    """The error names the expected origin, and doesn't show the link."""
    with pytest.raises(PaginationError) as raised:
        target_on(BASE, "https://c4n4ry@evil.example/?token=c4n4ry")

    assert "c4n4ry" not in repr(raised.value)
    assert BASE in str(raised.value)
    assert raised.value.__cause__ is None


@given(
    link=any_text | urls,
    owned_by=st.none() | st.text(),
    base=st.sampled_from([BASE, "http://[::1]:8900/v1"]),
)
def test_no_link_leads_away(link: str, owned_by: str | None, base: str) -> None:
    """Any link or kept URL is refused, or has the base URL's origin also as httpx reads it."""
    query = "" if owned_by is None else "?" + urlencode({"ownedBy": owned_by})
    for url in (absolute_link(link, f"{base}/webhooks{query}"), link):
        with suppress(PaginationError):
            assert target_on(base, url).startswith("/")
            # A URL that httpx can't read is never requested.
            with suppress(httpx.InvalidURL, UnicodeEncodeError):
                assert origin(httpx.URL(url)) == origin(httpx.URL(base))


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Read scheme, host and port; httpx drops a scheme's own port, but not of HTTPS in capitals."""
    implied = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, implied if url.port is None else url.port
