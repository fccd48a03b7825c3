"""What the changelog says is so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.surface import SNAPSHOT

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
PACKAGE = ROOT / "webex_webhooks_async"
PAGES = (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.py"))
ROW = re.compile(r"^\| (?P<old>[^|]*`[^|]*) \| (?P<new>[^|]*) \|$", re.MULTILINE)

SURFACE = SNAPSHOT.read_text(encoding="utf-8")
WORDS = set(re.findall(r"\w+", SURFACE))


def test_each_heading_of_the_newest_release_is_there_once() -> None:
    """So there is one table of names."""
    newest = re.split(r"^## ", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    headings = re.findall(r"^### .+|^\| old \| new \|$", newest, re.MULTILINE)

    assert len(headings) == len({*headings})


def renamed() -> Iterator[tuple[str, str, re.Pattern[str]]]:
    """Find the old names of the newest release, what says the new ones, and what finds the old."""
    text = CHANGELOG.read_text(encoding="utf-8").replace(r"\|", "/")
    newest = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    for row in ROW.finditer(newest):
        for span in re.findall(r"`([^`]+)`", row["old"]):
            if span not in row["new"] and (pattern := _pattern(span)):
                yield span, row["new"], re.compile(pattern)


def _pattern(span: str) -> str | None:
    """Return what finds an old name, unless it means something else today."""
    if argument := re.fullmatch(r"(?:\w+\.)*(\w+)\([^()]*?\b(\w+)=[^()]*\)", span):
        return rf"(?<![\w_]){argument[1]}\([^()]*\b{argument[2]}="
    if member := re.fullmatch(r"@?(\w+)\.(\w+)(\(.*\))?", span):
        owner = re.search(rf"(?ims)^class {member[1]}\b.*?(?=\n\n)", SURFACE)
        is_there = owner and re.search(rf"\b{member[2]}\b", owner[0])
        return None if is_there else rf"(?i:\b{member[1]})\.{member[2]}\b"
    if not span.isidentifier() or span in WORDS:
        return None
    if span.isupper():
        return rf"\b{span}\b"
    return rf"`{span}\b[^`]*`|\bimport [^;]*\b{span}\b"


def texts() -> Iterator[tuple[Path, str]]:
    """Find what people read: the pages, the examples, the docstrings and the messages."""
    for page in PAGES:
        if page.name.lower() != "changelog.md" and "_build" not in page.parts:
            yield page, page.read_text(encoding="utf-8")
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


def test_no_old_name_is_left() -> None:
    """Where people read, no name is left that the newest release has renamed.

    A message may have an old name, if it says the new one.
    """
    names = [*renamed()]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}, which is now {new}"
        for path, text in texts()
        for span, new, pattern in names
        for match in pattern.finditer(text)
        if PACKAGE not in path.parents
        or not (text == span or any(each in text for each in _said(new)))
    ]

    assert names
    assert found == []


def _said(new: str) -> list[str]:
    return re.findall(r"`(\w{5,})", new)
