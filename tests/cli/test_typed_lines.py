import os
import threading
from collections.abc import Iterator

import pytest

from tests.support.wire import PATIENCE
from webex_webhooks_async.cli.typed_lines import TypedLines

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe: where to read, and where to write."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


async def test_lines(pipe: Pipe) -> None:
    """Each line comes as soon as it is complete; blank ones are skipped."""
    reader, writer = pipe
    lines = TypedLines(reader)
    os.write(writer, b"Hello\n\n  \nCaf\xc3")

    first = await lines.next(PATIENCE)
    with pytest.raises(TimeoutError):
        await lines.next(0)
    os.write(writer, b"\xa9\xff")
    os.close(writer)

    assert first == "Hello"
    assert [await lines.next(), await lines.next()] == ["Caf\u00e9\ufffd", None]


async def test_a_loop_that_has_ended(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines after the end of the event loop are ignored."""
    reader, writer = pipe
    lines = TypedLines(reader)
    thread = threading.enumerate()[-1]
    monkeypatch.setattr(lines, "_loop", _ClosedLoop())
    os.write(writer, b"late\n")
    os.close(writer)

    thread.join(PATIENCE)

    assert not thread.is_alive()


class _ClosedLoop:
    """A loop that was closed."""

    def call_soon_threadsafe(self, *_: object) -> None:
        """Refuse, as asyncio does."""
        raise RuntimeError("Event loop is closed")
