import inspect
import warnings

import pytest

from webex_webhooks_async.models.vocabulary import Resource, did_you_mean
from webex_webhooks_async.models.webhooks import NewWebhook

URL = "https://example.com/hook"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("mesages", "messages"),
        ("messagess", "messages"),
        ("emssages", "messages"),
        ("room", "rooms"),
        ("Messages", "messages"),
        ("attachmentactions", "attachmentActions"),
        ("attachment_action", "attachmentActions"),
        ("ATTACHMENT_ACTIONS", "attachmentActions"),
        ("telephony_agent_monitoring", "telephony_agentMonitoring"),
        ("ALL", "all"),
        ("messages", None),
        ("telepathy", None),
        ("segassem", None),
        ("", None),
    ],
)
def test_a_typo_is_recognized(word: str, meant: str | None) -> None:
    """A word that is close to a known one leads to it, whatever the case."""
    assert did_you_mean(word, Resource) == meant


def new_webhook(resource: str = "messages", event: str = "created") -> NewWebhook:
    """Make a webhook; the warning is about this function's `return`."""
    return NewWebhook(name="n", target_url=URL, resource=resource, event=event)


def test_a_misspelled_webhook_is_a_warning_at_the_users_line() -> None:
    """The warning names the line that makes the webhook."""
    with pytest.warns(UserWarning, match="the resource 'mesages' is unknown: did") as record:
        assert new_webhook("mesages").resource == "mesages"

    (warning,) = record
    lines, first = inspect.getsourcelines(new_webhook)

    assert str(warning.message).endswith("did you mean 'messages'?")
    assert (warning.filename, warning.lineno) == (__file__, first + len(lines) - 1)


def test_a_misspelled_event_is_a_warning() -> None:
    """An event is compared with the known events."""
    with pytest.warns(UserWarning, match="the event 'create' is unknown: did you mean 'created'"):
        new_webhook(event="create")


def test_new_words_are_allowed() -> None:
    """A resource or event that is like no known one is taken without a warning."""
    with warnings.catch_warnings(action="error"):
        new_webhook("telepathy", "pondered")
