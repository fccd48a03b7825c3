import asyncio
import io
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from attrs import frozen
from rich.console import Console
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.cli.harness import (
    CARD,
    COMMAND,
    Finished,
    Invoke,
    ServedWebex,
    Typist,
    card_of,
    failing,
    served,
    served_acting_bot,
    served_bot,
    served_echo_bot,
    served_webex,
    terminal,
    thread,
)
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async import Message
from webex_webhooks_async.cli.commands.chat import (
    MAX_WAITING,
    TypedLines,
    erase_prompt,
    print_message,
    print_prompt,
)
from webex_webhooks_async.cli.console import stdout
from webex_webhooks_async.testing.loopback_server import ConnectionDroppedError

pytestmark = pytest.mark.once

BOT_ADDRESS = "sandbox@webex.bot"


def test_one_message(webex: ServedWebex, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends one message in the person's own room, through no proxy, and prints the replies."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    persons = ("you@example.com", "ann@example.com", "Ann@Example.com")
    with served_echo_bot(webex) as rooms:
        done = [invoke("chat", "Hello")]
        done += [invoke("chat", "Hello", "--as", each) for each in persons]

    assert done == [Finished(0, "You said:\nHello\n", "")] * 4
    assert rooms[0] == rooms[1] != rooms[2] == rooms[3]


def test_a_bot_that_is_silent(webex: ServedWebex, invoke: Invoke) -> None:
    """When no reply comes in time, as without a mention, it says so and where to look."""
    absent = invoke("chat", "Hello", "--timeout", "1")
    with served_bot("") as bot:
        webex.create(targetUrl=bot.url)
        unheard = invoke("chat", "Hello", "--timeout", "1", "--room", "Lunch", "--no-mention")

    silent = f"error: {BOT_ADDRESS} did not reply within 1 s: "
    hint = "no bot has called: start one that uses this sandbox"
    assert absent == Finished(1, "", f"{silent}{hint}\n")
    hint = "the terminal of the sandbox shows whether it was notified"
    assert unheard == Finished(1, "", f"{silent}{hint}\n")
    assert [each.text for each in webex.sandbox.messages] == ["Hello", "Hello"]
    assert bot.requests == []


def test_a_bot_that_fails(webex: ServedWebex, invoke: Invoke) -> None:
    """A bot that responded with an error is named, with its URL, before the time is over."""
    with served_bot("", 500) as bot:
        webex.create(targetUrl=f"{bot.url}?key=canary")
        done = invoke("chat", "Hello", "--timeout", "60")

    assert (done.exit_code, done.out) == (1, "")
    failed = f"{BOT_ADDRESS} was notified of messages created at {bot.url}, but failed"
    assert done.err.splitlines() == [
        f"error: {failed}: 500 Internal Server Error",
        f"error: {BOT_ADDRESS} did not reply",
    ]


@pytest.mark.parametrize("quiet_seconds", [1.0])
@pytest.mark.parametrize("replies", [False, True])
def test_a_handler_that_fails(webex: ServedWebex, invoke: Invoke, *, replies: bool) -> None:
    """What a handler raised is shown, and counts as a failure, also after a reply and a refusal."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        deliveries = 1 + replies  # to the bot that fails
        while len(webex.sandbox.deliveries) < deliveries:  # noqa: ASYNC110 - of another event loop
            await asyncio.sleep(0.01)
        await PlainTextResponse("", 404)(scope, receive, send)

    bot = failing("a-secret", webex.base_url if replies else None)
    with served(bot) as url, served(refuse) as other:
        webex.create(targetUrl=url, secret="a-secret")
        webex.create(targetUrl=other)
        done = invoke("chat", "Hello", "--timeout", "60")

    failed = f"was notified of messages created at {url}, but failed: a handler raised"
    assert (done.exit_code, done.out) == (1, "Here you are\n" if replies else "")
    assert f"error: {BOT_ADDRESS} {failed} KeyError: 'dish'" in done.err.splitlines()
    assert done.err.splitlines()[-1] == (
        f"error: a handler of {BOT_ADDRESS} failed"
        if replies
        else f"error: {BOT_ADDRESS} did not reply"
    )


def test_a_bot_that_keeps_talking(webex: ServedWebex, invoke: Invoke) -> None:
    """The time covers a message with all its replies: a bot that keeps talking doesn't delay it."""

    def reply(bot: httpx.AsyncClient, notification: Any) -> Awaitable[object]:  # noqa: ANN401 - JSON
        room_id = notification["data"]["roomId"]
        message = {"roomId": room_id, "text": "and another thing"}
        return bot.post("messages", json=message)  # which notifies it again

    with served_acting_bot(webex, reply):
        done = invoke("chat", "Hello", "--timeout", "3")

    assert (done.exit_code, done.err) == (0, "")
    assert set(done.out.splitlines()) == {"and another thing"}


def test_a_group_room(webex: ServedWebex, invoke: Invoke) -> None:
    """With --room it talks in one group room, where the bot is mentioned; its title is unique."""
    text = "*What* is_on [today](x) `1.`?"
    with served_echo_bot(webex) as rooms:
        first = invoke("chat", text, "--room", "Lunch")
        second = invoke("chat", "Hello", "--room", "Lunch", "--as", "ann@example.com")
        webex.post("messages", roomId=rooms[0], text="A card", attachments=[BUTTONS])
        third = invoke("chat", "/press Order", "--room", "Lunch", "--as", "bob@example.com")
    webex.post("rooms", title="Lunch")
    ambiguous = invoke("chat", "Hello", "--room", "Lunch")

    assert (first.exit_code, first.out) == (0, f"You said:\nSandbox Bot {text}\n")
    assert (second.exit_code, second.out) == (0, "You said:\nSandbox Bot Hello\n")
    assert third.err == "error: bob@example.com isn't in the room of the card: write there first\n"
    several = "error: 2 rooms have the title 'Lunch': choose another one\n"
    assert ambiguous == Finished(2, "", several)
    assert len(set(rooms)) == 1
    assert webex.sandbox.messages[0].mentioned_people == (webex.sandbox.bot.id,)


def test_what_the_bot_writes_elsewhere(webex: ServedWebex, invoke: Invoke) -> None:
    """A message of the bot in another room is shown with the room, in a pipe on standard error."""

    async def write(bot: httpx.AsyncClient, notification: Any) -> None:  # noqa: ANN401 - JSON
        data = notification["data"]
        if data["personEmail"] != BOT_ADDRESS:
            news = (await bot.post("rooms", json={"title": "News"})).json()["id"]
            for to, text in (
                ({"roomId": news}, "a visitor"),
                ({"toPersonEmail": "ann@example.com"}, "psst"),
                ({"roomId": data["roomId"]}, "Welcome"),
            ):
                await bot.post("messages", json={**to, "text": text})

    with served_acting_bot(webex, write):
        done = invoke("chat", "Hello")

    assert (done.exit_code, done.out) == (0, "Welcome\n")
    assert done.err.splitlines() == [
        f"[News] {BOT_ADDRESS}: a visitor",
        f"[ann@example.com] {BOT_ADDRESS}: psst",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("/file {}",), None),
        (("/file '{}'",), None),
        (("--file", "{}"), None),
        (("/press it", "--file", "{}"), "/press it"),
    ],
)
def test_a_file(
    webex: ServedWebex, invoke: Invoke, tmp_path: Path, arguments: tuple[str, ...], text: str | None
) -> None:
    """The line /file sends a file, whose path may be quoted; --file sends one with a text."""
    path = tmp_path / "my menu.txt"
    path.write_text("Soup")

    with served_bot("", 500) as bot:  # so that nobody waits for a reply
        webex.create(targetUrl=bot.url)
        invoke("chat", *(each.format(path) for each in arguments))

    (message,) = webex.sandbox.messages
    assert message.files
    file = httpx.get(message.files[0], headers={"Authorization": "Bearer x"}, trust_env=False)
    assert message.text == text
    assert (file.text, "my%20menu.txt" in file.headers["content-disposition"]) == ("Soup", True)


