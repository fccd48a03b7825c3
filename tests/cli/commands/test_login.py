import json
import os
import re
import signal
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlencode

import httpx
import pytest

from tests.cli.harness import Finished, Invoke, ServedWebex, thread
from tests.support.wire import PATIENCE, unused_port

pytestmark = pytest.mark.once


def get(url: httpx.URL | str) -> httpx.Response:
    """Request a URL, as a browser does."""
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        return browser.get(url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the tokens go."""
    return tmp_path / "tokens.json"


@pytest.fixture(autouse=True)
def _integration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set an integration in the environment."""
    monkeypatch.setenv("WEBEX_CLIENT_ID", "C1")
    monkeypatch.setenv("WEBEX_CLIENT_SECRET", "a-canary-client-secret")


Login = Callable[..., Finished]


@pytest.fixture
def login(webex: ServedWebex, invoke: Invoke, browser: Mock, file: Path) -> Login:
    """Run the command with a browser that visits the URL, as a user does."""

    def run(visit: Callable[[str], object] = get) -> Finished:
        visited = threading.Event()

        def browse(url: str) -> None:
            visit(url)
            visited.set()

        browser.side_effect = browse
        redirect_uri = f"http://localhost:{unused_port()}/callback"
        done = invoke(
            *("login", "--scope", "spark:messages_read", "--scope", "spark:rooms_read"),
            *("--token-file", str(file), "--redirect-uri", redirect_uri),
        )
        assert visited.wait(PATIENCE)
        return done

    return run


def redirect(url: str, **parameters: str) -> httpx.Response:
    """Redirect as Webex would, with these parameters and the state."""
    query = httpx.URL(url).params
    uri = f"{query['redirect_uri']}?{urlencode({'state': query['state'], **parameters})}"
    return get(uri).raise_for_status()


def test_login(login: Login, file: Path, invoke: Invoke) -> None:
    """The tokens are stored in a file that only its owner can read; every command takes it."""
    done = login()
    listed = invoke("list", "--token-file", str(file))

    assert (done.exit_code, listed.exit_code) == (0, 0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    tokens = json.loads(file.read_text())
    assert tokens.keys() == {"access_token", "refresh_token"}
    url, stored = done.out.splitlines()
    assert stored == f"✓ stored the tokens in {file}"
    query = httpx.URL(url).params
    assert (query["client_id"], query["code_challenge_method"]) == ("C1", "S256")
    assert query["scope"] == "spark:messages_read spark:rooms_read"
    for secret in ("a-canary-client-secret", *tokens.values()):
        assert secret not in done.out + done.err


def test_visits_that_are_not_the_redirect(login: Login, file: Path) -> None:
    """What any page can send doesn't end it, and is named on one line: the state is missing."""
    statuses: list[int] = []
    pages: list[str] = []

    def visit(url: str) -> None:
        uri = httpx.URL(httpx.URL(url).params["redirect_uri"])
        hostile = f"x\n\x1b[2J{'y' * 1_000}"
        wrong = [{"code": "x"}, {"code": "x", "state": "y"}, {"error": hostile, "state": "y"}]
        visits = [uri, uri.copy_with(path="/favicon.ico")]
        visits += [uri.copy_with(params=query) for query in wrong]
        statuses.extend(get(each).status_code for each in visits)
        pages.append(get(url).text)

    done = login(visit)

    assert statuses == [404, 404, 400, 400, 400]
    assert pages == ["Authorized. Return to your terminal."]
    assert (done.exit_code, file.exists()) == (0, True)
    assert len(re.findall("✗ ignored .+ without the state of this login", done.err)) == 3
    assert re.search(r"\n✗ ignored the error 'x\\n\\x1b\[2Jy+' without the state", done.err)
    assert max(map(len, done.err.splitlines())) < 300


def test_without_a_screen(webex: ServedWebex, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Without a screen no browser is opened; the URL is printed."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    redirect_uri = f"http://127.0.0.1:{unused_port()}/"
    with thread(
        *("login", "--scope", "spark:all", "--token-file", str(file)),
        *("--redirect-uri", redirect_uri),
    ) as running:
        url = running.out.line("^http.+$")[0]
        page = get(url)
        running.out.line("^✓ stored the tokens in ")
        exit_code = running.wait()

    assert url.startswith(f"{webex.base_url}/authorize?response_type=code&")
    assert page.text == "Authorized. Return to your terminal."
    assert (exit_code, file.exists()) == (0, True)


VISITS: list[tuple[Callable[[str], object], int, str]] = [
    (partial(redirect, error="access_denied"), 1, "error: the authorization failed: access_denied"),
    (partial(redirect, code="stolen"), 1, "POST /v1/access_token: 400 Bad Request"),
    (lambda _url: os.kill(os.getpid(), signal.SIGINT), 128 + signal.SIGINT, ""),
]


@pytest.mark.parametrize(("visit", "exit_code", "error"), VISITS, ids=["no", "stolen", "ctrl-c"])
def test_what_stores_nothing(
    login: Login, file: Path, visit: Callable[[str], object], exit_code: int, error: str
) -> None:
    """Where the user refuses, Webex refuses the code, or Ctrl-C ends it, the old file stays."""
    file.write_text("old")

    done = login(visit)

    assert (done.exit_code, file.read_text()) == (exit_code, "old")
    assert error in done.err


def test_a_port_that_is_taken(webex: ServedWebex, invoke: Invoke, file: Path) -> None:
    """A port that another program uses is an error that asks for another redirect URI."""
    port = httpx.URL(webex.base_url).port

    done = invoke(
        *("login", "--scope", "s", "--token-file", str(file)),
        *("--redirect-uri", f"http://localhost:{port}/callback"),
    )

    assert (done.exit_code, done.out) == (1, "")
    assert done.err == (
        f"error: can't wait for the redirect on port {port} (Address already in use): end the "
        "program that uses the port, or register a redirect URI with another port and pass it with "
        "--redirect-uri\n"
    )


@pytest.mark.parametrize("missing", ["WEBEX_CLIENT_ID", "WEBEX_CLIENT_SECRET"])
def test_without_an_integration(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, file: Path, missing: str
) -> None:
    """Without the client id or the client secret, the error names the variables."""
    monkeypatch.delenv(missing)

    done = invoke("login", "--scope", "s", "--token-file", str(file))

    assert (done.exit_code, done.out) == (2, "")
    assert done.err.startswith("error: set WEBEX_CLIENT_ID and WEBEX_CLIENT_SECRET to the client")
    assert "canary" not in done.err


@pytest.mark.usefixtures("webex", "browser")
def test_a_redirect_to_ipv6(invoke: Invoke, file: Path) -> None:
    """A redirect URI with ::1 is served there, where the machine has that address."""
    uri = f"http://[::1]:{unused_port()}/callback"

    done = invoke("login", "--scope", "s", "--token-file", str(file), "--redirect-uri", uri)

    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        assert (done.exit_code, file.exists()) == (0, True)
