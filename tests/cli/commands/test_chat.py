from contextlib import ExitStack

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.cli.conftest import Invoke
from tests.cli.harness import (
    BOT,
    CARD,
    ServedWebex,
    finished,
    served,
    served_echo_bot,
    served_webex,
    terminal,
)
from tests.support.wire import unused_port

pytestmark = pytest.mark.once


def test_one_message(webex: ServedWebex, invoke: Invoke) -> None:
    """With an argument it sends one message, and prints the bot's replies."""
    with served_echo_bot(webex):
        first, second = invoke("chat", "Hello"), invoke("chat", "Again", "--as", "you@example.com")

    assert (first.exit_code, first.out, first.err) == (0, "You said:\nHello\n", "")
    assert (second.exit_code, second.out, second.err) == (0, "You said:\nAgain\n", "")


def test_another_person(webex: ServedWebex, invoke: Invoke) -> None:
    """Each person has a room with the bot."""
    with served_echo_bot(webex) as rooms:
        invoke("chat", "Hello", "--as", "ann@example.com")
        invoke("chat", "Hello", "--as", "bob@example.com")

    assert len(set(rooms)) == 2


def test_a_bot_that_is_silent(webex: ServedWebex, invoke: Invoke) -> None:
    """When no reply comes in time, it says so, and exits with 1."""
    done = invoke("chat", "Hello", "--timeout", "0.1")

    assert (done.exit_code, done.out) == (1, "")
    assert done.err == (
        f"error: {webex.sandbox.bot.email} did not reply within 0.1 s: does the bot run? The "
        "terminal of the sandbox shows whether it was notified\n"
    )


def test_a_pipe(webex: ServedWebex) -> None:
    """In a pipe, each line is a message, and the replies are printed in order."""
    with served_echo_bot(webex):
        done = finished("chat", stdin=b"Hello\n\nBye")

    assert (done.exit_code, done.err) == (0, "")
    assert done.out == "You said:\nHello\nYou said:\nBye\n"


def test_a_card(webex: ServedWebex) -> None:
    """A card is shown with the line that submits it; the inputs reach the bot."""
    with served_echo_bot(webex):
        done = finished("chat", stdin=b'card\n/submit lunch="Fish pie" drink=a=b\n')

    assert (done.exit_code, done.err) == (0, "")
    assert done.out.splitlines() == [
        *("You said:", "card", "[card: /submit lunch=... drink=...]"),
        *("You said:", '{"lunch": "Fish pie", "drink": "a=b"}'),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/submit lunch", "/submit: write each input as ID=VALUE, got 'lunch'"),
        ("/submit =Pasta", "/submit: write each input as ID=VALUE, got '=Pasta'"),
        ("/submit lunch='Pasta", "/submit: No closing quotation"),
    ],
)
def test_inputs_in_another_form(webex: ServedWebex, line: str, message: str) -> None:
    """Inputs that can't be read are wrong usage, and nothing is submitted."""
    with served_echo_bot(webex):
        done = finished("chat", stdin=f"card\n{line}\n".encode())

    assert (done.exit_code, done.err) == (2, f"error: {message}\n")
    assert all(each.path != "/v1/attachment/actions" for each in webex.sandbox.requests)


def test_no_card(webex: ServedWebex, invoke: Invoke) -> None:
    """Without a card there is nothing to submit, and the bot gets nothing."""
    done = invoke("chat", "/submit lunch=Pasta")

    assert (done.exit_code, done.out, webex.sandbox.messages) == (2, "", ())
    assert done.err == (
        f"error: {webex.sandbox.bot.email} has not sent a card in this conversation\n"
    )


def test_mistakes_do_not_end_a_conversation(webex: ServedWebex) -> None:
    """In a conversation, a line that can't be sent is an error of one line, and it goes on."""
    with served_echo_bot(webex), terminal("chat") as screen:
        screen.wait_for("> ")
        screen.type("/submit lunch=Pasta\n")
        screen.wait_for("error: .+ has not sent a card in this conversation")
        screen.type("card\n")
        screen.wait_for(r"lunch=\.\.\.")
        screen.type("/submit lnch=Pasta\n")
        screen.wait_for("400 Bad Request: the card .+lnch")
        screen.type("/submit lunch=Pasta\n")
        screen.wait_for('"lunch": "Pasta"')
        screen.type("\x04")
        exit_code = screen.finish()

    assert exit_code == 0


def test_a_sandbox_that_ends() -> None:
    """When the sandbox ends in the middle of a conversation, it says how to start another."""
    with ExitStack() as stack:
        with served_webex() as webex, served_echo_bot(webex):
            screen = stack.enter_context(terminal("chat", "--base-url", webex.base_url))
            screen.wait_for("> ")
            screen.type("Hello\n")
            screen.wait_for("You said:[^>]+> ")
        exit_code = screen.finish()

    assert exit_code == 1
    assert screen.lines[-1] == (
        f"error: the sandbox at {webex.base_url} responds no longer: start one with "
        "`webex-webhooks sandbox`"
    )


