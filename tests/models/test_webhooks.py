from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from webex_webhooks_async.models.vocabulary import Event, OwnedBy, Resource, Status
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook, WebhookUpdate

# https://developer.webex.com/docs/api/guides/webhooks
EVENTS = {
    "messages": "created deleted",
    "memberships": "created updated deleted",
    "rooms": "created updated migrated",
    "attachmentActions": "created",
    "meetings": "created updated deleted started ended",
    "meetingParticipants": "joined left",
    "meetingTranscripts": "created",
    "recordings": "created updated deleted",
    "convergedRecordings": "created updated deleted",
    "telephony_calls": "created updated deleted",
    "telephony_conference": "created updated deleted",
    "telephony_mwi": "updated",
    # The events of these aren't documented.
    "telephony_agent": "",
    "telephony_agentMonitoring": "",
    "telephony_hookstatus": "",
    "telephony_queue": "",
    "telephony_queueMonitoring": "",
    "telephony_services": "",
    "uc_counters": "updated",
    "serviceApp": "authorized deauthorized",
    "adminBatchJobs": "statusChanged",
    "dataSources": "created updated deleted",
    "videoMeshAlerts": "triggered",
    "controlHubAlerts": "created",
}

Sent = NewWebhook | WebhookUpdate

CANARY = "c4n4ry"

NO_TARGETS = [
    "example.com",
    "example.com/hook",
    "/hook",
    "//example.com/hook",
    "https:example.com/hook",
    "https:/example.com/hook",
    "ftp://example.com/hook",
    "mailto:someone@example.com",
    "http://",
    "http:///hook",
    "https://:8443/hook",
    "https://someone@/hook",
    "https://?a=b",
    "https://example.com:port/hook",
    "https://example.com:65536/hook",
    "https://example.com:-1/hook",
    "https://example.com:²/hook",
    "https://one:two:8443/hook",
    "https://[::1/hook",
    "https://::1]/hook",
    "https://[]/hook",
    "https://exam[ple].com/hook",
    "https://example.com/a hook",
    "https://exam ple.com/hook",
    " https://example.com/hook",
    "https://example.com/hook ",
    "https://example.com/hook\n",
    "https://exam\tple.com/hook",
    "https://example.com/\xa0hook",
    "https://example.com/\u2028hook",
    "\0https://example.com/hook",
    "https://example.com/hook\x1b[31m",
    "https://exam\x7fple.com/hook",
    "https://example.com/\u200bhook",
    "https://example.com℀/hook",
]

TARGETS = [
    "https://example.com",
    "http://example.com/hook",
    "HTTPS://EXAMPLE.COM/Hook",
    "https://example.com:8443/hook?a=b&c#d",
    "http://localhost:8080",
    "http://127.0.0.1/hook",
    "http://[::1]:8080/hook",
    "https://someone:word@example.com/hook",
    "https://exämple.com/hök",
    "https://example.com/%20hook",
]


WEBHOOK = Webhook(
    id="an-id",
    name="Messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
)
NEW = NewWebhook(
    name="Messages",
    target_url="https://example.com/hook",
    resource="messages",
    event="created",
)
UPDATE = WebhookUpdate(name="Messages", target_url="https://example.com/hook")

each_that_is_sent = pytest.mark.parametrize(
    "model", [NEW, UPDATE], ids=lambda model: type(model).__name__
)

REQUIRED = [
    *((NEW, field) for field in ("name", "target_url", "resource", "event")),
    *((UPDATE, field) for field in ("name", "target_url")),
]
OPTIONAL = [
    *((NEW, field) for field in ("filter", "secret", "owned_by")),
    *((UPDATE, field) for field in ("secret", "status")),
]


def with_field(model: Sent, field: str, value: object) -> Sent:
    """Make a model that differs in one field."""
    changes: dict[str, Any] = {field: value}
    return evolve(model, **changes)


def test_resources_are_those_of_the_guide() -> None:
    """`Resource` has each resource of Webex's guide, and the one that stands for several."""
    assert {str(each) for each in Resource} == {*EVENTS, "all"}


def test_events_are_those_of_the_guide() -> None:
    """`Event` has each event of Webex's guide, and the one that stands for several."""
    events = {event for events in EVENTS.values() for event in events.split()}

    assert {str(each) for each in Event} == {*events, "all"}


def test_statuses_and_owners_are_those_of_the_reference() -> None:
    """`Status` and `OwnedBy` have the two words each of Webex's reference."""
    assert [str(each) for each in Status] == ["active", "inactive"]
    assert [str(each) for each in OwnedBy] == ["creator", "org"]


