"""Messages.

Facts: https://developer.webex.com/docs/api/v1/messages
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from attrs import frozen
from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.testing.service.shared.events import WebexEvent, without_nones
from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.requests import (
    Call,
    fields_of,
    is_http_url,
    page_response,
)
from webex_webhooks_async.testing.service.shared.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.shared.state import DIRECT, GROUP, Json, State
from webex_webhooks_async.testing.service.shared.wire import webex_id

CONTENT = frozenset({"text", "markdown", "html", "attachments"})
"""What a notification of a message never contains."""

MAX_TEXT = 7439
"""The size in bytes of the longest text, and of the longest markdown."""

_TARGETS = ("roomId", "toPersonId", "toPersonEmail")
_TEXTS = ("text", "markdown")
_MENTION = re.compile(r"<@person(?:Id|Email):([^|>]+)(?:\|([^>]*))?>")


@frozen(kw_only=True)
class Content:
    """What a message says.

    Attributes:
        members: Its members on the wire, such as ``text`` and ``files``.
        mentioned: Whom it mentions.
    """

    members: Json
    mentioned: tuple[SandboxPerson, ...] = ()


async def list_messages(call: Call) -> Response:
    """The messages of a room, the latest first; a bot lists those that mention it."""
    room_id = call.query("roomId")
    if room_id is None:
        raise RefusedCallError(400, "roomId is required and must not be empty")
    room = call.state.room_for(call.person, room_id)
    mentioned = call.query("mentionedPeople")
    if mentioned == "me":
        mentioned = call.person.id
    if mentioned != call.person.id and _hears_only_mentions(call.state, call.person, room):
        raise RefusedCallError(
            403, "a bot must add mentionedPeople=me to list a group room's messages"
        )
    return page_response(
        call,
        call.state.messages,
        where=lambda each: (
            each["roomId"] == room_id
            and (mentioned is None or mentioned in each.get("mentionedPeople", ()))
        ),
        newest_first=True,
    )


async def create_message(call: Call) -> Response:
    """Post a message to a room or to a person."""
    document = await call.json()
    fields = fields_of(document, optional=(*_TARGETS, *_TEXTS, "parentId"))
    room = _target(call.state, call.person, fields)
    content = _content(call.state, fields, document)
    call.events.extend(post(call.state, call.person, room, content))
    message = call.state.messages.get(call.events[-1].data["id"])
    return json_response(cast("Json", message))


async def get_message(call: Call) -> Response:
    """One message."""
    return json_response(find(call.state, call.person, call.id))


async def delete_message(call: Call) -> Response:
    """Delete a message of the caller's own."""
    message = find(call.state, call.person, call.id)
    if message["personId"] != call.person.id:
        raise RefusedCallError(403, "only its author can delete a message")
    call.state.messages.remove(call.id)
    call.events.append(_event(call.state, Event.DELETED, message))
    return Response(status_code=204)


def post(state: State, author: SandboxPerson, room: Json, content: Content) -> list[WebexEvent]:
    """Post a message, and return what happened: who joined, and the message as the last event.

    Who speaks in a group room, or is mentioned there, joins it; the bot has to be a member.

    Raises:
        RefusedCallError: The author can't join the room, or ``parentId`` is in another room.
    """
    joined = join(state, room, author, content.mentioned)
    parent = content.members.get("parentId")
    if parent is not None:
        replied_to = state.messages.get(parent)
        if replied_to is None or replied_to["roomId"] != room["id"]:
            raise RefusedCallError(
                400, f"parentId must be a message of the same room, got {parent!r}"
            )
    message = without_nones(
        {
            "id": webex_id("MESSAGE"),
            "roomId": room["id"],
            "roomType": room["type"],
            **content.members,
            "personId": author.id,
            "personEmail": author.email,
            "mentionedPeople": [each.id for each in content.mentioned] or None,
            "created": state.now(),
        }
    )
    state.messages.put(message["id"], message)
    state.rooms.put(room["id"], {**room, "lastActivity": message["created"]})
    return [*joined, _event(state, Event.CREATED, message)]


