"""The programs docs/examples/{lifecycle,keep_alive}.py, which need no account."""

import runpy

import pytest

from tests.examples.serving import EXAMPLES

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("name", "prints"),
    [
        (
            "lifecycle",
            [
                "created My Message Webhook",
                "it posts to https://example.com/webhook-receiver",
                "it is now My Updated Webhook",
                "deleted",
            ],
        ),
        (
            "keep_alive",
            [
                "create keep-alive:messages: missing",
                "create keep-alive:attachmentActions: missing",
                "reactivate keep-alive:messages: switched off",
                "create keep-alive:attachmentActions: missing",
                "update keep-alive:messages: target URL differs",
                "update keep-alive:attachmentActions: target URL differs",
            ],
        ),
    ],
)
def test_what_happens_to_webhooks(
    name: str,
    prints: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a token, a sandbox shows the life of a webhook, and how `ensure` corrects some."""
    for variable in ("WEBEX_ACCESS_TOKEN", "WEBEX_BASE_URL", "TARGET_URL"):
        monkeypatch.delenv(variable, raising=False)
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")

    assert capsys.readouterr().out.splitlines() == prints
