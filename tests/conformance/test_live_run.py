"""What a run against Webex promises, tried with a sandbox in the role of Webex."""

import asyncio
import json
import os
import re
import shutil
import sys
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import httpx
import pytest

from tests.conformance.assumptions import ACCEPTED, HERE
from tests.conformance.deviations import DEVIATIONS, Deviation, served
from tests.conformance.guard import ForeignError, Guard
from tests.conformance.live import LiveError, Settings, at_webex, settings
from tests.conformance.report import PAGE
from tests.conformance.targets import LiveTarget, in_sandbox, opened
from tests.conformance.webex import Webex
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async.cli.listen.tunnels import Tunnel
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once

ROOT = HERE.parents[1]
LIVE = ("-q", "--assert=plain", "--live", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout")
KIM = "kim.roe@example.org"
TOKENS = {"bot": "a-bot-token", "person": f"person:{KIM}"}


@pytest.fixture
def now() -> list[datetime]:
    """What the clock of Webex shows; a test may set it."""
    return [datetime.now(UTC)]


@pytest.fixture
async def other(now: list[datetime]) -> Sandbox:
    """A sandbox in the role of Webex."""
    return Sandbox(clock=lambda: now[0])


@pytest.fixture
async def somebody(other: Sandbox) -> AsyncGenerator[httpx.AsyncClient]:
    """A program that isn't the run, with the same token."""
    async with other.http_client() as client:
        client.headers["Authorization"] = "Bearer a-bot-token"
        yield client


async def run_at(stack: AsyncExitStack, sandbox: Sandbox, **changes: Any) -> Webex:  # noqa: ANN401 - of `Settings`
    """Begin a run against a sandbox, which is served as long as the stack."""
    base_url = await stack.enter_async_context(sandbox.serve())
    port = changes.get("port") or unused_port()
    given = {"tokens": TOKENS, "url": f"http://127.0.0.1:{port}", "port": port, **changes}
    door, _ = await stack.enter_async_context(at_webex(Settings(base_url=base_url, **given)))
    return door


FOREIGN: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("GET", "/rooms/{room}", {}),
    ("DELETE", "/rooms/{room}", {}),
    ("POST", "/messages", {"roomId": "{room}", "text": "Hello"}),
    ("POST", "/messages", {"toPersonEmail": "zoe@example.org", "text": "Hello"}),
    ("POST", "/memberships", {"roomId": "{own}", "personEmail": "zoe@example.org"}),
    ("PUT", "/messages/{message}", {"roomId": "{own}", "text": "Hello"}),
    ("DELETE", "/messages/{message}", {}),
    ("DELETE", "/webhooks/{webhook}", {}),
    ("POST", "/rooms", {"title": "A room like any other"}),
    ("POST", "/webhooks", {"name": "A webhook like any other"}),
    ("POST", "/attachment/actions", {"messageId": "{message}"}),
    ("GET", "/people/{person}", {}),
    ("GET", "/organizations", {}),
    ("DELETE", "/rooms/{direct}", {}),
)


async def test_what_is_not_the_run_s_is_refused(
    other: Sandbox, somebody: httpx.AsyncClient
) -> None:
    """A request that touches the room, the person or the webhook of another isn't sent."""
    async with AsyncExitStack() as stack:
        room = (await somebody.post("/rooms", json={"title": "Secret plans"})).json()["id"]
        message = await somebody.post("/messages", json={"roomId": room, "text": "Secret"})
        hook = {"name": "Mine", "targetUrl": "http://localhost/", "resource": "rooms"}
        webhook = await somebody.post("/webhooks", json={**hook, "event": "created"})
        door = await run_at(stack, other)
        ids = {
            "room": room,
            "message": message.json()["id"],
            "webhook": webhook.json()["id"],
            "person": "somebody",
            "own": await door.room(),
            "direct": (await door.direct(door.bot))["roomId"],
        }
        sent = len(other.requests)
        for method, path, document in FOREIGN:
            filled = {name: value.format(**ids) for name, value in document.items()}
            with pytest.raises(ForeignError) as refused:
                await door.bot.send(method, path.format(**ids), json=filled)

            assert len(other.requests) == sent, (method, path)
            assert not any(
                each in str(refused.value) for each in ids.values() if each != "somebody"
            )


async def test_a_list_has_only_what_is_the_run_s(
    other: Sandbox, somebody: httpx.AsyncClient
) -> None:
    """A row sees no room of others in a list, though Webex lists them."""
    async with AsyncExitStack() as stack:
        await somebody.post("/rooms", json={"title": "Secret plans"})
        door = await run_at(stack, other)
        room = await door.room()

        listed = (await door.bot.get("/rooms")).json()["items"]

        assert [each["id"] for each in listed] == [room]
        assert "Secret" not in str(door.exchanges)