def spoken(text: str, mentioned: Sequence[SandboxPerson]) -> Content:
    """What someone says who mentions others first."""
    if not mentioned:
        return Content(members={"text": text})
    names = " ".join(each.display_name for each in mentioned)
    marks = " ".join(_mark(each, each.display_name) for each in mentioned)
    members = {"text": f"{names} {text}", "html": f"<p>{marks} {html.escape(text)}</p>"}
    return Content(members=members, mentioned=tuple(mentioned))


def find(state: State, person: SandboxPerson, message_id: str) -> Json:
    """A message that someone may read.

    Raises:
        RefusedCallError: It doesn't exist, or the person may not read it.
    """
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


def _hears_only_mentions(state: State, person: SandboxPerson, room: Json) -> bool:
    return person.id == state.bot.id and room["type"] == GROUP


def _event(state: State, event: str, message: Json) -> WebexEvent:
    return WebexEvent(
        resource=Resource.MESSAGES,
        event=event,
        actor_id=message["personId"],
        data={key: value for key, value in message.items() if key not in CONTENT},
        audience=_readers(state, message),
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
    """A room, also one that the caller isn't a member of.

    Raises:
        RefusedCallError: It doesn't exist.
    """
    room = state.rooms.get(room_id)
    if room is None:
        raise RefusedCallError(404, f"no room has the id {room_id!r}; POST /rooms creates one")
    return room


def join(
    state: State, room: Json, author: SandboxPerson, mentioned: Iterable[SandboxPerson] = ()
) -> list[WebexEvent]:
    """Make those who speak or are mentioned in a group room members of it.

    Raises:
        RefusedCallError: The author has to be a member: the bot, and everyone in a direct room.
    """
    members = state.members(room["id"])
    if author.id not in members and (room["type"] == DIRECT or author.id == state.bot.id):
        raise RefusedCallError(404, f"{author.email} is not a member of the room {room['id']!r}")
    if room["type"] == DIRECT:
        return []
    newcomers = {each.id: each for each in (author, *mentioned) if each.id not in members}
    return [state.join(room, each, actor=author) for each in newcomers.values()]


def _content(state: State, fields: Mapping[str, str], document: Mapping[str, Any]) -> Content:
    files, attachments = document.get("files"), document.get("attachments")
    if files is not None and not _is_list_of_one_url(files):
        raise RefusedCallError(400, "files must be an array with one http(s) URL")
    if attachments is not None and not _is_list_of_one_card(attachments):
        raise RefusedCallError(
            400, "attachments must be an array with one object with a contentType"
        )
    for name in _TEXTS:
        if (size := len(fields.get(name, "").encode())) > MAX_TEXT:
            raise RefusedCallError(400, f"{name} must not exceed {MAX_TEXT} bytes, got {size}")
    if fields.keys().isdisjoint(_TEXTS) and not files:
        raise RefusedCallError(400, "one of text, markdown, files is required")
    members: dict[str, Any] = {
        "text": fields.get("text"),
        "parentId": fields.get("parentId"),
        "files": files,
        "attachments": attachments,
    }
    if "markdown" not in fields:
        return Content(members=members)
    return _marked_down(state, fields["markdown"], members)


def _marked_down(state: State, markdown: str, members: Mapping[str, Any]) -> Content:
    """Markdown with its mentions resolved; nothing else in it is rendered."""
    mentioned: dict[str, SandboxPerson] = {}
    text, marked, end = "", "", 0
    for match in _MENTION.finditer(markdown):
        person = state.named(match[1])
        mentioned[person.id] = person
        name = match[2] or person.display_name
        between = markdown[end : match.start()]
        text += between + name
        marked += html.escape(between) + _mark(person, name)
        end = match.end()
    text += markdown[end:]
    marked += html.escape(markdown[end:])
    return Content(
        members={
            **members,
            "text": members["text"] or text,
            "markdown": markdown,
            "html": f"<p>{marked}</p>",
        },
        mentioned=tuple(mentioned.values()),
    )


def _mark(person: SandboxPerson, name: str) -> str:
    return (
        f'<spark-mention data-object-type="person" data-object-id="{html.escape(person.id)}">'
        f"{html.escape(name)}</spark-mention>"
    )


def _is_list_of_one_url(value: object) -> bool:
    match value:
        case [str(url)]:
            return is_http_url(url)
        case _:
            return False


def _is_list_of_one_card(value: object) -> bool:
    match value:
        case [] | [{"contentType": str()}]:
            return True
        case _:
            return False