BUTTONS = card_of(
    {"id": "dish", "value": "Soup"},
    {"id": "note"},
    actions=[
        {"type": "Action.Submit", "title": "Order", "data": {"action": "order"}},
        {"type": "Action.Submit", "title": "Not today", "data": {"action": "skip"}},
    ],
)


@pytest.fixture
def with_buttons(webex: ServedWebex) -> ServedWebex:
    """A sandbox whose bot has sent a card."""
    webex.post("messages", toPersonEmail="you@example.com", text="A card", attachments=[BUTTONS])
    return webex


@pytest.mark.parametrize(
    ("line", "inputs"),
    [
        ("/press Order note='No onions'", {"action": "order", "dish": "Soup", "note": "No onions"}),
        ("/press Not today dish=Pie", {"action": "skip", "dish": "Pie"}),
        ("/press 'Not today'", {"action": "skip", "dish": "Soup"}),
    ],
)
def test_a_button(
    with_buttons: ServedWebex, invoke: Invoke, line: str, inputs: dict[str, str]
) -> None:
    """The line /press presses a button, also of a card that the conversation already had."""
    with served_echo_bot(with_buttons):
        done = invoke("chat", line)

    assert (done.exit_code, done.err) == (0, "")
    assert json.loads(done.out.splitlines()[1]) == inputs


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/press", "/press: write the title of a button, of these: 'Order', 'Not today'"),
        ("/press Ordr", "/press: write the title of a button, of these: 'Order', 'Not today'"),
        ("/press Order dsh=Pie", "/press: the card submits no 'dsh'; it submits: "),
        ("/press Order dish", "/press: write each input as ID=VALUE, got 'dish'"),
        ("/submit dish", "/submit: write each input as ID=VALUE, got 'dish'"),
        ("/submit =Pasta", "/submit: write each input as ID=VALUE, got '=Pasta'"),
        ("/submit dish='Pasta", "/submit: No closing quotation"),
    ],
)
def test_no_button(with_buttons: ServedWebex, invoke: Invoke, line: str, message: str) -> None:
    """What the card doesn't have or nobody can read is wrong usage, and nothing is submitted."""
    done = invoke("chat", line)

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    paths = [each.path for each in with_buttons.sandbox.requests]
    assert "/v1/attachment/actions" not in paths


