"""The bodies of requests and responses: read within limits, and files in both directions."""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, Iterator
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING, Protocol, cast

import httpx

from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.validation import check_text, check_type

if TYPE_CHECKING:
    from webex_webhooks_async.models.files import File

_PIECE = 65_536
_GZIP = 16 + zlib.MAX_WBITS

_MAX_DISPOSITION = 4_096  # parsing takes longer, and fails for numbers of 4,300 digits
_MAX_NAME = 200  # bytes; a file system allows 255


class TooLargeError(Exception):
    """A body has more bytes than allowed, as its text says. `pieces` are its beginning."""

    def __init__(self, max_bytes: int, pieces: list[bytes]) -> None:
        super().__init__(f"more than {max_bytes} bytes")
        self.pieces = pieces


class Sink(Protocol):
    """Gets the body of a response piece by piece, in place of memory."""

    async def restart(self) -> None:
        """Forget what an earlier attempt has written."""
        ...

    async def write(self, piece: bytes) -> None:
        """Take the next piece."""
        ...


class SinkError(Exception):
    """A sink has failed with an `OSError`, which isn't one of the connection."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class CodingError(Exception):
    """A body has more than one content coding."""


async def read_body(
    response: httpx.Response,
    max_bytes: int,
    on_piece: Callable[[], object] = lambda: None,
    sink: Sink | None = None,
) -> bytes:
    """Read the body of a response, and close it.

    A body that a hook or a mock has read before is taken as it is. The event loop gets its turn
    between two pieces, so that a timeout also ends a small body that becomes a large one. The limit
    is for the body as it is sent and decompressed. A sink gets the pieces in place of the result.

    Raises:
        TooLargeError: It has more.
        CodingError: It has more than one content coding.
        SinkError: The sink has failed.
        httpx.TransportError: It was broken off.
        httpx.DecodingError: It isn't compressed as its header says, or ends too early.
    """
    if response.is_stream_consumed:
        body = response.content
    elif response.is_closed:  # a hook raised before it was read
        body = b""
    else:
        try:
            body = b"".join(await _read(response, max_bytes, on_piece, sink))
        finally:
            await response.aclose()
    # httpx's stream holds its response: the body would wait for the garbage collector.
    response.stream = httpx.ByteStream(b"")
    if len(body) > max_bytes:
        raise TooLargeError(max_bytes, [body[:max_bytes]])
    if sink is not None and body:  # a hook has read it
        await _sunk(sink.write(body))
        return b""
    return body


async def _sunk(call: Awaitable[object]) -> None:
    try:
        await call
    except OSError as error:
        raise SinkError(error) from error


async def _read(
    response: httpx.Response, max_bytes: int, on_piece: Callable[[], object], sink: Sink | None
) -> list[bytes]:
    if sink is not None:
        await _sunk(sink.restart())
    gzip = _Gzip() if _is_gzip(response) else None
    received = size = 0
    pieces: list[bytes] = []
    async for raw in cast("httpx.AsyncByteStream", response.stream):
        on_piece()
        received += len(raw)
        for piece in (raw,) if gzip is None else gzip.inflated(raw):
            size += len(piece)
            if sink is not None and size <= max_bytes:
                await _sunk(sink.write(piece))
            else:
                pieces.append(piece)
            if size > max_bytes:
                raise TooLargeError(max_bytes, pieces)
            if len(piece) == _PIECE:
                await asyncio.sleep(0)
        if received > max_bytes:
            raise TooLargeError(max_bytes, pieces)
    if received and gzip is not None and not gzip.is_complete:
        raise httpx.DecodingError("the gzip data end too early")
    return pieces


def _is_gzip(response: httpx.Response) -> bool:
    codings = response.headers.get_list("content-encoding", split_commas=True)
    if len(codings) > 1:
        raise CodingError
    return [each.lower() for each in codings] == ["gzip"]


class _Gzip:
    def __init__(self) -> None:
        self._data = zlib.decompressobj(_GZIP)

    @property
    def is_complete(self) -> bool:
        return self._data.eof

    def inflated(self, raw: bytes) -> Iterator[bytes]:
        """Return it in pieces of a limited size; what follows the end is left out."""
        try:
            for start in range(0, len(raw), _PIECE):  # the tail of a long input is copied each time
                rest, piece = raw[start : start + _PIECE], b""
                while not self._data.eof and (rest or len(piece) == _PIECE):
                    piece = self._data.decompress(rest, _PIECE)
                    rest = self._data.unconsumed_tail
                    yield piece
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from None


def multipart(fields: object, file: "File") -> tuple[bytes, str]:
    """The form that uploads a file with other fields, without those of `None`; its media type."""
    from webex_webhooks_async.models.files import File  # noqa: PLC0415 - attrs takes a while to make it, and most upload nothing

    check_type("file", file, File)
    match fields:
        case None:
            members: dict[str, object] = {}
        case dict():
            members = cast("dict[str, object]", fields)
        case _:
            raise ValueError("json must be an object, as {'roomId': ...}, when a file is uploaded")
    data = {name: _field(name, value) for name, value in members.items() if value is not None}
    parts = {"files": (file.name, file.content, file.content_type)}
    request = httpx.Request("POST", "https://webexapis.com", data=data, files=parts)
    return request.read(), request.headers["content-type"]


def _field(name: str, value: object) -> str:
    match value:
        case str():
            check_text(name, value)
            return value
        case bool() | int() | float():
            return dump_json(value).decode()
        case _:
            raise ValueError(
                f"{name} must be text, a number or a boolean when a file is uploaded, got "
                f"{type(value).__name__}: send it in a message of its own"
            )


def file_name(disposition: str | None) -> str:
    """The name in a Content-Disposition header, which any folder can have; ``file`` without one."""
    message = Message()
    message["Content-Disposition"] = (disposition or "")[:_MAX_DISPOSITION]
    try:
        params = message.get_params([], "content-disposition")
        names = [cast("object", value) for name, value in params if name.lower() == "filename"]
        names.sort(key=lambda value: isinstance(value, str))  # filename* first: any character
        name = collapse_rfc2231_value(cast("str", names[0])) if names else ""
    except ValueError:  # it isn't valid Unicode, or its charset isn't one of text
        name = ""
    name = "".join(each for each in re.split(r"[/\\:]", name)[-1] if each.isprintable())
    end = name.strip(" .").encode()[1 - _MAX_NAME :].decode(errors="ignore").lstrip(" .") or "file"
    # What Windows takes for a device, whatever follows the dot:
    # https://learn.microsoft.com/windows/win32/fileio/naming-a-file
    if re.match(r"(?i)(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)", end):
        return f"_{end}"
    return end
