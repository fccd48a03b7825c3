"""Hears what the library remarks in its log."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def remarks_told(tell: Callable[[str], None]) -> Generator[None]:
    """As long as the block runs, pass on what is logged as a warning or as worse."""
    handler = _Remarks(tell)
    logger = logging.getLogger("webex_webhooks_async")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Remarks(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())
