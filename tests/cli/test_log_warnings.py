import logging

from webex_webhooks_async.cli.log_warnings import log_warnings_to

LOGGER = logging.getLogger("webex_webhooks_async")


def test_warnings() -> None:
    """Warnings and errors are passed on as long as the block runs; lower levels aren't."""
    heard: list[str] = []

    with log_warnings_to(heard.append):
        LOGGER.info("a detail")
        LOGGER.warning("refused %s", "a request")
    handlers = LOGGER.handlers

    assert (heard, handlers) == (["refused a request"], [])
