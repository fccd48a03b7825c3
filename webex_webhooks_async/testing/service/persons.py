"""Persons, and how Webex writes ids and times."""

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import Factory, frozen

from webex_webhooks_async.converters import format_datetime

_NAMES = ("Alex Chen", "Bea Okafor", "Carla Rossi", "Deniz Kaya", "Emil Novak", "Farah Haddad")


@frozen(kw_only=True)
class SandboxPerson:
    """A human being or a bot.

    >>> ann = SandboxPerson(email="ann@example.com", display_name="Ann")

    Attributes:
        id: The person's id.
        email: The person's address.
        display_name: The name that people see.
        org_id: The person's organization.
        first_name: The first name, if it is known.
        last_name: The last name, if it is known.
        avatar: The URL of a picture, if there is one.
    """

    id: str = Factory(lambda: webex_id("PEOPLE"))
    email: str
    display_name: str
    org_id: str = Factory(lambda: webex_id("ORGANIZATION"))
    first_name: str | None = None
    last_name: str | None = None
    avatar: str | None = None


def fake_person(*, person_id: str | None = None, email: str | None = None) -> SandboxPerson:
    """A human being; what isn't given is random."""
    person_id = person_id or webex_id("PEOPLE")
    if email is not None:
        return SandboxPerson(id=person_id, email=email, display_name=_name_from(email))
    name = fake_name()
    mailbox = f"{name.partition(' ')[0].lower()}.{secrets.token_hex(4)}"
    return SandboxPerson(id=person_id, email=f"{mailbox}@example.com", display_name=name)


def fake_name() -> str:
    """The random name of a human being."""
    return secrets.choice(_NAMES)


def _name_from(email: str) -> str:
    """``ann.lee@example.com`` is Ann Lee."""
    words = email.partition("@")[0].replace(".", " ").replace("_", " ").split()
    return " ".join(words).title() or email


def webex_id(kind: str) -> str:
    """A new id: opaque, though base64 decodes it to what it identifies."""
    name = f"ciscospark://us/{kind}/{uuid.uuid4()}"
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


WallClock = Callable[[], datetime]
"""Returns the current time, aware."""


def system_clock() -> datetime:
    """The time of the machine."""
    return datetime.now(UTC)


def to_utc_milliseconds(moment: datetime) -> datetime:
    """A moment in Webex's time zone and precision."""
    in_utc = moment.astimezone(UTC)
    return in_utc.replace(microsecond=in_utc.microsecond // 1000 * 1000)


def timestamp(moment: datetime) -> str:
    """A moment as Webex writes it.

    >>> timestamp(datetime(2022, 4, 7, 9, 17, 23, 164_000, tzinfo=UTC))
    '2022-04-07T09:17:23.164Z'
    """
    return format_datetime(to_utc_milliseconds(moment))


def without_nones(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object that are present: one that is None is absent."""
    return {key: value for key, value in members.items() if value is not None}
