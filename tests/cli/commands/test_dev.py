import errno
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.harness import Invoke, examples, terminal, thread
from tests.support.wire import PATIENCE, bound_socket, unused_port
from webex_webhooks_async.cli import app
from webex_webhooks_async.cli.commands.dev import first_free
from webex_webhooks_async.cli.running import CommandError

pytestmark = pytest.mark.once

FILE, NAMED, MADE = [line.split()[-1] for line in examples("dev")]  # each is run below

OVERRIDES = """
import argparse
import os

import httpx
from webex_webhooks_async import Bot, Client, MessageContext, SQLiteInbox

os.environ.clear()
os.environ.update(  # as load_dotenv(override=True) does
    WEBEX_ACCESS_TOKEN="a-real-token",
    WEBEX_BASE_URL="https://webexapis.com/v1",
    WEBEX_TARGET_URL=os.environ["WEBEX_TARGET_URL"],
    HTTP_PROXY="http://127.0.0.1:9",
    OTHER="set",
)
del os.environ["WEBEX_TARGET_URL"], os.environ["OTHER"]
argparse.ArgumentParser().parse_args()  # the arguments of `dev` aren't its own
"""
FROM_ENV = f"""{OVERRIDES}
bot = Bot.from_env()


@bot.message()
async def reply(context: MessageContext) -> None:
    answer = await context.ask(f"from the environment: {{context.text}}?")
    await context.reply(f"{{context.text}}, {{answer.text}}")
"""
BY_HAND = f"""{OVERRIDES}
bot = Bot(
    "a-real-token",
    os.environ["WEBEX_WEBHOOK_SECRET"],
    target_url="https://bot.example.com/webex",
    inbox=SQLiteInbox(os.environ["WEBEX_INBOX"]),
)


@bot.message()
async def reply(context: MessageContext) -> None:
    async with httpx.AsyncClient() as http_client:
        try:
            await http_client.get("https://webexapis.com./v1/people/me")
        except httpx.ConnectError as error:
            await context.reply(f"by hand: {{context.text}}: {{error}}")
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the folder of a program."""
    monkeypatch.chdir(tmp_path)


def save(name: str, text: str) -> None:
    """Save a file of the program."""
    Path(name).write_text(text, encoding="utf-8")


def say(page: str, text: str) -> None:
    """Write to the bot."""
    httpx.post(
        f"{page}v1/messages",
        json={"toPersonEmail": "sandbox@webex.bot", "text": text},
        headers={"Authorization": "Bearer person:you@example.com"},
        trust_env=False,
    ).raise_for_status()


def shown_on(page: str) -> dict[str, Any]:
    """What the page shows when it is opened."""
    with httpx.stream("GET", f"{page}sandbox/events", trust_env=False) as stream:
        state: dict[str, Any] = json.loads(next(stream.iter_lines()).removeprefix("data: "))
    return state


