"""Those who act in a sandbox, and ids as Webex makes them."""

import base64
import secrets
import uuid

from attrs import Factory, frozen

_NAMES = ("Alex Chen", "Bea Okafor", "Carla Rossi", "Deniz Kaya", "Emil Novak", "Farah Haddad")


def webex_id(kind: str) -> str:
    """A new id of Webex's form: opaque, though base64 shows what it is made of."""
    name = f"ciscospark://us/{kind}/{uuid.uuid4()}"
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


@frozen(kw_only=True)
class Person:
    """Someone who does something: a human being or a bot.

    Attributes:
        id: The person's id.
        email: The person's address.
        display_name: What people see.
        org_id: The person's organization.
    """

    id: str = Factory(lambda: webex_id("PEOPLE"))
    email: str
    display_name: str
    org_id: str = Factory(lambda: webex_id("ORGANIZATION"))

    @classmethod
    def made_up(cls, person_id: str | None = None) -> "Person":
        """A human being, with this id if there is one."""
        name = made_up_name()
        mailbox = f"{name.partition(' ')[0].lower()}.{secrets.token_hex(4)}"
        return cls(
            id=person_id or webex_id("PEOPLE"), email=f"{mailbox}@example.com", display_name=name
        )


def made_up_name() -> str:
    """A human being's name."""
    return secrets.choice(_NAMES)
