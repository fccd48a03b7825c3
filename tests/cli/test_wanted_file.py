from pathlib import Path

import pytest

from webex_webhooks_async import NewWebhook
from webex_webhooks_async.cli.failures import UsageError
from webex_webhooks_async.cli.wanted_file import read_wanted

MESSAGES = """
[[webhooks]]
name = "bot:messages"
target_url = "https://${HOST}/webex"
resource = "messages"
event = "created"
filter = "roomId=Y2lz"
secret = "${SECRET}"
owned_by = "org"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a file, and the variables that it may name."""
    monkeypatch.setenv("HOST", "example.com")
    monkeypatch.setenv("EMPTY", "")
    return tmp_path / "webhooks.toml"


def test_a_webhook(file: Path) -> None:
    """Every field is read, and variables are replaced by their values in the environment."""
    file.write_text(MESSAGES)

    assert read_wanted(file) == [
        NewWebhook(
            name="bot:messages",
            target_url="https://example.com/webex",
            resource="messages",
            event="created",
            filter="roomId=Y2lz",
            secret="a-canary-secret",
            owned_by="org",
        )
    ]


def test_none(file: Path) -> None:
    """A file may explicitly want no webhooks."""
    file.write_text("webhooks = []")

    assert read_wanted(file) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[webhooks", "Expected ']]' at the end of an array declaration (at end of document)"),
        ("[[webhook]]", "webhook: unknown key; a webhook is a table [[webhooks]]"),
        ("", "there are no webhooks; if that is intended, write webhooks = []"),
        ("webhooks = 1", "webhooks: expected tables, such as [[webhooks]]"),
        ("webhooks = [1]", "webhooks[0]: expected a table"),
        (
            MESSAGES + "url = 1",
            (
                "webhooks[0].url: unknown key; known are "
                "name, target_url, resource, event, filter, secret, owned_by"
            ),
        ),
        (MESSAGES + "[[webhooks]]\nname = 'x'", "webhooks[1].target_url: missing"),
        (MESSAGES.replace('"created"', "1"), "webhooks[0].event: expected text in quotes"),
        (
            MESSAGES.replace("HOST", "UNSET"),
            "webhooks[0].target_url: the environment variable UNSET is unset or empty",
        ),
        (
            MESSAGES.replace("HOST", "EMPTY"),
            "webhooks[0].target_url: the environment variable EMPTY is unset or empty",
        ),
        (
            MESSAGES.replace("${HOST}", "${HOST"),
            "webhooks[0].target_url: write a variable as ${NAME}; this one is unclosed or misnamed",
        ),
        (
            MESSAGES.replace("https://${HOST}/webex", "example.com"),
            "webhooks[0]: target_url must be an absolute http(s) URL, got 'example.com'",
        ),
    ],
)
def test_what_is_wrong(file: Path, text: str, problem: str) -> None:
    """An error names the file and the path of the key, and shows no secret."""
    file.write_text(text)

    with pytest.raises(UsageError) as error:
        read_wanted(file)

    assert str(error.value) == f"{file}: {problem}"
