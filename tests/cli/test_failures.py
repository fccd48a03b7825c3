import pytest

from webex_webhooks_async.cli.failures import UsageError, usage_errors


def test_a_bad_argument_is_wrong_usage() -> None:
    """A ValueError of the library becomes wrong usage, with its text."""
    with pytest.raises(UsageError, match="too small"), usage_errors():
        raise ValueError("too small")


def test_other_errors_pass() -> None:
    """Other errors pass unchanged."""
    with pytest.raises(KeyError), usage_errors():
        raise KeyError("a bug")
