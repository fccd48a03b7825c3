"""A person's conversation with the bot of a sandbox, in their direct room or in a group room."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Never, cast

import httpx
from attrs import frozen

from webex_webhooks_async.cli.files import read_file
from webex_webhooks_async.cli.rendering import shown_url
from webex_webhooks_async.cli.running import UsageError, usage_errors
from webex_webhooks_async.cli.running_sandbox import (
    gone,
    odd,
    private_url,
    problem_of,
    silent,
    stream_of,
)
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.pool import tls_context
from webex_webhooks_async.errors import DecodeError, TransportError
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.serialization.converter import from_json
from webex_webhooks_async.testing.service import cards

QUIET_SECONDS = 1.0
"""After a reply or a failure, before a message counts as handled."""

SUBMIT, PRESS, FILE = "/submit", "/press", "/file"
"""A line that begins with one of these words isn't a message."""

Json = Mapping[str, Any]


@frozen(kw_only=True)
class Place:
    """The place where someone talks to the bot."""

    base_url: str
    person: str  # the address
    timeout: float  # seconds for the sandbox, and for each message with all its replies
    room: str | None  # the title of a group room, instead of the direct room with the bot
    mention: bool  # in a group room


class Conversation:
    """The messages of a person and the bot to each other."""

    def __init__(  # noqa: PLR0913 - each is a collaborator, or takes what happens
        self,
        client: Client,
        place: Place,
        state: Json,
        *,
        on_message: Callable[[Message, str | None], None],
        on_failure: Callable[[str], None],
        on_note: Callable[[str], None],
    ) -> None:
        self._client = client
        self._place = place
        self._on_message = on_message
        self._on_failure = on_failure
        self._on_note = on_note
        self._persons: dict[str, Json] = {}
        self._ids: dict[str, str] = {}  # of persons, by their addresses
        self._note_persons(state["persons"])
        self._rooms: dict[str, Json] = {each["id"]: each for each in state["rooms"]}
        self._bot: Json = self._persons[state["bot"]]
        self.bot: str = self._bot["email"]
        self._hint: str | None = state["hint"]
        self._program: str = state["program"]
        self._card: Json | None = None
        self._heard = False
        self._failed = False
        self._crashed = False
        self._changed = asyncio.Event()
        self._room_id = self._group_room() if place.room is not None else None
        for message in state["messages"]:
            self._note_card(message)

    async def send(self, line: str, file: File | None = None) -> None:
        """Send a line to the bot: a message, a file, or what a card submits.

        With `file`, the line is the text of the message that has it, and may be empty.
        """
        word, _, rest = line.partition(" ")
        if file is not None:
            await self._post({"text": line} if line else {}, file)
        elif word == SUBMIT:
            await self._submit(_inputs(SUBMIT, _words(SUBMIT, rest)))
        elif word == PRESS:
            await self._press(_words(PRESS, rest))
        elif word == FILE:
            await self._post({}, _file(rest.strip()))
        else:
            await self._post({"text": line})

    async def exchange(self, line: str, file: File | None = None) -> str | None:
        """Send a line, wait for the replies until the bot is quiet, and return what went wrong."""
        self._heard = self._failed = self._crashed = sent = False
        with suppress(TimeoutError):
            async with asyncio.timeout(self._place.timeout):
                await self.send(line, file)
                sent = True
                await self._until_quiet()
        if self._heard:
            return f"a handler of {self.bot} failed" if self._crashed else None
        if not sent:
            raise silent(self._place.base_url, self._place.timeout)
        if self._failed:
            return f"{self.bot} did not reply"
        within = f"within {self._place.timeout:g} s"
        hint = self._hint or "the terminal of the sandbox shows whether it was notified"
        if self._program:
            hint = f"the program doesn't run: {_reason(self._program)}"
        return f"{self.bot} did not reply {within}: {hint}"

    async def _until_quiet(self) -> None:
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(QUIET_SECONDS if self._heard or self._failed else None):
                    await self._changed.wait()
                self._changed.clear()

    async def follow(self, events: AsyncIterator[Json]) -> Never:
        """Take in what happens."""
        with _odd_responses(self._place):
            async for event in events:
                self._take_in(event)
        raise gone(self._place.base_url)

    def _take_in(self, event: Json) -> None:
        match event["kind"]:
            case "room":
                self._rooms[event["room"]["id"]] = event["room"]
                self._note_persons(event["persons"])
            case "hint":
                self._hint = event["hint"]
            case "program":
                self._program = event["text"]
            case "message":
                self._receive(event["message"])
            case "delivery":
                self._notice(event["delivery"])
            case "outcome":
                self._note_outcome(event["outcome"])
            case _:
                pass

    def _receive(self, document: Json) -> None:
        if document["personId"] != self._bot["id"] or "updated" in document:
            return
        self._note_card(document)
        contents = f"{self._place.base_url.rstrip('/')}/contents/"
        text = json.dumps(document).replace(f"{BASE_URL}/contents/", contents)
        message = from_json(text, Message)
        is_here = self._is_here(message.room_id)
        self._on_message(message, None if is_here else self._title_of(message.room_id))
        if is_here:
            self._heard = True
            self._changed.set()

    def _notice(self, delivery: Json) -> None:
        how = problem_of(delivery)
        if how is None or delivery["createdBy"] != self._bot["id"]:
            return
        what = f"{delivery['resource']} {delivery['event']} at {shown_url(delivery['url'])}"
        self._on_failure(f"{self.bot} was notified of {what}, but failed: {how}")
        self._failed = True
        self._crashed |= delivery["handlerError"] is not None
        self._changed.set()

    def _note_outcome(self, outcome: Json) -> None:
        if not outcome["error"]:
            if not outcome["hasWorked"]:
                self._on_note(f"a handler of {self.bot} is {outcome['then']}")
            return
        self._failed = self._crashed = not outcome["hasWorked"]
        if self._crashed:
            why = ", ".join(filter(None, (outcome["error"], outcome["then"])))
            self._on_failure(f"a handler of {self.bot} failed: {why}")
        else:
            self._on_note(f"a handler of {self.bot} worked now, after {outcome['error']}")
        self._changed.set()

    def _is_here(self, room_id: str) -> bool:
        if self._place.room is not None:
            return room_id == self._room_id
        room = self._rooms.get(room_id, {})
        return room.get("type") == "direct" and self._me in room.get("members", ())

    def _note_persons(self, persons: Sequence[Json]) -> None:
        self._persons |= {each["id"]: each for each in persons}
        self._ids |= {each["email"].lower(): each["id"] for each in persons}

    @property
    def _me(self) -> str | None:
        return self._ids.get(self._place.person.lower())

    def _title_of(self, room_id: str) -> str:
        room = self._rooms.get(room_id, {})
        if room.get("type") != "direct":
            return str(room.get("title", room_id))
        members = (self._persons[each] for each in room["members"] if each in self._persons)
        return next((each["email"] for each in members if each != self._bot), room_id)

    def _group_room(self) -> str | None:
        """The id of the group room; None if it has to be created."""
        title = self._place.room
        found = [
            each["id"]
            for each in self._rooms.values()
            if each["type"] != "direct" and each["title"] == title
        ]
        if len(found) > 1:
            raise UsageError(f"{len(found)} rooms have the title {title!r}: choose another one")
        return found[0] if found else None

    def _note_card(self, document: Json) -> None:
        is_card = document["personId"] == self._bot["id"] and bool(document.get("attachments"))
        if is_card and self._is_here(document["roomId"]):
            self._card = document

    def _last_card(self) -> Json:
        if self._card is None:
            raise UsageError(f"{self.bot} has not sent a card in this conversation")
        if self._me not in self._rooms[self._card["roomId"]]["members"]:
            raise UsageError(
                f"{self._place.person} isn't in the room of the card: write there first"
            )
        return self._card

    async def _press(self, words: list[str]) -> None:
        attachments = self._last_card()["attachments"]
        titles = [each.title for each in cards.buttons(attachments) if each.title is not None]
        # The title may have several words, quoted or not.
        count = next((n for n in range(len(words), 0, -1) if " ".join(words[:n]) in titles), None)
        if count is None:
            shown = ", ".join(map(repr, titles)) or "none"
            raise UsageError(f"{PRESS}: write the title of a button, of these: {shown}")
        inputs = _inputs(PRESS, words[count:])
        with usage_errors(PRESS):
            submitted = cards.submitted(attachments, inputs, " ".join(words[:count]))
        await self._submit(submitted)

    async def _submit(self, inputs: Json) -> None:
        action = {"type": "submit", "messageId": self._last_card()["id"], "inputs": inputs}
        await self._client.post("attachment/actions", json=action)

    async def _post(self, fields: dict[str, str], file: File | None = None) -> None:
        if self._place.room is None:
            fields["toPersonEmail"] = self.bot
        else:
            fields["roomId"] = await self._joined_room()
            if self._place.mention:
                fields |= self._mentioning(fields.get("text", ""))
        await self._client.post("messages", json=fields, file=file)

    async def _joined_room(self) -> str:
        if self._room_id is None:
            room = await self._client.post("rooms", json={"title": self._place.room})
            self._room_id = cast("str", room["id"])
            membership = {"roomId": self._room_id, "personEmail": self.bot}
            await self._client.post("memberships", json=membership)
        return self._room_id

    def _mentioning(self, text: str) -> dict[str, str]:
        """The text with the bot mentioned; every mark of Markdown in it stays as it is typed."""
        name = self._bot["displayName"]
        escaped = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
        return {
            "text": f"{name} {text}".strip(),
            "markdown": f"<@personId:{self._bot['id']}|{name}> {escaped}".strip(),
        }


