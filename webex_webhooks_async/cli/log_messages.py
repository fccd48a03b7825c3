"""Passes on what the library logs."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def log_messages_to(report: Callable[[str], None], level: int = logging.WARNING) -> Generator[None]:
    """While the block runs, pass on each message that is logged at this level or above."""
    handler = _Handler(report)
    logger = logging.getLogger("webex_webhooks_async")
    level_before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(level_before)
        logger.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report(record.getMessage())