PERSONS = [{"id": "B", "email": BOT_ADDRESS, "displayName": "Bot"}]
STATE = {
    "kind": "state",
    "bot": "B",
    "persons": PERSONS,
    **dict.fromkeys(("rooms", "messages", "webhooks"), ()),
    "hint": None,
    "program": "",
}
SQLALCHEMY = "[SQL: SELECT 1]\n(Background on this error at: https://sqlalche.me/e/20/e3q8)\n"
ODD_PERSON = {"id": "P", "email": 7}
ODD = "the service at {url} doesn't respond as a sandbox of this release does"
SILENT = "the service at {url} did not respond within 1 s"
HINTED = f"{BOT_ADDRESS} did not reply within 1 s: set WEBEX_TARGET_URL"
BROKEN = f"{BOT_ADDRESS} did not reply within 1 s: the program doesn't run: KeyError: 'x'"
GONE = "the sandbox at {url} responds no longer: start one with `webex-webhooks sandbox`"


ODD_SERVICES: list[tuple[list[object], str, str]] = [
    (["nonsense", None], "hangs", ODD),
    ([{}, None], "hangs", ODD),
    ([{**STATE, "persons": [*PERSONS, ODD_PERSON]}, None], "hangs", ODD),
    ([STATE, {"kind": "room", "room": {"id": "R"}, "persons": [ODD_PERSON]}, None], "accepts", ODD),
    ([], "hangs", ODD),
    ([None], "hangs", SILENT),
    ([STATE, None], "hangs", SILENT),
    ([STATE, {}, None], "accepts", ODD),
    ([STATE], "accepts", GONE),
    ([STATE, None], "drops the connection", GONE),
    ([STATE, {"kind": "hint", "hint": "set WEBEX_TARGET_URL"}, None], "accepts", HINTED),
    ([STATE, {"kind": "program", "text": "...\nKeyError: 'x'\n"}, None], "accepts", BROKEN),
    ([STATE, {"kind": "program", "text": f"KeyError: 'x'\n{SQLALCHEMY}"}, None], "accepts", BROKEN),
]


@pytest.mark.parametrize(("events", "then", "message"), ODD_SERVICES)
def test_a_service_with_odd_responses(
    invoke: Invoke, events: list[object], then: str, message: str
) -> None:
    """Answers that aren't a sandbox's are an error of one line, and so is a service that hangs."""
    seconds = 1.0 if "within 1 s" in message else PATIENCE

    async def lines() -> AsyncIterator[str]:
        for event in events:
            if event is None:
                await asyncio.Event().wait()
            yield f"{event}\n\n" if isinstance(event, str) else f"data: {json.dumps(event)}\n\n"

    async def odd(scope: Scope, receive: Receive, send: Send) -> None:
        response: Response = Response("{}", media_type="application/json")
        if scope["path"] == "/sandbox/events":
            headers = {"X-Webex-Sandbox": "webex-webhooks-async"}
            response = StreamingResponse(lines(), headers=headers)
        elif then == "hangs":
            await asyncio.Event().wait()
        elif then == "drops the connection":
            raise ConnectionDroppedError
        await response(scope, receive, send)

    with served(odd) as origin:
        url = f"{origin}/v1"
        done = invoke("chat", "Hello", "--base-url", url, "--timeout", f"{seconds}")

    assert (done.exit_code, done.out) == (1, "")
    assert done.err == f"error: {message.format(url=url)}\n"


