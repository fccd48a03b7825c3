"""Where a run's webhooks lead: it keeps what is delivered, and responds as each webhook wants."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from attrs import define, field, frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tests.conformance.guard import Guard
from webex_webhooks_async.models.ids import comparable

Json = dict[str, Any]


@frozen(kw_only=True)
class Answer:
    """How a webhook's target responds."""

    status: int = 204
    location: str | None = None  # where a redirect leads
    late: float = 0.0  # seconds, unless the sender hangs up before


@define(kw_only=True)
class Arrival:
    """A delivery."""

    body: bytes
    headers: Mapping[str, str]  # with names in lower case
    at: float  # by the monotonic clock
    hung_up_after: float | None = None  # seconds of a late response

    @property
    def json(self) -> Json:
        """The notification."""
        document: object = json.loads(self.body)
        return cast("Json", document) if isinstance(document, dict) else {}

    @property
    def data(self) -> Json:
        """What it is about."""
        return cast("Json", self.json.get("data") or {})

    @property
    def id(self) -> str:
        """The id of what it is about, as `comparable` returns it."""
        return comparable(str(self.data.get("id")))


@define(kw_only=True)
class Hook:
    """The target of a webhook."""

    url: str
    guard: Guard
    scale: float
    answers: list[Answer]  # one to each delivery; after the last one 204
    id: str = ""  # empty until it is made
    room_id: str = ""  # empty if it watches all
    arrived: list[Arrival] = field(factory=list[Arrival])
    happened: asyncio.Event = field(factory=asyncio.Event)

    @property
    def arrivals(self) -> list[Arrival]:
        """What has come, of this run's rooms alone."""
        return [each for each in self.arrived if self.guard.owns(each.data)]

    @property
    def ids(self) -> list[str]:
        """The ids of what has come, as `comparable` returns them."""
        return [each.id for each in self.arrivals]

    async def wait_for(
        self, wanted: Callable[[Arrival], bool], *, seconds: float
    ) -> Arrival | None:
        """The first delivery that is wanted; None if it doesn't come in time."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := [each for each in self.arrivals if wanted(each)]):
                    self.happened.clear()
                    await self.happened.wait()
        except TimeoutError:
            return None
        return found[0]


class ArrivalServer:
    """An ASGI application, which multiplies the seconds of late responses by its scale."""

    def __init__(self, guard: Guard, *, scale: float = 1.0) -> None:
        self.url: str | None = None  # None if Webex can't reach it
        self.hooks: dict[str, Hook] = {}
        self.path: str = secrets.token_hex(8)  # at which it responds with the nonce
        self.nonce: str = secrets.token_hex()
        self._guard = guard
        self._scale = scale

    def target(self, answers: Sequence[Answer] = ()) -> Hook:
        """A new target."""
        key = secrets.token_hex(8)
        url = f"{self.url}/{key}"
        hook = Hook(url=url, guard=self._guard, scale=self._scale, answers=list(answers))
        self.hooks[key] = hook
        return hook

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a delivery."""
        request = Request(scope, receive)
        path = scope["path"].rpartition("/")[2]  # below that of the URL, if a proxy leaves it
        hook = self.hooks.get(path)
        if hook is None:
            is_own = path == self.path
            response = PlainTextResponse(self.nonce if is_own else "", 200 if is_own else 404)
            await response(scope, receive, send)
            return
        arrival = Arrival(
            body=await request.body(),
            headers={name.lower(): value for name, value in request.headers.items()},
            at=time.monotonic(),
        )
        hook.arrived.append(arrival)
        hook.happened.set()
        answer = hook.answers.pop(0) if hook.answers else Answer()
        if answer.late and await _hung_up(receive, answer.late * hook.scale):
            arrival.hung_up_after = (time.monotonic() - arrival.at) / hook.scale
            hook.happened.set()
            return
        location = {"Location": answer.location} if answer.location else None
        await Response(status_code=answer.status, headers=location)(scope, receive, send)


async def _hung_up(receive: Receive, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