def _reason(text: str) -> str:
    """The line of a program's error that says what is wrong."""
    lines = text.splitlines()
    # SQLAlchemy puts the statement, its parameters and a link below it.
    raised = (
        each for each in lines if re.match(r"[A-Za-z_][\w.]{0,100}(Error|Exception|Exit): ", each)
    )
    return next(reversed([*raised]), lines[-1])


def _words(command: str, text: str) -> list[str]:
    with usage_errors(command):  # such as for a quotation mark that isn't closed
        return shlex.split(text)


def _inputs(command: str, words: list[str]) -> dict[str, str]:
    inputs: dict[str, str] = {}
    for word in words:
        input_id, equals, value = word.partition("=")
        if not (input_id and equals):
            raise UsageError(f"{command}: write each input as ID=VALUE, got {word!r}")
        inputs[input_id] = value
    return inputs


def _file(text: str) -> File:
    """The file at a path, which may be quoted."""
    if text[:1] in {"'", '"'}:
        text = " ".join(_words(FILE, text))
    if not text:
        raise UsageError(f"{FILE}: write the path of a file")
    return read_file(Path(text).expanduser(), FILE)


@asynccontextmanager
async def conversation(
    place: Place,
    *,
    on_message: Callable[[Message, str | None], None],
    on_failure: Callable[[str], None],
    on_note: Callable[[str], None],
) -> AsyncGenerator[Conversation]:
    """Talk to the bot of a sandbox as long as the block runs."""
    http_client = httpx.AsyncClient(trust_env=False, verify=tls_context())  # no proxy reaches it
    with usage_errors():
        client = Client(
            f"person:{place.person}",
            base_url=f"{private_url(place.base_url)}/v1",
            http_client=http_client,
        )
    async with http_client, client, aclosing(_events(place)) as events:
        with _odd_responses(place):
            state = await _first(events, place)
            talk = Conversation(
                client, place, state, on_message=on_message, on_failure=on_failure, on_note=on_note
            )
            is_bot = place.person.lower() == talk.bot.lower()
        if is_bot:
            raise UsageError(f"--as must be another person than the bot, {talk.bot}")
        try:
            async with asyncio.TaskGroup() as group:  # it ends the block when the sandbox ends
                follower = group.create_task(talk.follow(events))
                yield talk
                follower.cancel()
        except ExceptionGroup as errors:
            error = errors.exceptions[0]
            raise gone(place.base_url) if isinstance(error, TransportError) else error from None


async def _first(events: AsyncIterator[Json], place: Place) -> Json:
    try:
        async with asyncio.timeout(place.timeout):
            return await anext(events)
    except TimeoutError:
        raise silent(place.base_url, place.timeout) from None


async def _events(place: Place) -> AsyncGenerator[Json, None]:
    async with stream_of(place.base_url) as response:
        async for line in response.aiter_lines():
            if line:
                yield json.loads(line.removeprefix("data: "))


@contextmanager
def _odd_responses(place: Place) -> Generator[None]:
    """Report a response that no sandbox sends as an error of one line."""
    try:
        yield
    except (AttributeError, LookupError, StopAsyncIteration, TypeError, ValueError, DecodeError):
        raise odd(place.base_url) from None
