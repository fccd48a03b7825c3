"""People, and the bots among them.

Facts: https://developer.webex.com/docs/api/v1/people
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from webex_webhooks_async.models.extra import extra_field


@frozen(kw_only=True)
class Person:
    """A person or a bot, as ``client.get("people/me", into=Person)`` returns it.

    Facts: https://developer.webex.com/docs/api/v1/people

    Attributes:
        id: The person's id.
        emails: The person's addresses.
        display_name: The person's full name.
        first_name: The first name.
        last_name: The last name.
        nick_name: What others call the person.
        avatar: The URL of a picture.
        org_id: The person's organization.
        type: ``person``, ``bot`` or ``appuser``.
        created: When the account was created; aware.
    """

    id: str
    emails: tuple[str, ...] | None = None
    display_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    nick_name: str | None = None
    avatar: str | None = None
    org_id: str | None = None
    type: str | None = None
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()
