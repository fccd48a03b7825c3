import os
import sys
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from webex_webhooks_async import (
    Bot,
    Client,
    Integration,
    MessageContext,
    SQLiteInbox,
    SQLiteUserStore,
)
from webex_webhooks_async.testing import Sandbox, WebexClock
from webex_webhooks_async.testing.program import find_mounts

BOT = """
from webex_webhooks_async import Bot, JobContext, MessageContext
from kitchen import orders
bot = Bot.from_env()
@bot.message()
async def order(context: MessageContext) -> None:
    orders.append(context.text)
    await context.reply(", ".join(orders))
"""
JOB = """
from datetime import timedelta
@bot.command("later")
async def later(context: MessageContext) -> None:
    await context.enqueue("remind", context.room_id, after=timedelta(days=1))
@bot.job("remind")
async def remind(context: JobContext) -> None:
    await context.send("It's time!", room_id=context.value)
"""
APP = """
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.routing import Mount
from bot import bot
class Watched:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            scope["state"]["requests"].append(scope["path"])
        await self.app(scope, receive, send)
requests = []
def make():
    @asynccontextmanager
    async def lifespan(app):
        async with bot:
            yield {"requests": requests}
        requests.append("ended")
    app = Starlette(routes=[Mount("/webex", bot)], lifespan=lifespan)
    app.add_middleware(Watched)
    return app
"""
WRAPPED = f"""{BOT}
from starlette.middleware.cors import CORSMiddleware
bot.client.get = None
app = CORSMiddleware(bot)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a program, which is the current one."""
    monkeypatch.chdir(tmp_path)
    save("kitchen.py", "orders = []")
    save("bot.py", BOT)
    return tmp_path


