"""A Webex that contradicts a row: for each row a change of what the sandbox sends.

`python -m tests.conformance.deviations ROW PORT` serves one, for a run with `WEBEX_BASE_URL`.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from attrs import define, field, frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.conformance.ids import invented
from tests.conformance.inbox import Json
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

ANY = "[^?]*"
OPEN = httpx.Timeout(None)


@define
class Courier:
    """What has passed between the sandbox and the run."""

    webhooks: list[Json] = field(factory=list[Json])
    messages: list[Json] = field(factory=list[Json])
    sent: list[httpx.Request] = field(factory=list[httpx.Request])
    happened: asyncio.Event = field(factory=asyncio.Event)  # is set by each delivery

    async def notify(self, data: Mapping[str, Any]) -> None:
        """Notify the last webhook of this."""
        async with httpx.AsyncClient(trust_env=False) as client:
            webhook = self.webhooks[-1]
            await client.post(webhook["targetUrl"], json={**webhook, "data": data})


SendRequest = Callable[[httpx.Request], Awaitable[httpx.Response]]


@frozen
class Responding:
    """A response on its way to the run."""

    courier: Courier
    request: httpx.Request
    response: httpx.Response


@frozen
class Delivering:
    """A delivery on its way to the run."""

    courier: Courier
    request: httpx.Request
    send: SendRequest


Respond = Callable[[Responding], Awaitable[httpx.Response | None]]
Deliver = Callable[[Delivering], Awaitable[httpx.Response]]


@define
class Deviation:
    """How responses and deliveries are changed; None for those that aren't."""

    respond: Respond | None = None
    deliver: Deliver | None = None


class DeviatingTransport(httpx.AsyncHTTPTransport):
    """Changes the responses of the sandbox."""

    def __init__(self, deviation: Deviation, courier: Courier) -> None:
        super().__init__()
        self._deviation = deviation
        self._courier = courier

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, and change the response."""
        response = await super().handle_async_request(request)
        await response.aread()
        await response.aclose()
        if self._deviation.respond is not None:
            response = (
                await self._deviation.respond(Responding(self._courier, request, response))
                or response
            )
        if request.method == "POST" and response.is_success:
            kept = {"webhooks": self._courier.webhooks, "messages": self._courier.messages}
            kept.get(request.url.path.rpartition("/")[2], []).append(_json(response))
        return response


class DeviatingDelivery(httpx.AsyncHTTPTransport):
    """Changes the deliveries of the sandbox."""

    def __init__(self, deviation: Deviation, courier: Courier) -> None:
        super().__init__()
        self._deviation = deviation
        self._courier = courier

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Deliver something else."""
        send = super().handle_async_request
        if self._deviation.deliver is not None:
            response = await self._deviation.deliver(Delivering(self._courier, request, send))
        else:
            response = await send(request)
        self._courier.sent.append(request)
        self._courier.happened.set()
        return response


def _json(message: httpx.Request | httpx.Response) -> Json:
    document: object = json.loads(message.content or b"{}")
    return cast("Json", document)


def _with(response: httpx.Response, content: object) -> httpx.Response:
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in {"content-length", "content-encoding"}
    }
    return httpx.Response(response.status_code, headers=headers, json=content)


def status(method: str, path: str, before: int, after: int, nth: int = 1) -> Deviation:
    """Another status, from the nth such response on."""
    seen: list[int] = []

    async def respond(at: Responding) -> httpx.Response | None:
        if not _is(at.request, method, path) or at.response.status_code != before:
            return None
        seen.append(before)
        if len(seen) < nth:
            return None
        return httpx.Response(after, json={"id": invented("MESSAGE"), "message": "other words"})

    return Deviation(respond=respond)


def body(path: str, change: Callable[[Json], object], method: str = ANY) -> Deviation:
    """Another body; `change` gets it, and each item of a list."""

    async def respond(at: Responding) -> httpx.Response | None:
        if not _is(at.request, method, path) or "json" not in at.response.headers["content-type"]:
            return None
        document = _json(at.response)
        for each in cast("list[Json]", document.get("items", [document])):
            change(each)
        return _with(at.response, document)

    return Deviation(respond=respond)


def page(path: str, change: Callable[[list[Json]], object]) -> Deviation:
    """Other items in a list."""

    async def respond(at: Responding) -> httpx.Response | None:
        document = _json(at.response) if _is(at.request, "GET", path) else {}
        if "items" not in document:
            return None
        change(document["items"])
        return _with(at.response, document)

    return Deviation(respond=respond)


def header(path: str, name: str) -> Deviation:
    """A response without a header."""

    async def respond(at: Responding) -> httpx.Response | None:
        if _is(at.request, ANY, path):
            at.response.headers.pop(name, None)
        return None

    return Deviation(respond=respond)


