"""The program docs/examples/keep_alive.py."""

from tests.test_examples import EXAMPLES, run


def test_webhooks_come_back() -> None:
    """What is switched off or deleted comes back, and what has moved is told to Webex."""
    assert run(EXAMPLES / "keep_alive.py").stdout.splitlines() == [
        "create keep-alive:messages: there is none",
        "create keep-alive:attachmentActions: there is none",
        "reactivate keep-alive:messages: switched off",
        "create keep-alive:attachmentActions: there is none",
        "update keep-alive:messages: other target URL",
        "update keep-alive:attachmentActions: other target URL",
    ]
