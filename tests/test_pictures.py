"""The program docs/pictures/draw.py, and what it drew."""

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
    r"|Y2lz\w+"  # ids
    r"|\d{4}-\d\d-\d\dT[\d:.]+Z"
    r"|\d\d:\d\d:\d\d"
)


def text_of(svg: str) -> str:
    """The text of a picture, without the parts that differ each time."""
    shown = "".join(re.findall(r"<text [^>]*>([^<]*)</text>", svg)).replace("&#160;", " ")
    text = " ".join(DIFFERENT_EACH_TIME.sub("…", html.unescape(shown)).split())
    return re.sub("(> )+", "> ", text)  # a prompt comes again after what arrives behind it


@pytest.mark.parametrize("name", ["demo", "dev", "listen", "chat"])
def test_a_picture_shows_what_the_program_shows(name: str) -> None:
    """Each picture shows what its program shows today.

    If it wasn't, `python docs/pictures/draw.py NAME` draws it again.
    """
    draw = runpy.run_path(str(PICTURES / "draw.py"))["PICTURES"][name]
    assert text_of(draw()) == text_of((PICTURES / f"{name}.svg").read_text(encoding="utf-8"))
