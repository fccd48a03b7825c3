"""Who is in the simulated Webex: a person, or the bot."""

import secrets

from attrs import Factory, frozen

from webex_webhooks_async.testing.service.formats import webex_id

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
