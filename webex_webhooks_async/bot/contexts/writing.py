"""Writes the messages of a bot: checked as a whole, and cut where one is too long."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypedDict, TypeVar, cast

from webex_webhooks_async.bot.contexts.buttons import Buttons, card_of_buttons, check_buttons
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.client.responses import is_gone
from webex_webhooks_async.errors import APIError, BadRequestError, GoneError, NotFoundError
from webex_webhooks_async.handling.dispatch import active_execution
from webex_webhooks_async.handling.once import recorded
from webex_webhooks_async.handling.records import SAID, check_outside
from webex_webhooks_async.handling.suspension import check_stop, uncut
from webex_webhooks_async.models import wire_name
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.messages import (
    CARD_TYPE,
    MAX_TEXT_BYTES,
    Message,
    Person,
    problem_of_card,
)
from webex_webhooks_async.serialization.converter import unstructure
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.validation import check_keywords, check_not_empty, check_text, check_url

T = TypeVar("T")

_CARD_TEXT = "This message is a card, which your client can't show."


class MessageOptions(TypedDict, total=False):
    """The arguments of `reply` and `send` that say what a message has besides its text.

    Attributes:
        markdown: Markdown.
        card: An adaptive card, or a whole attachment with ``contentType`` and ``content``. Without
            a text, its ``fallbackText`` goes with it, or a default.
        buttons: The text of each button, by its action: ``{"yes": "Yes", "no": "No"}``. The message
            becomes a card that says the `markdown`, else the text, in which Webex shows a little
            Markdown, too. ``@bot.submission("yes")`` gets a press of the first one. Webex allows
            five buttons.
        data: What each of the `buttons` has beside its action, such as ``{"order": 7}``: it comes
            back in ``context.inputs``. Whoever is in the room can submit anything to a card, so
            check what it names; Webex vouches for ``person_id`` and ``message_id``.
        file: A file to upload, which can't go with a card; or the http(s) URL of a file, which
            Webex gets there.
        key: The name by which the message is known when the handler runs again: the n-th message
            with this key to the same place isn't sent again, whatever it says then. By default it
            is known by everything it says, so a message with a price or the time of day is a new
            one.
    """

    markdown: str | None
    card: Mapping[str, Any] | None
    buttons: Buttons | None
    data: Mapping[str, Any] | None
    file: File | str | None
    key: str | None


class SendOptions(MessageOptions, total=False):
    """The arguments of `send` besides the text.

    As `MessageOptions`, it has what a message may have; these say where it goes.

    Attributes:
        room_id: The id of a room.
        to_person_id: The id of a person, whose direct room it is sent to.
        to_person_email: The address of a person.
        parent_id: The id of a message there, whose thread it is sent to.
    """

    room_id: str | None
    to_person_id: str | None
    to_person_email: str | None
    parent_id: str | None


async def send(
    client: Client,
    text: str | None,
    options: SendOptions,
    *,
    me: Person | None,
    room_id: str | None = None,
) -> Message:
    """Write to the place that the options name, as `Context.send` says; by default to a room."""
    check_keywords("send", options, SendOptions.__annotations__)
    message = dict[str, Any](options)
    place = place_of({name: message.pop(name, None) for name in PLACES}, room_id)
    parent_id = message.pop("parent_id", None)
    if parent_id is not None:
        place["parentId"] = check_not_empty("parent_id", parent_id)
    return await write(client, place, text, cast("MessageOptions", message), me=me)


async def write(  # noqa: PLR0913 - what a message may have
    client: Client,
    place: Mapping[str, str],
    text: str | None,
    options: MessageOptions,
    *,
    me: Person | None,
    asked: Mapping[str, str] | None = None,
    question: str | None = None,
) -> Message:
    """Write to a place, as `Context.reply` says; what an earlier attempt wrote isn't sent again.

    A written message is recognized by the bot, by the place as it was `asked` for, and by its key
    or what it says; a `question` by itself alone. A reply, which is asked for as such, leaves a
    thread that is gone.
    """
    content = dict[str, Any](options)
    key, file = content.pop("key", None), content.get("file")
    if key is not None:
        check_not_empty("key", key)
    bodies = new_messages(text, **content)
    key = question or key
    kind = SAID if question is None else "asked"
    say = partial(_say, client, kind, may_leave_thread=asked is not None)
    upload = file if isinstance(file, File) else None
    place_and_bot = [me and me.id, question or (place if asked is None else asked)]
    for number, body in enumerate(bodies[:-1]):
        what = body if key is None else [key, number]
        await say({**place, **body}, None, [*place_and_bot, what, None])
    what = [key, "last"]
    if key is None:
        digest = upload and hashlib.sha256(upload.content).hexdigest()
        what = [bodies[-1], upload and [upload.name, upload.content_type, digest]]
    return await say({**place, **bodies[-1]}, upload, [*place_and_bot, *what])


async def _say(  # noqa: PLR0913 - what is sent, and how it is known
    client: Client,
    kind: str,
    message: Mapping[str, Any],
    file: File | None,
    what: Sequence[object],
    *,
    may_leave_thread: bool,
) -> Message:
    """Send a message, unless an earlier attempt has sent what is the same."""
    check_outside("say something")
    send = partial(post, client, message, file, may_leave_thread=may_leave_thread)
    return await recorded(kind, what, send, Message)


async def post(
    client: Client,
    message: Mapping[str, Any],
    file: File | None = None,
    *,
    may_leave_thread: bool = True,
) -> tuple[Message, bytes]:
    """Send a message, if its thread is gone outside of it; return it, and the response's body."""
    send = InternalRequests.of(client).send_for_record
    to_send = partial(send, "POST", "messages", file=file, into=Message)
    try:
        return await to_send(json=message)
    except (BadRequestError, NotFoundError):
        if not may_leave_thread or await _exists(client, message["parentId"]):
            raise
    place_alone = {name: each for name, each in message.items() if name != "parentId"}
    return await to_send(json=place_alone)


