"""The page's own requests to the sandbox, which Webex doesn't have, each by its name."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from webex_webhooks_async.testing.delivering.deliveries import DeliveryAttempt, DeliveryService
from webex_webhooks_async.testing.delivering.event_stream import EventStream
from webex_webhooks_async.testing.faults import Fault, Faults
from webex_webhooks_async.testing.page_server.transcript import as_test
from webex_webhooks_async.testing.service import documents, messages
from webex_webhooks_async.testing.service.calls import fields_of
from webex_webhooks_async.testing.service.events import fake_data
from webex_webhooks_async.testing.service.responses import RefusedCallError
from webex_webhooks_async.testing.service.state import DIRECT, Json, State

Action = Callable[[Json], Awaitable[Json]]
"""Takes a JSON object and returns one; raises `RefusedCallError` with the reason why not."""

_REFUSED_REPLY = Fault(status=429, retry_after=1, method="POST", path="/messages")


class PageActions:
    """The actions of the private endpoint."""

    def __init__(
        self, state: State, events: EventStream, faults: Faults, service: DeliveryService
    ) -> None:
        self._state = state
        self._events = events
        self._faults = faults
        self._service = service
        self.by_name: dict[str, Action] = {
            "redeliver": self._redeliver,
            "emit": self._emit,
            "sample": self._sample,
            "join": self._join,
            "fault": self._fault,
            "test": self._test,
            "now": self._now,
        }

    async def _redeliver(self, document: Json) -> Json:
        delivery = self._events.delivery(document.get("delivery"))
        if delivery is None:
            raise RefusedCallError(404, "no delivery has this number; only the last ones are kept")
        return _outcome(await self._service.redeliver(delivery))

    async def _emit(self, document: Json) -> Json:
        """Report an event; ``owner`` is a person whose webhooks alone are notified."""
        fields = fields_of(document, required=("resource", "event"), optional=("owner", "isForged"))
        data = document.get("data", {})
        if not isinstance(data, dict):
            raise RefusedCallError(400, "data must be an object")
        try:
            event = documents.emit(
                self._state,
                fields["resource"],
                fields["event"],
                cast("dict[str, Any]", data),
                actor_id=None,
                owner=self._state.named(fields["owner"]) if "owner" in fields else None,
            )
        except ValueError as error:
            raise RefusedCallError(400, str(error)) from None
        attempts = await self._service.deliver([event], is_forged=fields.get("isForged", False))
        return {"deliveries": [_outcome(each) for each in attempts]}

    async def _sample(self, document: Json) -> Json:
        """Sample data for an event in a room, of its owner where it has one, or of a person."""
        fields = fields_of(
            document, required=("resource", "event", "person"), optional=("owner", "room")
        )
        whose = "owner" if "owner" in fields and fields["resource"] in documents.OWNER else "person"
        subject = self._state.named(fields[whose])
        data = fake_data(
            fields["resource"], fields["event"], {}, subject=subject, now=self._state.clock()
        )
        room = self._state.rooms.get(fields.get("room", ""))
        where = {} if room is None else {"roomId": room["id"], "roomType": room["type"]}
        return {"data": {**data, **{key: where[key] for key in where.keys() & data.keys()}}}

    async def _join(self, document: Json) -> Json:
        fields = fields_of(document, required=("room", "person"))
        room = messages.find_room(self._state, fields["room"])
        person = self._state.named(fields["person"])
        if room["type"] == DIRECT:
            raise RefusedCallError(403, "nobody can join a direct room")
        if person.id in self._state.members(room["id"]):
            raise RefusedCallError(409, "the person is a member of the room already")
        await self._service.deliver([self._state.join(room, person, actor=person)])
        return {}

    async def _fault(self, document: Json) -> Json:
        is_on = fields_of(document, required=("isOn",))["isOn"]
        self._faults.remove(_REFUSED_REPLY)
        if is_on:
            self._faults.add(_REFUSED_REPLY, 1)
        return {}

    async def _test(self, document: Json) -> Json:
        fields = fields_of(document, required=("room",), optional=("message",))
        room = messages.find_room(self._state, fields["room"])
        try:
            code = as_test(self._state, room, fields.get("message"))
        except ValueError as error:
            raise RefusedCallError(400, str(error)) from None
        return {"code": code}

    async def _now(self, document: Json) -> Json:
        """Make due what waits in the inbox of the program that `dev` runs."""
        key = fields_of(document, required=("key",))["key"]
        if self._events.make_due is None:
            raise RefusedCallError(409, "no program runs whose inbox is known")
        self._events.make_due(key)
        return {}


def _outcome(attempt: DeliveryAttempt) -> Json:
    delivery = attempt.delivery
    return {
        "statusCode": delivery.status_code,
        "error": delivery.error,
        "reason": delivery.reason,
        "handlerError": delivery.handler_error,
    }