def test_a_room_is_known_in_whatever_form_its_id_comes() -> None:
    """A notification that names another cluster of a room than the run knows is of this room."""
    guard = Guard()
    uuid = str(uuid4())
    forms = [
        b64encode(f"ciscospark://{cluster}/ROOM/{uuid}".encode()).decode().rstrip("=")
        for cluster in ("us", "urn:TEAM:us-west-2_r")
    ]
    guard.note("POST", "/rooms", {"id": forms[0], "title": guard.tag})

    assert all(guard.owns({"roomId": each}) for each in [*forms, uuid])
    assert not guard.owns({"roomId": "another room"})
    guard.check("GET", f"/rooms/{forms[1]}", {}, {})


async def test_the_end_deletes_what_was_made(other: Sandbox, somebody: httpx.AsyncClient) -> None:
    """A run deletes its rooms, its webhooks and its direct messages, and nothing else."""
    async with AsyncExitStack() as stack:
        room = (await somebody.post("/rooms", json={"title": "Lunch"})).json()["id"]
        await other.say("Hello", person=KIM)
        door = await run_at(stack, other)
        await door.hook(await door.room(door.person))
        await door.hook(await door.room(by=door.person), by=door.person)
        await door.direct(door.bot)
        await door.direct(door.person)
        await stack.aclose()

        left = (await somebody.get("/rooms", params={"type": "group"})).json()["items"]
        assert [each["id"] for each in left] == [room]
        assert [each.text for each in other.messages] == ["Hello"]
        assert other.webhooks == ()


async def test_the_next_run_deletes_what_a_killed_one_left(
    other: Sandbox, somebody: httpx.AsyncClient, now: list[datetime]
) -> None:
    """What a run has left is deleted at the start of one that begins an hour later, not before."""
    async with other.serve() as base_url:
        for minutes in (50, 70):
            now[0] = datetime.now(UTC) - timedelta(minutes=minutes)
            await leave_behind(base_url)
    async with AsyncExitStack() as stack:
        await run_at(stack, other)

        rooms = (await somebody.get("/rooms", params={"type": "group"})).json()["items"]
        assert (len(rooms), len(other.messages), len(other.webhooks)) == (1, 2, 1)


async def leave_behind(base_url: str) -> None:
    """Make what a run makes, and end as if the process were killed."""
    guard = Guard()
    async with opened(base_url, TOKENS, guard, LiveTarget({}, ())) as (callers, _):
        bot, person = callers.values()
        for each in (bot, person):
            each.meet((await each.get("/people/me")).json())
        await bot.make("/rooms", title=guard.tag)
        await bot.make("/messages", toPersonId=person.id, text=guard.tag)
        await person.make("/messages", toPersonId=bot.id, text=guard.tag)
        hook = {"targetUrl": "http://127.0.0.1:9/", "resource": "rooms", "event": "created"}
        await bot.make("/webhooks", name=guard.tag, **hook)


@pytest.mark.parametrize(
    ("tokens", "refusal", "message"),
    [
        ({"bot": f"person:{KIM}"}, None, "WEBEX_LIVE_TOKEN must be a bot's token, .*: make a bot"),
        ({"person": "another-token"}, None, "WEBEX_LIVE_PERSON_TOKEN must be a person's token"),
        ({}, (401, "/people/me"), "refuses the token in WEBEX_LIVE_TOKEN: .* expired"),
        ({}, (403, "/people/me"), "the token in WEBEX_LIVE_TOKEN lacks a right: GET /people/me"),
        ({}, (403, "/webhooks"), "the token in WEBEX_LIVE_TOKEN lacks a right: GET /webhooks"),
        ({}, (404, "/people/me"), "responds 404: is WEBEX_BASE_URL a Webex?"),
        ({}, (200, "/people/me"), "is nobody: is WEBEX_BASE_URL a Webex?"),
    ],
)
async def test_a_token_that_does_not_serve(
    other: Sandbox, tokens: dict[str, str], refusal: tuple[int, str] | None, message: str
) -> None:
    """A token of another kind or without rights is an error before anything is written."""
    if refusal is not None:
        other.fail(status=refusal[0], path=refusal[1])
    async with AsyncExitStack() as stack:
        with pytest.raises(LiveError, match=message) as error:
            await run_at(stack, other, tokens={**TOKENS, **tokens})

    assert {each.method for each in other.requests} == {"GET"}
    assert not any(token in str(error.value) for token in [*TOKENS.values(), *tokens.values()])


