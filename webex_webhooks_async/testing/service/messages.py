"""Messages and their files.

Facts: https://developer.webex.com/docs/api/v1/messages and
https://developer.webex.com/docs/basics#message-attachments
"""

import html
import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, unquote

import httpx
from attrs import frozen
from starlette.responses import Response

from webex_webhooks_async.client.requester import http_url
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.messages import MAX_TEXT_BYTES, MESSAGE_CONTENT, problem_of_card
from webex_webhooks_async.models.vocabulary import BASE_URL, Event, Resource
from webex_webhooks_async.testing.service.calls import Call, fields_of, id_or_email, page_response
from webex_webhooks_async.testing.service.cards import remarks_on
from webex_webhooks_async.testing.service.events import WebexEvent
from webex_webhooks_async.testing.service.formats import name_in, timestamp, webex_id, without_nones
from webex_webhooks_async.testing.service.markdown import mention, render
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import (
    DIRECT,
    GROUP,
    Json,
    State,
    StoredFile,
    unknown_room,
)

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

MAX_FILE = 104_857_600
"""The size in bytes of the largest file."""

MAX_EDITS = 10
"""This many times a message can be edited."""

_PAGE_SIZE = 50  # by default

_TO_A_PERSON = ("toPersonId", "toPersonEmail")
_TARGETS = ("roomId", *_TO_A_PERSON)
_TEXTS = ("text", "markdown")
_EDITABLE = (*_TEXTS, "html", "mentionedPeople", "mentionedGroups", "updated")


@frozen(kw_only=True)
class Content:
    """The texts of a message, the people it mentions, and its files."""

    members: Json
    files: tuple[File, ...] = ()
    mentioned: tuple[SandboxPerson, ...] = ()


async def list_messages(call: Call) -> Response:
    """The messages of a room, the latest first; a bot lists those that mention it."""
    room_id = call.query("roomId")
    if room_id is None:
        raise RefusedCallError(400, "roomId is required and must not be empty")
    room = call.state.room_for(call.person, room_id)
    mentioned = call.query("mentionedPeople")
    if mentioned is not None:
        mentioned = call.person.id if mentioned == "me" else call.person_id(mentioned)
    is_bot_in_a_group = call.person.id == call.state.bot.id and room["type"] == GROUP
    if is_bot_in_a_group and mentioned != call.person.id:
        raise RefusedCallError(
            403, "a bot must add mentionedPeople=me to list a group room's messages"
        )
    return _list(call, room, mentioned)


async def list_direct_messages(call: Call) -> Response:
    """The messages of the caller's direct room with someone, the latest first."""
    given = id_or_email(call.request.query_params)
    person = call.state.persons.find(given if "@" in given else call.person_id(given))
    if person is not None and person.id == call.person.id:
        raise RefusedCallError(400, "nobody has a direct room with themselves")
    room = None if person is None else call.state.find_direct_room(call.person, person)
    if room is None:
        raise RefusedCallError(404, f"you have no direct room with {given!r}")
    return _list(call, room, None)


def _list(call: Call, room: Json, mentioned: str | None) -> Response:
    parent, before, later = call.query("parentId"), call.query_time("before"), _later(call)
    return page_response(
        call,
        call.state.messages,
        where=lambda each: (
            each["roomId"] == room["id"]
            and (mentioned is None or mentioned in each.get("mentionedPeople", ()))
            and parent in {None, each.get("parentId")}
            and (before is None or each["created"] < timestamp(before))
            and each["id"] not in later
        ),
        on_wire=lambda each: call.state.seen_by(call.person.id, each),
        newest_first=True,
        size=_PAGE_SIZE,
    )


def _later(call: Call) -> frozenset[str]:
    last = call.query("beforeMessage")
    if last is None:
        return frozenset()
    find(call.state, call.person, last)
    ids = (each["id"] for each in call.state.messages)
    return frozenset(itertools.dropwhile(lambda each: each != last, ids))


async def create_message(call: Call) -> Response:
    """Post a message to a room or to a person."""
    document, uploaded = await call.message()
    fields = fields_of(document, optional=(*_TARGETS, *_TEXTS, "parentId"))
    room = _target(call.state, call.person, fields)
    content = _content(call.state, fields, document, uploaded)
    call.events.extend(post(call.state, call.person, room, content))
    message = find(call.state, call.person, call.events[-1].data["id"])
    named = {name: fields[name] for name in fields if name in _TO_A_PERSON}
    return _response(call, {**message, **named})


async def get_message(call: Call) -> Response:
    """One message."""
    return _response(call, find(call.state, call.person, call.id))


