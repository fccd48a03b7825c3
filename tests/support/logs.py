"""What is logged while a test runs."""

import pytest

Log = pytest.LogCaptureFixture


def lines(log: Log, part: str) -> list[tuple[str, str]]:
    """The levels and texts of the records that say this."""
    records = log.records
    return [(each.levelname, each.getMessage()) for each in records if part in each.getMessage()]
