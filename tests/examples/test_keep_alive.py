"""The program docs/examples/keep_alive.py."""

import runpy

import pytest

from tests.examples.serving import EXAMPLES

pytestmark = pytest.mark.once


def test_webhooks_come_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is switched off or deleted comes back, and what has moved is told to Webex."""
    monkeypatch.delenv("TARGET_URL", raising=False)
    runpy.run_path(str(EXAMPLES / "keep_alive.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "create keep-alive:messages: there is none",
        "create keep-alive:attachmentActions: there is none",
        "reactivate keep-alive:messages: switched off",
        "create keep-alive:attachmentActions: there is none",
        "update keep-alive:messages: other target URL",
        "update keep-alive:attachmentActions: other target URL",
    ]