def test_from_a_file_to_a_conversation(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is started with each save, keeps its conversations, and can't reach Webex."""
    browser = Path("browser").absolute()
    browser.write_text("#!/bin/sh\necho opened $1\n", encoding="utf-8")
    browser.chmod(0o700)
    save("bot.py", FROM_ENV)
    for name, text in {
        "BROWSER": f"{browser} %s",
        "WEBEX_ACCESS_TOKEN": "a-real-token",
        "WEBEX_BASE_URL": "https://webexapis.com/v1",
        "WEBEX_TARGET_URL": "https://bot.example.com/webex",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, text)
    with terminal("dev", FILE, "--port", "0", "--sandbox-port", "0", columns=80) as running:
        page = running.wait_for(r"Talk to it .*?(http://\S+/)\x1b")[1]
        chat = ("--base-url", f"{page}v1", "--timeout", f"{PATIENCE}")
        running.wait_for(f"opened {page}")
        running.wait_for(r"the program sets WEBEX_ACCESS_TOKEN; `dev` keeps its own setting")
        running.wait_for(r"runs: bot, a Bot")
        before = shown_on(page)
        assert invoke("chat", "one", *chat).out == "from the environment: one?\n"

        save("bot.py", f"{FROM_ENV}# the same")
        running.wait_for(r"bot\.py was saved: starting again")
        running.wait_for(r"runs: bot, a Bot")
        assert invoke("chat", "two", *chat).out == "one, two\n"

        save("bot.py", "raise ValueError('not yet')")
        running.wait_for(r"bot\.py was saved: starting again")
        running.wait_for(r"ValueError: not yet\s+.*can't be imported")
        assert shown_on(page)["program"].endswith("ValueError: not yet\n")

        with thread("chat", "two", *chat) as talking:  # it waits for the program
            save("bot.py", BY_HAND)
            refused = "webexapis.com can't be called from a program in `dev`"
            talking.out.line(f"^by hand: two: .+{refused}")
        after = shown_on(page)
        first, last = ([each["id"] for each in now["webhooks"]] for now in (before, after))
        assert first == last != []
        assert (len(after["messages"]), after["program"]) == (6, "")
        running.wait_for("a client for Webex calls the sandbox in `dev`")
        running.wait_for("bot.example.com is your program here")
        running.type("\x03")
        exit_code = running.finish()

    assert exit_code == 0
    assert "Traceback" not in running.seen.partition("ValueError: not yet")[2]


BROKEN = """
from webex_webhooks_async import Bot, MessageContext

bot = Bot.from_env({})


@bot.message()
async def lunch(context: MessageContext) -> None:
    await context.reply({{}}["<b>dish"])
"""


def outcomes_on(page: str, *, worked: bool) -> list[dict[str, Any]]:
    """The outcomes that the page shows, as soon as the last one is so."""
    with httpx.stream("GET", f"{page}sandbox/events", trust_env=False, timeout=PATIENCE) as stream:
        events = (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line)
        outcomes: list[dict[str, Any]] = next(events)["outcomes"]
        while not (outcomes and outcomes[-1]["hasWorked"] is worked):
            outcomes = [next(each["outcome"] for each in events if each["kind"] == "outcome")]
    return outcomes


@pytest.mark.parametrize(
    ("options", "then"), [("", r"attempt 1 of 5, again in 1\.?\d* s"), ("respond_within=0", "")]
)
def test_a_handler_that_fails(options: str, then: str, invoke: Invoke) -> None:
    """The page and `chat` get its error, its place and what follows; then that it has worked."""
    save("bot.py", BROKEN.format(options))
    with piped("bot.py") as process:
        page = next_line(process, "Talk to it").split()[-1]
        with thread("chat", "lunch", "--base-url", f"{page}v1") as talking:
            place = r"KeyError: '<b>dish' in lunch, bot\.py:9"
            talking.err.line(f"a handler of sandbox@webex.bot failed: {place}.*{then}")
            talking.end()
        (outcome,) = outcomes_on(page, worked=False)
        fixed = BROKEN.format(options).replace('{}["<b>dish"]', '"Pasta"')
        save("bot.py", fixed)
        next_line(process, "bot.py was saved")
        next_line(process, "runs: bot, a Bot")
        again = invoke("chat", "again", "--base-url", f"{page}v1")
        if then:
            assert outcomes_on(page, worked=True)[0]["key"] == outcome["key"]
        state = shown_on(page)
        process.terminate()
        process.communicate(timeout=PATIENCE)

    assert again.out.splitlines()[-1] == "Pasta"
    assert [outcome["about"]] == [
        each["id"] for each in state["messages"] if each["text"] == "lunch"
    ]
    assert re.fullmatch(then, outcome["then"])
    assert outcome["isFinal"] is not bool(then)
    assert outcome["key"] in {each["key"] for each in state["deliveries"]}


WAITING = """
from datetime import timedelta

from webex_webhooks_async import Bot, GiveUpError, JobContext, MessageContext

bot = Bot.from_env()
failed = False


@bot.job("remind")
async def remind(context: JobContext) -> None:
    await context.send(context.value, to_person_email="you@example.com")


@bot.message()
async def hear(context: MessageContext) -> None:
    global failed
    if context.text == "later":
        await context.enqueue("remind", "Lunch!", after=timedelta(days=1), key="lunch")
    elif context.text == "ask":
        await context.reply(str(await context.ask("Soup?", default="Nothing then.")))
    elif failed:
        await context.reply("It works.")
    else:
        failed = True
        raise GiveUpError("<b>no</b>")
"""


def waiting_on(page: str, states: set[str]) -> dict[str, dict[str, Any]]:
    """The rows that the page shows of the inbox, by their states, as soon as it has these."""
    with httpx.stream("GET", f"{page}sandbox/events", trust_env=False, timeout=PATIENCE) as stream:
        events = (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line)
        return next(
            {row["state"]: row for row in each["waiting"]}
            for each in events
            if "waiting" in each and {row["state"] for row in each["waiting"]} == states
        )


def test_what_waits() -> None:
    """The page lists what the inbox holds, and makes it due: a job, a question and a failed one."""
    save("bot.py", WAITING)
    ports = ("--port", "0", "--sandbox-port", "0")
    with terminal("dev", "bot.py", *ports, "--no-browser", columns=80) as running:
        page = running.wait_for(r"Talk to it .*?(http://\S+/)\x1b")[1]
        for text in ("later", "fail", "ask"):
            say(page, text)
        rows = waiting_on(page, {"scheduled", "failed", "asking"})
        for each in rows.values():
            body = {"key": each["key"]}
            httpx.post(f"{page}sandbox/now", json=body, trust_env=False).raise_for_status()
        waiting_on(page, set())
        state = shown_on(page)
        running.type("\x03")
        running.finish()

    assert rows["scheduled"]["what"] == "job remind"
    assert rows["scheduled"]["due"] > rows["asking"]["due"]
    assert "<b>no</b>" in rows["failed"]["error"]
    said = {each["id"]: each["text"] for each in state["messages"]}
    assert {*said.values()} >= {"Lunch!", "It works.", "Nothing then."}
    assert [said[rows[each]["about"]] for each in ("failed", "asking")] == ["fail", "ask"]


INTEGRATION = """
from webex_webhooks_async import Integration

integration = Integration.from_env()


@integration.on("meetings", "ended")
async def ended(context):
    meeting = await context.fetch()
    print(context.user.email, "has ended", meeting["title"], flush=True)
"""


def test_an_integration_without_an_account() -> None:
    """It says where to connect; who does is there after a restart, and hears of own meetings."""
    save("minutes.py", INTEGRATION)
    arguments = ("--port", "0", "--sandbox-port", "0", "--no-browser")
    with terminal("dev", "minutes.py", *arguments, columns=80) as running:
        page = running.wait_for(r"Talk to it .*?(http://\S+/)\x1b")[1]
        connect = running.wait_for(r"Connect here .*?(http://[^\s\x1b]+)")[1]
        with httpx.Client(trust_env=False) as browser:
            webex = browser.get(connect).headers["location"]
            allowed = browser.get(f"{webex}&login_hint=ann@example.com")
            assert "Connected: Ann." in browser.get(allowed.headers["location"]).text
        save("minutes.py", f"{INTEGRATION}# the same")
        running.wait_for(r"minutes\.py was saved: starting again")
        running.wait_for(r"runs: integration, an? Integration")
        event = {
            "resource": "meetings",
            "event": "ended",
            "owner": "ann@example.com",
            "data": {"title": "Plans"},
        }
        httpx.post(f"{page}sandbox/emit", json=event, trust_env=False).raise_for_status()
        running.wait_for("ann@example.com has ended Plans")
        running.type("\x03")
        assert running.finish() == 0


FORKS = """
import os, signal, sys, time
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from webex_webhooks_async import Bot

bot = Bot.from_env()


@asynccontextmanager
async def lifespan(app):
    async with bot:
        yield


app = Starlette(routes=[Mount("/webex", bot)], lifespan=lifespan)


@bot.message()
async def hang(context):
    print("handling", flush=True)
    while True:
        time.sleep(1)


if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)
"""


IMPATIENT = """
from webex_webhooks_async.cli import main
from webex_webhooks_async.cli.dev import supervisor
supervisor._SLOW = 0
supervisor._PATIENCE = 0.1
main()
"""


@contextmanager
def piped(*arguments: str, sandbox_port: int = 0) -> Generator["subprocess.Popen[str]"]:
    """Run it in pipes; what it prints ends when each process that it has started has ended."""
    ports = ("--port=0", f"--sandbox-port={sandbox_port}")
    with subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, "dev", *arguments, *ports],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: "subprocess.Popen[str]", text: str) -> str:
    """The next line with a text."""
    assert process.stdout
    return next(line for line in process.stdout if text in line)


