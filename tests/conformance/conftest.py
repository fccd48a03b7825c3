"""Runs each row in the sandbox and, with `--live`, against Webex, which makes a table."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from tests.conformance.assumptions import FIRST, HERE, Row
from tests.conformance.live import LiveError, at_webex, settings
from tests.conformance.report import Report, accept, difference
from tests.conformance.targets import in_sandbox
from tests.conformance.webex import Webex

REPORT = pytest.StashKey[Report]()

IN_SANDBOX, AT_WEBEX = "sandbox", "webex"
MOST_SECONDS = 3600  # of a row against Webex


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `nox -s live`."""
    group = parser.getgroup("live", "the rows of tests/conformance, against Webex")
    group.addoption("--live", action="store_true", help="check the rows against Webex as well")
    group.addoption("--slow", action="store_true", help="also those that take minutes")
    group.addoption("--accept", action="store_true", help="write live.json and the page")
    group.addoption("--checkout", type=Path, default=HERE.parents[1], help="where to write")


def pytest_configure(config: pytest.Config) -> None:
    """Begin a report, and print nothing of a test but what the report prints."""
    if not config.getoption("live", default=False):
        return
    try:
        config.stash[REPORT] = Report(settings(), slow=bool(config.getoption("slow")))
    except LiveError as error:
        raise pytest.UsageError(str(error)) from None
    config.option.reportchars = ""
    config.option.tbstyle = "no"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a row in the sandbox, then against Webex."""
    if "webex" in metafunc.fixturenames:
        is_live = metafunc.config.getoption("live", default=False)
        targets = [IN_SANDBOX, AT_WEBEX] if is_live else [IN_SANDBOX]
        metafunc.parametrize("webex", targets, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect that a row fails where the sandbox differs on purpose; order a run against Webex."""
    for item in items:
        row, target = row_of(item)
        if row is not None and row.sandbox and target == IN_SANDBOX:
            item.add_marker(pytest.mark.xfail(reason=row.sandbox, strict=True))
    if REPORT in config.stash:
        items[:] = sorted(
            (item for item in items if row_of(item)[0] is not None),
            key=lambda item: (row_of(item)[1], item.path.stem != FIRST),
        )
        for item in items:
            item.add_marker(pytest.mark.timeout(MOST_SECONDS))


def row_of(item: pytest.Item) -> tuple[Row | None, str]:
    """The row that a test is, and where it runs."""
    mark = item.get_closest_marker("assumption")
    if mark is None:
        return None, ""
    callspec = cast("pytest.Function", item).callspec
    return cast("Row", mark.args[0]), str(callspec.params["webex"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox_door() -> AsyncGenerator[Webex]:
    """Serve a sandbox, for all rows."""
    async with in_sandbox() as door:
        yield door


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live_door(request: pytest.FixtureRequest) -> AsyncGenerator[Webex]:
    """Open a run against Webex; what it can't begin with ends the session."""
    report = request.config.stash[REPORT]
    try:
        async with at_webex(report.settings) as (door, remarks):
            report.remarks = remarks
            yield door
    except LiveError as error:
        pytest.exit(f"nothing was written, and nothing checked: {error}", returncode=1)


@pytest.fixture
def webex(request: pytest.FixtureRequest) -> Webex:
    """Open the door for a row."""
    if request.param == AT_WEBEX:
        request.config.stash[REPORT].check_that_it_runs(cast("Row", row_of(request.node)[0]))
    name = {IN_SANDBOX: "sandbox_door", AT_WEBEX: "live_door"}[request.param]
    door: Webex = request.getfixturevalue(name)
    door.begin()
    return door


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome of a row, and keep what Webex sent out of what pytest prints."""
    report = yield
    row, target = row_of(item)
    if row is None or REPORT not in item.config.stash:
        return report
    results = item.config.stash[REPORT]
    report.sections = []
    if call.excinfo is not None and report.failed:
        door = cast("pytest.Function", item).funcargs.get("webex")
        report.longrepr = difference(call.excinfo, cast("Webex | None", door))
        if row.sandbox and isinstance(door, Webex) and door.is_sandbox:
            report.outcome, report.wasxfail = "skipped", row.sandbox
    if report.when == "call" or report.skipped:
        results.note(row, target, report)
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, and write it; with `--accept`, what git sees as well."""
    if REPORT not in config.stash:
        return
    report = config.stash[REPORT]
    checkout = Path(str(config.getoption("checkout")))
    text = report.text(checkout)
    terminalreporter.write_line("")
    terminalreporter.write(text)
    folder = checkout / ".nox" / "live"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(text, encoding="utf-8")
    if config.getoption("accept"):
        accept(report, checkout)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if nothing was checked at Webex."""
    if REPORT in session.config.stash and not session.config.stash[REPORT].is_any_checked:
        session.exitstatus = 1