def test_a_conversation(webex: ServedWebex) -> None:
    """On a terminal the bot's messages appear as they come, until Ctrl-D."""
    with served_echo_bot(webex) as rooms, terminal("chat", columns=80) as screen:
        screen.wait_for(r"You are you@example.com, and talk to .+ Ctrl-D ends it")
        screen.type("Hello\n")
        screen.wait_for("You said:[^>]+> ")
        message = {
            "roomId": rooms[0],
            "text": "evil\x1b[2J",
            "files": ["https://example.com/f"],
            "attachments": [CARD],
        }
        httpx.post(f"{webex.base_url}/messages", json=message, headers=BOT, trust_env=False)
        screen.wait_for(r"\[card")
        screen.type("\x04")
        exit_code = screen.finish()

    bot = webex.sandbox.bot.email
    shown = [line.rstrip() for line in screen.lines]
    assert f"{bot}: You said:" in shown
    assert " " * (len(bot) + 2) + "Hello" in shown
    assert f"{bot}: evil\\x1b[2J" in shown
    file = webex.sandbox.messages[-1]["files"][0].rpartition("/")[2]
    assert any(line.startswith(f"{' ' * len(bot)}  [file http://127.0.0.1:") for line in shown)
    assert file in "".join(shown)
    assert exit_code == 0


@pytest.mark.usefixtures("webex")
def test_ctrl_c() -> None:
    """Ctrl-C ends a conversation, too."""
    with terminal("chat") as screen:
        screen.wait_for("> ")
        screen.type("\x03")
        exit_code = screen.finish()

    assert (exit_code, "Traceback" in screen.seen) == (0, False)


def test_a_service_that_is_no_sandbox(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another service is refused; it sees neither the token nor the message."""
    seen: list[Request] = []

    async def webex(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(Request(scope, receive))
        await PlainTextResponse("{}")(scope, receive, send)

    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-canary-token")
    with served(webex) as origin:
        done = invoke("chat", "Hello", "--base-url", f"{origin}/v1")

    assert (done.exit_code, done.out) == (1, "")
    assert done.err == (
        f"error: the service at {origin}/v1 isn't a sandbox: start one with `webex-webhooks "
        "sandbox`, and set WEBEX_BASE_URL to the URL that it prints\n"
    )
    (request,) = seen
    assert (request.method, request.url.path) == ("GET", "/v1/people/me")
    assert request.headers["authorization"] == "Bearer sandbox"


def test_no_sandbox(invoke: Invoke) -> None:
    """If nothing responds, the error says how to start a sandbox."""
    url = f"http://127.0.0.1:{unused_port()}/v1"

    done = invoke("chat", "Hello", "--base-url", url)

    assert (done.exit_code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith(f"error: no sandbox responds at {url} (ConnectError: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Hello", "--as", "nobody"), "--as must be an address, such as ann@example.com"),
        (("Hello", "--as", ""), "--as must be an address, such as ann@example.com"),
        (("Hello", "--as", "\udcff@example.com"), "--as must be an address, such as"),
        (("",), "TEXT is empty"),
        (("Hello", "--timeout", "0"), "--timeout must be > 0"),
        (("Hello", "--base-url", "http://example.com/v1"), "base_url must be https"),
    ],
)
def test_wrong_usage(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    """Invalid arguments are wrong usage."""
    done = invoke("chat", *arguments)

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")


def test_the_bot_itself(webex: ServedWebex, invoke: Invoke) -> None:
    """The bot can't talk to itself."""
    bot = webex.sandbox.bot.email

    done = invoke("chat", "Hello", "--as", bot.upper())

    assert (done.exit_code, done.out) == (2, "")
    assert done.err == f"error: --as must be another person than the bot, {bot}\n"


def test_the_case_of_an_address(webex: ServedWebex, invoke: Invoke) -> None:
    """Addresses ignore case: one's own messages are never shown as replies."""
    with served_echo_bot(webex):
        invoke("chat", "Hello", "--as", "ann@example.com")
        done = invoke("chat", "Hello", "--as", "Ann@Example.com")

    assert (done.exit_code, done.out) == (0, "You said:\nHello\n")


def test_standard_input_that_is_closed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a message and without standard input, it is wrong usage."""
    monkeypatch.setattr("sys.stdin", None)

    done = invoke("chat")

    assert (done.exit_code, done.err) == (
        2,
        "error: standard input is closed: pass the message as an argument\n",
    )
