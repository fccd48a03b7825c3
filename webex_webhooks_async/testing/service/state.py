"""Everything that the simulated Webex holds, and how its parts belong together."""

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, cast

from attrs import evolve, frozen

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.vocabulary import BASE_URL, Event, Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.service.events import WebexEvent, content, fake_data
from webex_webhooks_async.testing.service.formats import (
    WallClock,
    is_uuid,
    name_in,
    timestamp,
    webex_id,
)
from webex_webhooks_async.testing.service.responses import RefusedCallError
from webex_webhooks_async.testing.service.sandbox_person import (
    ORGANIZATION,
    SandboxPerson,
    fake_person,
)
from webex_webhooks_async.testing.service.token_store import TokenRules, TokenStore

T = TypeVar("T")


class Store(Generic[T]):
    """The stored documents, by id. Each keeps the number that it has got; numbers only grow."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._stored: dict[str, tuple[int, T]] = {}
        self._watchers: list[Callable[[T], None]] = []

    def __iter__(self) -> Iterator[T]:
        return iter([item for _, item in self._stored.values()])

    def get(self, item_id: str) -> T | None:
        """The item with this id, as it is now."""
        stored = self._stored.get(item_id)
        return stored[1] if stored else None

    def put(self, item_id: str, item: T) -> None:
        """Store an item; it takes the place of the one with the same id."""
        stored = self._stored.get(item_id)
        self._stored[item_id] = (stored[0] if stored else next(self._numbers), item)
        self._report(item)

    def remove(self, item_id: str) -> None:
        """Remove the item with this id, if it is there."""
        stored = self._stored.pop(item_id, None)
        if stored is not None:
            self._report(stored[1])

    def watch(self, watcher: Callable[[T], None]) -> None:
        """Call `watcher` after each change, with the item that was stored or removed."""
        self._watchers.append(watcher)

    def _report(self, item: T) -> None:
        for watcher in self._watchers:
            watcher(item)

    def numbered(self) -> list[tuple[int, T]]:
        """The items with their numbers, in the order in which they were added."""
        return [*self._stored.values()]


MAX_FAILURES = 100
"""This many failed attempts within `WINDOW` switch a webhook off."""

WINDOW = timedelta(minutes=5)


class FailureTracker:
    """The recent failed attempts of each webhook."""

    def __init__(self) -> None:
        self._failures: dict[str, deque[datetime]] = {}
        self._reactivated_at: dict[str, datetime] = {}

    def attempt_failed(self, webhook_id: str, now: datetime) -> bool:
        """Count a failed attempt; true if it switches the webhook off."""
        reactivated = self._reactivated_at.get(webhook_id)
        if reactivated is not None and now - reactivated <= WINDOW:
            return True
        failures = self._failures.setdefault(webhook_id, deque(maxlen=MAX_FAILURES))
        failures.append(now)
        return len(failures) == MAX_FAILURES and now - failures[0] <= WINDOW

    def reactivated(self, webhook_id: str, now: datetime) -> None:
        """Note that a webhook is active again: within `WINDOW`, one failure switches it off."""
        self._reactivated_at[webhook_id] = now


Json = Mapping[str, Any]

PATHS: Mapping[str, str] = {
    resource: watchable.path for resource, watchable in CATALOG.items() if watchable.path
}
"""The REST path of each resource that can be watched and read by id."""

DIRECT = "direct"
GROUP = "group"


class Persons(Store[SandboxPerson]):
    """Everyone whom the sandbox knows, by id and by address. Addresses ignore case."""

    def __init__(self) -> None:
        super().__init__()
        self._by_email: dict[str, SandboxPerson] = {}

    def find(self, id_or_email: str | None) -> SandboxPerson | None:
        """The person with this id, which may be the UUID in it alone, or with this address."""
        if id_or_email is None:
            return None
        lower = id_or_email.lower()
        if is_uuid(lower):
            return self.get(webex_id("PEOPLE", lower))
        return self.get(id_or_email) or self._by_email.get(lower)

    def add(self, person: SandboxPerson) -> None:
        """Add a person."""
        if any(map(self.find, (person.id, *person.emails))):
            raise ValueError(
                f"another person has the id or the address of {person.display_name} "
                f"<{person.emails[0]}>; pass the address alone to mean that person"
            )
        self.put(person.id, person)
        self._by_email.update(dict.fromkeys(map(str.lower, person.emails), person))


def matching(store: Store[Json], **wanted: object) -> Iterator[Json]:
    """The items that have these members."""
    for each in store:
        if all(each.get(key) == value for key, value in wanted.items()):
            yield each


@frozen(kw_only=True)
class StoredFile:
    """A file of a message."""

    message_id: str
    file: File


def unknown_person(person_id: str) -> RefusedCallError:
    """Why a person isn't found by an id."""
    problem = f"no person has the id {person_id!r}; an address introduces a new person"
    if is_uuid(person_id) or name_in(person_id) is not None:
        return RefusedCallError(404, problem)
    return RefusedCallError(400, problem, words="Expect base64 ID or UUID.")


