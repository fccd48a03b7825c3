"""The only door of the rows: what calls Webex, whichever it is, and takes its deliveries."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

import httpx
from attrs import define, field, frozen

from tests.conformance.guard import ForeignError, Guard
from tests.conformance.inbox import Answer, Arrival, ArrivalServer, Hook, Json
from tests.conformance.redaction import Redactor
from webex_webhooks_async.models.ids import comparable

if TYPE_CHECKING:
    from tests.conformance.targets import LiveTarget, SandboxTarget

_MOST = 60.0  # seconds that a Retry-After is waited for
_MOST_ITEMS = 1000


@frozen(kw_only=True)
class Exchange:
    """A request and its response, as they may be printed."""

    request: str
    status: int
    body: object

    def __str__(self) -> str:
        return f"{self.request} -> {self.status} {self.body}"


class Caller:
    """Calls Webex as the bot or as the person."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        guard: Guard,
        target: "LiveTarget | SandboxTarget",
        record: Callable[[Exchange], None],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.me: Json = {}
        self._headers = headers or {}
        self.guard = guard
        self._client = client
        self._target = target
        self._record = record
        self._redactor = Redactor(guard.secrets, guard.rooms)

    def meet(self, me: Json) -> None:
        """Note who calls, and that nothing of it must be printed."""
        self.me = me
        self.guard.people |= {comparable(self.id), self.email}
        self.guard.secrets.update(_strings(me))

    def like(self, token: str) -> "Caller":
        """Return one who calls with another token."""
        headers = {"Authorization": f"Bearer {token}"}
        return Caller(self._client, self.guard, self._target, self._record, headers=headers)

    @property
    def base_url(self) -> str:
        """The base URL that is called, without a slash at its end."""
        return str(self._client.base_url).rstrip("/")

    @property
    def id(self) -> str:
        """The id of who calls."""
        return str(self.me["id"])

    @property
    def email(self) -> str:
        """The address of who calls."""
        return str(self.me["emails"][0])

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        files: Sequence[tuple[str, tuple[str, bytes, str]]] = (),
    ) -> httpx.Response:
        """Send a request, if it touches nothing but what is the run's.

        With files, `json` becomes the fields of a form. A list of rooms or webhooks has only those
        of the run.
        """
        self.guard.check(method, path, query or {}, json or {})
        document: dict[str, Any] = {"data": json, "files": files} if files else {"json": json}
        response = await self._answered(method, path, params=query, **document)
        body = _body(response)
        if response.is_success:
            self.guard.note(method, path, body)
        own = self.guard.only_own(path, body)
        if own is not body:
            response = _with(response, own)
        shown = f"{method} /{path.strip('/').split('/')[0]}"
        self._record(
            Exchange(request=shown, status=response.status_code, body=self._redactor.value(own))
        )
        return response

    async def _answered(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        """The response, after what passes has passed."""
        options["headers"] = {**self._headers, **options.get("headers", {})}
        reason = ""
        for pause in (0.0, *self._target.pauses):
            await asyncio.sleep(pause)
            try:
                response = await self._client.request(method, path, **options)
            except httpx.TransportError as error:
                reason = f"there was no response ({type(error).__name__})"
                continue
            status = response.status_code
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                wanted = response.headers.get("retry-after", "")
                if self._target.pauses:
                    await asyncio.sleep(min(float(wanted) if wanted.isdigit() else 0.0, _MOST))
            elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
                return response
            reason = f"the status stayed {status}"
        raise self._target.unchecked(f"{method} /{path.strip('/').split('/')[0]}: {reason}")

    async def get(self, path: str, **query: Any) -> httpx.Response:  # noqa: ANN401 - any value
        """GET with a query."""
        return await self.send("GET", path, query=query or None)

    async def post(self, path: str, **document: Any) -> httpx.Response:  # noqa: ANN401 - any JSON
        """POST a JSON object."""
        return await self.send("POST", path, json=document)

    async def put(self, path: str, **document: Any) -> httpx.Response:  # noqa: ANN401 - any JSON
        """PUT a JSON object."""
        return await self.send("PUT", path, json=document)

    async def delete(self, path: str) -> httpx.Response:
        """DELETE what the run has made."""
        return await self.send("DELETE", path)

    async def file(self, method: str, url: str) -> httpx.Response:
        """HEAD or GET a file of a message, by its URL."""
        return await self.send(method, f"/contents/{url.rpartition('/')[2]}")

    async def follow(self, url: str) -> httpx.Response:
        """GET the next page of a list, by its link."""
        assert url.startswith(self.base_url), "the link leads to another host"
        path, _, query = url.removeprefix(self.base_url).partition("?")
        return await self.get(path, **dict(parse_qsl(query)))

    async def without_token(self, path: str) -> httpx.Response:
        """GET without a token."""
        return await self._answered("GET", path, headers={"Authorization": ""})

    async def refresh(self, grant: Mapping[str, str]) -> httpx.Response:
        """Ask for new tokens, with what nothing prints."""
        self.guard.secrets.update(grant.values())
        form = {"grant_type": "refresh_token", **grant}
        response = await self._answered(
            "POST", "/access_token", data=form, headers={"Authorization": ""}
        )
        body = self._redactor.value(_body(response))
        exchange = Exchange(request="POST /access_token", status=response.status_code, body=body)
        self._record(exchange)
        return response

    async def everything(self, path: str, **query: Any) -> list[Json]:  # noqa: ANN401 - any value
        """All items of a list, also those of others, which are shown to nobody; 1,000 at most."""
        found: list[Json] = []
        while path and len(found) < _MOST_ITEMS:
            response = await self._answered("GET", path, params=query or None)
            if not response.is_success:
                break
            found += cast("list[Json]", response.json()["items"])
            path, query = str(response.links.get("next", {}).get("url", "")), {}
            if not path.startswith(self.base_url):
                break
        return found

    async def make(self, path: str, **document: Any) -> Json:  # noqa: ANN401 - any JSON
        """POST a JSON object that the row rests on, and return what was made."""
        return self.needed(await self.post(path, **document))

    def needed(self, response: httpx.Response) -> Json:
        """The body of a response without which the row can't be checked."""
        if not response.is_success:
            method = response.request.method
            place = response.request.url.path.split("/")[2]
            raise self._target.unchecked(f"{method} /{place} responded {response.status_code}")
        return cast("Json", response.json()) if response.content else {}


@define(kw_only=True)
class Webex:
    """What a row gets."""

    guard: Guard
    target_at: "LiveTarget | SandboxTarget"
    bot: Caller
    known_person: Caller | None
    inbox: ArrivalServer
    exchanges: list[Exchange]  # what was asked in the row at hand
    is_sandbox: bool  # which differs from some rows on purpose
    failures: int = 100  # how many switch a webhook off
    hooks: list[Hook] = field(factory=list[Hook])
    _kept: dict[str, Any] = field(factory=dict[str, Any], init=False)

    def begin(self) -> None:
        """Begin a row."""
        self.exchanges.clear()
        self.hooks.clear()

    @property
    def tag(self) -> str:
        """What the texts of this run contain."""
        return self.guard.tag

    @property
    def person(self) -> Caller:
        """Calls as the person."""
        if self.known_person is None:
            raise self.target_at.unchecked("WEBEX_LIVE_PERSON_TOKEN isn't set")
        return self.known_person

    async def stranger(self) -> Caller:
        """Return a person who has no direct room with the bot yet."""
        return await self.target_at.stranger(self.bot, self.person)

    async def refresh_what_is_gone(self) -> httpx.Response:
        """Ask for new tokens of somebody who has taken back the permission."""
        return await self.bot.refresh(self.target_at.gone_grant())

    @property
    def both(self) -> tuple[Caller, Caller]:
        """Bot and person."""
        return self.bot, self.person

    async def room(self, *members: Caller, by: Caller | None = None) -> str:
        """Make a room of bot, or of who is named, with these members; its id."""
        title = f"{self.tag} {secrets.token_hex(2)}"
        owner = by or self.bot
        room = await owner.make("/rooms", title=title)
        for each in members:
            await owner.make("/memberships", roomId=room["id"], personId=each.id)
        return str(room["id"])

    async def direct(self, author: Caller, text: str = "") -> Json:
        """Write a message of bot or person to the other, with the run's tag in it."""
        other = self.bot if author is self.person else self.person
        return await author.make("/messages", toPersonId=other.id, text=f"{text} {self.tag}")

    async def say(self, author: Caller, room_id: str, text: str = "Hello", **more: str) -> Json:
        """Write a message into a room."""
        return await author.make("/messages", roomId=room_id, text=text, **more)

    async def say_in_quick_succession(self, author: Caller, room_id: str) -> list[Json]:
        """Write two messages into a room without waiting for the first; in order of creation."""
        stagger = self.target_at.stagger
        first = asyncio.create_task(self.say(author, room_id))
        await (first if stagger is None else asyncio.sleep(stagger))
        messages = [await self.say(author, room_id), await first]
        return sorted(messages, key=lambda message: str(message["created"]))

    async def mention(self, author: Caller, room_id: str, text: str = "Hello", **more: str) -> Json:
        """Write a message that mentions the bot into a room."""
        mention = f"<@personId:{self.bot.id}>"
        return await author.make("/messages", roomId=room_id, markdown=f"{mention} {text}", **more)

    async def upload(self, author: Caller, room_id: str, **more: str) -> Json:
        """Write a message with a file of four bytes into a room."""
        files = [("files", ("menu.txt", b"Soup", "text/plain"))]
        fields = {"roomId": room_id, **more}
        return author.needed(await author.send("POST", "/messages", json=fields, files=files))

    async def hook(  # noqa: PLR0913 - each is a member of a webhook, or how its target responds
        self,
        room_id: str | None,
        *,
        resource: str = "messages",
        event: str = "created",
        secret: str | None = None,
        by: Caller | None = None,
        answers: Sequence[Answer] = (),
    ) -> Hook:
        """Make a webhook of what happens in a room, with a target of its own."""
        hook = self.target(answers)
        hook.room_id = room_id or ""
        members = {
            "name": f"{self.tag} {secrets.token_hex(2)}",
            "targetUrl": hook.url,
            "resource": resource,
            "event": event,
            "filter": f"roomId={room_id}" if room_id else None,
            "secret": secret,
        }
        present = {name: value for name, value in members.items() if value is not None}
        hook.id = str((await (by or self.bot).make("/webhooks", **present))["id"])
        return hook

    async def watch(self, *members: Caller, **options: Any) -> Hook:  # noqa: ANN401 - of `hook`
        """Make a room with these members, and a webhook of what happens in it."""
        return await self.hook(await self.room(*members), **options)

    async def heard(self, hook: Hook) -> Arrival:
        """Let the bot write into the room of a webhook, and return the delivery."""
        return await self.delivery(hook, await self.say(self.bot, hook.room_id))

    def target(self, answers: Sequence[Answer] = ()) -> Hook:
        """A target without a webhook."""
        if self.inbox.url is None:
            raise self.target_at.unchecked(
                "no URL leads here: set WEBEX_LIVE_URL, or start a tunnel"
            )
        hook = self.inbox.target(answers)
        self.hooks.append(hook)
        return hook

    async def update(self, hook: Hook, **changes: str) -> httpx.Response:
        """PUT a webhook with its name and target, and these changes."""
        return await self.bot.put(
            f"/webhooks/{hook.id}", **{"name": self.tag, "targetUrl": hook.url, **changes}
        )

    async def status(self, hook: Hook) -> str:
        """The status of a webhook."""
        return str(self.bot.needed(await self.bot.get(f"/webhooks/{hook.id}"))["status"])

    async def delivery(self, hook: Hook, of: Json | None = None) -> Arrival:
        """The delivery that a target got of something, or its first one."""
        wanted = of and comparable(of["id"])
        arrival = await self.target_at.arrival(hook, lambda each: wanted in {None, each.id})
        assert arrival is not None, "no delivery came"
        return arrival

    async def deliveries(self, hook: Hook, count: int) -> list[Arrival]:
        """The deliveries that a target got, once there are so many."""
        await self.target_at.arrival(hook, lambda _: len(hook.arrivals) >= count)
        assert len(hook.arrivals) >= count, f"{len(hook.arrivals)} of {count} deliveries came"
        return hook.arrivals

    async def hung_up(self, hook: Hook) -> float:
        """After how many seconds Webex hung up on the late response to the first delivery."""
        arrival = await self.target_at.arrival(hook, lambda each: each.hung_up_after is not None)
        assert arrival is not None, "the late response was waited for"
        return arrival.hung_up_after or 0.0

    async def quiet(self, seconds: float = 10.0) -> None:
        """Wait for what may still come: so long on Webex, until nothing is left in the sandbox."""
        await self.target_at.quiet(seconds)

    async def emit(self, resource: str, event: str) -> str:
        """Make something happen that no request of a run makes happen, to what has this id."""
        identifier = secrets.token_hex(16)
        self.guard.made.add(comparable(identifier))
        await self.target_at.emit(resource, event, {"id": identifier})
        return identifier

    async def repeat(self, arrival: Arrival) -> None:
        """Have a notification delivered once more."""
        await self.target_at.repeat(arrival)

    async def once(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - what it makes
        """What several rows share, because it takes minutes to make."""
        if name not in self._kept:
            self._kept[name] = await make()
        return self._kept[name]


def _with(response: httpx.Response, body: object) -> httpx.Response:
    """A response with another body."""
    kept = {
        name: value for name, value in response.headers.items() if not name.startswith("content-")
    }
    return httpx.Response(response.status_code, headers=kept, json=body, request=response.request)


def _strings(value: object) -> Iterator[str]:
    """The texts in a JSON value that are longer than a letter or two."""
    if isinstance(value, dict):
        value = [*cast("Json", value).values()]
    if isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _strings(each)
    elif isinstance(value, str) and len(value) > 2 and value not in {"bot", "person"}:
        yield value


def _body(response: httpx.Response) -> object:
    try:
        body: object = response.json()
    except ValueError:
        return f"<{len(response.content)} bytes>"
    return body


__all__ = ["Answer", "Arrival", "Caller", "Exchange", "ForeignError", "Hook", "Webex"]