async def _exists(client: Client, message_id: str) -> bool:
    try:
        await client.get("messages", message_id)
    except APIError as error:
        if is_gone(error):
            return False
        raise
    return True


async def edit(
    client: Client, message: Message | str, text: str | None, markdown: str | None
) -> Message:
    """Edit a message, or the one with an id, as `Context.edit` says."""
    message_id = _id_of(message)
    body, *others = new_messages(text, markdown=markdown)
    if others:
        raise ValueError(
            f"a message has at most {MAX_TEXT_BYTES} bytes: shorten what it says, or send the rest "
            "in another one"
        )
    check_outside("edit a message")
    if isinstance(message, Message):
        _check_can_be_edited(message)

    async def put() -> tuple[Message, bytes]:
        found = message
        if not isinstance(found, Message):
            found = await client.get("messages", found, into=Message)
            _check_can_be_edited(found)
        edited = {"roomId": found.room_id, **body}
        send = InternalRequests.of(client).send_for_record
        return await send("PUT", "messages", message_id, json=edited, into=Message)

    return await recorded("edited", [message_id, body], put, Message)


async def delete(client: Client, message: Message | str) -> None:
    """Delete a message, or the one with an id, as `Context.delete` says."""
    message_id = _id_of(message)
    check_outside("delete a message")
    await uncut(partial(_delete, client, message_id))


async def _delete(client: Client, message_id: str) -> None:
    await check_stop(is_recorded=None)
    await remove(client, message_id)
    execution = active_execution()
    if execution is not None and execution.records is not None:
        await execution.records.unsay(message_id)


async def remove(client: Client, message_id: str) -> tuple[bool, bytes]:
    """Delete a message, unless it is gone; return what `Records.act` takes."""
    with suppress(NotFoundError, GoneError):
        await client.delete("messages", message_id)
    return True, b"true"


DELETION = "webex-webhooks:delete"
"""The name of a job that deletes the message whose id is its value."""


class _Deletion(TypedDict):
    name: str
    value: str
    key: str
    replace: bool


def deletion_of(message: Message | str) -> _Deletion:
    """Return the job that deletes a message, in place of one that was to do so."""
    message_id = _id_of(message)
    return _Deletion(name=DELETION, value=message_id, key=message_id, replace=True)


def _id_of(message: object) -> str:
    if isinstance(message, Message):
        return check_not_empty("the id of the message", message.id)
    if not isinstance(message, str):
        raise TypeError(
            f"message must be a Message or the id of one, got {type(message).__name__}: pass what "
            "reply or send returned, or its id"
        )
    return check_not_empty("the id of the message", message)