async def update_message(call: Call) -> Response:
    """Edit a message of the caller's own; its webhooks aren't notified."""
    document = await call.json()
    fields = fields_of(document, required=("roomId",), optional=_TEXTS)
    message = _own(call, "edit")
    if fields["roomId"] != message["roomId"]:
        raise RefusedCallError(400, f"roomId must be that of the message, {message['roomId']!r}")
    if any(each.get(key) for each in (document, message) for key in ("files", "attachments")):
        raise RefusedCallError(400, "a message with files or attachments can't be edited")
    if call.state.edits[call.id] == MAX_EDITS:
        raise RefusedCallError(
            400, f"a message can be edited {MAX_EDITS} times at most; post another one"
        )
    content = _content(call.state, fields, {})
    kept = {key: value for key, value in message.items() if key not in _EDITABLE}
    updated = without_nones(
        {
            **kept,  # such as parentId
            **without_nones(content.members),
            **_mentions(content),
            "updated": call.state.now(),
        }
    )
    call.state.edits[call.id] += 1
    call.state.messages.put(call.id, updated)
    return _response(call, updated)


async def delete_message(call: Call) -> Response:
    """Delete a message of the caller's own, and its files."""
    message = _own(call, "delete")
    call.state.messages.remove(call.id)
    for each in message.get("files", ()):
        call.state.contents.remove(str(each).rpartition("/")[2])
    call.events.append(_event(call.state, Event.DELETED, message))
    return Response(status_code=204)


async def get_content(call: Call) -> Response:
    """A file of a message that the caller may read."""
    stored = call.state.contents.get(call.id)
    if stored is None:
        raise RefusedCallError(404, f"no file has the id {call.id!r}")
    find(call.state, call.person, stored.message_id)
    name = stored.file.name
    shown = f'filename="{name}"' if quote(name) == name else f"filename*=utf-8''{quote(name, '')}"
    return Response(
        stored.file.content,
        headers={
            "Content-Disposition": f"attachment; {shown}",
            "Content-Type": stored.file.content_type,
        },
    )


def _own(call: Call, verb: str) -> Json:
    message = find(call.state, call.person, call.id)
    if message["personId"] != call.person.id:
        raise RefusedCallError(403, f"only its author can {verb} a message")
    return message


def _response(call: Call, message: Json) -> Response:
    return json_response(call.state.seen_by(call.person.id, message))


def post(state: State, author: SandboxPerson, room: Json, content: Content) -> list[WebexEvent]:
    """Post a message, and return what happened before, and the message as the last event.

    The first message of a direct room makes the room. Who speaks in a group room, or is mentioned
    there, joins it; the bot has to be a member.
    """
    parent = content.members.get("parentId")
    if parent is not None:
        replied_to = state.messages.get(parent)
        if replied_to is None or replied_to["roomId"] != room["id"]:
            raise RefusedCallError(
                400,
                f"parentId must be a message of the same room that wasn't deleted, got {parent!r}",
            )
        if "parentId" in replied_to:
            raise RefusedCallError(
                400,
                "parentId must be the first message of a thread, because a reply can't be replied "
                f"to: send {replied_to['parentId']!r}, got {parent!r}",
            )
    before = join(state, room, author, content.mentioned)
    if room["id"] in state.unannounced:
        state.unannounced.remove(room["id"])
        before.append(state.room_event(Event.CREATED, room, actor=author))
    message = state.new(Resource.MESSAGES, author, {"roomId": room["id"], "roomType": room["type"]})
    files = [_stored(state, message["id"], n, each) for n, each in enumerate(content.files)]
    attached = {
        "files": files or None,
        "isVoiceClip": False if files and author.id != state.bot.id else None,
    }
    message = without_nones({**message, **content.members, **attached, **_mentions(content)})
    state.messages.put(message["id"], message)
    for remark in remarks_on(message.get("attachments")):
        logger.warning("the card of the message %s: %s", message["id"], remark)
    state.rooms.put(room["id"], {**room, "lastActivity": message["created"]})
    return [*before, _event(state, Event.CREATED, message)]


def _stored(state: State, message_id: str, number: int, file: File) -> str:
    content_id = webex_id("CONTENT", f"{name_in(message_id)}/{number}")
    state.contents.put(content_id, StoredFile(message_id=message_id, file=file))
    return f"{BASE_URL}/contents/{content_id}"


def _mentions(content: Content) -> Json:
    return {"mentionedPeople": [each.id for each in content.mentioned] or None}


def spoken(
    text: str,
    mentioned: Sequence[SandboxPerson],
    files: tuple[File, ...] = (),
    parent_id: str | None = None,
) -> Content:
    """Return the text of someone who mentions others first."""
    members = {"text": text or None, "parentId": parent_id}
    if mentioned:
        names = " ".join(each.display_name for each in mentioned)
        marks = " ".join(mention(each, each.display_name) for each in mentioned)
        rendered = {"text": f"{names} {text}", "html": f"<p>{marks} {html.escape(text)}</p>"}
        members = {**members, **rendered}
    return Content(members=members, files=files, mentioned=tuple(mentioned))


