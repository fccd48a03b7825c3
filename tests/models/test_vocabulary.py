import warnings

import pytest

from webex_webhooks_async.errors import WebexWarning
from webex_webhooks_async.models.vocabulary import Resource, did_you_mean
from webex_webhooks_async.models.webhooks import NewWebhook

URL = "https://example.com/hook"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *((each, "messages") for each in ("mesages", "messagess", "emssages", "massages")),
        *((each, each.lower()) for each in ("Messages", "ALL")),
        ("room", "rooms"),
        ("attachmentactions", "attachmentActions"),
        ("attachment_action", "attachmentActions"),
        ("ATTACHMENT_ACTIONS", "attachmentActions"),
        ("telephony_agent_monitoring", "telephony_agentMonitoring"),
        *((each, None) for each in ("messages", "telepathy", "segassem", "massage", "")),
    ],
)
def test_a_typo_is_recognized(word: str, meant: str | None) -> None:
    """A word that is one typo away from a known one leads to it, whatever the case."""
    assert did_you_mean(word, Resource) == meant


def test_a_misspelled_webhook_is_a_warning_at_the_users_line() -> None:
    """The warnings about resource and event name the line that makes the webhook."""

    def make() -> NewWebhook:
        return NewWebhook(name="n", target_url=URL, resource="mesages", event="create")

    with pytest.warns(WebexWarning, match="did you mean") as record:
        make()

    line = make.__code__.co_firstlineno + 1

    assert [(str(each.message), each.filename, each.lineno) for each in record] == [
        ("the resource 'mesages' is unknown: did you mean 'messages'?", __file__, line),
        ("the event 'create' is unknown: did you mean 'created'?", __file__, line),
    ]


def test_new_words_are_allowed() -> None:
    """A resource or event that is like no known one is taken without a warning."""
    with warnings.catch_warnings(action="error"):
        NewWebhook(name="n", target_url=URL, resource="telepathy", event="reacted")