def notified(method: str, path: str, *, of_last: bool = False) -> Deviation:
    """A notification that nobody should get, of what was made, or of the last message."""

    async def respond(at: Responding) -> httpx.Response | None:
        if _is(at.request, method, path) and at.courier.webhooks:
            await at.courier.notify(at.courier.messages[-1] if of_last else _json(at.response))
        return None

    return Deviation(respond=respond)


def delivered_first() -> Deviation:
    """A response that comes after the notification."""

    async def respond(at: Responding) -> httpx.Response | None:
        if _is(at.request, "POST", "messages"):
            await at.courier.happened.wait()
        return None

    return Deviation(respond=respond)


def delivery(change: Callable[[Json], object]) -> Deviation:
    """Another body of a notification."""

    async def deliver(at: Delivering) -> httpx.Response:
        document = _json(at.request)
        change(document)
        return await at.send(_like(at.request, content=json.dumps(document).encode()))

    return Deviation(deliver=deliver)


def data(change: Callable[[Json], object]) -> Deviation:
    """Other data in a notification."""
    return delivery(lambda document: change(document["data"]))


def headers(change: Callable[[httpx.Headers], object]) -> Deviation:
    """Other headers of a notification."""

    async def deliver(at: Delivering) -> httpx.Response:
        change(at.request.headers)
        return await at.send(at.request)

    return Deviation(deliver=deliver)


def lost(is_lost: Callable[[Json], bool]) -> Deviation:
    """Notifications that don't come."""

    async def deliver(at: Delivering) -> httpx.Response:
        return httpx.Response(204) if is_lost(_json(at.request)) else await at.send(at.request)

    return Deviation(deliver=deliver)


def twice() -> Deviation:
    """Each notification two times, at once."""

    async def deliver(at: Delivering) -> httpx.Response:
        response, _ = await asyncio.gather(at.send(at.request), at.send(_like(at.request)))
        return response

    return Deviation(deliver=deliver)


def again() -> Deviation:
    """A notification that wasn't taken once more; where a redirect leads, if it is one."""

    async def deliver(at: Delivering) -> httpx.Response:
        response = await at.send(at.request)
        await response.aread()
        if response.is_success:
            return response
        return await at.send(
            _like(at.request, url=response.headers.get("location", at.request.url))
        )

    return Deviation(deliver=deliver)


def swapped() -> Deviation:
    """The second notification before the first one."""
    begun: list[httpx.Request] = []
    second = asyncio.Event()

    async def deliver(at: Delivering) -> httpx.Response:
        begun.append(at.request)
        if len(begun) == 1:
            await second.wait()
            return await at.send(at.request)
        response = await at.send(at.request)
        second.set()
        return response

    return Deviation(deliver=deliver)


def changed_the_second_time() -> Deviation:
    """Other bytes when a notification comes again."""

    async def deliver(at: Delivering) -> httpx.Response:
        if not at.courier.sent:
            return await at.send(at.request)
        return await at.send(_like(at.request, content=at.request.content + b" "))

    return Deviation(deliver=deliver)


def _is(request: httpx.Request, method: str, path: str) -> bool:
    method_and_path = f"{request.method} {request.url.path.removeprefix('/v1/')}"
    return re.fullmatch(f"{method} {path}", method_and_path) is not None


def _like(
    request: httpx.Request, *, url: httpx.URL | str | None = None, content: bytes | None = None
) -> httpx.Request:
    kept = {name: value for name, value in request.headers.items() if name != "content-length"}
    return httpx.Request(
        request.method,
        url or request.url,
        headers=kept,
        content=request.content if content is None else content,
        extensions=request.extensions,
    )


def without(*names: str) -> Callable[[Json], object]:
    """Leave members out."""
    return lambda document: [document.pop(name, None) for name in names]


def setting(**members: object) -> Callable[[Json], object]:
    """Set members."""
    return lambda document: document.update(members)


def _upper(headers: httpx.Headers) -> None:
    headers["x-spark-signature"] = headers["x-spark-signature"].upper()


def _unsigned(headers: httpx.Headers) -> None:
    headers.pop("x-spark-signature", None)


def _is_own(notification: Json) -> bool:
    return bool(notification["actorId"] == notification["createdBy"])


def _swap(name: str, old: str, new: str) -> Callable[[Json], object]:
    return lambda document: document.update({name: str(document.get(name)).replace(old, new)})


ONE_MESSAGE, ONE_ROOM, ONE_WEBHOOK = "messages/[^/]+", "rooms/[^/]+", "webhooks/[^/]+"
LATER = "2027-01-01T00:00:00Z"

