import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.support.wire import PATIENCE
from webex_webhooks_async import Message
from webex_webhooks_async.cli.chat_terminal import (
    MAX_WAITING,
    TypedLines,
    erase_prompt,
    print_message,
    print_prompt,
)

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


async def test_an_endless_input(tmp_path: Path) -> None:
    """Only so much of an input waits in memory, however long it and its lines are."""
    path = tmp_path / "lines"
    path.write_text("yes\n" * 5_000 + "x" * 1_000_000 + "\nlast")
    with path.open("rb") as file:
        lines = TypedLines(file.fileno())
        seen: list[str] = []
        while line := await lines.next(PATIENCE):
            assert lines.waiting <= MAX_WAITING
            seen.append(line)

    assert (seen[:5_000], seen[-1]) == (["yes"] * 5_000, "last")
    assert max(map(len, seen)) < 200_000


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


CARD = {
    "content": {
        "body": [{"type": "Input.Text", "id": "lunch"}, {"items": [{"type": "TextBlock"}]}],
        "actions": [
            {"type": "Action.Submit", "data": {"vote": "yes"}},
            {"type": "Action.Submit", "data": {"vote": "no"}},
        ],
    }
}


BUTTONS = {
    "content": {
        "body": [{"type": "Input.Text", "id": "lunch"}],
        "actions": [
            {"type": "Action.Submit", "title": "Order", "data": {"action": "order"}},
            {"type": "Action.Submit", "title": "Not today"},
        ],
    }
}


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({"text": "one\n\ntwo\x1b"}, ["bot: one", "     ", "     two\\x1b"]),
        ({"markdown": "**bold**"}, ["bot: **bold**"]),
        ({"files": ("https://e.com/1", "https://e.com/2")}, ["bot: [file https://e.com/1]", "..."]),
        ({"text": "a", "attachments": ({"a": 1},)}, ["bot: a", "     [card]"]),
        (
            {"attachments": (CARD,)},
            ["bot: [card: /submit lunch=... vote=...]"],
        ),
        (
            {"attachments": (BUTTONS,)},
            ["bot: [card: /press Order lunch=...]", "     [card: /press 'Not today' lunch=...]"],
        ),
        ({"text": None}, ["bot: "]),
    ],
)
def test_a_message(fields: dict[str, Any], lines: list[str]) -> None:
    """Text, files and cards are shown, a line each, below the sender."""
    console = Console(file=io.StringIO(), width=80)
    message = Message(id="1", room_id="2", person_email="bot", **fields)

    print_message(console, message, with_sender=True)

    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().splitlines()
    assert [a for a, b in zip(shown, lines, strict=True) if b != "..."] == [
        each for each in lines if each != "..."
    ]


def test_no_prompt_in_a_pipe() -> None:
    """In a pipe no prompt is printed."""
    console = Console(file=io.StringIO())

    print_prompt(console)
    erase_prompt(console)

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""
