"""The persons of a sandbox: its bot, and everyone who has been named."""

import secrets
from collections.abc import Iterator

from attrs import Factory, frozen

from webex_webhooks_async.testing.service.shared.wire import webex_id

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
    """

    id: str = Factory(lambda: webex_id("PEOPLE"))
    email: str
    display_name: str
    org_id: str = Factory(lambda: webex_id("ORGANIZATION"))


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


class Persons:
    """Everyone whom the sandbox knows, by id and by address. Addresses ignore case."""

    def __init__(self) -> None:
        self._by_id: dict[str, SandboxPerson] = {}
        self._by_email: dict[str, SandboxPerson] = {}

    def __iter__(self) -> Iterator[SandboxPerson]:
        return iter(self._by_id.values())

    def find(self, id_or_email: str | None) -> SandboxPerson | None:
        """The person with this id or address."""
        if id_or_email is None:
            return None
        return self._by_id.get(id_or_email) or self._by_email.get(id_or_email.lower())

    def add(self, person: SandboxPerson) -> None:
        """Add a person.

        Raises:
            ValueError: Another person has the id or the address.
        """
        if self.find(person.id) or self.find(person.email):
            raise ValueError(
                f"another person has the id or the address of {person.display_name} "
                f"<{person.email}>; pass the address alone to mean that person"
            )
        self._by_id[person.id] = person
        self._by_email[person.email.lower()] = person


def _name_from(email: str) -> str:
    """``ann.lee@example.com`` is Ann Lee."""
    words = email.partition("@")[0].replace(".", " ").replace("_", " ").split()
    return " ".join(words).title() or email
