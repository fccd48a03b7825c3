"""Everything that the simulated Webex holds, and how its parts belong together."""

from collections.abc import Mapping
from typing import Any

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.service.shared.clock import Clock, timestamp
from webex_webhooks_async.testing.service.shared.errors import RefusedError
from webex_webhooks_async.testing.service.shared.events import WebexEvent
from webex_webhooks_async.testing.service.shared.failures import FailureTracker
from webex_webhooks_async.testing.service.shared.ids import webex_id
from webex_webhooks_async.testing.service.shared.persons import Person, Persons, fake_person
from webex_webhooks_async.testing.service.shared.store import Store
from webex_webhooks_async.testing.service.shared.tokens import Tokens

Json = Mapping[str, Any]

PATHS: Mapping[str, str] = {
    resource: watchable.path for resource, watchable in CATALOG.items() if watchable.path
}
"""The REST path of each resource that can be watched and read by id."""

DIRECT = "direct"
GROUP = "group"


class State:
    """What the simulated Webex holds.

    Attributes:
        bot: The bot; every access token that isn't a person's is the bot's.
        clock: The current time.
        persons: Everyone who has been named, the bot included.
        webhooks: Everyone's webhooks.
        documents: What can be read by id, by the name of its resource and by the id.
        emitted: The ids of the messages that `Sandbox.emit` reported; everyone may read them.
        failures: The webhooks' failed deliveries.
        tokens: Revoked tokens and unused codes.
    """

    def __init__(self, *, bot: Person, clock: Clock) -> None:
        self.bot: Person = bot
        self.clock: Clock = clock
        self.persons: Persons = Persons()
        self.persons.add(bot)
        self.webhooks: Store[Webhook] = Store[Webhook]()
        self.documents: Mapping[str, Store[Json]] = {each: Store[Json]() for each in PATHS}
        self.emitted: set[str] = set()
        self.failures: FailureTracker = FailureTracker(clock)
        self.tokens: Tokens = Tokens(clock)
        self._direct_rooms: dict[frozenset[str], str] = {}

    @property
    def rooms(self) -> Store[Json]:
        """The rooms, by the keys on the wire."""
        return self.documents[Resource.ROOMS]

    @property
    def memberships(self) -> Store[Json]:
        """The memberships, by the keys on the wire."""
        return self.documents[Resource.MEMBERSHIPS]

    @property
    def messages(self) -> Store[Json]:
        """The messages, by the keys on the wire."""
        return self.documents[Resource.MESSAGES]

    def now(self) -> str:
        """The current time as Webex writes it."""
        return timestamp(self.clock())

    def introduce(self, person: Person) -> Person:
        """Add a person, with a direct room with the bot.

        Raises:
            ValueError: Another person has the id or the address.
        """
        self.persons.add(person)
        self.direct_room(person, self.bot)
        return person

    def named(self, email: str) -> Person:
        """The person with this address, who is introduced if need be.

        Raises:
            RefusedError: It isn't an address.
        """
        known = self.persons.find(email)
        if known is not None:
            return known
        if "@" not in email:
            raise RefusedError(
                404, f"no person has the id {email!r}; an address introduces a new person"
            )
        return self.introduce(fake_person(email=email))

    def direct_room(self, one: Person, other: Person) -> Json:
        """The direct room of two persons."""
        pair = frozenset({one.id, other.id})
        room = self.rooms.get(self._direct_rooms.get(pair, ""))
        if room is None:
            room = self.add_room({"type": DIRECT}, creator=one)
            self._direct_rooms[pair] = room["id"]
            for person in (one, other):
                self.add_member(room, person)
        return room

    def add_room(self, members: Json, *, creator: Person) -> Json:
        """A new room, without members; `members` are laid over the defaults of its object."""
        now = self.now()
        room: dict[str, Any] = {
            "id": webex_id("ROOM"),
            "title": creator.display_name,
            "type": GROUP,
            "isLocked": False,
            "creatorId": creator.id,
            "lastActivity": now,
            "created": now,
            **members,
        }
        self.rooms.put(room["id"], room)
        return room

    def add_member(self, room: Json, person: Person) -> Json:
        """Make someone a member of a room."""
        membership: dict[str, Any] = {
            "id": webex_id("MEMBERSHIP"),
            "roomId": room["id"],
            "roomType": room["type"],
            "personId": person.id,
            "personEmail": person.email,
            "personDisplayName": person.display_name,
            "personOrgId": person.org_id,
            "isModerator": False,
            "isMonitor": False,
            "isRoomHidden": False,
            "created": self.now(),
        }
        self.memberships.put(membership["id"], membership)
        return membership

    def members(self, room_id: str) -> frozenset[str]:
        """The ids of a room's members."""
        return frozenset(each["personId"] for each in self.memberships if each["roomId"] == room_id)

    def join(self, room: Json, person: Person, *, actor: Person) -> WebexEvent:
        """Make someone a member of a group room, and report it to the members."""
        return self.membership_event(Event.CREATED, self.add_member(room, person), actor=actor)

    def membership_event(self, event: str, membership: Json, *, actor: Person) -> WebexEvent:
        """Something happened to a membership; the room's members are notified, and who it is of."""
        return WebexEvent(
            resource=Resource.MEMBERSHIPS,
            event=event,
            actor_id=actor.id,
            data=membership,
            audience=self.members(membership["roomId"]) | {membership["personId"]},
        )

    def room_for(self, person: Person, room_id: str) -> Json:
        """A room that someone is a member of.

        Raises:
            RefusedError: It doesn't exist, or the person isn't a member.
        """
        room = self.rooms.get(room_id)
        if room is None or person.id not in self.members(room_id):
            raise RefusedError(404, f"no room of yours has the id {room_id!r}")
        return room
