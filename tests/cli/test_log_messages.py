import logging

from webex_webhooks_async.cli.log_messages import log_messages_to

LOGGER = logging.getLogger("webex_webhooks_async")


def test_warnings() -> None:
    """Warnings and errors are passed on as long as the block runs; lower levels aren't."""
    heard: list[str] = []
    level = LOGGER.level

    with log_messages_to(heard.append):
        LOGGER.info("a detail")
        LOGGER.warning("refused %s", "a request")
    LOGGER.warning("too late")

    assert (heard, LOGGER.handlers, LOGGER.level) == (["refused a request"], [], level)


def test_a_lower_level() -> None:
    """A lower level passes on more."""
    heard: list[str] = []

    with log_messages_to(heard.append, logging.INFO):
        LOGGER.debug("a detail")
        LOGGER.info("nobody listens")

    assert heard == ["nobody listens"]
