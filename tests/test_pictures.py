"""The program docs/pictures/draw_demo.py, and what it drew."""

import html
import re
import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"

DIFFERENT_EACH_TIME = re.compile(
    r"\w+\.[0-9a-f]{8}(?=@)"  # who writes
    r"|(?<=127\.0\.0\.1:)\d+"
    r"|[0-9a-f]{40,}…?"  # signatures
)


def text_of(svg: str) -> str:
    """What a picture shows, without what is different each time."""
    shown = "".join(re.findall(r"<text [^>]*>([^<]*)</text>", svg)).replace("&#160;", " ")
    return " ".join(DIFFERENT_EACH_TIME.sub("…", html.unescape(shown)).split())


def test_the_picture_shows_what_the_demo_shows() -> None:
    """README's picture was made from a demo that shows what it shows today.

    If it doesn't, `python docs/pictures/draw_demo.py` draws it anew.
    """
    draw = runpy.run_path(str(PICTURES / "draw_demo.py"))["draw"]
    assert text_of(draw()) == text_of((PICTURES / "demo.svg").read_text(encoding="utf-8"))
