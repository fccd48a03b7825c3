import asyncio
import gzip
from collections.abc import AsyncGenerator, Callable
from email import message_from_bytes
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from attrs import frozen

from tests.support.clients import TOKEN, client_on
from tests.support.clocks import let_pass
from tests.support.wire import http_response, reset
from webex_webhooks_async import (
    Client,
    File,
    GoneError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.client.bodies import file_name

TIMEOUT = 30.0
SENT = http_response(200, {"id": "M1"})
MENU = File("menu.txt", b"soup\r\n--")
CONTENT = http_response(
    *(200, b"soup", "Content-Type: text/plain"),
    'Content-Disposition: attachment; filename="../menu.txt"',
)

pytestmark = pytest.mark.usefixtures("engine")


@frozen
class NewMessage:
    room_id: str
    text: str | None = None
    is_urgent: bool = True


@pytest.mark.parametrize(
    ("json", "fields"),
    [
        (None, []),
        ({}, []),
        (
            {"roomId": "R1", "text": "für dich\r\nX: 1", "n": 2, "x": 1.5, "is": True, "no": None},
            [
                *(("roomId", "R1"), ("text", "für dich\r\nX: 1")),
                *(("n", "2"), ("x", "1.5"), ("is", "true")),
            ],
        ),
        (NewMessage(room_id="R1"), [("roomId", "R1"), ("isUrgent", "true")]),
    ],
)
async def test_a_file_is_uploaded_as_a_form(json: object, fields: list[tuple[str, str]]) -> None:
    """The fields come first, in their order, as JSON writes them; the file's part is `files`."""
    async with client_on(SENT) as (wire, client):
        await client.post("messages", json=json, file=MENU)

    (request,) = wire.requests
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts: Any = message_from_bytes(head + request.body).get_payload()
    assert [
        (str(each["Content-Disposition"]), each.get_payload(decode=True)) for each in parts
    ] == [
        *((f'form-data; name="{name}"', value.encode()) for name, value in fields),
        ('form-data; name="files"; filename="menu.txt"', b"soup\r\n--"),
    ]
    assert b"Content-Type: text/plain\r\n\r\nsoup" in request.body


async def test_a_name_may_have_any_printable_character() -> None:
    """Quotes can't end it, and umlauts are sent in UTF-8."""
    async with client_on(SENT) as (wire, client):
        await client.post("messages", file=File('a "b"; x=ü☃.txt', b""))

    assert 'filename="a %22b%22; x=ü☃.txt"\r\n'.encode() in wire.requests[0].body


@pytest.mark.parametrize(
    ("json", "message"),
    [
        ({"attachments": [0]}, "attachments must be text, a number or a boolean"),
        ({"a": {"b": 1}}, "a must be text"),
        ([1], "json must be an object"),
        ("text", "json must be an object"),
        ({"text": "\udcff"}, "Unicode"),
    ],
    ids=ascii,
)
async def test_what_a_form_can_t_hold_is_refused(json: object, message: str) -> None:
    """It is named, and nothing is sent."""
    async with client_on(SENT) as (wire, client):
        with pytest.raises(ValueError, match=message):
            await client.post("messages", json=json, file=MENU)
        not_a_file: Any = b"soup"
        with pytest.raises(TypeError, match="file must be File, got bytes"):
            await client.post("messages", file=not_a_file)

    assert wire.connections == 0


@pytest.mark.parametrize(("lost", "error"), [(reset, TransportError), (503, ServerError)])
async def test_an_upload_that_may_have_been_processed_isn_t_repeated(
    lost: Any,  # noqa: ANN401 - a step or a status
    error: type[WebexError],
) -> None:
    """It is sent once, like any POST; after a 429 the same bytes are sent again."""
    step = http_response(lost) if isinstance(lost, int) else lost
    limited = http_response(429, b"", "Retry-After: 0")
    async with client_on(limited, step, attempts=4) as (wire, client):
        with pytest.raises(error):
            await client.post("messages", file=MENU)

    first, second = wire.requests
    assert first.body == second.body


async def test_a_file_is_downloaded() -> None:
    """With the token, the name of its header without a folder, and its media type."""
    async with client_on(CONTENT) as (wire, client):
        file = await client.download(f"{wire.base_url}/contents/C1?allow=unscannable#x")

    assert file == File("menu.txt", b"soup", "text/plain")
    (request,) = wire.requests
    assert request.target == "/v1/contents/C1?allow=unscannable"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "*/*"


async def test_a_file_is_downloaded_by_its_path() -> None:
    """As `get` takes it, below the base URL; the segments of a URL are refused."""
    async with client_on(CONTENT) as (wire, client):
        await client.download("meetingTranscripts", "T/1", "download", params={"format": "txt"})
        with pytest.raises(ValueError, match=r"^path must not have a scheme"):
            await client.download(f"{wire.base_url}/contents", "C1")

    (request,) = wire.requests
    assert request.target == "/v1/meetingTranscripts/T%2F1/download?format=txt"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("menu.pdf", "menu.pdf"),
        (".. / .profile", "profile"),
        ("한" * 100 + ".pdf", "한" * 65 + ".pdf"),
        ("a" * 10 + "..." + "b" * 197, "b" * 197),
        ("con", "_con"),
        ("LPT¹ .tar.gz", "_LPT¹ .tar.gz"),
        ("CONTRACT.pdf", "CONTRACT.pdf"),
        ("a" * 300 + "CON." + "b" * 195, "_CON." + "b" * 195),
    ],
)
def test_the_name_of_a_file_is_one_in_each_file_system(given: str, name: str) -> None:
    """It has 200 bytes at most, hides nothing, and opens no device of Windows."""
    assert file_name(f"attachment; filename*=UTF-8''{quote(given)}") == name


