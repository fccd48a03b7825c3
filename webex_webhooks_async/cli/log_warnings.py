"""Passes on the warnings that the library logs."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def log_warnings_to(report: Callable[[str], None]) -> Generator[None]:
    """While the block runs, pass on each message that is logged at WARNING or above."""
    handler = _Handler(report)
    logger = logging.getLogger("webex_webhooks_async")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report(record.getMessage())