def test_a_pipe(webex: ServedWebex, invoke: Invoke, tmp_path: Path) -> None:
    """In a pipe, each line is a message or submits a card, and the replies come in order."""
    lines = tmp_path / "lines"
    lines.write_bytes(b'Caf\xc3\xa9\xff\n\n  \ncard\n/submit lunch="Fish pie" drink=a=b')
    with served_echo_bot(webex), lines.open() as standard_input:
        done = invoke("chat", stdin=standard_input)

    assert (done.exit_code, done.err) == (0, "")
    assert done.out.splitlines() == [
        *("You said:", "Caf\u00e9\ufffd"),
        *("You said:", "card", "[card: /submit lunch=... drink=...]"),
        *("You said:", '{"lunch": "Fish pie", "drink": "a=b"}'),
    ]


def test_a_pipe_with_mistakes(webex: ServedWebex, invoke: Invoke, tmp_path: Path) -> None:
    """In a pipe, a line that is refused is an error, and the next lines are sent."""
    lines = tmp_path / "lines"
    lines.write_text("card\n/press Order\n/submit lnch=Pasta\nHello")
    with served_echo_bot(webex), lines.open() as standard_input:
        done = invoke("chat", stdin=standard_input)

    assert (done.exit_code, done.out.splitlines()[-1]) == (2, "Hello")
    press, submit = done.err.splitlines()
    assert press.startswith("error: /press: write the title of a button, of these: ")
    assert "400 Bad Request: the card submits no 'lnch'" in submit


def test_a_bot_that_is_down(webex: ServedWebex) -> None:
    """In a conversation, it says at once where the bot failed, also when narrow; Ctrl-C ends it."""
    url = f"http://127.0.0.1:{unused_port()}/"
    webex.create(targetUrl=url)
    with terminal("chat", "--room", "[b]Lunch", columns=60) as screen:
        screen.wait_for("> ")
        screen.type("Hello\n")
        screen.wait_for(rf"messages created at\s+{url}, but\s+failed:\s+nothing listens")
        screen.type("\x03")
        exit_code = screen.finish()

    assert (exit_code, "Traceback" in screen.seen) == (0, False)
    assert "in [b]Lunch" in screen.seen


@frozen
class Keyboard:
    """Types on a terminal; its end is a Ctrl-D."""

    stdin: Typist
    keys: IO[str]


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    """A terminal, and what types on it."""
    reader, writer = os.pipe()
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Typist(os.fdopen(reader, "rb")) as stdin, os.fdopen(writer, "w", buffering=1) as keys:
        yield Keyboard(stdin, keys)


def test_a_sandbox_that_ends(keyboard: Keyboard) -> None:
    """When the sandbox ends in the middle of a conversation, it says how to start another."""
    with ExitStack() as stack:
        with served_webex() as webex, served_echo_bot(webex):
            chat = ("chat", "--base-url", webex.base_url)
            running = stack.enter_context(thread(*chat, stdin=keyboard.stdin))
            keyboard.keys.write("Hello\n")
            running.out.line("Hello")
        gone = running.err.line("the sandbox at .+")[0]
        exit_code = running.wait()

    assert (gone, exit_code) == (GONE.format(url=webex.base_url), 1)


def test_a_conversation(webex: ServedWebex, keyboard: Keyboard) -> None:
    """On a terminal the bot's messages appear as they come, also after a mistake, until Ctrl-D."""
    with served_echo_bot(webex) as rooms, thread("chat", stdin=keyboard.stdin) as running:
        running.err.line(r"You are you@example.com, and talk to .+ Ctrl-D ends it")
        keyboard.keys.write("Hello\n")
        running.out.line(f"^{BOT_ADDRESS}: You said:$")  # where the prompt was
        running.out.line(f"^{' ' * len(BOT_ADDRESS)}  Hello$")
        webex.post(
            "messages",
            roomId=rooms[0],
            text="evil\x1b[2J",
            files=["https://example.com/f"],
            attachments=[CARD],
        )
        running.out.line(rf"^{BOT_ADDRESS}: evil\\x1b\[2J$")
        files = webex.sandbox.messages[2].files
        assert files
        file = files[0].rpartition("/")[2]
        running.out.line(rf"\[file http://127.0.0.1:.+{file}\]")
        running.out.line(r"\[card")
        keyboard.keys.write("/submit lnch=Pasta\n")
        running.err.line("400 Bad Request: the card .+lnch")
        keyboard.keys.write("/press Order\n")
        running.err.line("/press: write the title of a button, of these: none")
        keyboard.keys.write("/submit lunch=Pasta\n")
        running.out.line('"lunch": "Pasta"')
        keyboard.keys.close()
        exit_code = running.wait()

    assert exit_code == 0