DEVIATIONS: Mapping[str, Callable[[], Deviation]] = {
    # What an hour should settle first
    "first-direct-message": lambda: lost(lambda each: each["resource"] == "rooms"),
    "signature": lambda: headers(_upper),
    "second-signature": lambda: headers(lambda each: each.pop("x-webex-signature", None)),
    "delivery-headers": lambda: headers(lambda each: each.pop("trackingid", None)),
    "edit": lambda: notified("PUT", ONE_MESSAGE),
    "thread-without-mention": lambda: notified("POST", "messages"),
    "reply-to-a-reply": lambda: status("POST", "messages", 400, 200),
    "own-message": lambda: delivery(setting(actorId="somebody else")),
    "deleted-room": lambda: lost(lambda each: each["event"] == "deleted"),
    "order": swapped,
    "failed-delivery": again,
    "slow-response": twice,
    "late-response": twice,
    "redirect": again,
    "gone": lambda: body(ONE_WEBHOOK, setting(status="inactive")),
    "secret-is-kept": lambda: headers(_unsigned),
    "new-secret": lambda: headers(_upper),
    "equal-webhook": lambda: status("POST", "webhooks", 200, 409, nth=2),
    "unmentioned-message": lambda: status("GET", ONE_MESSAGE, 403, 404),
    "head-of-a-file": lambda: header("contents/.*", "content-disposition"),
    "deleted-webhook": lambda: notified("POST", "messages"),
    # What is delivered, and to whom
    "envelope": lambda: delivery(without("orgId")),
    "no-delivery-id": lambda: delivery(lambda each: each.update(id=invented("WEBHOOK"))),
    "no-text": lambda: data(setting(text="Plain")),
    "message-data": lambda: data(without("parentId")),
    "file-data": lambda: data(without("files")),
    "mentions-only": lambda: notified("POST", "messages"),
    "mention-data": lambda: data(without("mentionedPeople")),
    "mention-of-all": lambda: notified("POST", "messages"),
    "direct-message": lambda: lost(lambda each: not _is_own(each)),
    "own-direct-message": lambda: lost(_is_own),
    "submission": lambda: lost(lambda each: each["resource"] == "attachmentActions"),
    "submission-data": lambda: data(setting(inputs={})),
    "submission-of-others": lambda: notified("POST", "attachment/actions"),
    "membership-data": lambda: data(without("personOrgId")),
    "room-data": lambda: data(without("title")),
    "after-the-response": delivered_first,
    "unsigned": lambda: headers(lambda each: each.update({"x-spark-signature": "0"})),
    "firehose": lambda: delivery(_swap("resource", "messages", "attachmentActions")),
    "filter": lambda: notified("POST", "messages"),
    "same-bytes": changed_the_second_time,
    "switched-off": lambda: body(ONE_WEBHOOK, setting(status="active")),
    "switched-off-again": lambda: body(ONE_WEBHOOK, setting(status="active")),
    "missed-while-off": lambda: notified("PUT", ONE_WEBHOOK, of_last=True),
    "repetition": again,
    # What a message is, and what is refused
    "recipient-comes-back": lambda: body("messages", without("toPersonId")),
    "paragraphs": lambda: body(ONE_MESSAGE, _swap("html", "</p>", "</p>\n")),
    "text-of-markdown": lambda: body(ONE_MESSAGE, _swap("text", " ", "\n")),
    "mention": lambda: body("messages", _swap("html", "spark-mention", "b")),
    "mention-with-a-space": lambda: status("POST", "messages", 200, 404),
    "longest-text": lambda: status("POST", "messages", 400, 200),
    "edited-message": lambda: body(ONE_MESSAGE, without("updated")),
    "ten-edits": lambda: status("PUT", ONE_MESSAGE, 400, 200),
    "edit-of-a-card": lambda: status("PUT", ONE_MESSAGE, 400, 200),
    "file-without-text": lambda: body(ONE_MESSAGE, setting(text="menu.txt")),
    "voice-clip": lambda: body(ONE_MESSAGE, without("isVoiceClip")),
    "file-needs-a-token": lambda: body("messages", setting(files=["https://files.example.com/1"])),
    "one-file": lambda: status("POST", "messages", 400, 200),
    "parent-elsewhere": lambda: status("POST", "messages", 400, 200),
    "deleted-parent": lambda: status("POST", "messages", 400, 200),
    "no-idempotency": lambda: body("messages", setting(id=invented("MESSAGE"))),
    "own-card": lambda: status("POST", "attachment/actions", 200, 400),
    "times": lambda: body("messages", setting(created=LATER)),
    # What lists hold
    "rooms-by-activity": lambda: page("rooms", list[Json].reverse),
    "activity-at-once": lambda: page("rooms", list[Json].reverse),
    "rooms-by-default": lambda: page("rooms", list[Json].reverse),
    "unknown-parameter": lambda: status("GET", "memberships", 200, 400),
    "mentions-list": lambda: page("messages", lambda items: items.pop(0)),
    "own-messages-in-that-list": lambda: page("messages", lambda items: items.extend(items)),
    "list-without-mention": lambda: status("GET", "messages", 403, 200),
    "mentions-of-a-person": lambda: page("messages", list[Json].clear),
    "direct-list": lambda: page("messages", lambda items: items.pop(1)),
    "replies-in-a-list": lambda: body("messages", without("parentId"), "GET"),
    "ids-in-lists": lambda: body("messages", setting(id=invented("MESSAGE")), "GET"),
    "created-in-lists": lambda: body("messages", setting(created=LATER), "GET"),
    "fifty-messages": lambda: page("messages", lambda items: items.append(items[0])),
    "next-page": lambda: header("messages", "link"),
    "larger-page": lambda: status("GET", "webhooks", 200, 400),
    "page-of-a-direct-list": lambda: status("GET", "messages/direct", 400, 200),
    # Rooms, people and ids
    "clusters-in-ids": lambda: body("webhooks", setting(id=invented("WEBHOOK"))),
    "members-of-a-room": lambda: body(ONE_ROOM, without("isReadOnly")),
    "title-of-a-direct-room": lambda: body(ONE_ROOM, setting(title="Direct")),
    "no-such-room": lambda: body(ONE_ROOM, setting(message="No such room")),
    "gone-grant": lambda: status("POST", "access_token", 400, 403),
    "member-already": lambda: status("POST", "memberships", 409, 200),
    "last-name": lambda: body("people/[^/]+", without("lastName")),
    "bare-uuid": lambda: status("GET", "people/(?!me)[^/]+", 200, 404),
    "malformed-id": lambda: status("POST", "memberships", 400, 404),
    "first-moderator": lambda: lost(lambda each: each["resource"] == "rooms"),
    "moderator-at-once": lambda: data(setting(isModerator=True)),
    "created-of-a-person": lambda: body("people/me", without("created")),
    "malformed-id-of-a-message": lambda: status("GET", ONE_MESSAGE, 404, 400),
    "form-of-an-error": lambda: body(ONE_MESSAGE, without("trackingId")),
    "no-token": lambda: status("GET", "people/me", 401, 403),
    # Webhooks
    "secret-in-clear": lambda: body(ONE_WEBHOOK, without("secret")),
    "members-of-a-webhook": lambda: body(ONE_WEBHOOK, without("appId")),
    "put-changes-four-members": lambda: body(ONE_WEBHOOK, setting(resource="rooms")),
    "webhook-of-another": lambda: status("GET", ONE_WEBHOOK, 404, 403),
    "unknown-filter": lambda: status("POST", "webhooks", 400, 200),
    # Meetings
    "meeting-data": lambda: data(setting(title="Weekly")),
    "meeting-times": lambda: data(setting(start="2021-05-14T20:25:19.000Z")),
    "recording-data": lambda: body("recordings/[^/]+", without("shareToMe")),
}
"""What contradicts each row, but for those that the sandbox contradicts itself."""


