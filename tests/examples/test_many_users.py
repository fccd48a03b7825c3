"""The program docs/examples/many_users.py, with two users and their browsers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.examples.serving import sandboxed
from webex_webhooks_async import Tokens, from_json
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


async def test_only_the_owner_of_a_meeting_is_notified(
    webex_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Two users connect in their browsers; each hears of their own meetings, also later."""
    webex = webex_sandbox
    settings = {
        "WEBEX_CLIENT_ID": "C1",
        "WEBEX_CLIENT_SECRET": "an integration's secret",
        "ORIGIN": "https://bot.example.com",
        "USERS": str(tmp_path / "users.db"),
    }
    async with sandboxed("many_users.py", webex, monkeypatch, **settings) as program:
        webex.deliver_to(program.app)
        transport = httpx.ASGITransport(program.app)
        ids: list[str] = []
        async with program.app.router.lifespan_context(program.app):
            for email in ("ann@example.com", "bob@example.com"):
                webex.authorize_as(email)
                async with httpx.AsyncClient(
                    mounts={"https://bot.example.com": transport}, trust_env=False
                ) as browser:
                    connected = await browser.get(
                        "https://bot.example.com/connect", follow_redirects=True
                    )
                    assert connected.text == f"Hello, {email[:3].title()}: connected.\n"
                    again = await browser.get(str(connected.url))
                    assert again.status_code == 400  # the state is used up
                ids.append(webex.webhooks[-1].created_by or "")
            await webex.emit("meetings", "started", {"title": "Plans"}, owner=ids[0])
        # Ann takes the permission back: that keeps nobody else from being served.
        for token in [from_json(tokens, Tokens) for tokens in stored(tmp_path, ids[0])]:
            webex.revoke(token.access_token)
            webex.revoke(token.refresh_token)
        async with program.app.router.lifespan_context(program.app):
            await webex.emit("meetings", "started", {"title": "Review"}, owner=ids[1])

    assert len(webex.webhooks) == 2
    first, refused, second = capsys.readouterr().out.splitlines()
    assert (first, second) == (f"{ids[0]} has started Plans", f"{ids[1]} has started Review")
    assert refused.startswith(f"{ids[0]} is not watched: POST /v1/access_token: 400")


def stored(folder: Path, user: str) -> list[bytes]:
    """The tokens that the program has stored for a user."""
    with closing(sqlite3.connect(folder / "users.db")) as users:
        rows = users.execute("SELECT tokens FROM users WHERE id = ?", (user,)).fetchall()
    return [tokens for (tokens,) in rows]
