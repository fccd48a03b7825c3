"""Models of what a bot fetches: messages, submissions of cards, and people. Times are aware."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from attrs import field, frozen

from webex_webhooks_async.models import extra_field

MAX_TEXT_BYTES = 7439
"""The size of the longest text, and of the longest markdown, of a message.

https://developer.webex.com/docs/api/v1/messages/create-a-message
"""

MESSAGE_CONTENT = frozenset({"text", "markdown", "html", "attachments", "isVoiceClip"})
"""What a notification of a message never contains.

Whether one contains ``isVoiceClip`` isn't known, because none was seen of a file.
"""

CARD_TYPE = "application/vnd.microsoft.card.adaptive"


def problem_of_card(attachment: Mapping[str, Any]) -> str | None:
    """Why Webex refuses a card; None if it takes it."""
    if attachment.get("contentType") != CARD_TYPE:
        return f"contentType of a card must be {CARD_TYPE}"
    card = attachment.get("content")
    if not isinstance(card, Mapping):
        return "content of a card must be an object"
    fields = cast("Mapping[str, object]", card)
    if fields.get("type") != "AdaptiveCard":
        return "type of a card must be AdaptiveCard"
    if not (isinstance(fields.get("version"), str) and fields["version"]):
        return "Missing Adaptive Card Version"
    return None


@frozen(kw_only=True, slots=False)
class Message:
    """A message, as ``client.fetch(notification)`` returns it.

    Facts: https://developer.webex.com/docs/api/v1/messages

    Attributes:
        room_type: ``direct`` or ``group``.
        person_id: The author's id.
        text: Its words, as plain text. A mention is part of it, with the name that it shows.
        markdown: Its words in Markdown, if it was written so.
        html: Its words in HTML, if it is formatted or mentions someone.
        files: The URLs of its files; downloading them takes the access token.
        parent_id: The message that it replies to.
        mentioned_people: The ids of the people that it mentions.
        mentioned_groups: Such as ``all``.
        attachments: Its cards, as they were sent.
        created: When it was written.
        updated: When it was last edited.
    """

    id: str
    room_id: str
    room_type: str | None = None
    person_id: str | None = None
    person_email: str | None = None
    text: str | None = None
    markdown: str | None = None
    html: str | None = None
    files: tuple[str, ...] = ()
    parent_id: str | None = None
    mentioned_people: tuple[str, ...] = ()
    mentioned_groups: tuple[str, ...] = ()
    attachments: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    created: datetime | None = None
    updated: datetime | None = None
    is_voice_clip: bool | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class AttachmentAction:
    """The submission of a card, as ``client.fetch(notification)`` returns it.

    Facts: https://developer.webex.com/docs/api/v1/attachment-actions

    Attributes:
        type: Such as ``submit``.
        message_id: The message that the card is in.
        person_id: The id of the person who submitted it.
        inputs: The value of each input of the card, by the input's id.
        created: When it was submitted.
    """

    id: str
    type: str | None = None
    message_id: str | None = None
    person_id: str | None = None
    room_id: str | None = None
    inputs: Mapping[str, Any] | None = field(default=None, hash=False)
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class PhoneNumber:
    """One of the telephone numbers of a `Person`.

    Attributes:
        type: Such as ``work``, ``mobile`` or ``work_extension``.
        value: The number, as Webex has it.
    """

    type: str | None = None
    value: str | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class Person:
    """A person or a bot, as ``client.get("people/me", into=Person)`` returns it.

    Facts: https://developer.webex.com/docs/api/v1/people

    Attributes:
        nick_name: The name that others use for the person.
        avatar: The URL of a picture.
        type: ``person``, ``bot`` or ``appuser``.
        created: When the account was created.
    """

    id: str
    emails: tuple[str, ...] = ()
    display_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    nick_name: str | None = None
    avatar: str | None = None
    phone_numbers: tuple[PhoneNumber, ...] = ()
    org_id: str | None = None
    type: str | None = None
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()