@asynccontextmanager
async def deviating(
    deviation: Deviation,
) -> AsyncGenerator[tuple[DeviatingTransport, httpx.AsyncClient]]:
    """What the requests and the deliveries of a sandbox go through."""
    courier = Courier()
    transport = DeviatingTransport(deviation, courier)
    async with httpx.AsyncClient(
        transport=DeviatingDelivery(deviation, courier), timeout=OPEN
    ) as deliver_with:
        yield transport, deliver_with


@asynccontextmanager
async def served(deviation: Deviation, port: int = 0) -> AsyncGenerator[str]:
    """Serve a sandbox behind a deviation, and yield its base URL."""
    async with (
        deviating(deviation) as (transport, deliver_with),
        Sandbox(deliver_with=deliver_with).serve() as base_url,
        httpx.AsyncClient(transport=transport) as client,
    ):

        async def forward(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            target = scope["raw_path"] + b"?" + scope["query_string"]
            response = await client.request(
                request.method,
                httpx.URL(base_url).copy_with(raw_path=target.removesuffix(b"?")),
                headers=request.headers.raw,
                content=await request.body(),
            )
            kept = {
                name: each for name, each in response.headers.items() if name != "content-length"
            }
            await Response(response.content, response.status_code, kept)(scope, receive, send)

        async with serve_on_loopback(forward, port) as origin:
            yield f"{origin}/v1"


async def serve(deviation: Deviation, port: int) -> None:
    """Serve it until the process is killed."""
    async with served(deviation, port) as base_url:
        print(base_url, flush=True)  # noqa: T201 - who started it reads that
        await asyncio.Event().wait()


def main(arguments: Sequence[str]) -> None:
    """Serve the deviation of a row at a port."""
    row, port = arguments
    asyncio.run(serve(DEVIATIONS[row](), int(port)))


if __name__ == "__main__":
    main(sys.argv[1:])
