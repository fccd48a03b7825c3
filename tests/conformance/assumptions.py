"""What the library and the sandbox assume of Webex: a row for each, with its source and its grade.

The rows are tests, so that a run against Webex can settle them. `docs/generate.py` makes the page
"What we know of Webex" of them.
"""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from attrs import frozen

HERE = Path(__file__).parent
ACCEPTED = Path("tests", "conformance", "live.json")
"""Where a checkout holds the results that were accepted."""

Grade = Literal["live", "recorded", "documented", "second-hand", "assumed"]
"""How sure a row is."""

GRADES: Mapping[Grade, str] = {
    "live": "a run of these tests against Webex has shown it",
    "recorded": "a body that Webex sent shows it, or a live test of somebody else expects it",
    "documented": "a page of Cisco's says it",
    "second-hand": "somebody else's program or word says it",
    "assumed": "nothing that we have found says it",
}
"""The grades and what they mean, the surest first."""

Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])


@frozen(kw_only=True)
class Checked:
    """When Webex last did as a row says."""

    date: str
    statement: str  # another one has to be checked again
    server: str | None = None  # the base URL, if it isn't the public one


@frozen(kw_only=True)
class Row:
    """An assumption."""

    name: str
    statement: str
    topic: str  # the first sentence of its module
    source: str | None  # a page, or a public repository with its commit
    stated: Grade
    sandbox: str | None  # what that does instead, and why
    slow: bool  # whether it takes minutes on Webex

    def checked(self, accepted: Mapping[str, Checked]) -> Checked | None:
        """The last run in which this statement held."""
        checked = accepted.get(self.name)
        return checked if checked and checked.statement == self.statement else None

    def grade(self, accepted: Mapping[str, Checked]) -> Grade:
        """How sure the row is by now."""
        return "live" if self.checked(accepted) else self.stated


_rows: dict[str, Row] = {}
_tests: dict[str, Callable[..., Awaitable[None]]] = {}


def assumption(
    grade: Grade, *, source: str | None = None, sandbox: str | None = None, slow: bool = False
) -> Callable[[Test], Test]:
    """Make a test a row: its name is the test's, and what Webex does is the test's docstring.

    Where the sandbox does otherwise on purpose, the test has to fail there; at Webex, a slow one
    needs `--slow`.
    """

    def mark(test: Test) -> Test:
        module = sys.modules[test.__module__]
        name = test.__name__.removeprefix("test_").replace("_", "-")
        row = Row(
            name=name,
            statement=" ".join((test.__doc__ or "").split()),
            topic=(module.__doc__ or "").partition("\n")[0].removesuffix("."),
            source=source,
            stated=grade,
            sandbox=sandbox,
            slow=slow,
        )
        if _rows.setdefault(name, row) != row:
            raise ValueError(f"two rows are called {name!r}; give one of them another name")
        if grade != "assumed" and source is None:
            raise ValueError(f"the row {name!r} is {grade}, so it needs a source")
        _tests[name] = test
        in_one_loop: Callable[[Test], Test] = pytest.mark.asyncio(loop_scope="session")
        of_row: Callable[[Test], Test] = pytest.mark.assumption(row)
        once: Callable[[Test], Test] = pytest.mark.once
        return once(of_row(in_one_loop(test)))

    return mark


def all_rows() -> tuple[Row, ...]:
    """Every row, in the order of their modules: those of the first hour come first."""
    modules = sorted(HERE.glob("test_*.py"), key=lambda path: (path.stem != FIRST, path.stem))
    for path in modules:
        import_module(f"tests.conformance.{path.stem}")
    order = [_topic_of(path.stem) for path in modules]
    return tuple(sorted(_rows.values(), key=lambda row: order.index(row.topic)))


def check_of(row: Row) -> Callable[..., Awaitable[None]]:
    """The test of a row, which takes a door."""
    return _tests[row.name]


FIRST = "test_first_hour"
"""The module whose rows a run against Webex checks first."""


def _topic_of(stem: str) -> str:
    module = import_module(f"tests.conformance.{stem}")
    return (module.__doc__ or "").partition("\n")[0].removesuffix(".")


def accepted_results(checkout: Path = HERE.parents[1]) -> dict[str, Checked]:
    """The results that were accepted, by the names of the rows."""
    path = checkout / ACCEPTED
    if not path.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: Checked(**each) for name, each in found.items()}
