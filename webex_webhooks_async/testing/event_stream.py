"""What happens in a sandbox, while it happens: for the page in the browser, and for `chat`."""

import asyncio
import itertools
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

import attrs

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.converters import unstructure
from webex_webhooks_async.formatting import Redactor
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.deliveries import Delivery
from webex_webhooks_async.testing.reasons import hint_without_webhook
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
    r"""(?P<json>"(?:secret|clientSecret|access_token|refresh_token|client_secret|code)"\s*:\s*)"""
    r""""(?:[^"\\]|\\.)*"?"""
    r"""|(?P<form>\b(?:client_secret|refresh_token|code|code_verifier)=)[^&\s]*"""
    r"""|(?P<header>\bBearer )[^\s"'<>]+"""
)
_REDACTED = "***"

_EVENTS: Mapping[str, Sequence[str]] = {
    resource: sorted(watchable.events)
    for resource, watchable in CATALOG.items()
    if resource != Resource.ALL
}

_MAX_TOKENS = 20


class EventStream:
    """The present state of a sandbox as one event, and then an event for each change.

    Each event is a JSON object whose ``kind`` says what it is: ``state``, ``room``, ``message``,
    ``action`` (something was submitted), ``removed``, ``webhooks``, ``hint``, ``request``,
    ``delivery`` or ``program``: why the program of ``webex-webhooks dev`` doesn't run, empty when
    it does. A delivery comes again, with its number, when more is known of it. The remarks at a
    message say what Webex doesn't support in its card, and the hint why nothing notifies the bot.
    """

    def __init__(self, state: State) -> None:
        self._id = str(uuid.uuid4())
        self._state = state
        self._numbers = itertools.count(1)
        self._requests: deque[Json] = deque(maxlen=MAX_SHOWN)
        self._deliveries: deque[tuple[Json, Delivery]] = deque(maxlen=MAX_SHOWN)
        self._tokens: deque[str] = deque(maxlen=_MAX_TOKENS)
        self._program = ""
        self._readers: set[asyncio.Queue[Json | None]] = set()
        self._bot_has_called = False
        state.messages.watch(self._message)
        state.rooms.watch(self._room)
        state.memberships.watch(self._membership)
        state.webhooks.watch(self._webhook)
        state.documents[Resource.ATTACHMENT_ACTIONS].watch(self._action)

    def record_request(self, request: RecordedRequest, response: bytes) -> None:
        """Report a request, and the body of its response."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._tokens:
            self._tokens.append(token)
        self._requests.append({**self._numbered(), **self._request(request, response)})
        self._publish("request", request=self._requests[-1])
        if not self._bot_has_called and self._is_of_bot(request):
            self._bot_has_called = True
            self._publish("hint", hint=self._hint())

    def record_delivery(self, delivery: Delivery, response: bytes) -> None:
        """Report an attempt to deliver a notification, and the body of its response."""
        shown = {**self._numbered(), **self._delivery(delivery, response)}
        self._deliveries.append((shown, delivery))
        self._publish("delivery", delivery=shown)

    def amend_delivery(self, before: Delivery, after: Delivery) -> None:
        """Report what is learned of a delivery later, under its number."""
        for place, (shown, delivery) in enumerate(self._deliveries):
            if delivery is before:
                amended = {**shown, "handlerError": after.handler_error}
                self._deliveries[place] = (amended, after)
                self._publish("delivery", delivery=amended)

    def report_program(self, traceback: str) -> None:
        """Report why the bot's program doesn't run; empty when it does."""
        self._program = traceback
        self._publish("program", text=traceback)

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
            "actions": [*self._state.documents[Resource.ATTACHMENT_ACTIONS]][-MAX_MESSAGES:],
            "webhooks": self._webhooks(),
            "hint": self._hint(),
            "events": _EVENTS,
            "program": self._program,
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

    def _action(self, action: Json, is_there: bool) -> None:  # noqa: FBT001 - a watcher's
        if is_there:
            self._publish("action", action=action)

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
            self._publish("hint", hint=self._hint())

    def _is_of_bot(self, request: RecordedRequest) -> bool:
        """Whether the bot called, as itself."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        owner = self._state.tokens.owner(token)
        is_person = token.startswith("person:") or (owner or self._state.bot) != self._state.bot
        return scheme.lower() == "bearer" and not is_person

    def _hint(self) -> str | None:
        """Why nothing notifies the bot, if so."""
        bot_id = self._state.bot.id
        statuses = (each.status for each in self._state.webhooks if each.created_by == bot_id)
        return hint_without_webhook(statuses, has_called=self._bot_has_called)

    def _webhooks(self) -> list[Json]:
        return [unstructure(attrs.evolve(each, secret=None)) for each in self._state.webhooks]

    def _request(self, request: RecordedRequest, response: bytes) -> Json:
        authorization = request.headers.get("authorization", "")
        who = authorization.removeprefix("Bearer ")
        body, withheld = _text_of(request.body, self._tokens)
        query, hidden = _text_of(request.query.encode(), self._tokens)
        if authorization and not authorization.startswith("Bearer "):
            hidden = _A_SECRET
        return {
            "method": request.method,
            "path": request.path,
            "query": query,
            "headers": {
                **request.headers,
                **({"authorization": f"Bearer {_REDACTED}"} if authorization else {}),
            },
            "person": who.removeprefix("person:") if who.startswith("person:") else None,
            "statusCode": request.status_code,
            "trackingId": request.tracking_id,
            "error": request.error,
            "body": body,
            "bodySize": len(request.body),
            "withheld": withheld or hidden,
            "response": _text_of(response, self._tokens)[0],
            "responseSize": len(response),
        }

    def _delivery(self, delivery: Delivery, response: bytes) -> Json:
        notification = json.loads(delivery.body)
        data = notification["data"]
        secrets = [*self._tokens, delivery.webhook.secret or ""]
        body, withheld = _text_of(delivery.body, secrets)
        return {
            "webhook": delivery.webhook.name,
            "createdBy": delivery.webhook.created_by,
            "url": delivery.url,
            "headers": dict(delivery.headers),
            "statusCode": delivery.status_code,
            "error": delivery.error,
            "reason": delivery.reason,
            "handlerError": delivery.handler_error,
            "switchedOff": delivery.switched_off,
            "ok": delivery.ok,
            "resource": notification["resource"],
            "event": notification["event"],
            "about": data.get("messageId") or data.get("id"),
            "body": body,
            "bodySize": len(delivery.body),
            "withheld": withheld,
            "response": _text_of(response, secrets)[0],
            "responseSize": len(response),
        }


def _person(person: SandboxPerson) -> Json:
    return {"id": person.id, "email": person.email, "displayName": person.display_name}


_A_SECRET = "a secret"  # noqa: S105 - a word for one


def _text_of(body: bytes, secrets: Iterable[str]) -> tuple[str, str | None]:
    """A body as it is shown, and what of it isn't shown; None if nothing is left out."""
    whole = body[: 4 * MAX_BODY].decode(errors="replace")
    text = whole[:MAX_BODY]
    shown = Redactor(tuple(secrets))(_SECRETS.sub(_redacted, text))
    if shown != text:
        return shown, _A_SECRET
    if len(text.encode()) < len(body):
        return shown, f"more than {MAX_BODY} characters"
    return shown, None if text.encode() == body else "bytes that aren't text"


def _redacted(match: re.Match[str]) -> str:
    if match["json"]:
        return f'{match["json"]}"{_REDACTED}"'
    return f"{match['form'] or match['header']}{_REDACTED}"
