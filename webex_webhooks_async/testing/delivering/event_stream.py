"""Streams the events of a sandbox to the page in the browser, and to `chat`."""

import asyncio
import itertools
import json
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import attrs

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.errors import SignatureError
from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.identity import key_of
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.notifications.signatures import verify
from webex_webhooks_async.serialization.converter import unstructure
from webex_webhooks_async.testing.delivering.delivery import Delivery
from webex_webhooks_async.testing.delivering.reasons import hint_without_webhook
from webex_webhooks_async.testing.delivering.redaction import A_SECRET, KnownSecrets
from webex_webhooks_async.testing.requests import RecordedRequest
from webex_webhooks_async.testing.service.cards import remarks_on
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import Json, State
from webex_webhooks_async.testing.service.token_store import PERSON_TOKEN, bearer_token

MAX_MESSAGES = 1_000
"""The first event has this many messages at most, the latest ones."""

MAX_SHOWN = 200
"""The first event has this many requests at most, and this many deliveries."""

MAX_WAITING = 2_000
"""A reader that is so many events behind has to begin again."""

_EVENTS: Mapping[str, Sequence[str]] = {
    resource: sorted(watchable.events)
    for resource, watchable in CATALOG.items()
    if resource != Resource.ALL
}


class EventStream:
    """The present state of a sandbox as one event, and then an event for each change.

    Each event is a JSON object whose ``kind`` says what it is: ``state``, ``room``, ``message``,
    ``action`` (something was submitted), ``removed``, ``webhooks``, ``hint``, ``request``,
    ``delivery``, ``outcome`` (of the handlers in the program of ``webex-webhooks dev``),
    ``waiting`` (what its inbox holds) or ``program``: why it doesn't run, empty when it does. A
    delivery comes again, with its number, when more is known of it. The remarks at a message say
    what Webex doesn't support in its card, and the hint why the bot isn't notified.

    Attributes:
        make_due: Makes due what waits, by its key; `None` while no program has reported it.
    """

    def __init__(self, state: State) -> None:
        self._id = str(uuid.uuid4())
        self._state = state
        self._actions = state.documents[Resource.ATTACHMENT_ACTIONS]
        self._numbers = itertools.count(1)
        self._requests: deque[Json] = deque(maxlen=MAX_SHOWN)
        self._deliveries: deque[tuple[Json, Delivery]] = deque(maxlen=MAX_SHOWN)
        self._secrets = KnownSecrets()
        self._program = ""
        self._outcomes: dict[str, Json] = {}  # of what has failed, by its key
        self._waiting: list[Json] = []
        self.make_due: Callable[[str], None] | None = None
        self._readers: set[asyncio.Queue[Json | None]] = set()
        self._bot_has_called = False
        state.messages.watch(self._message)
        state.rooms.watch(self._room)
        state.memberships.watch(self._membership)
        state.webhooks.watch(self._webhook)
        self._actions.watch(self._action)

    def record_request(self, request: RecordedRequest, response: bytes) -> None:
        """Report a request, and the body of its response."""
        self._secrets.add_token_of(_authorization(request))
        self._requests.append(self._request(request, response))
        self._publish("request", request=self._requests[-1])
        if not self._bot_has_called and self._is_of_bot(request):
            self._bot_has_called = True
            self._publish("hint", hint=self._hint())

    def record_delivery(self, delivery: Delivery, response: bytes) -> None:
        """Report an attempt to deliver a notification, and the body of its response."""
        self._secrets.add(delivery.webhook.secret)
        shown = self._delivery(delivery, response)
        self._deliveries.append((shown, delivery))
        self._publish("delivery", delivery=shown)

    def amend_delivery(self, before: Delivery, after: Delivery) -> None:
        """Report what is learned of a delivery later, under its number."""
        for place, (shown, delivery) in enumerate(self._deliveries):
            if delivery is before:
                amended = {**shown, "handlerError": self._secrets.redaction()(after.handler_error)}
                self._deliveries[place] = (amended, after)
                self._publish("delivery", delivery=amended)

    def report_program(self, traceback: str) -> None:
        """Report why the bot's program doesn't run; empty when it does."""
        self._program = traceback
        self._publish("program", text=traceback)

    def report_outcome(self, outcome: Mapping[str, object]) -> None:
        """Report how an attempt of the program has failed: ``key``, ``error``, ``then``..."""
        shown = self._secrets.redaction().members(outcome)
        self._outcomes.pop(str(outcome["key"]), None)
        self._keep_outcome({**shown, "hasWorked": False})

    def report_work(self, key: str) -> None:
        """Report that an attempt of the program hasn't failed, if one had failed before."""
        if (known := self._outcomes.pop(key, None)) is not None:
            self._keep_outcome({**known, "hasWorked": True})

    def report_waiting(
        self, rows: Sequence[Json] = (), make_due: Callable[[str], None] | None = None
    ) -> None:
        """Report what waits in the inbox of the program, and what makes a row due by its key."""
        redaction = self._secrets.redaction()
        self.make_due, self._waiting = make_due, [redaction.members(each) for each in rows]
        self._publish("waiting", waiting=self._waiting)

    def _keep_outcome(self, outcome: Json) -> None:
        self._outcomes[outcome["key"]] = outcome
        if len(self._outcomes) > MAX_MESSAGES:
            del self._outcomes[next(iter(self._outcomes))]
        self._publish("outcome", outcome=outcome)

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
            "actions": [*self._actions][-MAX_MESSAGES:],
            "webhooks": self._webhooks(),
            "hint": self._hint(),
            "events": _EVENTS,
            "program": self._program,
            "outcomes": [*self._outcomes.values()],
            "waiting": self._waiting,
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

    def _message(self, message: Json) -> None:
        if self._state.messages.get(message["id"]) is None:
            self._publish("removed", id=message["id"])
        else:
            remarks = remarks_on(message.get("attachments"))
            self._publish("message", message=message, remarks=remarks)

    def _action(self, action: Json) -> None:
        if self._actions.get(action["id"]) is not None:
            self._publish("action", action=action)

    def _room(self, room: Json) -> None:
        if self._state.rooms.get(room["id"]) is None:
            self._publish("removed", id=room["id"])
        elif self._readers:
            members = self._state.members(room["id"])
            persons = [_person(each) for each in self._state.persons if each.id in members]
            self._publish("room", room={**room, "members": sorted(members)}, persons=persons)

    def _membership(self, membership: Json) -> None:
        room = self._state.rooms.get(membership["roomId"])
        if room is not None:
            self._room(room)

    def _webhook(self, webhook: Webhook) -> None:
        self._secrets.add(webhook.secret)
        if self._readers:
            self._publish("webhooks", webhooks=self._webhooks())
            self._publish("hint", hint=self._hint())

    def _is_of_bot(self, request: RecordedRequest) -> bool:
        token = bearer_token(_authorization(request))
        owner = self._state.tokens.owner(token) or self._state.bot
        return bool(token) and not _is_of_person(request) and owner == self._state.bot

    def _hint(self) -> str | None:
        bot_id = self._state.bot.id
        webhooks = (each for each in self._state.webhooks if each.created_by == bot_id)
        return hint_without_webhook(webhooks, has_called=self._bot_has_called)

    def _webhooks(self) -> list[Json]:
        redaction = self._secrets.redaction()
        return [
            redaction.members(unstructure(attrs.evolve(each, secret=None)))
            for each in self._state.webhooks
        ]

    def _request(self, request: RecordedRequest, response: bytes) -> Json:
        authorization = _authorization(request)
        token = bearer_token(authorization)
        redacted = {"authorization": "Bearer ***"} if authorization else {}
        sent = {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": {**request.headers, **redacted},
            "body": request.body,
        }
        learned = {
            "person": token.removeprefix(PERSON_TOKEN) if _is_of_person(request) else None,
            "statusCode": request.status_code,
            "trackingId": request.tracking_id,
            "error": request.error,
            "remark": request.remark,
            "response": response,
        }
        withheld = A_SECRET if authorization and not token else None
        return self._exchange(sent, learned, withheld=withheld)

    def _delivery(self, delivery: Delivery, response: bytes) -> Json:
        notification = json.loads(delivery.body)
        data = notification["data"]
        about = data.get("messageId") or data.get("id")
        sent = {"url": delivery.url, "headers": delivery.headers, "body": delivery.body}
        learned = {
            "key": key_of(parse_unverified_notification(delivery.body), delivery.body),
            "webhook": delivery.webhook.name,
            "createdBy": delivery.webhook.created_by,
            "statusCode": delivery.status_code,
            "error": delivery.error,
            "reason": delivery.reason,
            "handlerError": delivery.handler_error,
            "switchedOff": delivery.switched_off,
            "ok": delivery.ok,
            "isForged": _is_forged(delivery),
            "resource": notification["resource"],
            "event": notification["event"],
            "about": about if isinstance(about, str) else None,
            "response": response,
        }
        return self._exchange(sent, learned)

    def _exchange(self, sent: Json, learned: Json, *, withheld: str | None = None) -> Json:
        """A request or a delivery as it is shown; nothing of one is shown otherwise.

        It can't be sent again from what is shown if something of what was sent is withheld.
        """
        of_sent, of_learned = self._secrets.redaction(), self._secrets.redaction()
        return {
            "number": next(self._numbers),
            "time": self._state.now(),
            **of_sent.members(sent),
            **of_learned.members(learned),
            "bodySize": len(sent["body"]),
            "responseSize": len(learned["response"]),
            "withheld": withheld or of_sent.withheld,
        }


def _is_forged(delivery: Delivery) -> bool:
    """Whether a delivery was signed wrongly on purpose."""
    secret = delivery.webhook.secret
    try:
        if secret:
            verify(delivery.body, delivery.headers, secrets=secret)
    except SignatureError:
        return True
    return False


def _authorization(request: RecordedRequest) -> str:
    return request.headers.get("authorization", "")


def _is_of_person(request: RecordedRequest) -> bool:
    """Whether the token names a person, so that it may be shown."""
    return bearer_token(_authorization(request)).startswith(PERSON_TOKEN)


def _person(person: SandboxPerson) -> Json:
    return {"id": person.id, "email": person.emails[0], "displayName": person.display_name}