def _check_can_be_edited(message: Message) -> None:
    if message.files or message.attachments:
        raise ValueError(
            "Webex edits no message with files or a card: delete it, and send another one"
        )


PLACES = ("room_id", "to_person_id", "to_person_email")


def place_of(given: Mapping[str, str | None], room_id: str | None) -> dict[str, str]:
    """Return the place that is meant by one of three, by default a room."""
    places = [(name, each) for name, each in given.items() if each is not None]
    if not places and room_id is not None:
        return {"roomId": room_id}
    if len(places) != 1:
        raise ValueError("pass one of room_id, to_person_id and to_person_email")
    ((name, place),) = places
    return {wire_name(name): check_not_empty(name, place)}


def new_messages(  # noqa: PLR0913 - what a message may have
    text: str | None,
    *,
    markdown: str | None = None,
    card: Mapping[str, Any] | None = None,
    buttons: Buttons | None = None,
    data: Mapping[str, Any] | None = None,
    file: File | str | None = None,
) -> list[dict[str, Any]]:
    """The bodies of the messages that say this, in order; the last one has everything else."""
    texts = texts_of(text, markdown)
    if buttons is not None:
        card = _card_of_buttons(buttons, data, card, texts)
    elif data is not None:
        raise ValueError("data is what buttons have: pass buttons, too")
    attached = _attached(card, file)
    if card is not None and not texts:
        texts["text"] = _fallback_text(attached["attachments"][0]["content"])
    if not texts and not attached and file is None:
        raise ValueError("there is nothing to send: pass a text, markdown, a card or a file")

    long = [name for name, each in texts.items() if len(check_text(name, each)) > MAX_TEXT_BYTES]
    if not long:
        return [{**attached, **texts}]
    if len(long) > 1:
        raise ValueError(
            f"text and markdown both have more than {MAX_TEXT_BYTES} bytes, and can't be cut in "
            "the same places: pass one of them"
        )
    dump_json(unstructure(attached))  # what JSON can't hold must not be noticed after the first
    (name,) = long
    cut = split if name == "text" else split_markdown
    # Webex refuses a message of whitespace alone, and others may have been sent before it.
    *others, last = [piece for piece in cut(texts[name]) if not piece.isspace()]
    texts[name] = last
    if buttons is not None:
        attached["attachments"] = [_attachment(_card_of_buttons(buttons, data, None, texts))]
    return [*({name: piece} for piece in others), {**attached, **texts}]


def _card_of_buttons(
    buttons: Buttons, data: Mapping[str, Any] | None, card: object, texts: Mapping[str, str]
) -> Mapping[str, Any]:
    check_buttons(buttons, data)
    if card is not None:
        raise ValueError("buttons make a card: pass buttons or a card, not both")
    if not texts:
        raise ValueError("buttons are below what a message says: pass a text or markdown, too")
    return card_of_buttons(texts.get("markdown") or texts["text"], buttons, data)


def _attached(card: Mapping[str, Any] | None, file: object) -> dict[str, Any]:
    """The members of a body besides its texts. A file to upload isn't in it, but beside it."""
    attached: dict[str, Any] = {}
    if isinstance(file, str):
        attached["files"] = [_file_url(file)]
    elif file is not None:
        if not isinstance(file, File):
            raise TypeError(
                "file must be a File, as of File.from_path(...), or one URL as text, got "
                f"{type(file).__name__}"
            )
        if card is not None:
            raise ValueError("a file can't be uploaded with a card: write two messages")
    if card is not None:
        attached["attachments"] = [_attachment(card)]
    return attached


def _file_url(text: str) -> str:
    try:
        check_url("file", text)
    except ValueError as error:
        raise ValueError(f"{error}: for a file of this machine, pass File.from_path(...)") from None
    return text


def texts_of(text: str | None, markdown: str | None) -> dict[str, str]:
    """Return the texts that say something, each by its name in a body."""
    return {
        name: given
        for name, given in (("text", text), ("markdown", markdown))
        if given is not None and check_text(name, given) and not given.isspace()
    }