def find(state: State, person: SandboxPerson, message_id: str) -> Json:
    """A message that someone may read."""
    message = state.messages.get(message_id)
    if message is None:
        raise RefusedCallError(404, f"no message has the id {message_id!r}")
    if message_id in state.emitted or person.id in _readers(state, message):
        return message
    state.room_for(person, message["roomId"])
    raise RefusedCallError(403, "a bot in a group room may only read messages that mention it")


def _readers(state: State, message: Json) -> frozenset[str]:
    members = state.members(message["roomId"])
    involved = {message["personId"], *message.get("mentionedPeople", ())}
    if message.get("roomType") == GROUP and state.bot.id not in involved:
        return members - {state.bot.id}
    return members


def _event(state: State, event: str, message: Json) -> WebexEvent:
    return WebexEvent(
        resource=Resource.MESSAGES,
        event=event,
        actor_id=message["personId"],
        data={key: value for key, value in message.items() if key not in MESSAGE_CONTENT},
        audience=_readers(state, message),
        document=message,
    )


def _target(state: State, author: SandboxPerson, fields: Mapping[str, str]) -> Json:
    given = [fields[name] for name in _TARGETS if name in fields]
    if len(given) != 1:
        raise RefusedCallError(400, f"exactly one of {', '.join(_TARGETS)} is required")
    if "roomId" in fields:
        return find_room(state, fields["roomId"])
    person = state.named(given[0])
    if person.id == author.id:
        raise RefusedCallError(
            400,
            "nobody can write to themselves; to write to the bot, use someone's access token, "
            "such as person:ann@example.com",
        )
    return state.direct_room(author, person)


def find_room(state: State, room_id: str) -> Json:
    """A room, also one that the caller isn't a member of."""
    room = state.rooms.get(room_id)
    if room is None:
        raise unknown_room(f"no room has the id {room_id!r}; POST /rooms creates one")
    return room


def join(
    state: State, room: Json, author: SandboxPerson, mentioned: Iterable[SandboxPerson] = ()
) -> list[WebexEvent]:
    """Make who speaks or is mentioned in a group room a member; the bot has to be one before."""
    members = state.members(room["id"])
    if author.id not in members and (room["type"] == DIRECT or author.id == state.bot.id):
        raise unknown_room(f"{author.emails[0]} is not a member of the room {room['id']!r}")
    if room["type"] == DIRECT:
        return []
    newcomers = {each.id: each for each in (author, *mentioned) if each.id not in members}
    return [state.join(room, each, actor=author) for each in newcomers.values()]


def _content(
    state: State,
    fields: Mapping[str, str],
    document: Mapping[str, Any],
    uploaded: tuple[File, ...] = (),
) -> Content:
    _check_attached(document, uploaded)
    for name in _TEXTS:
        if (size := len(fields.get(name, "").encode())) > MAX_TEXT_BYTES:
            raise RefusedCallError(
                400, f"{name} must not exceed {MAX_TEXT_BYTES} bytes, got {size}"
            )
    files = uploaded or tuple(_stand_in(each) for each in document.get("files") or ())
    if fields.keys().isdisjoint(_TEXTS) and not files:
        raise RefusedCallError(400, "one of text, markdown, files is required")
    members: dict[str, Any] = {
        "text": fields.get("text"),
        "parentId": fields.get("parentId"),
        "attachments": document.get("attachments"),
    }
    if "markdown" not in fields:
        return Content(members=members, files=files)
    rendered = render(fields["markdown"], state.named)
    return Content(
        members={
            **members,
            "text": members["text"] or rendered.text,
            "markdown": fields["markdown"],
            "html": rendered.html,
            "mentionedGroups": ["all"] if rendered.mentions_all else None,
        },
        files=files,
        mentioned=rendered.mentioned,
    )


def _check_attached(document: Mapping[str, Any], uploaded: tuple[File, ...]) -> None:
    urls, attachments = document.get("files"), document.get("attachments")
    if len(uploaded) > 1 or (uploaded and urls is not None):
        raise RefusedCallError(400, "a message has one file at most")
    if uploaded and attachments is not None:
        raise RefusedCallError(400, "a message has a card or an uploaded file, not both")
    match urls:
        case None:
            pass
        case [str(url)] if http_url(url) is not None:
            pass
        case _:
            raise RefusedCallError(400, "files must be an array with one http(s) URL")
    match attachments:
        case None | []:
            pass
        case [dict()]:
            if problem := problem_of_card(cast("list[Json]", attachments)[0]):
                raise RefusedCallError(400, problem)
        case _:
            raise RefusedCallError(400, "attachments must be an array with one object, a card")
    if any(len(each.content) > MAX_FILE for each in uploaded):
        raise RefusedCallError(400, f"a file must not exceed {MAX_FILE} bytes")


def _stand_in(url: str) -> File:
    """The record of a file that is given by its URL, which the sandbox never fetches."""
    name = unquote(httpx.URL(url).path).rpartition("/")[2]
    name = "".join(each if each.isprintable() else "_" for each in name)
    return File(name or "file", f"The sandbox didn't fetch {url}\n".encode())
