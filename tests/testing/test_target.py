import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from webex_webhooks_async.bot.bot import Bot
from webex_webhooks_async.testing.target import Target, TargetError

INTEGRATION = """
from webex_webhooks_async import Integration, SQLiteInbox, SQLiteUserStore
integration = Integration(
    SQLiteUserStore("users.db"), encryption_keys=["A" * 42 + "E="], inbox=SQLiteInbox("inbox.db"),
    public_url="https://example.com", client_id="C1", client_secret="a secret", scopes="spark:all",
)
"""
BOT = "from webex_webhooks_async import Bot, Receiver\nbot = Bot('token', 'secret')\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder of its own, and forget what is imported from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        del sys.modules[name]


def save(name: str, text: str = BOT) -> None:
    """Save a file, and the packages that it is in."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    for package in path.parents[:-1]:
        (package / "__init__.py").touch()
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("target", "folder"),
    [
        ("my-bot.py", "."),
        ("json.py", "."),  # whatever else is called so
        ("my-bot.py:bot", "."),
        ("plain", "."),
        ("plain:bot", "."),
        ("plain:make", "."),
        ("package/part/bot.py", "package"),
        ("package/__init__.py", "package"),
        ("package", "."),
        ("package.part.bot", "."),
    ],
)
def test_targets(target: str, folder: str) -> None:
    """A file or a module is imported, with relative imports, and its folder is watched."""
    for name in ("my-bot.py", "json.py", "package/part/base.py"):
        save(name)
    save("plain.py", f"{BOT}def make():\n    return bot\n")
    save("package/part/bot.py", "from .base import bot\n")
    save("package/__init__.py", "from .part.base import bot\n")

    parsed = Target.parse(target)
    name, application = parsed.load()

    assert type(application) is Bot
    assert name == (parsed.name or "bot")
    assert parsed.folder == Path(folder).resolve()


OTHERS = """
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount
router = APIRouter()
mount = Mount("/", app=bot)
"""
PLAIN = "async def application(scope, receive, send): ...\n"


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        (BOT + OTHERS + "app = FastAPI()", "app", "FastAPI"),
        (BOT + PLAIN, "application", "function"),
        (BOT + "receiver = Receiver('secret')", "bot", "Bot"),
        (BOT + "twice = bot", "bot", "Bot"),
        (BOT + "bot = Receiver('secret')", "bot", "Receiver"),
        (BOT + INTEGRATION + OTHERS + "app = FastAPI()", "app", "FastAPI"),
        (INTEGRATION, "integration", "Integration"),
    ],
)
def test_which_object_counts(text: str, name: str, kind: str) -> None:
    """An application that isn't a bot goes before the only bot, and that before a receiver."""
    save("bot.py", text)

    chosen, application = Target.parse("bot.py").load()

    assert (chosen, type(application).__name__) == (name, kind)


@pytest.mark.parametrize(
    ("target", "text", "message"),
    [
        ("bot.py", "x = 1", "has no Bot, .*bot.py:NAME"),
        ("bot.py", BOT + "other = Bot('t', 's')", "has 2 applications, bot, other: .* bot.py:bot"),
        ("bot.py:other", BOT, "has no other"),
        ("bot.py:x", BOT + "x = 1", "has x, which is neither .* application"),
        ("bot.py:make", BOT + "def make(): ...", "has make, which is neither .* application"),
    ],
)
def test_nothing_to_serve(target: str, text: str, message: str) -> None:
    """No application, several, or a name that isn't there: the message says what to do."""
    save(target.partition(":")[0], text)

    with pytest.raises(TargetError, match=message):
        Target.parse(target).load()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nothing.py", "there is no file .+nothing.py"),
        ("folder", "^folder is a folder: pass a file in it, such as folder/bot.py"),
        ("", r"^\. is a folder: pass a file in it, such as bot.py"),
        ("bot.txt", r"^bot.txt isn't a file of Python: its name has to end with \.py"),
        ("what is this", "'what is this' is neither a file nor a module"),
    ],
)
def test_what_is_no_target(target: str, message: str) -> None:
    """A file that doesn't exist or isn't one of Python, and a folder, are wrong calls."""
    Path("folder").mkdir()
    save("bot.txt")

    with pytest.raises(ValueError, match=message):
        Target.parse(target)


def test_proxies() -> None:
    """An object that stands for another one, as in Flask, isn't asked what it is."""
    save("bot.py", f"{BOT}from flask import request\n")

    assert Target.parse("bot.py").load()[0] == "bot"