def split(text: str, limit: int = MAX_TEXT_BYTES) -> Iterator[str]:
    """Cut a text into pieces of so many bytes at most, which are the text when joined.

    It is cut behind a paragraph or a line if that leaves at least half a piece, or else behind a
    word, or else between two characters.
    """
    start = 0
    while start < len(text):
        piece = _first_piece(text, start, limit)
        yield piece
        start += len(piece)


def split_markdown(markdown: str, limit: int = MAX_TEXT_BYTES) -> Iterator[str]:
    """Cut markdown as `split` cuts a text, but close a code block that is cut, and open it again.

    Whitespace at the end is left out. A piece that another one follows depends on nothing behind
    it, so it stays the same while the text grows.
    """
    start, end, opening = 0, len(markdown.rstrip()), ""
    while start < end:
        near = opening + _first_bytes(markdown, start, limit)
        closing = max((len(each["mark"]) for each in _FENCE.finditer(near)), default=-1) + 1
        cut = _first_piece(markdown, start, limit - len(opening) - closing)
        fence = _open_fence(opening + cut)
        if fence and len(f"{opening}{cut}\n{fence['mark']}".encode()) > limit:
            # Where a line is cut, its rest may look like a fence that the text doesn't have.
            cut = _first_piece(markdown, start, limit - len(opening) - _LONGEST_MARK - 1)
            fence = _open_fence(opening + cut)
        piece, opening = opening + cut, ""
        start += len(cut)
        if start < len(markdown) and fence:
            piece += closing_of(piece)
            rest = _FENCE.match(markdown, start)
            if rest and _closes(rest, fence):
                start = rest.end()
            else:
                opening = f"{fence['mark']}{fence['language']}\n"
        yield piece


_LONGEST_MARK = 20
_FENCE = re.compile(
    r"^[ \t]*+(?P<mark>`{3,20}+|~{3,20}+)[ \t]*+(?P<language>[\w+#.-]{0,20}+)[^\n`]*+$",
    re.ASCII | re.MULTILINE,
)  # https://spec.commonmark.org/0.31.2/#fenced-code-blocks, also where a list indents it


def closing_of(markdown: str) -> str:
    """Return the line that closes the code block in which markdown ends; nothing without one."""
    fence = _open_fence(markdown)
    if fence is None:
        return ""
    return ("" if markdown.endswith("\n") else "\n") + fence["mark"]


def _open_fence(markdown: str) -> re.Match[str] | None:
    """The line that opens the code block in which this ends, if it does."""
    opened: re.Match[str] | None = None
    for each in _FENCE.finditer(markdown):
        if opened is None:
            opened = each
        elif _closes(each, opened):
            opened = None
    return opened


def _closes(fence: re.Match[str], opened: re.Match[str]) -> bool:
    return fence["mark"].startswith(opened["mark"]) and fence[0].strip() == fence["mark"]


def _first_piece(text: str, start: int, limit: int) -> str:
    piece = _first_bytes(text, start, limit)
    if start + len(piece) < len(text):
        piece = piece[: _end_of_piece(piece)]
    return piece


def _first_bytes(text: str, start: int, limit: int) -> str:
    return text[start : start + limit].encode()[:limit].decode(errors="ignore")


def _end_of_piece(piece: str) -> int:
    for separator, least in ((r"\n\s*\n", len(piece) // 2), (r"\n", len(piece) // 2), (r"\s", 0)):
        ends = [each.end() for each in re.finditer(separator, piece)]
        if ends and ends[-1] > least and not piece[: ends[-1]].isspace():
            return ends[-1]
    return len(piece)


def _attachment(given: object) -> Mapping[str, Any]:
    """The card as an attachment, which it may be already."""
    if not isinstance(given, Mapping):
        raise TypeError(f"card must be a dict, such as {_EXAMPLE}, got {type(given).__name__}")
    card = cast("Mapping[str, Any]", given)
    attachment = card if "contentType" in card else {"contentType": CARD_TYPE, "content": card}
    if problem := problem_of_card(attachment):
        raise ValueError(f"Webex refuses this card ({problem}): pass one such as {_EXAMPLE}")
    return attachment


_EXAMPLE: Mapping[str, object] = {"type": "AdaptiveCard", "version": "1.3", "body": []}


def _fallback_text(content: Mapping[str, Any]) -> str:
    fallback = content.get("fallbackText")
    return fallback if isinstance(fallback, str) and fallback.strip() else _CARD_TEXT
