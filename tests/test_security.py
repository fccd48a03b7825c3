import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
_, _, WHO = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## Who can do what")
SECTIONS = dict(re.findall(r"^### ([^\n]+)\n(.+?)(?=^##)", WHO, re.MULTILINE | re.DOTALL))


def named_tests(section: str) -> Iterator[tuple[str, str]]:
    """The tests that a section names, each with its file."""
    path = ""
    for name in re.findall(r"`(tests/\S+\.py|test_\w+)`", section):
        if name.startswith("tests/"):
            path = name
        else:
            yield path, name


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_what_is_promised_is_tested(section: str) -> None:
    """Each section of SECURITY.md names tests, and they exist."""
    named = list(named_tests(section))

    assert named
    assert [
        (path, name)
        for path, name in named
        if not re.search(rf"\bdef {name}\(", (ROOT / path).read_text(encoding="utf-8"))
    ] == []
