"""Reads the body of a response piece by piece, within its limits."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import cast

import httpx

_PIECE = 65_536
_GZIP = 16 + zlib.MAX_WBITS


class TooLargeError(Exception):
    """A body has more bytes than its argument says."""


class CodingError(Exception):
    """A body has more than one content coding."""


async def read_body(
    response: httpx.Response, max_bytes: int, on_piece: Callable[[], object] = lambda: None
) -> bytes:
    """Read the body of a response, and close it.

    What a hook or a mock has read before is taken as it is. The event loop gets its turn between
    two pieces, so that a timeout also ends a small body that becomes a large one.

    Args:
        response: The response.
        max_bytes: How many bytes the body may have, as it is sent and decompressed.
        on_piece: Is called when a piece has arrived.

    Raises:
        TooLargeError: It has more.
        CodingError: It has more than one content coding.
        httpx.TransportError: It was broken off.
        httpx.DecodingError: It isn't compressed as its header says, or ends too early.
    """
    if response.is_stream_consumed:
        body = response.content
    elif response.is_closed:  # a hook raised before it was read
        body = b""
    else:
        try:
            body = b"".join(await _read(response, max_bytes, on_piece))
        finally:
            await response.aclose()
    # httpx's stream holds its response: the body would wait for the garbage collector.
    response.stream = httpx.ByteStream(b"")
    if len(body) > max_bytes:
        raise TooLargeError(max_bytes)
    return body


async def _read(
    response: httpx.Response, max_bytes: int, on_piece: Callable[[], object]
) -> list[bytes]:
    gzip = zlib.decompressobj(_GZIP) if _is_gzip(response) else None
    received = size = 0
    pieces: list[bytes] = []
    async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_raw())) as stream:
        async for raw in stream:
            on_piece()
            received += len(raw)
            for piece in (raw,) if gzip is None else _inflated(gzip, raw):
                size += len(piece)
                if max(received, size) > max_bytes:
                    raise TooLargeError(max_bytes)
                pieces.append(piece)
                if len(piece) == _PIECE:
                    await asyncio.sleep(0)
            if received > max_bytes:
                raise TooLargeError(max_bytes)
    if received and gzip is not None and not gzip.eof:
        raise httpx.DecodingError("the gzip data end too early")
    return pieces


def _is_gzip(response: httpx.Response) -> bool:
    codings = response.headers.get_list("content-encoding", split_commas=True)
    if len(codings) > 1:
        raise CodingError
    return [each.lower() for each in codings] == ["gzip"]


def _inflated(gzip: "zlib._Decompress", raw: bytes) -> Iterator[bytes]:
    try:
        for start in range(0, len(raw), _PIECE):  # the tail of a long input is copied each time
            data, piece = raw[start : start + _PIECE], b""
            while not gzip.eof and (data or len(piece) == _PIECE):
                piece = gzip.decompress(data, _PIECE)
                data = gzip.unconsumed_tail
                yield piece
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from None