async def test_a_url_that_leads_elsewhere(other: Sandbox) -> None:
    """A URL that doesn't lead to the run's own inbox is an error before anything is written."""
    async with AsyncExitStack() as stack, served(Deviation()) as elsewhere:
        with pytest.raises(LiveError, match="leads elsewhere than to port"):
            await run_at(stack, other, url=elsewhere)
    async with AsyncExitStack() as stack:
        with pytest.raises(LiveError, match="doesn't respond"):
            await run_at(stack, other, url=f"http://127.0.0.1:{unused_port()}")
    async with AsyncExitStack() as stack, served(Deviation()) as taken:
        port = httpx.URL(taken).port
        with pytest.raises(LiveError, match=f"port {port} is taken"):
            await run_at(stack, other, port=port)

    assert {each.method for each in other.requests} == {"GET"}


async def test_a_url_with_a_path(other: Sandbox) -> None:
    """A URL may have a path of its own; if a path below it doesn't arrive, that is an error."""
    port = unused_port()
    async with AsyncExitStack() as stack:
        door = await run_at(stack, other, url=f"http://127.0.0.1:{port}/a/tunnel", port=port)
        await door.heard(await door.watch())
    async with AsyncExitStack() as stack:
        with pytest.raises(LiveError, match="loses the path below it: it responds 404"):
            await run_at(stack, other, url=f"http://127.0.0.1:{port}/?a=tunnel", port=port)


async def test_bot_and_person_who_have_met(other: Sandbox) -> None:
    """What only a first message shows is unchecked if bot and person have written before."""
    async with AsyncExitStack() as stack:
        door = await run_at(stack, other)
        assert await door.stranger() is door.person
        await door.direct(door.person)
        with pytest.raises(pytest.skip.Exception, match="make a new bot"):
            await door.stranger()


async def test_without_a_url(other: Sandbox) -> None:
    """Without a URL and a tunnel, a row of deliveries is unchecked, and one line says why."""
    async with other.serve() as base_url:
        wanted = Settings(tokens=TOKENS, url=None, port=unused_port(), base_url=base_url)
        async with at_webex(wanted) as (door, remarks):
            with pytest.raises(
                pytest.skip.Exception, match="set WEBEX_LIVE_URL, or start a tunnel"
            ):
                await door.hook(await door.room())

    assert [each.partition(":")[0] for each in remarks] == ["Rows of deliveries are unchecked"]


async def test_a_tunnel(other: Sandbox) -> None:
    """Without a URL, the tunnel that leads to the port is used."""
    port = unused_port()
    tunnel = Tunnel(agent="ngrok", public_url=f"http://127.0.0.1:{port}/")
    find = AsyncMock(return_value=tunnel)
    async with other.serve() as base_url:
        wanted = Settings(tokens=TOKENS, url=None, port=port, base_url=base_url, find_tunnel=find)
        async with at_webex(wanted) as (door, remarks):
            hook = await door.watch()
            await door.heard(hook)

    assert remarks == []


async def test_what_happens_in_another_room_is_no_delivery(other: Sandbox) -> None:
    """A notification of a room that isn't the run's doesn't count, though its webhook gets it."""
    async with AsyncExitStack() as stack:
        door = await run_at(stack, other)
        hook = await door.hook(None)
        await other.say("Secret", person=KIM)
        message = await door.say(door.bot, await door.room())
        await door.delivery(hook, message)

        assert len(hook.arrived) == 2
        assert hook.ids == [comparable(message["id"])]


async def test_without_a_person(other: Sandbox) -> None:
    """Without a person's token, a row that needs one is unchecked, and names the variable."""
    async with AsyncExitStack() as stack:
        door = await run_at(stack, other, tokens={"bot": "a-bot-token"})
        with pytest.raises(pytest.skip.Exception, match="WEBEX_LIVE_PERSON_TOKEN isn't set"):
            await door.room(door.person)


async def test_what_passes_is_repeated(other: Sandbox) -> None:
    """A 429, a 5xx and a lost connection are repeated; what stays so leaves the row unchecked."""
    async with AsyncExitStack() as stack:
        door = await run_at(stack, other, pauses=(0, 0, 0))
        other.fail(status=429, retry_after=0)
        other.fail(status=503)
        other.fail(drop=True)
        room = await door.room()
        other.fail(status=502, times=4)
        with pytest.raises(pytest.skip.Exception, match="GET /rooms: the status stayed 502"):
            await door.bot.get(f"/rooms/{room}")


async def test_what_could_not_be_deleted_is_said(other: Sandbox) -> None:
    """A run that can't delete what it made says so, and the next one does it."""
    async with other.serve() as base_url:
        wanted = Settings(tokens=TOKENS, url=None, port=unused_port(), base_url=base_url, pauses=())
        async with at_webex(wanted) as (door, remarks):
            await door.room()
            other.fail(status=503, times=None)

    assert remarks[-1].startswith("The next run has to delete what this one made: GET /webhooks:")


