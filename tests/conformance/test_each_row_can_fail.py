"""A row that can't fail proves nothing: each one fails where a Webex contradicts it."""

import pytest

from tests.conformance.assumptions import Row, all_rows, check_of
from tests.conformance.deviations import DEVIATIONS, deviating
from tests.conformance.targets import in_sandbox

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "row", [row for row in all_rows() if not row.sandbox], ids=lambda row: row.name
)
async def test_a_row_fails_where_webex_contradicts_it(row: Row) -> None:
    """Each row fails when a server contradicts what it states."""
    async with (
        deviating(DEVIATIONS[row.name]()) as (transport, deliver_with),
        in_sandbox(transport, deliver_with) as webex,
    ):
        webex.begin()
        webex.failures = 2
        with pytest.raises((AssertionError, LookupError)):
            await check_of(row)(webex)