def test_the_outcome_of_each_attempt(webex: ServedWebex, keyboard: Keyboard) -> None:
    """How a handler of the program of `dev` fails is printed on one line, and that it works."""
    outcome = {
        "key": "k",
        "about": "m",
        "error": "KeyError: 'x\x1b[2J' in lunch, bot.py:12",
        "then": "attempt 1 of 5, again in 1.2 s",
        "isFinal": False,
    }
    events = webex.sandbox._events  # pyright: ignore[reportPrivateUsage] - as `dev` calls it
    with thread("chat", stdin=keyboard.stdin) as running:
        running.err.line("Ctrl-D ends it")
        webex.portal.call(events.report_outcome, outcome)
        failed = running.err.line("a handler of .+ failed: .+")[0]
        webex.portal.call(events.report_work, "k")
        running.err.line("a handler of .+ worked now, after KeyError")
        late = {**outcome, "error": "", "then": "put off for 30 s: the model is out"}
        webex.portal.call(events.report_outcome, late)
        webex.portal.call(events.report_work, "k")
        webex.portal.call(events.report_outcome, outcome)
        running.err.line("a handler of .+ is put off for 30 s: the model is out")
        running.err.line("a handler of .+ failed: .+")  # and not that the one before worked
        keyboard.keys.close()
        running.wait()

    assert failed.endswith("'x\\x1b[2J' in lunch, bot.py:12, attempt 1 of 5, again in 1.2 s")


def test_no_sandbox(invoke: Invoke) -> None:
    """If nothing responds, or with a redirect to nowhere, the error says how to start a sandbox."""
    url = f"http://127.0.0.1:{unused_port()}/v1"

    done = invoke("chat", "Hello", "--base-url", url)
    with served(RedirectResponse("mailto:ann@example.com")) as origin:
        redirected = invoke("chat", "Hello", "--base-url", f"{origin}/v1")

    assert (done.exit_code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith(f"error: no sandbox responds at {url} (ConnectError: ")
    assert redirected == Finished(1, "", f"error: {GONE.format(url=f'{origin}/v1')}\n")


async def test_an_endless_input(tmp_path: Path) -> None:
    """Only so much of an input waits in memory, however long it and its lines are."""
    path = tmp_path / "lines"
    path.write_text("yes\n" * 5_000 + "x" * 1_000_000 + "\nlast")
    with path.open("rb") as file:
        lines = TypedLines(file.fileno())
        seen: list[str] = []
        while line := await lines.next():
            assert lines.waiting <= MAX_WAITING
            seen.append(line)

    assert (seen[:5_000], seen[-1]) == (["yes"] * 5_000, "last")
    assert max(map(len, seen)) < 200_000


UNTITLED = card_of(
    {"id": "lunch"}, actions=[{"type": "Action.Submit", "data": {"vote": each}} for each in "ab"]
)


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({"text": "one\n\ntwo\x1b"}, ["bot: one", "     ", "     two\\x1b"]),
        ({"markdown": "**bold**"}, ["bot: **bold**"]),
        ({"files": ("https://e.com/1", "f")}, ["bot: [file https://e.com/1]", "     [file f]"]),
        ({"text": "a", "attachments": ({"a": 1},)}, ["bot: a", "     [card]"]),
        ({"attachments": (UNTITLED,)}, ["bot: [card: /submit lunch=... vote=...]"]),
        (
            {"attachments": (BUTTONS,)},
            [
                "bot: [card: /press Order dish=... note=...]",
                "     [card: /press 'Not today' dish=... note=...]",
            ],
        ),
        ({"text": None}, ["bot: "]),
    ],
)
def test_a_message(fields: dict[str, Any], lines: list[str]) -> None:
    """Text, files and cards are shown, a line each, below the sender."""
    printed = io.StringIO()
    message = Message(id="1", room_id="2", person_email="bot", **fields)

    print_message(Console(file=printed, width=80), message, with_sender=True)

    assert printed.getvalue().splitlines() == lines


def test_a_reader_that_has_seen_enough(webex: ServedWebex) -> None:
    """A pipe that is closed ends a conversation without a traceback."""
    with served_echo_bot(webex):
        done = subprocess.run(
            ["bash", "-c", f"yes | {COMMAND} chat | head -1"],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    assert (done.stdout, done.stderr) == (b"You said:\n", b"")


def test_no_prompt_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe no prompt is printed."""
    print_prompt(stdout())
    erase_prompt(stdout())

    assert capsys.readouterr().out == ""
