import asyncio
import logging
import sys
from asyncio.subprocess import create_subprocess_exec
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.clients import TOKEN, client_on
from tests.support.logs import Log
from tests.support.wire import Peer, Wire, http_response, until
from webex_webhooks_async import (
    APIError,
    Client,
    NotFoundError,
    ResponseTooLargeError,
    TransportError,
)

CONTENT = b"soup" * 50_000
WHOLE = http_response(200, CONTENT)
CUT = WHOLE[:-1]
PROGRAM = """
import asyncio, sys
from webex_webhooks_async import Client
url, place = sys.argv[1:]
asyncio.run(Client("token", base_url=url[: url.index("/contents")]).download(url, to=place))
"""

pytestmark = pytest.mark.usefixtures("engine")


def redirect(location: str, status: int = 302) -> bytes:
    """A response that leads elsewhere."""
    return http_response(status, b"", f"Location: {location}")


async def cut(peer: Peer) -> None:
    """Break a response off before its last byte."""
    await peer.send(CUT)
    await peer.reset()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file that is there already."""
    place = tmp_path / "menu.txt"
    place.write_bytes(b"old")
    return place


def found(folder: Path) -> dict[str, bytes]:
    """All files of a folder, with what they hold."""
    return {each.name: each.read_bytes() for each in folder.iterdir()}


async def test_a_file_is_replaced(place: Path) -> None:
    """By what is at a URL of Webex, which gets the token; the path is returned."""
    async with client_on(WHOLE) as (wire, client):
        path = await client.download(f"{wire.base_url}/contents/C1", to=str(place))

    assert path == place
    assert found(place.parent) == {"menu.txt": CONTENT}
    assert wire.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_the_token_is_sent_to_no_other_host(tmp_path: Path) -> None:
    """Neither to a link elsewhere, nor where a redirect leads; back at Webex, it is sent again."""
    async with Wire() as other, client_on(redirect("/v1/b")) as (wire, client):
        other.script[:] = [redirect(f"{wire.base_url}/a", 307), WHOLE]
        wire.script += [redirect(f"{other.origin}/signed?key=secret")]
        await client.download(f"{other.origin}/link", to=tmp_path / "menu.txt")

    assert found(tmp_path) == {"menu.txt": CONTENT}
    assert [each.target for each in other.requests] == ["/link", "/signed?key=secret"]
    assert not any("authorization" in each.headers for each in other.requests)
    assert [each.target for each in wire.requests] == ["/v1/a", "/v1/b"]
    assert all("authorization" in each.headers for each in wire.requests)


async def test_another_attempt_begins_again(tmp_path: Path) -> None:
    """A download that was broken off, or has to wait, is repeated as a GET is."""
    busy = http_response(429, b"", "Retry-After: 0")
    async with client_on(cut, busy, WHOLE, attempts=3) as (wire, client):
        await client.download(f"{wire.base_url}/contents/C1", to=tmp_path / "menu.txt")

    assert found(tmp_path) == {"menu.txt": CONTENT}


async def test_the_limit_of_another_host_is_its_own(tmp_path: Path, caplog: Log) -> None:
    """Its 429 is waited for, and pauses no request to Webex; its errors name it."""
    caplog.set_level(logging.WARNING)
    busy = http_response(429, b"", "Retry-After: 1")
    async with Wire(busy) as other, client_on() as (_, client):
        with pytest.raises(APIError, match="429"):
            await client.download(f"{other.origin}/link?key=secret", to=tmp_path / "a")
        other.script[:] = [cut]
        with pytest.raises(TransportError, match=f"no response from 127.0.0.1:{other.port}") as it:
            await client.download(f"{other.origin}/link?key=secret", to=tmp_path / "a")

    assert "secret" not in str(it.value)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("response", "error"),
    [(http_response(404, {"message": "gone"}), NotFoundError), (cut, TransportError)],
)
async def test_a_failed_download_leaves_nothing(
    place: Path, response: bytes, error: type[Exception]
) -> None:
    """The former file stays, and nothing is beside it."""
    async with client_on(response) as (wire, client):
        with pytest.raises(error):
            await client.download(f"{wire.base_url}/contents/C1", to=place)

    assert found(place.parent) == {"menu.txt": b"old"}


@pytest.mark.parametrize("name", ["menu.txt", None])
async def test_a_file_has_any_size_unless_it_is_limited(tmp_path: Path, name: str | None) -> None:
    """`max_bytes` is a limit; without it, there is none of a file, not even `max_body`."""
    options: dict[str, Any] = {"to": tmp_path / name} if name else {}
    responses = http_response(200, b"four"), http_response(200, b"fiver")
    async with client_on(*responses, max_body=1) as (wire, client):
        await client.download(f"{wire.base_url}/contents/C1", max_bytes=4, **options)
        with pytest.raises(ResponseTooLargeError, match="more than 4 bytes"):
            await client.download(f"{wire.base_url}/contents/C1", max_bytes=4, **options)

    assert found(tmp_path) == ({name: b"four"} if name else {})
    assert len(wire.requests) == 2


async def test_a_cancelled_download_leaves_nothing(place: Path) -> None:
    """Also while a part of it is written."""
    is_sent = asyncio.Event()

    async def hang(peer: Peer) -> None:
        await peer.send(CUT)
        is_sent.set()
        await peer.hangs_up()

    async with client_on(hang) as (wire, client):
        task = asyncio.create_task(client.download(f"{wire.base_url}/contents/C1", to=place))
        await is_sent.wait()
        task.cancel()
        await asyncio.wait([task])

    assert task.cancelled()
    assert found(place.parent) == {"menu.txt": b"old"}


async def test_what_a_killed_process_has_left(place: Path) -> None:
    """The next download of this file removes it, and not what is being written."""

    async def hang(peer: Peer) -> None:
        await peer.send(CUT)
        await peer.hangs_up()

    def sizes() -> list[int]:
        return [each.stat().st_size for each in place.parent.glob(".*.part")]

    async with client_on(hang, hang, WHOLE) as (wire, client):
        url = f"{wire.base_url}/contents/C1"
        process = await create_subprocess_exec(sys.executable, "-c", PROGRAM, url, place)
        await until(lambda: any(sizes()))
        task = asyncio.create_task(client.download(url, to=place))
        await until(lambda: len(sizes()) == 2 and all(sizes()))
        process.kill()
        await process.wait()
        name = next(place.parent.glob(".*.part")).name
        begun = place.with_name(f"{name.partition('-')[0]}-0.part")  # by another process, just now
        begun.touch()
        await client.download(url, to=place)
        assert len(sizes()) == 2
        task.cancel()
        await asyncio.wait([task])

    assert found(place.parent) == {"menu.txt": CONTENT, begun.name: b""}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
async def test_a_full_disk(place: Path) -> None:
    """It is the error of the system, at once; nothing is left."""
    import resource  # noqa: PLC0415 - of Unix alone

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with client_on(WHOLE, attempts=3) as (wire, client):
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, before[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                await client.download(f"{wire.base_url}/contents/C1", to=place)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert found(place.parent) == {"menu.txt": b"old"}
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/x", "http://example.com/x", "http://a@127.0.0.1/x", "/v1/loop"]
)
async def test_a_redirect_that_is_not_followed(tmp_path: Path, location: str) -> None:
    """To what isn't https, to credentials, or for the eleventh time: the error is its status."""
    async with client_on(*[redirect(location)] * 12) as (wire, client):
        with pytest.raises(APIError, match="302"):
            await client.download(f"{wire.base_url}/contents/C1", to=tmp_path / "menu.txt")

    assert len(wire.requests) == (11 if location == "/v1/loop" else 1)
    assert not found(tmp_path)


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "https://a@example.com/x", "ftp://example.com/x"]
)
async def test_a_url_that_is_refused(tmp_path: Path, url: str) -> None:
    """What isn't https, or has credentials, is an error, and nothing is sent."""
    async with client_on() as (_, client):
        with pytest.raises(ValueError, match=r"^url must be "):
            await client.download(url, to=tmp_path / "menu.txt")


async def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    """A folder, a link, and a folder that isn't there are errors that say so; nothing is sent."""
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for to, error, words in (
        (tmp_path, ValueError, "is a folder: pass the path of a file in it"),
        (tmp_path / "link", ValueError, "is a link: pass the path to which it leads"),
        (tmp_path / "no" / "menu.txt", FileNotFoundError, "make it first"),
    ):
        async with client_on() as (wire, client):
            with pytest.raises(error, match=words):
                await client.download(f"{wire.base_url}/contents/C1", to=to)

        assert wire.connections == 0


async def test_a_body_that_a_hook_has_read(tmp_path: Path) -> None:
    """It is written all the same."""

    async def read(response: httpx.Response) -> None:
        await response.aread()

    mock = httpx.MockTransport(lambda _: httpx.Response(200, content=b"soup"))
    async with (
        httpx.AsyncClient(transport=mock, event_hooks={"response": [read]}) as theirs,
        Client(TOKEN, http_client=theirs) as client,
    ):
        await client.download("https://example.com/link", to=tmp_path / "menu.txt")

    assert found(tmp_path) == {"menu.txt": b"soup"}