async def test_the_environment() -> None:
    """The variables have defaults, and a port that isn't one is an error that names it."""
    assert settings({}) == Settings(tokens={}, url=None, port=8000, base_url=BASE_URL)
    with pytest.raises(LiveError, match="WEBEX_LIVE_PORT must be a number from 1 to 65535"):
        settings({"WEBEX_LIVE_PORT": "http"})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a run needs of the repository."""
    for folder in ("docs", "tests/conformance", "tests/support"):
        kept_out = shutil.ignore_patterns("__pycache__", "_build", "examples", "pictures")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=kept_out)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def files(checkout: Path) -> Iterator[tuple[Path, bytes]]:
    """What git sees of a checkout."""
    for path in sorted(checkout.rglob("*")):
        hidden = {".nox", ".pytest_cache", "__pycache__"}
        if path.is_file() and hidden.isdisjoint(path.relative_to(checkout).parts):
            yield path.relative_to(checkout), path.read_bytes()


async def live(checkout: Path, base_url: str, *arguments: str) -> tuple[int, str]:
    """Run what `nox -s live` runs, at a Webex if one is named: the exit code, and the output."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE_", "PYTEST_", "WEBEX_"))
    }
    port = str(unused_port())
    variables = {
        "WEBEX_BASE_URL": base_url,
        "WEBEX_LIVE_TOKEN": TOKENS["bot"],
        "WEBEX_LIVE_PERSON_TOKEN": TOKENS["person"],
        "WEBEX_LIVE_URL": f"http://127.0.0.1:{port}",
        "WEBEX_LIVE_PORT": port,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", *LIVE, "tests/conformance", *arguments),
        cwd=checkout,
        env=inherited
        | (variables if base_url else {})
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # they take a second
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def test_a_run(checkout: Path) -> None:
    """A difference is status 1, with its body and without what is private; `--accept` keeps it."""
    before = dict(files(checkout))
    rows = "own_message or unsigned or meeting_times or repetition"
    async with served(DEVIATIONS["own-message"]()) as base_url:
        code, printed = await live(checkout, base_url, "--accept", "-k", rows)

    table = (checkout / ".nox" / "live" / "table.md").read_text(encoding="utf-8")
    today = datetime.now(UTC).date().isoformat()
    assert code == 1
    assert f"Webex is {base_url}, which WEBEX_BASE_URL names." in table
    assert "At Webex, 2 rows hold, 1 differ, 0 differ on purpose, " in table
    assert "| own-message | recorded | holds | differs |" in table
    assert f"| unsigned | documented | holds | holds | {today} |" in printed
    assert "| holds | unchecked: a run makes no meetings ended |" in printed
    assert "| holds | unchecked: it takes minutes: pass --slow |" in printed
    assert 'assert notification["actorId"] == notification["createdBy"]' in printed
    assert "delivered 0.0 s after the first, with" in printed
    assert "content-type: application/json;charset=UTF-8, host, trackingid, user-agent: " in printed
    assert "'actorId': '<13 characters>'" in printed
    other_port = rf":(?!{httpx.URL(base_url).port}/)\d{{5}}"
    private = rf"Y2lz|{KIM}|Kim|Sandbox Bot|a-bot-token|sandbox@|{other_port}"
    assert not re.search(private, printed)
    changed = {path: text for path, text in files(checkout) if before.get(path) != text}
    assert changed.keys() == {ACCEPTED, PAGE}
    assert json.loads(changed[ACCEPTED])["unsigned"]["server"] == base_url
    assert "own-message" not in json.loads(changed[ACCEPTED])
    assert f"live, {today} at <{base_url}>" in changed[PAGE].decode()


async def test_a_run_at_a_sandbox(checkout: Path, other: Sandbox) -> None:
    """What a sandbox does otherwise on purpose is counted on its own, and is no failure."""
    async with other.serve() as base_url:
        code, printed = await live(checkout, base_url, "-k", "unknown_inputs or unsigned")

    assert code == 0
    assert "1 rows hold, 0 differ, 1 differ on purpose, as only a sandbox does," in printed
    assert "| unknown-inputs | assumed | differs on purpose | differs on purpose |" in printed


async def test_a_run_without_a_token(checkout: Path) -> None:
    """A run that checks nothing is status 1, says why, and changes nothing that git sees."""
    before = dict(files(checkout))
    code, printed = await live(checkout, "", "-k", "test_times or test_filter")

    assert code == 1
    assert printed.count("| holds | unchecked: WEBEX_LIVE_TOKEN isn't set |") == 2
    assert dict(files(checkout)) == before


async def test_the_suite_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--live` a row runs in the sandbox, whatever the environment names."""
    monkeypatch.setenv("WEBEX_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("WEBEX_LIVE_TOKEN", "a token")
    async with in_sandbox() as door:
        assert door.bot.base_url != "http://127.0.0.1:9/v1"
        await door.room(door.person)
