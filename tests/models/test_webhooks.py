from functools import partial
from typing import Any

import pytest
from attrs import evolve

from tests.support.wire import MODEL
from webex_webhooks_async.models.vocabulary import WebhookStatus
from webex_webhooks_async.models.webhooks import NewWebhook, WebhookUpdate

Sent = NewWebhook | WebhookUpdate

CANARY = "c4n4ry"

NEW = NewWebhook(
    name="Messages", target_url="https://example.com/hook", resource="messages", event="created"
)
UPDATE = WebhookUpdate(name="Messages", target_url="https://example.com/hook")

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


def test_webhooks_can_be_in_sets() -> None:
    """Equal webhooks are one in a set, whatever `extra` holds."""
    one, equal = (evolve(MODEL, extra={"tags": ["a", {"b": None}]}) for _ in range(2))

    assert len({one, equal}) == 1
    assert one != MODEL


def test_a_repr_shows_no_secret() -> None:
    """The repr of a model has no secret, and of unknown members the names, but no values."""
    unknown = {"newSecret": CANARY, "nested": {"deep": [CANARY]}}
    shown = repr(
        [
            evolve(MODEL, secret=CANARY, extra=unknown),
            evolve(NEW, secret=CANARY),
            evolve(UPDATE, secret=CANARY),
        ]
    )

    assert CANARY not in shown
    assert "extra=<newSecret, nested>)" in shown


@pytest.mark.parametrize(
    "target",
    [
        *("https://example.com", "http://example.com/hook", "HTTPS://EXAMPLE.COM/Hook"),
        *("https://example.com:8443/hook?a=b&c#d", "https://someone:word@example.com/hook"),
        *("http://localhost:8080", "http://127.0.0.1/hook", "http://[::1]:8080/hook"),
        *("https://exämple.com/hök", "https://example.com/%20hook"),
    ],
)
def test_absolute_urls_are_targets(target: str) -> None:
    """A target is kept as it was given."""
    assert evolve(NEW, target_url=target).target_url == target


@pytest.mark.parametrize(
    "target",
    [
        *("example.com", "/hook", "//example.com/hook", "https:example.com/hook"),
        *("ftp://example.com/hook", "http://", "http:///hook", "https://:8443/hook"),
        *("https://someone@/hook", "https://example.com:port/hook", "https://example.com:65536/"),
        *("https://example.com:²/hook", "https://[::1/hook", "https://exam[ple].com/hook"),
        *("https://example.com/a hook", "https://example.com/hook\n", "https://example.com/\u2028"),
        *("https://example.com/hook\x1b[31m", "https://example.com/\u200bhook"),
        "https://example.com℀/hook",
    ],
    ids=ascii,
)
def test_nothing_else_is_a_target(target: str) -> None:
    """Anything but an absolute http(s) URL is refused, and the error says what is expected."""
    with pytest.raises(ValueError, match=r"^target_url must be an absolute http\(s\) URL, got '"):
        evolve(NEW, target_url=target)


@pytest.mark.parametrize(("model", "field"), REQUIRED + OPTIONAL)
def test_fields_are_not_empty(model: Sent, field: str) -> None:
    """The error has the remedy; `None` in an optional field is the same as left out."""
    is_required = (model, field) in REQUIRED
    remedy = "Webex requires it" if is_required else "leave it out"
    with pytest.raises(ValueError, match=f"^{field} is empty; {remedy}$"):
        with_field(model, field, "")

    assert is_required or with_field(model, field, None) == model


@pytest.mark.parametrize(("model", "field"), REQUIRED + OPTIONAL)
def test_fields_are_strings(model: Sent, field: str) -> None:
    """A value that isn't a string is refused, and isn't shown."""
    values: list[object] = [5, True, b"bytes", ["list"]]
    for value in values:
        with pytest.raises(TypeError) as raised:
            with_field(model, field, value)

        assert str(raised.value) == f"{field} must be str, got {type(value).__name__}"


@pytest.mark.parametrize(("model", "field"), REQUIRED + OPTIONAL)
def test_fields_are_valid_unicode(model: Sent, field: str) -> None:
    """Text that was read from bytes that aren't UTF-8 is refused, and isn't shown."""
    with pytest.raises(ValueError, match=rf"^{field} is not valid Unicode") as raised:
        with_field(model, field, f"{CANARY}\udcff")

    assert CANARY not in str(raised.value)


THERE = evolve(MODEL, name="Bot", secret="s3cret", status="inactive", filter="roomId=x")
ALL = WebhookUpdate(name="Bot", target_url=MODEL.target_url, secret="s3cret", status="inactive")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ALL),
        ({"status": WebhookStatus.ACTIVE}, evolve(ALL, status="active")),
        ({"secret": None, "status": None}, evolve(ALL, secret=None, status=None)),
        (
            {"name": "New", "target_url": "https://new.example.com", "secret": "n3w"},
            evolve(ALL, name="New", target_url="https://new.example.com", secret="n3w"),
        ),
    ],
)
def test_an_update_changes_what_is_named(changes: Any, expected: WebhookUpdate) -> None:  # noqa: ANN401 - keywords
    """An update of a webhook has everything that the PUT would lose otherwise."""
    assert WebhookUpdate.of(THERE, **changes) == expected


def test_an_update_refuses_what_is_fixed_for_life() -> None:
    """One error names all fields that can't change, with the remedy, and shows no value."""
    changes: Any = {"resource": CANARY, "event": "updated", "name": "New"}

    with pytest.raises(TypeError) as raised:
        WebhookUpdate.of(MODEL, **changes)

    assert str(raised.value) == (
        "event, resource can't change, only name, target_url, secret, status can: "
        "delete the webhook and create another"
    )


def test_an_update_is_made_of_a_webhook() -> None:
    """Its JSON, or its id, is an error that says so."""
    with pytest.raises(TypeError, match="webhook must be Webhook, got dict"):
        WebhookUpdate.of({"name": "Messages"})  # type: ignore[arg-type] # it is refused


def test_an_odd_webhook_can_be_corrected() -> None:
    """Empty optional fields are left out; what is invalid is refused only if it stays."""
    odd = evolve(MODEL, name="", target_url="ftp://old.example.com", secret="", status="")

    corrected = WebhookUpdate.of(odd, name="Messages", target_url="https://example.com/hook")

    assert corrected == UPDATE
    with pytest.raises(ValueError, match="target_url must be an absolute"):
        WebhookUpdate.of(odd, name="Another")
    with pytest.raises(ValueError, match="name is empty"):
        WebhookUpdate.of(odd, target_url="https://example.com/hook")


@pytest.mark.parametrize(
    "make",
    [NewWebhook, WebhookUpdate, partial(WebhookUpdate.of, MODEL)],
    ids=["new", "update", "of"],
)
def test_a_field_in_camel_case_is_named_as_it_is_here(make: Any) -> None:  # noqa: ANN401 - any of them
    """`targetUrl=` is a `TypeError` that names `target_url`; any other word names itself."""
    with pytest.raises(TypeError, match=r"has no argument 'targetUrl': write target_url$"):
        make(targetUrl="https://example.com")
    with pytest.raises(TypeError, match=r"has no argument 'url'$"):
        make(url="https://example.com")