def unknown_room(problem: str) -> RefusedCallError:
    """Why a room isn't found; programs compare Webex's own words."""
    return RefusedCallError(404, problem, words="Could not find a room with provided ID.")


class State:
    """The state of the simulated Webex.

    `rooms`, `memberships` and `messages` are among the documents.
    """

    def __init__(
        self, *, bot: SandboxPerson, clock: WallClock, rules: TokenRules, private: bool
    ) -> None:
        self.bot: SandboxPerson = bot  # every token that isn't a person's is the bot's
        self.clock: WallClock = clock
        self.persons: Persons = Persons()  # everyone who has been named, the bot included
        self.persons.add(bot)
        self.webhooks: Store[Webhook] = Store[Webhook]()
        self.documents: Mapping[str, Store[Json]] = {  # by the name of the resource
            each: Store[Json]() for each in (*PATHS, Resource.MEETING_TRANSCRIPTS)
        }
        self.rooms: Store[Json] = self.documents[Resource.ROOMS]
        self.memberships: Store[Json] = self.documents[Resource.MEMBERSHIPS]
        self.messages: Store[Json] = self.documents[Resource.MESSAGES]
        self.fake_ids: set[str] = set()  # of whom only emitted data mentions: they own nothing
        self.emitted: set[str] = set()  # ids of messages that everyone may read
        self.pressed: dict[str, tuple[int, Json]] = {}  # the number and card, also if deleted since
        self.edits: Counter[str] = Counter()  # how often a message was edited
        self.contents: Store[StoredFile] = Store[StoredFile]()  # the files of messages
        self.teams: Store[Json] = Store[Json]()
        self.team_memberships: Store[Json] = Store[Json]()
        self.general_rooms: dict[str, str] = {}  # the id of each, by that of the team
        self.base_url: str = BASE_URL  # of who hasn't called: where the sandbox is served
        self.base_urls: dict[str, str] = {}  # that each person called last
        self.failures: FailureTracker = FailureTracker()
        self.tokens: TokenStore = TokenStore(bot, clock, rules)
        self.private: bool = private  # whether nobody reads what belongs to others
        # Who may read what was reported then, by its resource and its id; None for everyone.
        self.readers: dict[tuple[str, str], frozenset[str] | None] = {}
        self.known_since: dict[str, str] = {bot.id: self.now()}  # when a person was introduced
        self.unannounced: set[str] = set()  # direct rooms in which nobody has written yet
        self._direct_rooms: dict[frozenset[str], str] = {}

    def now(self) -> str:
        """The current time as Webex writes it."""
        return timestamp(self.clock())

    def seen_by(self, person_id: str | None, message: Json) -> Json:
        """A message, or a part of it, with the URLs of its files below the base URL of someone."""
        base_url = self.base_urls.get(person_id or "", self.base_url)
        files = message.get("files")
        if not isinstance(files, list):
            return message
        ours = f"{BASE_URL}/contents/"
        urls = [
            each.replace(ours, f"{base_url}/contents/", 1) if isinstance(each, str) else each
            for each in cast("list[object]", files)
        ]
        return {**message, "files": urls}

    def introduce(self, person: SandboxPerson) -> SandboxPerson:
        """Add a person.

        Raises:
            ValueError: Another person has the id or the address.
        """
        person = self.of_an_organization(person)
        self.persons.add(person)
        self.known_since[person.id] = self.now()
        return person

    def of_an_organization(self, person: SandboxPerson) -> SandboxPerson:
        """The person, in the bot's organization if it wasn't given another one."""
        if person.org_id == ORGANIZATION:
            return evolve(person, org_id=self.bot.org_id)
        return person

    def named(self, email: str) -> SandboxPerson:
        """The person with this address, who is introduced if need be."""
        known = self.persons.find(email)
        if known is not None:
            self.fake_ids.discard(known.id)
            return known
        if "@" not in email:
            raise unknown_person(email)
        if email.lower().endswith(".invalid"):
            raise RefusedCallError(
                404, f"nobody has the address {email!r}, because of its .invalid"
            )
        return self.introduce(fake_person(email=email))

    def direct_room(self, one: SandboxPerson, other: SandboxPerson) -> Json:
        """The direct room of two persons, which is made if need be."""
        room = self.find_direct_room(one, other)
        if room is None:
            room = self.add_room({"type": DIRECT}, creator=one)
            self._direct_rooms[frozenset({one.id, other.id})] = room["id"]
            self.unannounced.add(room["id"])
            for person in (one, other):
                self.add_member(room, person)
        return room

    def find_direct_room(self, one: SandboxPerson, other: SandboxPerson) -> Json | None:
        """The direct room of two persons; None if nobody has made it."""
        return self.rooms.get(self._direct_rooms.get(frozenset({one.id, other.id}), ""))

    def new(self, resource: str, person: SandboxPerson, members: Json) -> dict[str, Any]:
        """What someone creates; `members` are laid over the defaults of its object."""
        now = self.clock()
        return {**fake_data(resource, Event.CREATED, members, subject=person, now=now), **members}

    def add_room(self, members: Json, *, creator: SandboxPerson) -> Json:
        """A new room, without members."""
        room = self.new(Resource.ROOMS, creator, {**content(Resource.ROOMS, creator), **members})
        self.rooms.put(room["id"], room)
        return room

    def add_member(self, room: Json, person: SandboxPerson) -> Json:
        """Make someone a member of a room."""
        members = {"roomId": room["id"], "roomType": room["type"]}
        membership = self.new(Resource.MEMBERSHIPS, person, members)
        self.memberships.put(membership["id"], membership)
        return membership

    def may_read(self, person: SandboxPerson, resource: str, item_id: str) -> bool:
        """Whether someone may read what was reported: always, if nothing is private."""
        readers = self.readers.get((resource, item_id)) if self.private else None
        return readers is None or person.id in readers

    def membership(self, room_id: str, person_id: str) -> Json | None:
        """Someone's membership in a room."""
        return next(matching(self.memberships, roomId=room_id, personId=person_id), None)

    def remove_room(self, room_id: str, *, actor: SandboxPerson) -> list[WebexEvent]:
        """Remove a room, its messages and its memberships, and report these to the members."""
        events = [
            self.membership_event(Event.DELETED, each, actor=actor)
            for each in matching(self.memberships, roomId=room_id)
        ]
        self.rooms.remove(room_id)
        for store in (self.messages, self.memberships):
            for each in matching(store, roomId=room_id):
                store.remove(each["id"])
        return events

    def members(self, room_id: str) -> frozenset[str]:
        """The ids of a room's members."""
        return frozenset(each["personId"] for each in matching(self.memberships, roomId=room_id))

    def join(self, room: Json, person: SandboxPerson, *, actor: SandboxPerson) -> WebexEvent:
        """Make someone a member of a group room, and report it to the members."""
        return self.membership_event(Event.CREATED, self.add_member(room, person), actor=actor)

    def update_membership(
        self, membership: Json, changes: Json, *, actor: SandboxPerson
    ) -> list[WebexEvent]:
        """Change a membership; who makes somebody a moderator becomes one as well."""
        changed = {membership["id"]: {**membership, **changes}}
        own = self.membership(membership["roomId"], actor.id) or membership
        if changes.get("isModerator") and not own.get("isModerator"):
            changed.setdefault(own["id"], {**own, "isModerator": True})
        for key, each in changed.items():
            self.memberships.put(key, each)
        events = [
            self.membership_event(Event.UPDATED, each, actor=actor) for each in changed.values()
        ]
        return [*events, *self._locked_or_not(membership["roomId"], actor)]

    def leave(self, membership: Json, *, actor: SandboxPerson) -> list[WebexEvent]:
        """Remove someone from a group room, and report it to the members, and to who was one."""
        self.memberships.remove(membership["id"])
        event = self.membership_event(Event.DELETED, membership, actor=actor)
        return [event, *self._locked_or_not(membership["roomId"], actor)]

    def _locked_or_not(self, room_id: str, actor: SandboxPerson) -> list[WebexEvent]:
        """Lock a room that has got a moderator, and unlock one that has none any more."""
        room = self.rooms.get(room_id)
        is_moderated = any(matching(self.memberships, roomId=room_id, isModerator=True))
        if room is None or bool(room.get("isLocked")) == is_moderated:
            return []
        room = {**room, "isLocked": is_moderated}
        self.rooms.put(room_id, room)
        return [self.room_event(Event.UPDATED, room, actor=actor)]

    def membership_event(self, event: str, membership: Json, *, actor: SandboxPerson) -> WebexEvent:
        """Something happened to a membership; the room's members are notified, and who it is of."""
        return WebexEvent(
            resource=Resource.MEMBERSHIPS,
            event=event,
            actor_id=actor.id,
            data=membership,
            audience=self.members(membership["roomId"]) | {membership["personId"]},
        )

    def room_event(self, event: str, room: Json, *, actor: SandboxPerson) -> WebexEvent:
        """Something happened to a room; its members are notified, of a new direct one its author.

        Nothing says whether the other one of a direct room is notified as well.
        """
        is_new_direct = (event, room["type"]) == (Event.CREATED, DIRECT)
        stored_only = content(Resource.ROOMS, actor)
        return WebexEvent(
            resource=Resource.ROOMS,
            event=event,
            actor_id=actor.id,
            data={key: value for key, value in room.items() if key not in stored_only},
            document=room,
            audience=frozenset({actor.id}) if is_new_direct else self.members(room["id"]),
        )

    def room_for(self, person: SandboxPerson, room_id: str) -> Json:
        """A room that someone is a member of."""
        room = self.rooms.get(room_id)
        if room is None or person.id not in self.members(room_id):
            raise unknown_room(f"no room of yours has the id {room_id!r}")
        return room

    def check_moderator(self, room: Json, person: SandboxPerson) -> None:
        """Let the moderators of a locked room pass, and all members of another one."""
        membership = self.membership(room["id"], person.id) or {}
        if room.get("isLocked") and not membership.get("isModerator"):
            raise RefusedCallError(403, f"only a moderator can change the room {room['id']!r}")

    def team_for(self, person: SandboxPerson, team_id: str) -> Json:
        """A team that someone is a member of."""
        team = self.teams.get(team_id)
        if team is None or self.team_membership(team_id, person.id) is None:
            raise RefusedCallError(404, f"no team of yours has the id {team_id!r}")
        return team

    def team_membership(self, team_id: str, person_id: str) -> Json | None:
        """Someone's membership in a team."""
        return next(matching(self.team_memberships, teamId=team_id, personId=person_id), None)
