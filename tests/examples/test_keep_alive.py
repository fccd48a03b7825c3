"""The program docs/examples/keep_alive.py."""

import runpy

import pytest

from tests.examples.serving import EXAMPLES

pytestmark = pytest.mark.once


def test_webhooks_come_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Webhooks that are switched off, deleted or point to an old URL are corrected."""
    monkeypatch.delenv("TARGET_URL", raising=False)
    runpy.run_path(str(EXAMPLES / "keep_alive.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "create keep-alive:messages: missing",
        "create keep-alive:attachmentActions: missing",
        "reactivate keep-alive:messages: switched off",
        "create keep-alive:attachmentActions: missing",
        "update keep-alive:messages: target URL differs",
        "update keep-alive:attachmentActions: target URL differs",
    ]
