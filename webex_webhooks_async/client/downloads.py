"""Downloads into a file: whole or not at all, and with the token to Webex alone."""

import asyncio
import errno
import hashlib
import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import urljoin

from webex_webhooks_async.client.bodies import SinkError
from webex_webhooks_async.client.pagination import target_on
from webex_webhooks_async.client.requester import Request, http_url
from webex_webhooks_async.validation import check_text, check_type, is_loopback

if TYPE_CHECKING:
    from webex_webhooks_async.client.requester import Requester

_MOST_REDIRECTS = 10

if sys.platform == "win32":  # pragma: no cover - where it isn't measured

    def _lock(file: IO[bytes]) -> None:
        """Do nothing: a file that is open can't be removed there."""
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def download_to(
    requester: "Requester", url: str, to: str | os.PathLike[str], max_bytes: int
) -> Path:
    """Write what is at a URL to a file, as `Client.download` says."""
    check_text("url", url)
    check_type("to", to, str, os.PathLike)
    with _Part(Path(to)) as part:
        await asyncio.to_thread(part.remove_left)
        request = _request(requester, url, part, max_bytes)
        redirects = 0
        while True:
            try:
                response = await requester.send(request)
            except SinkError as failed:
                raise failed.error from None
            if response.is_success:
                await part.keep()
                return part.place
            redirects += 1
            if redirects > _MOST_REDIRECTS:
                raise requester.error(request, response)
            url = urljoin(url, response.headers["location"])
            try:
                request = _request(requester, url, part, max_bytes)
            except ValueError as error:
                raise requester.error(request, response) from error


def _request(requester: "Requester", url: str, part: "_Part", max_bytes: int) -> Request:
    """Return the request for a URL; only one for the origin of the API carries the token."""
    parsed = http_url(url)
    if parsed is None or parsed.userinfo:
        raise ValueError("url must be an absolute http(s) URL without credentials")
    if parsed.scheme != "https" and not is_loopback(parsed.host):
        raise ValueError("url must be https, or http on loopback: anybody could read the file")
    try:
        target, origin = target_on(requester.base_url, url, "url", ValueError), None
    except ValueError:
        target, origin = parsed.raw_path.decode(), f"{parsed.scheme}://{parsed.netloc.decode()}"
    return Request(
        method="GET",
        target=target,
        secrets=(parsed.query.decode(),) if parsed.query else (),  # it may be signed
        authorized=origin is None,
        origin=origin,
        max_bytes=max_bytes,
        sink=part,
    )


class _Part:
    """The beginning of a file, beside its place until it is whole; what isn't kept is removed."""

    def __init__(self, place: Path) -> None:
        if place.is_symlink():
            raise ValueError(f"{place} is a link: pass the path to which it leads")
        if place.is_dir():
            raise ValueError(f"{place} is a folder: pass the path of a file in it")
        if not place.parent.is_dir():
            raise FileNotFoundError(
                errno.ENOENT, "the folder isn't there, make it first", str(place.parent)
            )
        self.place = place
        self._begin = f".{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]}-"

    def remove_left(self) -> None:
        """Remove what processes that were killed have left: nobody has locked it any more."""
        for each in self.place.parent.glob(f"{self._begin}*.part"):
            with suppress(OSError):
                with each.open("rb") as file:
                    _lock(file)
                    is_empty = not os.fstat(file.fileno()).st_size  # it may not be locked yet
                if not is_empty:
                    each.unlink()

    def __enter__(self) -> Self:
        self._path = self.place.with_name(f"{self._begin}{secrets.token_hex(8)}.part")
        self._file = self._path.open("xb")
        with suppress(OSError):  # not every network's disk has locks
            _lock(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # of a full disk, which a write has said
            self._file.close()  # after a write that a thread is still at
        self._path.unlink(missing_ok=True)

    async def restart(self) -> None:
        """Begin again, for another attempt."""
        await asyncio.to_thread(self._restart)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    async def write(self, piece: bytes) -> None:
        """Write a piece, in a thread, because a disk may be slow."""
        await asyncio.to_thread(self._file.write, piece)

    async def keep(self) -> None:
        """Put it in its place."""
        await asyncio.to_thread(self._keep)

    def _keep(self) -> None:
        self._file.close()
        self._path.replace(self.place)
