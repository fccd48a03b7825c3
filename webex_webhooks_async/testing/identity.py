"""Ids as Webex makes them, and the bot that every token of a sandbox belongs to."""

import base64
import uuid

from attrs import Factory, frozen


def webex_id(kind: str) -> str:
    """A new id of Webex's form: opaque, though base64 shows what it is made of.

    >>> webex_id("ROOM")  # doctest: +SKIP
    'Y2lzY29zcGFyazovL3VzL1JPT00vOTJkYjNiZTAtNDNiZC0xMWU2LThhZTktZGQ1YjNkZmM1NjVk'
    """
    name = f"ciscospark://us/{kind}/{uuid.uuid4()}"
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _new(kind: str) -> str:
    return Factory(lambda: webex_id(kind))


@frozen(kw_only=True)
class Identity:
    """Whom the service takes a caller for.

    Attributes:
        person_id: The bot's own id: the ``createdBy`` of every webhook.
        email: The bot's address.
        display_name: What people see.
        org_id: Its organization.
        app_id: The application whose tokens these are.
    """

    person_id: str = _new("PEOPLE")
    email: str = "sandbox@webex.bot"
    display_name: str = "Sandbox Bot"
    org_id: str = _new("ORGANIZATION")
    app_id: str = _new("APPLICATION")

    def on_wire(self) -> dict[str, object]:
        """The answer to ``GET /people/me``."""
        return {
            "id": self.person_id,
            "emails": [self.email],
            "phoneNumbers": [],
            "displayName": self.display_name,
            "nickName": self.display_name,
            "userName": self.email,
            "orgId": self.org_id,
            "type": "bot",
        }