def save(name: str, text: str) -> None:
    """Save a file of the program."""
    Path(name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("target", ["bot:bot", "bot.py", "bot", "of another folder"])
async def test_each_run_is_a_program_of_its_own(
    target: str, webex_sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its modules are imported again, and the process is as before when it ends."""
    if target == "of another folder":
        monkeypatch.syspath_prepend(folder)
        (folder / "elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        target = "bot:bot"
    before = (dict(os.environ), {*sys.modules}, [*sys.path])
    replies: list[str | None] = []
    for _ in range(2):
        async with webex_sandbox.run(target) as bot:
            assert type(bot) is Bot
            await webex_sandbox.say("Pasta")
            replies.append((await webex_sandbox.next_reply()).text)
            os.environ["WEBEX_INBOX"] = "inbox.db"

    assert replies == ["Pasta", "Pasta"]
    assert "kitchen" not in sys.modules
    assert "bot" not in sys.modules
    assert before[::2] == (dict(os.environ), [*sys.path])
    (delivery,) = await webex_sandbox.say("Anybody there?")
    assert str(delivery.error).startswith("not sent")


async def test_an_application_with_a_lifespan(webex_sandbox: Sandbox) -> None:
    """It starts and ends as on a server, with its state; a bot gets notifications where it is."""
    save("web.py", APP)

    async with webex_sandbox.run("web:make"):
        await webex_sandbox.say("Pasta")
        assert webex_sandbox.messages[-1].text == "Pasta"
        requests = sys.modules["web"].requests
        assert {*requests} == {"/webex/"}

    assert requests[-1] == "ended"


async def test_an_application_without_a_lifespan(webex_sandbox: Sandbox) -> None:
    """It runs as well, as on a server."""
    save(
        "bot.py",
        "async def app(scope, receive, send):\n    assert scope['type'] == 'http'",
    )
    async with webex_sandbox.run("bot") as app:
        assert app.__name__ == "app"


async def test_an_integration(webex_sandbox: Sandbox) -> None:
    """What `Integration.from_env` reads is set as well, with files that are gone at the end."""
    save("minutes.py", "from webex_webhooks_async import Integration\napp = Integration.from_env()")

    async with webex_sandbox.run("minutes") as app:
        assert type(app) is Integration
        files = os.environ["WEBEX_USER_STORE"], os.environ["WEBEX_INTEGRATION_INBOX"]
        assert all(map(os.path.exists, files))

    assert not any(map(os.path.exists, files))


async def test_what_is_set_stays_but_no_way_to_webex(
    webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's settings count, except those by which the program would reach something else."""
    for name, value in {
        "WEBEX_BASE_URL": "https://webexapis.com/v1",
        "WEBEX_CLIENT_ID": "C1",
        "WEBEX_CLIENT_SECRET": "theirs",
        "WEBEX_REFRESH_TOKEN": "of Webex",
        "WEBEX_TARGET_URL": "https://lunch.example.com/webex",
        "HTTP_PROXY": "http://192.0.2.1:3128",
    }.items():
        monkeypatch.setenv(name, value)

    async with webex_sandbox.run("bot:bot"):
        (webhook,) = webex_sandbox.webhooks
        assert webhook.target_url == "https://lunch.example.com/webex"
        assert "HTTP_PROXY" not in os.environ

    assert os.environ["HTTP_PROXY"] == "http://192.0.2.1:3128"


async def test_the_time_of_a_program(
    webex_sandbox: Sandbox, webex_inbox: SQLiteInbox, webex_clock: WebexClock
) -> None:
    """With `webex_inbox` a program has jobs, whose time is that of `webex_clock`."""
    save("bot.py", BOT.replace("@bot.message()", f"{JOB}@bot.message()"))

    async with webex_sandbox.run("bot:bot"):
        await webex_sandbox.say("later")
        await webex_clock.advance(timedelta(days=1))
        assert (await webex_sandbox.next_reply()).text == "It's time!"

    assert (await webex_inbox.counts()).waiting == 0


async def test_the_modules_of_a_test_stay(
    webex_sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the program doesn't import isn't replaced, nor what is installed beside it."""
    (folder / "site-packages").mkdir()
    for each in (folder / "site-packages", folder):
        monkeypatch.syspath_prepend(each)
    for name in ("site-packages/installed_beside.py", "helpers_of_a_test.py"):
        save(name, "")
    save("bot.py", f"import installed_beside{BOT}")
    theirs = [import_module(name) for name in ("installed_beside", "helpers_of_a_test", "kitchen")]

    async with webex_sandbox.run("bot:bot"):
        during = [sys.modules[each.__name__] is each for each in theirs]
    after = [sys.modules.pop(each.__name__) is each for each in theirs]

    assert during == [True, True, False]
    assert after == [True, True, True]


@pytest.mark.parametrize(
    ("target", "text", "error", "message"),
    [
        ("nothing:bot", "", ModuleNotFoundError, "No module named 'nothing'"),
        ("nothing.py", "", ValueError, "there is no file .+nothing.py"),
        ("bot:robot", BOT, ValueError, "^bot has no robot$"),
        ("bot:x", "x = 1", ValueError, "^bot has x, which is neither an ASGI application, "),
        ("bot", "x = 1", ValueError, "^bot has no Bot, no Integration"),
        ("web:make", f"{BOT}bot.client.get = None", TypeError, "not callable"),
        ("bot:app", WRAPPED, RuntimeError, "^the application doesn't start: TypeError: .*callable"),
        ("bot.py", "1 / 0", ZeroDivisionError, "division"),
        ("bot:bot", BOT + "bot.client.get = None", TypeError, "not callable"),
    ],
)
async def test_a_program_that_cant_be_run(
    target: str, text: str, error: type[Exception], message: str, webex_sandbox: Sandbox
) -> None:
    """The error says why, as that of `dev`, and is the program's own; nothing is left behind."""
    save("bot.py", text)
    save("web.py", APP)
    before = (dict(os.environ), [*sys.path])

    with pytest.raises(error, match=message):
        async with webex_sandbox.run(target):
            pass

    assert "bot" not in sys.modules
    assert before == (dict(os.environ), [*sys.path])


def in_fastapi(bot: Bot) -> ASGIApp:
    """Mounted beside other routes, behind a middleware."""
    app = FastAPI()
    app.mount("/webex", bot)
    app.mount("/later", bot)
    return CORSMiddleware(app)


ORIGIN = "http://127.0.0.1:8000"
MOUNTS: list[tuple[Callable[[Bot], ASGIApp], str, str]] = [
    (lambda bot: bot, "", ""),
    (in_fastapi, "", "/webex/"),
    (in_fastapi, "/own", "/own"),
    (lambda bot: Starlette(routes=[Route("/webex", bot)]), "", "/webex"),
    (lambda bot: Starlette(routes=[Mount("/a", routes=[Mount("/b/", bot)])]), "", "/a/b/"),
    (lambda bot: Mount("/a", FastAPI(routes=[Route("/b", bot)])), "", "/a/b"),
]


@pytest.mark.parametrize(("application_of", "own_path", "path"), MOUNTS)
async def test_where_a_bot_is_mounted(
    application_of: Callable[[Bot], ASGIApp],
    own_path: str,
    path: str,
    webex_client: Client,
    webex_sandbox: Sandbox,
) -> None:
    """A bot whose URL has no path is called where it is mounted first; another one stays so."""
    bot = Bot(webex_client, "secret", target_url=ORIGIN + own_path)

    @bot.message()
    async def ignore(context: MessageContext) -> None: ...

    find_mounts(application_of(bot), ORIGIN)

    async with bot:
        (webhook,) = webex_sandbox.webhooks
    assert webhook.target_url == ORIGIN + path


@pytest.mark.parametrize(
    ("application_of", "url"),
    [
        (lambda each: each, ORIGIN),
        (lambda each: Starlette(routes=[Mount("/minutes", each)]), f"{ORIGIN}/minutes"),
    ],
)
def test_where_people_connect(
    application_of: Callable[[Integration], ASGIApp],
    url: str,
    tmp_path: Path,
) -> None:
    """An integration has its pages where it is mounted, beside a bot; another one keeps its URL."""
    own = "https://minutes.example.com"
    for given, expected in ((ORIGIN, url), (own, own)):
        integration = Integration(
            SQLiteUserStore(tmp_path / "users.db"),
            encryption_keys=["A" * 42 + "E="],
            inbox=SQLiteInbox(tmp_path / "inbox.db"),
            public_url=given,
            client_id="C1",
            client_secret="a secret",
            scopes="spark:all",
        )

        assert find_mounts(application_of(integration), ORIGIN) == f"{expected}/connect"
