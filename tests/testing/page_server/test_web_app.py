import asyncio
import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from importlib.resources import files

import httpx
import pytest

from tests.support.wire import PATIENCE
from tests.testing.doubles import ANN, BOT, created
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.page_server.web_app import INTEGRITY, RENDERER

ACTIONS = ("redeliver", "emit", "sample", "join", "fault", "test")
OWN_FILES = ("/", "/page.css", "/page.js")


@pytest.fixture
async def browser(webex_sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a served sandbox with its page."""
    async with (
        webex_sandbox.serve(page=True) as base_url,
        httpx.AsyncClient(base_url=base_url.removesuffix("/v1"), trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("path", "media_type"),
    [*zip(OWN_FILES, ("text/html", "text/css", "text/javascript"), strict=True)],
)
async def test_the_page(browser: httpx.AsyncClient, path: str, media_type: str) -> None:
    """The page is served with a policy that allows its own files and one renderer, and no frame."""
    response = await browser.get(path)
    policy = response.headers["content-security-policy"].split("; ")

    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert response.headers["x-content-type-options"] == "nosniff"
    assert {"default-src 'none'", f"script-src 'self' {RENDERER}", "frame-ancestors 'none'"} <= {
        *policy
    }
    assert "unsafe" not in response.headers["content-security-policy"]


async def test_the_files_of_the_page(browser: httpx.AsyncClient) -> None:
    """It names the renderer's exact version and its digest; its files are 130 KB at most."""
    page = (await browser.get("/")).text
    own = [*files("webex_webhooks_async.testing.page_server").joinpath("page").iterdir()]

    assert re.search(r"adaptivecards@\d+\.\d+\.\d+/", RENDERER)
    assert f'data-renderer="{RENDERER}" data-integrity="{INTEGRITY}"' in page
    assert len(INTEGRITY) == len("sha384-") + len(b64encode(hashlib.sha384().digest()))
    assert {"index.html", "page.css", "page.js"} < {each.name for each in own}
    assert {each.name.rpartition(".")[2] for each in own} == {"html", "css", "js"}
    assert sum(len(each.read_bytes()) for each in own) <= 130_000


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/", "evil.example.com:80"),
        ("/v1/people/me", "localhost.evil.example"),
        ("/sandbox/events", "10.0.0.1"),
        ("/", "["),
        ("/", ""),
    ],
)
async def test_another_host_is_refused(browser: httpx.AsyncClient, path: str, host: str) -> None:
    """A request that names another host gets nothing, so that no rebound site can read."""
    response = await browser.get(path, headers={**BOT, "Host": host})

    assert response.status_code == 403
    assert "--allow-remote" in response.json()["message"]


