"""What a run may touch: the rooms that it has made, and the direct room of bot and person."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, cast

from webex_webhooks_async.models.ids import comparable

WORD = "wwa-conformance-q7x"
"""What the titles, names and texts of every run contain, and nobody else's by chance."""


class ForeignError(Exception):
    """A request would have touched what isn't the run's; it wasn't sent."""


class Guard:
    """Refuses requests that touch what isn't the run's, and notes what the run makes.

    Ids are kept as `comparable` returns them: a list and a notification may write them differently.
    """

    def __init__(self) -> None:
        self.tag: str = f"{WORD}-{secrets.token_hex(4)}"  # in each title and name of this run
        self.people: set[str] = set()  # ids and addresses of bot and person
        self.nobody: set[str] = set()  # ids that were made up
        self.rooms: set[str] = set()  # that the run has made, and the direct one
        self.known: set[str] = set()  # what may be read: made, or seen in these rooms
        self.made: set[str] = set()  # what may be deleted
        self.secrets: set[str] = set()  # what must not be printed

    def check(
        self, method: str, path: str, query: Mapping[str, Any], document: Mapping[str, Any]
    ) -> None:
        """Check a request before it is sent."""
        kind, identifier = _split(path)
        given = {**query, **document}
        if "roomId" in given and comparable(str(given["roomId"])) not in self.rooms:
            raise ForeignError(f"{method} {kind}: the room isn't one that this run has made")
        for name in ("personId", "personEmail", "toPersonId", "toPersonEmail", "email"):
            if name in given and comparable(str(given[name])) not in self.people | self.nobody:
                raise ForeignError(f"{method} {kind}: {name} is neither the bot nor the person")
        if identifier is not None:
            self._check_item(method, kind, identifier)
        if method in {"POST", "PUT"}:
            self._check_tag(method, kind, document)

    def _check_item(self, method: str, kind: str, identifier: str) -> None:
        if kind == "people":
            allowed = self.people | self.known | {"me"}
        elif method == "DELETE":
            allowed = self.made
        else:
            allowed = self.rooms | self.known | self.made
        if comparable(identifier) not in allowed:
            raise ForeignError(f"{method} {kind}/...: this run has neither made nor found it")

    def _check_tag(self, method: str, kind: str, document: Mapping[str, Any]) -> None:
        named = {"rooms": "title", "webhooks": "name"}.get(kind)
        if named and self.tag not in str(document.get(named)):
            raise ForeignError(f"{method} {kind}: its {named} must contain the run's tag")
        message_id = comparable(str(document.get("messageId")))
        if kind == "attachment/actions" and message_id not in self.known:
            raise ForeignError(f"{method} {kind}: the message isn't one of this run's rooms")

    def note(self, method: str, path: str, body: object) -> None:
        """Note what a response shows: what was made, and what is in the run's rooms."""
        kind, _ = _split(path)
        for each in _objects(body):
            identifier = comparable(str(each.get("id", "")))
            if kind == "rooms" and self.tag in str(each.get("title")):
                self.rooms.add(identifier)
            if method == "POST" and kind == "messages" and each.get("roomType") == "direct":
                self.rooms.add(comparable(str(each["roomId"])))
            is_own = (kind == "rooms" and identifier in self.rooms) or (
                kind == "webhooks" and self.tag in str(each.get("name"))
            )
            if is_own or comparable(str(each.get("roomId"))) in self.rooms:
                files = cast("list[str]", each.get("files") or [])
                contents = (comparable(url.rpartition("/")[2]) for url in files)
                self.known.update([identifier, *contents])
            if is_own or method == "POST":
                self.made.add(identifier)

    def invented(self, identifier: str) -> str:
        """Allow an id that was made up, and that nothing and nobody has."""
        self.known.add(comparable(identifier))
        self.nobody.add(comparable(identifier))
        return identifier

    def owns(self, data: Mapping[str, Any]) -> bool:
        """Whether the data of a notification are about something in the run's rooms."""
        room_id, identifier = (comparable(str(data.get(name))) for name in ("roomId", "id"))
        return room_id in self.rooms or identifier in self.rooms | self.made

    def only_own(self, path: str, body: object) -> object:
        """A response without the rooms and webhooks of others in a list."""
        kind, identifier = _split(path)
        if kind not in {"rooms", "webhooks"} or identifier or not isinstance(body, dict):
            return body
        page = cast("dict[str, Any]", body)
        own = self.known | self.made
        items = [each for each in _objects(page) if comparable(str(each.get("id"))) in own]
        return {**page, "items": items} if "items" in page else page


def _split(path: str) -> tuple[str, str | None]:
    """The collection that a path belongs to, and the id in it."""
    parts = path.strip("/").split("/")
    kind = "attachment/actions" if parts[:2] == ["attachment", "actions"] else parts[0]
    rest = parts[kind.count("/") + 1 :]
    if kind == "messages" and rest == ["direct"]:
        rest = []
    if kind not in _COLLECTIONS or len(rest) > 1:
        raise ForeignError(f"a run doesn't call {kind}")
    return kind, rest[0] if rest else None


_COLLECTIONS = (
    *("attachment/actions", "contents", "memberships", "messages", "people", "recordings"),
    *("rooms", "webhooks"),
)


def _objects(body: object) -> Iterable[Mapping[str, Any]]:
    if not isinstance(body, dict):
        return []
    document = cast("dict[str, Any]", body)
    items = document.get("items")
    return cast("list[Mapping[str, Any]]", items) if isinstance(items, list) else [document]
