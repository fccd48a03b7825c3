import inspect
import warnings
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webex_webhooks_async.models.spelling import did_you_mean
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.serialization import from_json

URL = "https://example.com/hook"
LETTERS = st.characters(categories=["Ll", "Lu"])
INDEX = st.integers(min_value=0, max_value=5)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("mesages", "messages"),
        ("messagess", "messages"),
        ("messoges", "messages"),
        ("emssages", "messages"),
        ("message", "messages"),
        ("essages", "messages"),
        ("room", "rooms"),
        ("Messages", "messages"),
        ("attachmentactions", "attachmentActions"),
        ("attachment_actions", "attachmentActions"),
        ("attachment_action", "attachmentActions"),
        ("ATTACHMENT_ACTIONS", "attachmentActions"),
        ("telephony_agent_monitoring", "telephony_agentMonitoring"),
        ("telephonycalls", "telephony_calls"),
        ("ALL", "all"),
        ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}all", "all"),
        ("messages", None),
        ("telepathy", None),
        ("mesage", None),
        ("segassem", None),
        ("", None),
    ],
)
def test_a_typo_is_recognized(word: str, meant: str | None) -> None:
    """One typo leads to the known word, whatever the case and the underscores; two lead nowhere."""
    assert did_you_mean(word, Resource) == meant


@given(st.sampled_from([*Resource]), INDEX, LETTERS)
def test_each_kind_of_typo_is_recognized(known: str, index: int, letter: str) -> None:
    """A letter missing, added, changed or swapped anywhere in a word leads to a known word."""
    place = index % len(known)
    before, rest = known[:place], known[place:]
    typos = {
        "missing": before + rest[1:],
        "added": before + letter + rest,
        "changed": before + letter + rest[1:],
        "swapped": before + rest[1:2] + rest[:1] + rest[2:],
    }

    found = {kind: did_you_mean(typo, [known]) for kind, typo in typos.items() if typo != known}

    assert found == dict.fromkeys(found, str(known))


@given(st.text(alphabet="ab", max_size=6), st.text(alphabet="ab", max_size=6))
def test_nothing_else_is_a_typo(word: str, known: str) -> None:
    """A word is one typo away exactly when one edit makes the known word of it."""
    edits = {word[:i] + word[i + 1 :] for i in range(len(word))}
    edits |= {word[:i] + letter + word[i:] for i in range(len(word) + 1) for letter in "ab"}
    edits |= {word[:i] + letter + word[i + 1 :] for i in range(len(word)) for letter in "ab"}
    edits |= {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}

    assert (did_you_mean(word, [known]) is not None) == (word != known and known in edits)


def test_known_words_are_not_taken_for_typos_of_each_other() -> None:
    """No known word is one typo away from another one, so no warning names the wrong word."""
    words = {*Resource, *Event}

    assert [each for each in words if did_you_mean(each, words - {each})] == []


def new_webhook(resource: str = "messages", event: str = "created") -> NewWebhook:
    """Make a webhook; the warning is about this function's `return`."""
    return NewWebhook(name="n", target_url=URL, resource=resource, event=event)


def evolved() -> NewWebhook:
    """Make a webhook out of another one."""
    return attrs.evolve(new_webhook(), resource="mesages")


def read() -> NewWebhook:
    """Make a webhook of JSON."""
    members = f'"name":"n","targetUrl":"{URL}","resource":"mesages","event":"created"'
    return from_json(f"{{{members}}}", NewWebhook)


@pytest.mark.parametrize("make", [lambda: new_webhook("mesages"), evolved, read])
def test_a_misspelled_webhook_is_a_warning_at_the_users_line(
    make: Callable[[], NewWebhook],
) -> None:
    """However a misspelled webhook is made, the warning names the user's own line."""
    with pytest.warns(UserWarning, match="the resource 'mesages' is unknown: did") as record:
        assert make().resource == "mesages"

    (warning,) = record
    maker = new_webhook if make.__name__ == "<lambda>" else make
    lines, first = inspect.getsourcelines(maker)

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