def test_nothing_is_left() -> None:
    """A closed pipe ends all of it, though a mounted bot hangs; so does the command's death."""
    save("bot.py", FORKS)
    Path("package").mkdir()
    module = "import bot\ndef make_app():\n    return bot.app\n"
    save("package/module.py", module)

    with piped(NAMED) as process:
        next_line(process, "bot.py hasn't started within 0 seconds: it is slow, or runs a server")
        next_line(process, "runs: app, a Starlette")
        page = next_line(process, "Talk to it").split()[-1]
        say(page, "Hello")
        next_line(process, "handling")
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        error = process.stderr.read()
        exit_code = process.wait(PATIENCE)
    with piped(MADE, "--no-reload") as process:
        next_line(process, "runs: make_app, a Starlette")
        process.kill()
        process.communicate(timeout=PATIENCE)

    assert (exit_code, error) == (0, "Ctrl-C ends both.\n")


SLOW = """
from webex_webhooks_async import Bot

print("waits at the gate", flush=True)
open("gate").read()  # until the test closes it
{}
bot = Bot.from_env()


@bot.message()
async def reply(context):
    print("the bot heard:", context.text, flush=True)
"""


def test_what_is_said_during_the_start() -> None:
    """A message waits until the program has started or failed; where to write is said then."""
    gate = Path("gate")
    save("bot.py", SLOW.format("1 / 0"))
    os.mkfifo(gate)
    port = unused_port()

    with piped("bot.py", sandbox_port=port) as process:
        next_line(process, "waits at the gate")
        with gate.open("w"):
            say(f"http://127.0.0.1:{port}/", "Hello")
        assert process.stdout
        before = [*takewhile(lambda line: "Talk to it" not in line, process.stdout)]
        save("bot.py", SLOW.format(""))
        next_line(process, "bot.py was saved: starting again")
        next_line(process, "waits at the gate")
        with gate.open("w"):
            say(f"http://127.0.0.1:{port}/", "Hello again")
        next_line(process, "the bot heard: Hello again")

    assert any("can't be imported" in line for line in before)


