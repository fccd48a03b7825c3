import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tests.support.wire import PATIENCE, bound_socket
from webex_webhooks_async import (
    Bot,
    Client,
    Integration,
    MessageContext,
    SQLiteInbox,
    SQLiteUserStore,
)
from webex_webhooks_async.cli.dev.program import explanation, find_mounts
from webex_webhooks_async.cli.dev.target import Target
from webex_webhooks_async.cli.running_sandbox import variables_for_bot
from webex_webhooks_async.testing import Sandbox


@pytest.mark.parametrize(
    ("text", "summary", "printed"),
    [
        ("x = 1", "has no Bot, ", ""),
        ("import sys\nsys.exit(3)", "has ended itself .* `if __name__", "bot.py.*SystemExit: 3\n"),
        (
            "def f():\n    1 / 0\n\nf()",
            "can't be imported",
            "bot.py.*bot.py.*ZeroDivisionError: .*",
        ),
        ("def f(:", "can't be imported", "bot.py.*SyntaxError: .*"),
    ],
)
def test_a_failed_import(  # noqa: PLR0913, PLR0917 - a table, and what a test needs
    text: str,
    summary: str,
    printed: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The traceback has the frames of the program alone; the page gets all that is printed."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "bot.py").write_text(text, encoding="utf-8")
    with pytest.raises(BaseException) as failure:  # noqa: PT011 - each of them another
        Target.parse(f"{tmp_path}/bot.py").load()
    del sys.modules["bot"]

    frames = failure.tb.tb_next  # without that of this test
    shown, whole = explanation(failure.value.with_traceback(frames))

    error = capsys.readouterr().err
    assert re.match(summary, shown)
    assert whole == (error or shown)
    assert len(re.findall('File "', error)) == printed.count("bot.py")
    assert re.search(printed, error, re.DOTALL)


def test_a_death_of_dev_before_it_reads_a_report(tmp_path: Path) -> None:
    """The program ends with `dev`, also when a report of it is lost with `dev`."""
    (tmp_path / "app.py").write_text(
        "from starlette.applications import Starlette\napp = Starlette()", encoding="utf-8"
    )
    ours, theirs = socket.socketpair()
    with bound_socket() as listener, theirs:
        listener.listen()
        descriptors = (listener.fileno(), theirs.fileno())
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "webex_webhooks_async.cli.dev.program"),
                *(f"{tmp_path}/app.py", *map(str, descriptors)),
            ],
            pass_fds=descriptors,
            env={**os.environ, **variables_for_bot("http://127.0.0.1:9/v1", ORIGIN)},
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
    try:
        ours.send(b"\n")
        select.select([ours], [], [], PATIENCE)
        ours.close()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


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
async def test_where_a_bot_is_mounted(  # noqa: PLR0913, PLR0917 - a table, and what a test needs
    application_of: Callable[[Bot], ASGIApp],
    own_path: str,
    path: str,
    webex_client: Client,
    webex_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bot whose URL has no path is called where it is mounted first; another one stays so."""
    monkeypatch.setenv("WEBEX_TARGET_URL", ORIGIN)
    bot = Bot(webex_client, "secret", target_url=ORIGIN + own_path)

    @bot.message()
    async def ignore(context: MessageContext) -> None: ...

    find_mounts(application_of(bot))

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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An integration has its pages where it is mounted, beside a bot; another one keeps its URL."""
    monkeypatch.setenv("WEBEX_TARGET_URL", ORIGIN)
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

        assert find_mounts(application_of(integration)) == f"{expected}/connect"
