"""What happens in a sandbox, while it happens: for the page in the browser, and for `chat`."""

import asyncio
import itertools
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncGenerator

import attrs

from webex_webhooks_async.converters import unstructure
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.deliveries import Delivery
from webex_webhooks_async.testing.requests import RecordedRequest
from webex_webhooks_async.testing.service.cards import remarks_on
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import Json, State

MAX_MESSAGES = 1_000
"""The first event has this many messages at most, the latest ones."""

MAX_SHOWN = 200
"""The first event has this many requests at most, and this many deliveries."""

MAX_WAITING = 2_000
"""A reader that is so many events behind has to begin again."""

MAX_BODY = 20_000
"""So many characters of a body are shown."""

_SECRETS = re.compile(
    r"""(?P<before>"(?:secret|clientSecret)"\s*:\s*)"(?:[^"\\]|\\.)*"?"""
    r"""|(?P<name>\b(?:client_secret|refresh_token|code|code_verifier)=)[^&\s]*"""
)
_REDACTED = "…"


class EventStream:
    """The present state of a sandbox as one event, and then an event for each change.

    Each event is a JSON object whose ``kind`` says what it is: ``state``, ``room``, ``message``,
    ``removed``, ``webhooks``, ``request`` or ``delivery``. The remarks at a message say what Webex
    doesn't support in its card.
    """

    def __init__(self, state: State) -> None:
        self._id = str(uuid.uuid4())
        self._state = state
        self._numbers = itertools.count(1)
        self._requests: deque[Json] = deque(maxlen=MAX_SHOWN)
        self._deliveries: deque[tuple[Json, Delivery]] = deque(maxlen=MAX_SHOWN)
        self._readers: set[asyncio.Queue[Json | None]] = set()
        state.messages.watch(self._message)
        state.rooms.watch(self._room)
        state.memberships.watch(self._membership)
        state.webhooks.watch(self._webhook)

    def record_request(self, request: RecordedRequest) -> None:
        """Report a request."""
        self._requests.append({**self._numbered(), **_request(request)})
        self._publish("request", request=self._requests[-1])

    def record_delivery(self, delivery: Delivery) -> None:
        """Report an attempt to deliver a notification."""
        shown = {**self._numbered(), **_delivery(delivery)}
        self._deliveries.append((shown, delivery))
        self._publish("delivery", delivery=shown)

    def _numbered(self) -> Json:
        return {"number": next(self._numbers), "time": self._state.now()}

    def delivery(self, number: object) -> Delivery | None:
        """The delivery that was reported with this number, if it isn't too long ago."""
        return next((each for shown, each in self._deliveries if shown["number"] == number), None)

    async def follow(self) -> AsyncGenerator[Json, None]:
        """The present state, then each change; ends when the reader is too slow."""
        waiting: asyncio.Queue[Json | None] = asyncio.Queue()
        self._readers.add(waiting)
        try:
            yield self._present()
            while (event := await waiting.get()) is not None:
                yield event
                await asyncio.sleep(0)  # a reader that has gone is noticed meanwhile
        finally:
            self._readers.discard(waiting)

    def _present(self) -> Json:
        members: dict[str, list[str]] = {}
        for each in self._state.memberships:
            members.setdefault(each["roomId"], []).append(each["personId"])
        messages = [*self._state.messages][-MAX_MESSAGES:]
        return {
            "kind": "state",
            "sandbox": self._id,
            "bot": self._state.bot.id,
            "persons": [_person(each) for each in self._state.persons],
            "rooms": [
                {**room, "members": members.get(room["id"], [])} for room in self._state.rooms
            ],
            "messages": messages,
            "remarks": {
                each["id"]: remarks
                for each in messages
                if (remarks := remarks_on(each.get("attachments")))
            },
            "webhooks": self._webhooks(),
            "requests": [*self._requests],
            "deliveries": [shown for shown, _ in self._deliveries],
        }

    def _publish(self, kind: str, **members: object) -> None:
        for waiting in [*self._readers]:
            if waiting.qsize() < MAX_WAITING:
                waiting.put_nowait({"kind": kind, **members})
            else:
                waiting.put_nowait(None)
                self._readers.discard(waiting)

    def _message(self, message: Json, is_there: bool) -> None:  # noqa: FBT001 - a watcher's
        if is_there:
            remarks = remarks_on(message.get("attachments"))
            self._publish("message", message=message, remarks=remarks)
        else:
            self._publish("removed", id=message["id"])

    def _room(self, room: Json, is_there: bool) -> None:  # noqa: FBT001 - a watcher's
        if not is_there:
            self._publish("removed", id=room["id"])
        elif self._readers:
            members = self._state.members(room["id"])
            persons = [_person(each) for each in self._state.persons if each.id in members]
            self._publish("room", room={**room, "members": sorted(members)}, persons=persons)

    def _membership(self, membership: Json, _is_there: bool) -> None:  # noqa: FBT001 - a watcher's
        room = self._state.rooms.get(membership["roomId"])
        if room is not None:
            self._room(room, True)  # noqa: FBT003 - a watcher's

    def _webhook(self, _webhook: Webhook, _is_there: bool) -> None:  # noqa: FBT001 - a watcher's
        if self._readers:
            self._publish("webhooks", webhooks=self._webhooks())

    def _webhooks(self) -> list[Json]:
        return [unstructure(attrs.evolve(each, secret=None)) for each in self._state.webhooks]


def _person(person: SandboxPerson) -> Json:
    return {"id": person.id, "email": person.email, "displayName": person.display_name}


def _request(request: RecordedRequest) -> Json:
    authorization = request.headers.get("authorization", "")
    who = authorization.removeprefix("Bearer ")
    return {
        "method": request.method,
        "path": request.path,
        "query": _without_secrets(request.query),
        "headers": {
            **request.headers,
            **({"authorization": f"Bearer {_REDACTED}"} if authorization else {}),
        },
        "person": who.removeprefix("person:") if who.startswith("person:") else None,
        "statusCode": request.status_code,
        "trackingId": request.tracking_id,
        "error": request.error,
        **_body(request.body),
    }


def _delivery(delivery: Delivery) -> Json:
    notification = json.loads(delivery.body)
    return {
        "webhook": delivery.webhook.name,
        "createdBy": delivery.webhook.created_by,
        "url": delivery.url,
        "headers": dict(delivery.headers),
        "statusCode": delivery.status_code,
        "error": delivery.error,
        "switchedOff": delivery.switched_off,
        "ok": delivery.ok,
        "resource": notification["resource"],
        "event": notification["event"],
        "about": notification["data"].get("id"),
        **_body(delivery.body),
    }


def _body(body: bytes) -> Json:
    text = _without_secrets(body[: 4 * MAX_BODY].decode(errors="replace")[:MAX_BODY])
    return {"body": text, "bodySize": len(body)}


def _without_secrets(text: str) -> str:
    return _SECRETS.sub(
        lambda match: (
            f'{match["before"]}"{_REDACTED}"' if match["before"] else f"{match['name']}{_REDACTED}"
        ),
        text,
    )
