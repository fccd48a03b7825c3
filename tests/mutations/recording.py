"""Records which tests run which lines, as a plugin of pytest, and reads such a record."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import coverage
import pytest

_PAGES = (
    "tests/test_documents.py::test_a_generated_page_says_what_the_code_says",
    "tests/test_figures.py",
)
"""The tests that compare the package with its pages, also what they only read of it."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Name the test to coverage, and to coverage in the processes that the test starts."""
    measured = coverage.Coverage.current()
    assert measured is not None, "coverage runs pytest"
    measured.config.context = item.nodeid
    os.environ["COVERAGE_PROCESS_CONFIG"] = measured.config.serialize()
    measured.switch_context(item.nodeid)


class Recording:
    """A record of coverage: which tests run which lines of the files below a package."""

    def __init__(self, file: Path, package: str) -> None:
        data = coverage.CoverageData(str(file))
        data.read()
        self._tests: dict[str, dict[int, set[str]]] = {}
        for path in data.measured_files():  # some tests start processes with an installed copy
            name = f"{package}{path.rpartition(f'/{package}')[2]}"
            module = self._tests.setdefault(name, {})
            for line, tests in data.contexts_by_lineno(path).items():
                module.setdefault(line, set()).update(tests)
        lines = [tests for module in self._tests.values() for tests in module.values()]
        self._sizes = Counter(test for tests in lines for test in tests)

    def tests(self, path: str, lines: Iterable[int]) -> list[str]:
        """Return the tests that run any of these lines of a module, the smallest tests first.

        Lines that no test is seen to run, as while a module is imported, matter to each test of the
        module, and to those of the pages, which show defaults, commands and figures.
        """
        module = self._tests.get(path, {})
        found = {test for line in lines for test in module.get(line, {""})}
        if "" in found:
            found = {test for tests in module.values() for test in tests} | {*_PAGES}
        return sorted(found - {""}, key=lambda test: (self._sizes[test], test))
