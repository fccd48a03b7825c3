"""What must be refused, and in which words."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest


@contextmanager
def refused(error: str) -> Generator[pytest.ExceptionInfo[Exception]]:
    """Expect an error that begins with these words, such as ``TypeError: name must be str``."""
    with pytest.raises((TypeError, ValueError)) as raised:
        yield raised
    assert f"{type(raised.value).__name__}: {raised.value}".startswith(error)
