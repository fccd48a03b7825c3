import ast
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.mutations.mutants import mutants
from tests.mutations.recording import Recording

pytestmark = pytest.mark.once

PAGES = ["tests/test_documents.py", "tests/test_figures.py"]

FUNCTION = """
def is_short(text: str, limit: int = 3) -> bool:
    if TYPE_CHECKING:
        return True
    while not text.startswith(
        " "
    ):
        raise ValueError(f"{len(text) + 1}")
    return len(text) < limit and True
"""


def test_a_mutant_has_one_change_in_its_line() -> None:
    """Every mutant is Python, with one change and as many lines."""
    found = [*mutants("short.py", FUNCTION)]

    assert {(each.line, each.after) for each in found} == {
        (2, "4"),
        (5, "not (not text.startswith(' '))"),
        (5, "text.startswith(' ')"),
        (8, "pass"),
        (9, "return None"),
        (9, "len(text) < limit or True"),
        (9, "len(text) <= limit"),
        (9, "False"),
    }
    for each in found:
        ast.parse(each.source)
        assert len(each.source.splitlines()) == len(FUNCTION.splitlines())
        assert each.source.replace("\n", "") != FUNCTION.replace("\n", "")


def test_a_mutant_is_shown_to_the_tests_that_run_it(tmp_path: Path) -> None:
    """The smallest tests that run a line of any copy come first.

    A line that no test is seen to run is shown to all of the module and the pages.
    """
    data = CoverageData(str(tmp_path / "lines"))
    for context, lines in {"large": [2, 3], "small": [3], "": [1, 5]}.items():
        data.set_context(context)
        data.add_lines({"/copy/short/a.py": lines})
    data.set_context("large")
    data.add_lines({"/installed/short/a.py": [1, 5]})
    data.write()

    recording = Recording(tmp_path / "lines", "short")

    assert recording.tests("short/a.py", [3]) == ["small", "large"]
    assert recording.tests("short/a.py", [2]) == ["large"]
    for number in (1, 5, 7):
        *pages, small, large = recording.tests("short/a.py", [number])
        assert [each.partition("::")[0] for each in pages] == PAGES
        assert [small, large] == ["small", "large"]
    assert recording.tests("short/b.py", [1]) == pages
