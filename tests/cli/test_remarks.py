import logging

from webex_webhooks_async.cli.remarks import remarks_told

LOGGER = logging.getLogger("webex_webhooks_async")


def test_remarks() -> None:
    """Warnings and errors are passed on as long as the block runs; what is less isn't."""
    heard: list[str] = []

    with remarks_told(heard.append):
        LOGGER.info("a detail")
        LOGGER.warning("refused %s", "a request")
    handlers = LOGGER.handlers

    assert (heard, handlers) == (["refused a request"], [])