REACHES = """
import asyncio
import http.client
import os
import ssl

import aiohttp
import httpx

host, port = "127.0.0.1", int(os.environ["PORT"])


async def by_a_proxy_of_httpx():
    async with httpx.AsyncClient(proxy=f"http://{host}:{port}") as client:
        await client.get("https://webexapis.com/v1/people/me")


async def by_aiohttp():
    async with aiohttp.ClientSession() as session:
        await session.get("http://webexapis.com/v1/people/me")


def by_a_tunnel():
    connection = http.client.HTTPSConnection(host, port)
    connection.set_tunnel("webexapis.com")
    connection.request("GET", "/v1/people/me")


for way in (by_a_proxy_of_httpx, by_aiohttp, by_a_tunnel):
    try:
        asyncio.run(asyncio.to_thread(way) if way is by_a_tunnel else way())
    except Exception as error:
        print(way.__name__, error, flush=True)
tls = ssl.create_default_context()
tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.com")
print("TLS with others may begin", flush=True)
"""
AIODNS = """
class DNSResolver:
    def __init__(self, **options):
        print("aiodns was asked", flush=True)

    def getaddrinfo(self):
        pass
"""


def test_other_ways_to_webex(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the code of the program doesn't lead to Webex, and neither does aiodns."""
    save("bot.py", REACHES)
    Path("elsewhere").mkdir()
    save("elsewhere/aiodns.py", AIODNS)
    monkeypatch.setenv("PYTHONPATH", str(Path("elsewhere").absolute()))
    with tunnelling_proxy() as (port, tunnelled):
        monkeypatch.setenv("PORT", str(port))
        app.run(["dev", "bot.py", "--no-reload", "--port=0", "--sandbox-port=0"])

    printed = capfd.readouterr().out
    for way in ("by_a_proxy_of_httpx", "by_aiohttp", "by_a_tunnel"):
        assert re.search(rf"(?m)^{way} .*webexapis.com can't be called from a program", printed)
    assert "TLS with others may begin" in printed
    assert "aiodns was asked" not in printed
    assert tunnelled == [b"", b""]


@contextmanager
def tunnelling_proxy() -> Generator[tuple[int, list[bytes]]]:
    """Accept two tunnels, and keep what is sent through them."""
    tunnelled: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                while stream.readline().strip():
                    pass
                stream.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                stream.flush()
                tunnelled.append(stream.read(1))

    with bound_socket() as listener, ThreadPoolExecutor(1) as pool:
        listener.listen()
        served = pool.submit(serve, listener)
        yield listener.getsockname()[1], tunnelled
        served.result(PATIENCE)


LIFESPAN = """
import os
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette

for descriptor in range(3, 1024):
    with suppress(OSError):
        os.write(descriptor, b"[]\\n{{\\n" + bytes(30_000) + b"\\n")


@asynccontextmanager
async def lifespan(app):
    {}
    yield


app = Starlette(lifespan=lifespan)
"""


@pytest.mark.parametrize(
    ("act", "says"),
    [("raise RuntimeError('no database')", "RuntimeError: no database"), ("os._exit(7)", "code 7")],
)
def test_one_run(
    act: str, says: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without reload, a program that can't start fails the command, whatever it writes."""
    monkeypatch.setattr("webex_webhooks_async.cli.dev.supervisor._MOST_REPORTED", 10_000)
    save("app.py", LIFESPAN.format(act))

    exit_code = app.run(["dev", "app.py", "--no-reload", "--port=0", "--sandbox-port=0"])

    assert (exit_code, says in "".join(capfd.readouterr())) == (1, True)


def test_wrong_calls(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a given port that is taken, and Windows end it with what to do."""
    missing = invoke("dev", "missing.py")
    Path("bot.py").touch()
    with bound_socket() as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        program = invoke("dev", "bot.py", "--port", port)
        sandbox = invoke("dev", "bot.py", "--port=0", "--sandbox-port", port)
    monkeypatch.setattr(sys, "platform", "win32")
    windows = invoke("dev", "missing.py")

    place = Path("missing.py").absolute()
    assert (missing.exit_code, missing.err) == (2, f"error: there is no file {place}\n")
    taken_port = f"error: can't serve on 127.0.0.1:{port} (Address already in use); port 0 takes"
    for each in (program, sandbox):
        assert (each.exit_code, each.err.startswith(taken_port)) == (1, True)
    assert windows.exit_code == 2
    assert windows.err.startswith("error: dev needs Linux or macOS: ")


async def test_ports() -> None:
    """Without a given port, the next free one is taken, up to a hundredth."""
    tried: list[int] = []

    async def serve(port: int) -> int:
        tried.append(port)
        if port < 8003:
            raise OSError(errno.EADDRINUSE, "")
        return port

    async def refuse(port: int) -> int:
        raise OSError(errno.EADDRINUSE if port < 9000 else errno.EACCES, "")

    assert await first_free(None, 8000, serve) == 8003
    assert await first_free(9000, 8000, serve) == 9000
    assert tried == [8000, 8001, 8002, 8003, 9000]
    with pytest.raises(CommandError, match="the 100 ports from 8000 on are taken"):
        await first_free(None, 8000, refuse)
    with pytest.raises(PermissionError):
        await first_free(None, 9000, refuse)