async def test_the_names_of_this_machine(browser: httpx.AsyncClient) -> None:
    """Each loopback name is accepted, with and without a port; with `allow_remote`, any name."""

    async def status(client: httpx.AsyncClient, host: str) -> int:
        headers = {**BOT, "Host": host}
        return (await client.get("/v1/people/me", headers=headers)).status_code

    for host in ("127.0.0.1", "localhost:80", "LocalHost:80", "[::1]:80", "[::1]"):
        assert await status(browser, host) == 200, host
    async with Sandbox(allow_remote=True).serve() as base_url:
        origin = base_url.removesuffix("/v1")
        async with httpx.AsyncClient(base_url=origin, trust_env=False) as client:
            assert await status(client, "host.docker.internal") == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", "http://127.0.0.1:1", "", "127.0.0.1"]
)
async def test_another_origin_is_refused(
    browser: httpx.AsyncClient, webex_sandbox: Sandbox, origin: str
) -> None:
    """The page of another origin gets a 403, whatever it asks; no fault, no record."""
    headers = {**ANN, "Origin": origin}
    message = {"toPersonEmail": "sandbox@webex.bot", "text": "Hello"}
    webex_sandbox.fail(status=503)

    responses = [
        await browser.get("/", headers=headers),
        await browser.get("/nope", headers=headers),
        await browser.get("/sandbox/events", headers=headers),
        *[
            await browser.post(f"{prefix}/v1/messages", json=message, headers=headers)
            for prefix in ("", "/sandbox")
        ],
        *[await browser.post(f"/sandbox/{each}", json={}, headers=headers) for each in ACTIONS],
        await browser.options("/v1/messages", headers=headers),
    ]
    own = [("Origin", str(browser.base_url).removesuffix("/"))]
    twice = await browser.get("/v1/people/me", headers=[*BOT.items(), *own, ("Origin", "null")])

    assert {each.status_code for each in [*responses, twice]} == {403}
    assert (webex_sandbox.messages, webex_sandbox.requests) == ((), ())
    over_https = {**BOT, "Origin": own[0][1].replace("http:", "https:")}
    statuses = [
        (await browser.get("/v1/people/me", headers=over_https)).status_code for _ in range(2)
    ]
    assert statuses == [503, 200]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_website_is_refused_where_its_browser_names_no_origin(
    browser: httpx.AsyncClient, webex_sandbox: Sandbox, site: str
) -> None:
    """A picture, a form or a frame of another site gets a 403; a link leads to the page alone."""
    picture = {
        **ANN,
        "Sec-Fetch-Site": site,
        "Sec-Fetch-Mode": "no-cors",
        "Sec-Fetch-Dest": "image",
    }
    link = picture | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    frame = link | {"Sec-Fetch-Dest": "iframe"}
    authorize = "/v1/authorize?response_type=code&client_id=C1&redirect_uri=http://127.0.0.1:9/"
    webex_sandbox.fail(status=503)

    refused = [
        *[
            await browser.get(path, headers=headers)
            for path in ("/", authorize, "/v1/people/me", "/sandbox/events")
            for headers in (picture, frame)
        ],
        await browser.get("/v1/people/me", headers=link),
        await browser.get("/sandbox/events", headers=link),
        await browser.post("/v1/access_token", headers=link),
        await browser.post(authorize, headers=link),
    ]

    assert {each.status_code for each in refused} == {403}
    assert webex_sandbox.requests == ()
    own = {**BOT, "Sec-Fetch-Site": "same-origin"}
    statuses = [
        (await browser.get(path, headers=headers)).status_code
        for path, headers in (
            ("/", link),
            ("/v1/people/me", own),
            ("/v1/people/me", {**BOT, "Sec-Fetch-Site": "none"}),
            (authorize, link),
        )
    ]
    assert statuses == [200, 503, 200, 302]


async def test_the_body_of_another_origin_is_not_read(browser: httpx.AsyncClient) -> None:
    """The page of another origin has its response before it has sent a byte of its body."""
    url = browser.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"POST /v1/messages HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nOrigin: null\r\n"
        "Content-Length: 100000000\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE):
        status_line = await reader.readline()
    writer.close()

    assert status_line.startswith(b"HTTP/1.1 403 ")


async def test_what_the_page_does_is_not_recorded(
    browser: httpx.AsyncClient, webex_sandbox: Sandbox
) -> None:
    """Below /sandbox/v1 is the same API for the page: without a record, and without faults."""
    webex_sandbox.fail(status=503, times=None)
    origin = {"Origin": str(browser.base_url).removesuffix("/")}

    message = await created(
        browser,
        "/sandbox/v1/messages",
        {**ANN, **origin},
        toPersonEmail=webex_sandbox.bot.emails[0],
        text="Hello",
    )
    failed = await browser.get("/v1/people/me", headers=BOT)

    assert [each.id for each in webex_sandbox.messages] == [message["id"]]
    assert failed.status_code == 503
    assert [each.path for each in webex_sandbox.requests] == ["/v1/people/me"]


async def test_what_the_private_endpoint_takes(browser: httpx.AsyncClient) -> None:
    """It takes JSON objects up to 1 MB, which a page of another origin can't send unasked."""
    largest = b'{"room": "R1"}'.ljust(1_048_576)

    async def post(path: str, content: bytes, media_type: str = "application/json") -> int:
        headers = {**ANN, "Content-Type": media_type}
        return (await browser.post(path, content=content, headers=headers)).status_code

    paths = (*(f"/sandbox/{each}" for each in ACTIONS), "/sandbox/v1/messages")
    assert {await post(path, b"{}", "text/plain") for path in paths} == {415}
    bodies = (largest, largest + b" ", b"{", b"[]")
    assert [await post("/sandbox/test", each) for each in bodies] == [404, 413, 400, 400]
    assert (await browser.get("/sandbox/nothing")).status_code == 501