async def test_a_file_may_lack_name_and_type() -> None:
    """It is `file` then, of the media type of any bytes; gzip is decompressed."""
    packed = http_response(200, gzip.compress(b"soup"), "Content-Encoding: gzip")
    async with client_on(packed) as (wire, client):
        file = await client.download(f"{wire.base_url}/contents/C1")

    assert file == File("file", b"soup", "application/octet-stream")


@pytest.mark.parametrize(
    "place",
    [
        *("https://evil.example/v1/contents/C1", "https://127.0.0.1:{port}/v1/contents/C1"),
        *("http://127.0.0.1/v1/contents/C1", "http://someone@127.0.0.1:{port}/v1/contents/C1"),
        "http://127.0.0.1:{port}@evil.example/v1/contents/C1",
        *("//127.0.0.1:{port}/v1/contents/C1", "http://[::1/", ""),
        "http://127.0.0.1:{port}/v1/contents/\n",
    ],
)
async def test_the_token_goes_to_its_own_origin_only(place: str) -> None:
    """Another URL is refused, and nothing is sent."""
    async with client_on(CONTENT) as (wire, client):
        with pytest.raises(ValueError, match=r"^(url|path) .*"):
            await client.download(place.format(port=wire.port))

    assert wire.connections == 0


async def test_a_file_that_isn_t_there_yet_is_asked_for_again() -> None:
    """While it is scanned, Webex says when to ask."""
    locked = http_response(423, b"", "Retry-After: 0")
    async with client_on(locked, locked, CONTENT, attempts=3) as (wire, client):
        file = await client.download(f"{wire.base_url}/contents/C1")

    assert file.content == b"soup"


async def test_an_infected_file_is_gone() -> None:
    """The error has Webex's message, though the file would have been bytes."""
    async with client_on(http_response(410, {"message": "infected"})) as (wire, client):
        with pytest.raises(GoneError, match="infected"):
            await client.download(f"{wire.base_url}/contents/C1")


def slow(waits: list[float]) -> Callable[[httpx.Request], httpx.Response]:
    """Respond with a byte after each of these waits."""

    async def body() -> AsyncGenerator[bytes]:
        for seconds in waits:
            let_pass(seconds)
            for _ in range(5):
                await asyncio.sleep(0)
            yield b"x"

    return lambda _: httpx.Response(200, content=body())


@pytest.mark.parametrize("wait", [0.9, 1.1])
async def test_the_timeout_counts_from_piece_to_piece(wait: float) -> None:
    """A download may take longer than `timeout`, as long as each piece comes in time."""
    mock = httpx.MockTransport(slow([0.0, *[wait * TIMEOUT] * 3]))
    async with Client(TOKEN, http_client=mock, timeout=TIMEOUT, retry=RetryPolicy.none()) as client:
        url = "https://webexapis.com/v1/contents/C1"
        if wait < 1.0:
            assert (await client.download(url)).content == b"xxxx"
        else:
            with pytest.raises(RequestTimeoutError):
                await client.download(url)


@pytest.mark.parametrize(("number", "error"), [(0, ValueError), (1.5, TypeError)])
async def test_max_bytes_is_a_number_of_bytes(number: Any, error: type[Exception]) -> None:  # noqa: ANN401 - any
    """Anything else is refused, and nothing is sent."""
    async with client_on(CONTENT) as (wire, client):
        with pytest.raises(error, match="max_bytes must be"):
            await client.download(f"{wire.base_url}/contents/C1", max_bytes=number)
        not_a_url: Any = 5
        with pytest.raises(TypeError, match="url must be str"):
            await client.download(not_a_url)

    assert wire.connections == 0


async def test_an_odd_media_type_is_none() -> None:
    """A type with control characters isn't kept: the name decides."""
    odd = httpx.MockTransport(
        lambda _: httpx.Response(
            200, headers={"Content-Type": "a\x01b", "Content-Disposition": "x; filename=a.png"}
        )
    )
    async with Client(TOKEN, http_client=odd) as client:
        file = await client.download("https://webexapis.com/v1/contents/C1")

    assert file == File("a.png", b"", "image/png")
