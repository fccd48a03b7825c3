"""A person or the bot in the simulated Webex."""

import secrets
from collections.abc import Iterable

from attrs import field, frozen

from webex_webhooks_async.testing.service.formats import webex_id

ORGANIZATION = webex_id("ORGANIZATION")
"""The organization of everyone who wasn't given another one."""

BOT_EMAIL = "sandbox@webex.bot"
BOT_NAME = "Sandbox Bot"
"""Who the bot is, unless somebody says otherwise."""

_NAMES = ("Alex Chen", "Bea Okafor", "Carla Rossi", "Deniz Kaya", "Emil Novak", "Farah Haddad")


def new_id() -> str:
    """The id of a new person."""
    return webex_id("PEOPLE")


def _addresses(emails: Iterable[str]) -> tuple[str, ...]:
    if isinstance(emails, str):
        raise TypeError(f"emails must be a list of addresses, got {emails!r}: pass [{emails!r}]")
    addresses = tuple(emails)
    if not addresses:
        raise ValueError("emails must have an address")
    return addresses


@frozen(kw_only=True)
class SandboxPerson:
    """A human being or a bot.

    >>> ann = SandboxPerson(emails=["ann@example.com"], display_name="Ann")

    Attributes:
        id: By default a new one.
        emails: The addresses, at least one; what the person writes has the first.
        org_id: The person's organization; by default the same for all, the bot's.
        first_name: By default the first word of a person's display name; a bot has none.
        last_name: By default the words after it, if there are any.
        avatar: The URL of a picture, if there is one.
        phone_numbers: Telephone numbers at work, such as ``+1 408 526 7209``.

    Raises:
        ValueError: `emails` is empty.
        TypeError: It is one text.
    """

    id: str = field(factory=new_id)
    emails: tuple[str, ...] = field(converter=_addresses)
    display_name: str
    org_id: str = ORGANIZATION
    first_name: str | None = None
    last_name: str | None = None
    avatar: str | None = None
    phone_numbers: tuple[str, ...] = field(default=(), converter=tuple[str, ...])


def fake_person(*, person_id: str | None = None, email: str | None = None) -> SandboxPerson:
    """A human being; what isn't given is random."""
    person_id = person_id or new_id()
    if email is not None:
        name = _name_from(email)
        # Webex has a last name of everyone, so that of ann@example.com is Example.
        last_name = None if " " in name else _name_from(email.partition("@")[2].replace(".", "@"))
        return SandboxPerson(id=person_id, emails=[email], display_name=name, last_name=last_name)
    name = fake_name()
    mailbox = f"{name.partition(' ')[0].lower()}.{secrets.token_hex(4)}"
    return SandboxPerson(id=person_id, emails=[f"{mailbox}@example.com"], display_name=name)


def fake_name() -> str:
    """The random name of a human being."""
    return secrets.choice(_NAMES)


def _name_from(email: str) -> str:
    """``ann.lee@example.com`` is Ann Lee."""
    words = email.partition("@")[0].replace(".", " ").replace("_", " ").split()
    return " ".join(words).title() or email
