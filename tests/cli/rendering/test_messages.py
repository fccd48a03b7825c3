import io
from typing import Any

import pytest
from rich.console import Console

from webex_webhooks_async import Message
from webex_webhooks_async.cli.rendering.messages import erase_prompt, print_message, print_prompt

CARD = {
    "content": {
        "body": [{"type": "Input.Text", "id": "lunch"}, {"items": [{"type": "TextBlock"}]}],
        "actions": [
            {"type": "Action.Submit", "data": {"vote": "yes"}},
            {"type": "Action.Submit", "data": {"vote": "no"}},
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