@pytest.mark.parametrize(
    "word", [*Resource, *Event, *Status, *OwnedBy], ids=lambda word: f"{type(word).__name__} {word}"
)
def test_a_word_is_its_string(word: Resource | Event | Status | OwnedBy) -> None:
    """A word equals Webex's string and prints as it; its name is that string in capitals."""
    assert word == word.value
    assert f"{word}" == word.value
    assert word.name.replace("_", "").lower() == word.value.replace("_", "").lower()


def test_a_field_takes_a_word_or_any_string() -> None:
    """A field takes a word, its string, or any new string."""
    assert evolve(WEBHOOK, resource=Resource.MESSAGES, event=Event.CREATED) == WEBHOOK
    assert evolve(NEW, resource="holograms", event="flickered").event == "flickered"


@pytest.mark.parametrize("model", [WEBHOOK, NEW, UPDATE], ids=lambda model: type(model).__name__)
def test_models_are_frozen(model: object) -> None:
    """A model can't be changed."""
    with pytest.raises(FrozenInstanceError):
        setattr(model, "name", "Another")  # noqa: B010 - type checkers refuse the plain form


@pytest.mark.parametrize("cls", [Webhook, NewWebhook, WebhookUpdate])
def test_fields_are_given_by_name(cls: type) -> None:
    """A model takes no positional arguments, so a new field breaks no program."""
    with pytest.raises(TypeError, match="positional"):
        cls("an-id", "Messages", "https://example.com/hook", "messages", "created")


@pytest.mark.parametrize(
    "field",
    ["filter", "secret", "status", "created", "owned_by", "org_id", "created_by", "app_id"],
)
def test_what_is_absent_is_none(field: str) -> None:
    """An optional field of a webhook is `None` when absent."""
    assert getattr(WEBHOOK, field) is None


def test_nothing_beyond_the_model_is_an_empty_extra() -> None:
    """A webhook without unknown members has an empty `extra`."""
    assert WEBHOOK.extra == {}


def test_webhooks_can_be_in_sets() -> None:
    """Equal webhooks are one in a set, whatever `extra` holds."""
    one = evolve(
        WEBHOOK, extra={"tags": ["a", {"b": None}]}, created=datetime(2024, 1, 1, tzinfo=UTC)
    )
    equal = evolve(
        WEBHOOK, extra={"tags": ["a", {"b": None}]}, created=datetime(2024, 1, 1, tzinfo=UTC)
    )

    assert len({one, equal}) == 1
    assert one != evolve(WEBHOOK, extra={}, created=one.created)


@pytest.mark.parametrize(
    "model",
    [
        evolve(WEBHOOK, secret=CANARY),
        evolve(WEBHOOK, extra={"newSecret": CANARY, "nested": {"deep": [CANARY]}}),
        evolve(NEW, secret=CANARY),
        evolve(UPDATE, secret=CANARY),
    ],
)
def test_no_secret_is_shown(model: object) -> None:
    """The repr of a model shows no secret, not even one under an unknown name."""
    assert CANARY not in repr(model)
    assert CANARY not in f"{model}"


def test_a_repr_names_what_is_extra() -> None:
    """The repr of a webhook has the names of unknown members, and not their values."""
    assert repr(evolve(WEBHOOK, extra={"region": "eu", "tier": 3})).endswith(
        "extra=<region, tier>)"
    )


@each_that_is_sent
@pytest.mark.parametrize("target", TARGETS)
def test_absolute_urls_are_targets(model: Sent, target: str) -> None:
    """A target is kept as it was given."""
    assert evolve(model, target_url=target).target_url == target


@each_that_is_sent
@pytest.mark.parametrize("target", NO_TARGETS, ids=ascii)
def test_nothing_else_is_a_target(model: Sent, target: str) -> None:
    """Anything but an absolute http(s) URL is refused, and the error says what is expected."""
    with pytest.raises(ValueError, match=r"^target_url must be an absolute http\(s\) URL, got '"):
        evolve(model, target_url=target)


@pytest.mark.parametrize(("model", "field"), REQUIRED)
def test_required_fields_are_not_empty(model: Sent, field: str) -> None:
    """An empty required field is refused."""
    with pytest.raises(ValueError, match=f"^{field} is empty; Webex requires it$"):
        with_field(model, field, "")


@pytest.mark.parametrize(("model", "field"), OPTIONAL)
def test_optional_fields_are_left_out_rather_than_empty(model: Sent, field: str) -> None:
    """An empty optional field is refused, with the remedy; `None` is the same as left out."""
    with pytest.raises(ValueError, match=f"^{field} is empty; leave it out$"):
        with_field(model, field, "")

    assert with_field(model, field, None) == model


@pytest.mark.parametrize(("model", "field"), REQUIRED + OPTIONAL)
@pytest.mark.parametrize("value", [5, True, b"bytes", ["list"]])
def test_fields_are_strings(model: Sent, field: str, value: object) -> None:
    """A value that isn't a string is refused, and isn't shown."""
    with pytest.raises(TypeError) as raised:
        with_field(model, field, value)

    assert str(raised.value) == f"{field} must be str, got {type(value).__name__}"


