"""What a run against Webex reports: a table, the differences, and what may be accepted."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from attrs import asdict, frozen

from tests.conformance.assumptions import ACCEPTED, HERE, Checked, Row, accepted_results, all_rows
from tests.conformance.live import TOKEN, Settings
from tests.conformance.redaction import Redactor
from tests.conformance.webex import Webex

PAGE = Path("docs", "explanation", "what-we-know-of-webex.md")

_SHOWN = 3  # exchanges and deliveries beside a difference
_SHOWN_HEADERS = frozenset({"content-type", "user-agent"})  # with their values


@frozen(kw_only=True)
class Result:
    """What became of a row at one of the targets."""

    state: Literal["holds", "differs", "differs on purpose", "unchecked"]
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.detail}" if self.state == "unchecked" else self.state

    @property
    def is_wrong(self) -> bool:
        """Whether the row and the target contradict each other."""
        return self.state == "differs"


class Report:
    """The results of a run."""

    def __init__(self, settings: Settings, *, slow: bool) -> None:
        self.settings = settings
        self.remarks: list[str] = []
        self._slow = slow
        self._results: dict[tuple[str, str], Result] = {}

    def check_that_it_runs(self, row: Row) -> None:
        """Leave a row unchecked for which the run isn't meant."""
        if "bot" not in self.settings.tokens:
            pytest.skip(f"{TOKEN} isn't set")
        if row.slow and not self._slow:
            pytest.skip("it takes minutes: pass --slow")

    def note(self, row: Row, target: str, report: pytest.TestReport) -> None:
        """Note the outcome of a row."""
        if hasattr(report, "wasxfail"):
            result = Result(state="differs on purpose")
        elif report.skipped:
            _, _, reason = cast("tuple[str, int, str]", report.longrepr)
            result = Result(state="unchecked", detail=reason.removeprefix("Skipped: "))
        elif report.failed:
            result = Result(state="differs", detail=str(report.longrepr))
        else:
            result = Result(state="holds")
        self._results[row.name, target] = result

    @property
    def is_any_checked(self) -> bool:
        """Whether any row was checked at Webex."""
        at_webex = (each for (_, target), each in self._results.items() if target == "webex")
        return any(each.state != "unchecked" for each in at_webex)

    @property
    def held(self) -> list[str]:
        """The names of the rows that held at Webex."""
        return [
            name
            for (name, target), each in self._results.items()
            if target == "webex" and each.state == "holds"
        ]

    def text(self, checkout: Path) -> str:
        """The report, in Markdown."""
        return "\n".join([*self._lines(accepted_results(checkout)), ""])

    def _lines(self, accepted: Mapping[str, Checked]) -> Iterator[str]:
        yield self._server()
        yield from self.remarks
        yield self._counts()
        yield ""
        yield "| row | grade | sandbox | Webex | last checked | source |"
        yield "|---|---|---|---|---|---|"
        for row in all_rows():
            if (row.name, "webex") in self._results:
                results = (self._results.get((row.name, each)) for each in ("sandbox", "webex"))
                checked = row.checked(accepted)
                date = _today() if row.name in self.held else checked.date if checked else ""
                cells = (
                    *(row.name, row.grade(accepted)),
                    *(str(each or "") for each in results),
                    *(date, row.source or ""),
                )
                yield f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"
        for row in all_rows():
            for target, where in (("sandbox", "in the sandbox"), ("webex", "at Webex")):
                result = self._results.get((row.name, target))
                if result and result.is_wrong:
                    yield from ("", f"{row.name} differs {where}: {row.statement}", result.detail)

    def _server(self) -> str:
        server = self.settings.server
        name = f"{server}, which WEBEX_BASE_URL names" if server else "the public one"
        return f"Webex is {name}."

    def _counts(self) -> str:
        states = Counter(
            each.state for (_, target), each in self._results.items() if target == "webex"
        )
        return (
            f"At Webex, {states['holds']} rows hold, {states['differs']} differ, "
            f"{states['differs on purpose']} differ on purpose, as only a sandbox does, "
            f"and {states['unchecked']} are unchecked."
        )


def difference(excinfo: pytest.ExceptionInfo[BaseException], door: Webex | None) -> str:
    """What isn't as a row says: the line that failed, and the form of what Webex sent."""
    entries = [(Path(each.path), each) for each in excinfo.traceback]
    ours = [(path, str(each.statement).strip()) for path, each in entries if path.parent == HERE]
    in_rows = [line for path, line in ours if path.stem.startswith("test_")]
    shown = in_rows[-1:] or [excinfo.typename]
    if ours and not ours[-1][0].stem.startswith("test_"):
        shown.append(str(excinfo.value))  # in words of this suite
    if door is not None:
        shown += [*map(str, door.exchanges[-_SHOWN:]), *_deliveries(door)]
    return "\n".join(f"    {each}" for each in shown)


def _deliveries(door: Webex) -> Iterator[str]:
    """The last deliveries of a row: when they came, and their form."""
    redactor = Redactor(door.guard.secrets, door.guard.rooms)
    arrivals = sorted((each for hook in door.hooks for each in hook.arrivals), key=attrgetter("at"))
    for arrival in arrivals[-_SHOWN:]:
        headers = (
            f"{name}: {redactor.words(value)}" if name in _SHOWN_HEADERS else name
            for name, value in sorted(arrival.headers.items())
        )
        yield f"delivered {arrival.at - arrivals[0].at:.1f} s after the first, with"
        yield f"  {', '.join(headers)}"
        if arrival.hung_up_after is not None:
            yield f"  which was hung up on after {arrival.hung_up_after:.1f} s"
        yield f"  {redactor.value(arrival.json)}"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def accept(report: Report, checkout: Path) -> None:
    """Write the results into a checkout: `live.json`, and the page that is made of it."""
    statements = {row.name: row.statement for row in all_rows()}
    results = accepted_results(checkout)
    for name in report.held:
        results[name] = Checked(
            date=_today(), statement=statements[name], server=report.settings.server
        )
    documents: dict[str, Any] = {
        name: asdict(each, filter=lambda _, value: value is not None)
        for name, each in sorted(results.items())
    }
    text = json.dumps(documents, indent=2) + "\n"
    for root in {checkout, HERE.parents[1]}:  # a check runs in a copy of the checkout
        (root / ACCEPTED).write_text(text, encoding="utf-8")
    page = checkout / PAGE
    if page.exists():
        page.write_text(import_module("docs.generate").up_to_date(page), encoding="utf-8")
