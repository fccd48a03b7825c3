"""Writes a conversation of the sandbox as a test of the bot."""

import json
import re
from collections.abc import Iterator
from operator import itemgetter
from typing import cast

from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.serialization.strict_json import is_same
from webex_webhooks_async.testing.service.cards import Button, buttons
from webex_webhooks_async.testing.service.events import INPUTS
from webex_webhooks_async.testing.service.state import DIRECT, Json, State

_MAX_NAME = 40
_MAX_FILE = 1_000  # bytes of a file that a test repeats


def as_test(state: State, room: Json, start: str | None = None) -> str:
    """A test in which people say and press what they did in a room, and the bot writes the same.

    It begins with the first message, or with that of a person whose id is `start`. It uses the
    fixtures ``bot`` and ``webex_sandbox``, and ``webex_client`` to make a group room.

    Raises:
        ValueError: It can't be repeated: nobody wrote to the bot, a card is from before `start`, a
            file is too large, or it isn't known which button was pressed.
    """
    events = _from(start, _events(state, room), state)
    pressed = _pressed_in(events)
    cards = {
        message_id: f"card_{n}" if n > 1 else "card" for n, message_id in enumerate(pressed, 1)
    }
    is_group = room["type"] != DIRECT
    fixtures = "bot, webex_client, webex_sandbox" if is_group else "bot, webex_sandbox"
    lines = [f"async def test_{_name(state, events)}({fixtures}):"]
    if is_group:
        title = {"title": room.get("title") or "Room"}
        lines.append(f'room = await webex_client.post("rooms", json={_literal(title)})')
    there: list[str] = []
    for number, event in enumerate(events):
        who = f"person={_literal(state.named(event['personId']).emails[0])}"
        if INPUTS in event:
            card = event["messageId"]
            lines.append(_press(state, event, cards[card], who))
            if state.messages.get(card) is None and card not in _pressed_in(events[number + 1 :]):
                there.remove(card)  # the bot has deleted it then
        elif event["personId"] == state.bot.id:
            lines += _expect(event, cards.get(event["id"], "reply"))
        else:
            where = ', room_id=room["id"]' if is_group else ""
            if (root := event.get("parentId")) in there:
                where = f", parent_id=webex_sandbox.messages[{there.index(root)}].id"
            lines.append(_say(state, event, f"{who}{where}"))
        there += [event["id"]] * (INPUTS not in event)
    lines += ["await webex_sandbox.idle()", f"assert len(webex_sandbox.messages) == {len(there)}"]
    body = "\n    ".join(lines)
    imports = "from webex_webhooks_async import File\n\n\n" if ", files=[File(" in body else ""
    return f"{imports}{body}\n"


def _from(start: str | None, events: list[Json], state: State) -> list[Json]:
    """What a test repeats; see `as_test`."""
    if start is not None:
        ids = [each["id"] for each in events if each["personId"] != state.bot.id]
        if start not in ids:
            raise ValueError("a test begins with a message that a person has written in this room")
        events = events[[each["id"] for each in events].index(start) :]
    if all(each["personId"] == state.bot.id for each in events):
        raise ValueError("nobody has written to the bot in this room yet")
    if not _pressed_in(events).keys() <= {each["id"] for each in events}:
        raise ValueError(
            "a button was pressed on a card from before this message: begin the test earlier, with "
            "the message for which the bot sent the card"
        )
    return events


def _pressed_in(events: list[Json]) -> dict[str, None]:
    """The ids of the cards that were pressed, in this order."""
    return dict.fromkeys(each["messageId"] for each in events if INPUTS in each)


def _events(state: State, room: Json) -> list[Json]:
    """The messages of a room, and what was submitted there, in the order of time.

    A card that was pressed is there also if it was deleted, as that of an answered question.
    """
    messages = {**state.pressed, **{each["id"]: (n, each) for n, each in state.messages.numbered()}}
    events = [each for _, each in sorted(messages.values(), key=itemgetter(0))]
    events = [each for each in events if each["roomId"] == room["id"]]
    for action in state.documents[Resource.ATTACHMENT_ACTIONS]:
        ids = [each["id"] for each in events]
        if action["messageId"] not in ids:
            continue
        place = ids.index(action["messageId"]) + 1
        while place < len(events) and _is_before(events[place], action):
            place += 1
        events.insert(place, action)
    return events


def _is_before(event: Json, action: Json) -> bool:
    """Whether something came before an action; what came in its millisecond is the bot's reply."""
    return INPUTS in event or bool(event["created"] < action["created"])


def _name(state: State, events: list[Json]) -> str:
    texts = (each.get("text") for each in events if each["personId"] != state.bot.id)
    words = re.sub(r"[^a-z0-9]+", "_", _without_bot(state, next(texts, None) or "").lower())
    return words[:_MAX_NAME].strip("_") or "conversation"


def _say(state: State, message: Json, arguments: str) -> str:
    text = message.get("text", "")
    if state.bot.id in message.get("mentionedPeople", ()):
        text = _without_bot(state, text)
        arguments += ", mention=webex_sandbox.bot"
    files = [_file(state, str(each)) for each in message.get("files", ())]
    if files:
        arguments += f", files=[{', '.join(files)}]"
    return f"await webex_sandbox.say({_literal(text)}, {arguments})"


def _without_bot(state: State, text: str) -> str:
    return text.removeprefix(state.bot.display_name).strip()


def _file(state: State, url: str) -> str:
    stored = state.contents.get(url.rpartition("/")[2])
    if stored is None or len(stored.file.content) > _MAX_FILE:
        raise ValueError(f"a test can't repeat a file of more than {_MAX_FILE} bytes")
    file = stored.file
    return f"File({_literal(file.name)}, {file.content!r}, {_literal(file.content_type)})"


def _press(state: State, action: Json, card: str, who: str) -> str:
    """How a button is pressed, with the inputs that were filled in."""
    _, message = state.pressed[action["messageId"]]
    inputs = action[INPUTS]
    known = [*buttons(message.get("attachments"))]
    button = _pressed(known, inputs)
    filled = {key: value for key, value in inputs.items() if key in button.inputs}
    press = f"press={_literal(button.title)}, " if len(known) > 1 else ""
    return f"await webex_sandbox.submit({card}.id, {_literal(filled)}, {press}{who})"


def _pressed(known: list[Button], inputs: Json) -> Button:
    """The button that submits these inputs; of several, the one that explains most of them."""
    fitting = [
        each
        for each in known
        if inputs.keys() <= each.inputs.keys() | each.data.keys()
        and all(is_same(inputs.get(k), v) for k, v in each.data.items() if k not in each.inputs)
    ]
    best = max(fitting, key=lambda each: len(each.data), default=None)
    titles = [each.title for each in known]
    if best is None or titles.count(best.title) > 1 or (best.title is None and len(known) > 1):
        raise ValueError("it isn't known which button of a card was pressed")
    return best


def _expect(message: Json, name: str) -> Iterator[str]:
    yield f"{name} = await webex_sandbox.next_reply()"
    if "text" in message:
        yield f"assert {name}.text == {_literal(message['text'])}"
    if "attachments" in message and name == "reply":
        cards = "".join(f"{_literal(each)}," for each in message["attachments"])
        yield f"assert {name}.attachments == ({cards})"


def _literal(value: object) -> str:
    """JSON as Python, with the quotation marks of most code."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case dict():
            members = cast("Json", value).items()
            return f"{{{', '.join(f'{_literal(key)}: {_literal(each)}' for key, each in members)}}}"
        case list():
            return f"[{', '.join(map(_literal, cast('list[object]', value)))}]"
        case _:
            return repr(value)