@pytest.mark.parametrize(("model", "field"), REQUIRED + OPTIONAL)
def test_fields_are_valid_unicode(model: Sent, field: str) -> None:
    """Text that was read from bytes that aren't UTF-8 is refused, and isn't shown."""
    with pytest.raises(ValueError, match=rf"^{field} is not valid Unicode") as raised:
        with_field(model, field, f"{CANARY}\udcff")

    assert CANARY not in str(raised.value)


@pytest.mark.parametrize("model", [NEW, UPDATE])
def test_a_refused_secret_is_not_shown(model: Sent) -> None:
    """The error for a secret of the wrong type doesn't show it."""
    secret: Any = CANARY.encode()

    with pytest.raises(TypeError) as raised:
        evolve(model, secret=secret)

    assert CANARY not in repr(raised.value)


def test_an_update_starts_from_what_is_there() -> None:
    """An update of a webhook has everything that the PUT would lose otherwise."""
    there = evolve(WEBHOOK, name="Bot", secret="s3cret", status="inactive", filter="roomId=x")

    assert WebhookUpdate.of(there) == WebhookUpdate(
        name="Bot", target_url="https://example.com/hook", secret="s3cret", status="inactive"
    )


def test_an_update_changes_what_is_named() -> None:
    """Each change replaces its field, and no other."""
    there = evolve(WEBHOOK, name="Bot", secret="s3cret", status="inactive")

    changed = WebhookUpdate.of(
        there, name="New", target_url="https://new.example.com", secret="n3w", status=Status.ACTIVE
    )

    assert changed == WebhookUpdate(
        name="New", target_url="https://new.example.com", secret="n3w", status="active"
    )
    assert WebhookUpdate.of(there, status="active") == WebhookUpdate(
        name="Bot", target_url="https://example.com/hook", secret="s3cret", status="active"
    )


def test_an_update_can_leave_out_what_is_there() -> None:
    """`None` leaves secret and status out of an update."""
    there = evolve(WEBHOOK, secret="s3cret", status="inactive")

    assert WebhookUpdate.of(there, secret=None, status=None) == UPDATE


def test_an_update_of_a_webhook_with_empty_fields_leaves_them_out() -> None:
    """An empty secret or status from the service is left out."""
    assert WebhookUpdate.of(evolve(WEBHOOK, secret="", status="")) == UPDATE


@pytest.mark.parametrize("fixed", ["resource", "event", "filter", "owned_by"])
def test_an_update_refuses_what_is_fixed_for_life(fixed: str) -> None:
    """A field that can't change is refused with the remedy, and isn't shown."""
    changes: Any = {fixed: CANARY}

    with pytest.raises(TypeError) as raised:
        WebhookUpdate.of(WEBHOOK, **changes)

    assert str(raised.value) == (
        f"{fixed} can't change, only name, target_url, secret, status can: "
        "delete the webhook and create another"
    )


def test_an_update_names_all_that_it_refuses() -> None:
    """One error names all fields that can't change."""
    changes: Any = {"resource": "rooms", "event": "updated", "name": "New"}

    with pytest.raises(TypeError, match=r"^event, resource can't change"):
        WebhookUpdate.of(WEBHOOK, **changes)


def test_a_webhook_with_an_odd_target_can_be_corrected() -> None:
    """An invalid target can be replaced, and is refused only if it stays."""
    odd = evolve(WEBHOOK, target_url="ftp://old.example.com")

    corrected = WebhookUpdate.of(odd, target_url="https://example.com/hook")

    assert corrected == UPDATE
    with pytest.raises(ValueError, match="target_url must be an absolute"):
        WebhookUpdate.of(odd, name="Another")


def test_a_webhook_without_a_name_can_be_corrected() -> None:
    """An empty name can be replaced, and is refused only if it stays."""
    assert WebhookUpdate.of(evolve(WEBHOOK, name=""), name="Messages") == UPDATE
    with pytest.raises(ValueError, match="name is empty"):
        WebhookUpdate.of(evolve(WEBHOOK, name=""))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_url": "example.com"}, "target_url must be an absolute"),
        ({"name": ""}, "name is empty; Webex requires it"),
        ({"secret": ""}, "secret is empty; leave it out"),
        ({"status": ""}, "status is empty; leave it out"),
    ],
)
def test_changes_are_checked_alike(changes: dict[str, Any], message: str) -> None:
    """A change is checked like a field of an update that is made directly."""
    with pytest.raises(ValueError, match=message):
        WebhookUpdate.of(WEBHOOK, **changes)
