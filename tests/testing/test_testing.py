import re

import pytest

from tests.support.programs import printed_by
from webex_webhooks_async import testing


def test_what_is_not_there() -> None:
    """Another name is missing, as in any module."""
    with pytest.raises(AttributeError, match=r"'webex_webhooks_async\.testing'.*'Sandpit'"):
        getattr(testing, "Sandpit")  # noqa: B009 - type checkers know that it isn't there


USED = """
from webex_webhooks_async.testing import sample_notification
try:
    from webex_webhooks_async.testing import Sandbox
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["uvicorn", "starlette"])
async def test_without_the_extra(missing: str) -> None:
    """Only the sandbox needs the extra, and says what to install."""
    program = f"import sys; sys.modules[{missing!r}] = None\n{USED}"

    (error,) = await printed_by("-c", program)
    wanted = rf'the sandbox needs {missing}.*: pip install "webex-webhooks-async\[sandbox\]"'
    assert re.fullmatch(wanted, error)
