"""The programs in docs/examples of the recipes, and those that need no account, in a sandbox."""

import runpy
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.examples.serving import EXAMPLES, Run
from tests.support.wire import PATIENCE
from webex_webhooks_async import Client, SQLiteInbox
from webex_webhooks_async.testing import Sandbox, WebexClock

pytestmark = pytest.mark.once


def replies(sandbox: Sandbox) -> list[str]:
    """What the bot has written."""
    return [str(each.text) for each in sandbox.messages if each.person_id == sandbox.bot.id]


async def test_an_allow_list_has_addresses_and_domains(
    webex_sandbox: Sandbox, run_example: Run
) -> None:
    """Allowed people get a reply, also to a card; others none, however their addresses end.

    Webex is asked for each person once.
    """
    async with run_example("allow_list_bot.py", ALLOWED="Ann@example.com @example.org"):
        for person in (
            *("ann@example.com", "joann@example.com", "bob@example.org"),
            *("eve@notexample.org", "eve@sub.example.org", "ann@example.com"),
        ):
            await webex_sandbox.say(person, person=person)
            *_, said = (each for each in webex_sandbox.messages if each.text == person)
            submitted = {
                "messageId": said.id,
                "inputs": {"dish": person},
                "personId": said.person_id,
                "roomId": said.room_id,
            }
            await webex_sandbox.emit("attachmentActions", "created", data=submitted)

    assert replies(webex_sandbox) == [
        f"You {verb}: {person}"
        for person in ("ann@example.com", "bob@example.org", "ann@example.com")
        for verb in ("said", "chose")
    ]
    asked = [each.path for each in webex_sandbox.requests if "/people/" in each.path]
    assert len(asked) == 1 + 5  # the bot itself, and five persons


async def test_a_function_runs_on_this_machine(webex_sandbox: Sandbox, run_example: Run) -> None:
    """The function for AWS Lambda gets each request as an event, and the bot replies."""
    async with run_example("lambda_local.py"):
        await webex_sandbox.say("Hello")
        reply = await webex_sandbox.next_reply(PATIENCE)

    assert reply.text == "You said: Hello"


async def test_an_order_is_written_in_the_transaction_of_its_record(
    webex_sandbox: Sandbox, run_example: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The inbox and the orders are in one file, and the reply has the number of the order."""
    monkeypatch.chdir(tmp_path)
    async with run_example("exactly_once_bot.py"):
        await webex_sandbox.say("order Pasta")
        reply = await webex_sandbox.next_reply(PATIENCE)

    assert reply.text == "Order 1: Pasta"
    with closing(sqlite3.connect(tmp_path / "orders.db")) as orders:
        assert orders.execute("SELECT number, what FROM orders").fetchall() == [(1, "Pasta")]


async def test_a_poll(
    webex_sandbox: Sandbox,
    webex_inbox: SQLiteInbox,
    run_example: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The last vote of each person counts, also on a former card, and one card is left."""
    monkeypatch.chdir(tmp_path)
    async with run_example("poll_bot.py") as program:
        room_id = (await program.bot.client.post("rooms", json={"title": "Lunch"}))["id"]
        await webex_sandbox.say("I'm here", person="bob@example.com", room_id=room_id)
        await webex_sandbox.say(
            "poll", person="ann@example.com", room_id=room_id, mention=webex_sandbox.bot
        )
        first = await webex_sandbox.next_reply(PATIENCE)
        for person, press in (("ann", "Pasta"), ("bob", "Pasta"), ("ann", "Soup")):
            await webex_sandbox.submit(first.id, person=f"{person}@example.com", press=press)
            await webex_sandbox.idle(PATIENCE)
        await webex_inbox.retry([each.key async for each in webex_inbox.unfinished()])
        await webex_sandbox.idle(PATIENCE)

    assert replies(webex_sandbox) == ["Pasta: 1, Soup: 1, Salad: 0"]


async def test_a_button_answers_a_question(
    webex_sandbox: Sandbox, run_example: Run, tmp_path: Path
) -> None:
    """The bot of README asks for a day, then the boss, and says what was decided."""
    async with run_example("leave_bot.py", WEBEX_INBOX=str(tmp_path / "inbox.db")):
        await webex_sandbox.say("leave", person="ann@example.com")
        await webex_sandbox.next_reply(PATIENCE)
        await webex_sandbox.say("Monday", person="ann@example.com")
        question = await webex_sandbox.next_reply(PATIENCE)
        assert question.text == "ann@example.com: leave on Monday"
        await webex_sandbox.submit(question.id, press="Approve", person="you@example.com")
        left = await webex_sandbox.next_reply(PATIENCE)
        reply = await webex_sandbox.next_reply(PATIENCE)
        for text in ("leave", "cancel"):
            await webex_sandbox.say(text, person="ann@example.com")
        said = [(await webex_sandbox.next_reply(PATIENCE)).text for _ in range(2)]

    assert left.text == "ann@example.com: leave on Monday Approve"
    assert reply.text == "Monday: approved"
    assert said == ["Which day?", "Stopped."]


@pytest.mark.usefixtures("webex_inbox")
async def test_reminders(
    webex_sandbox: Sandbox, webex_client: Client, webex_clock: WebexClock, run_example: Run
) -> None:
    """The last one counts, one that is withdrawn never comes, and the room gets its own."""
    room = (await webex_client.post("rooms", json={"title": "Lunch"}))["id"]
    no_number = "In how many minutes? A number, please."
    async with run_example("reminding_bot.py", ROOM_ID=room):
        for text, reply in (
            ("remind me 9", "I'll remind you."),
            ("never mind", "I won't."),
            ("never mind", "There is no reminder."),
            *((f"remind me {each}", no_number) for each in ("soon", "-1", "nan", "inf", "9" * 30)),
            ("remind me 9", "I'll remind you."),
            ("remind me", "I'll remind you."),
        ):
            assert await direct(text, webex_sandbox) == reply
        await webex_clock.advance(timedelta(days=7))

    in_room = [each.text for each in webex_sandbox.messages if each.room_id == room]
    assert in_room == ["Lunch?"] * 5
    assert replies(webex_sandbox).count("It's time!") == 1


async def direct(text: str, sandbox: Sandbox) -> str:
    """Ann writes to the bot alone, and gets this reply."""
    await sandbox.say(text, person="ann@example.com")
    return str((await sandbox.next_reply()).text)


async def test_a_host_reads_when_a_meeting_has_ended(
    webex_sandbox: Sandbox, run_example: Run
) -> None:
    """Two people connect in their browsers; each reads of their own meetings, until they leave."""
    origin = "https://bot.example.com"
    times = {"start": "2026-05-04T09:00:00Z", "end": "2026-05-04T09:45:00Z"}
    async with run_example("minutes.py", WEBEX_SCOPES="meeting:schedules_read") as program:
        for name in ("ann", "bob"):
            webex_sandbox.authorize_as(f"{name}@example.com")
            mounts = {origin: httpx.ASGITransport(program.app)}
            async with httpx.AsyncClient(mounts=mounts, trust_env=False) as browser:
                done = await browser.get(f"{origin}/minutes/connect", follow_redirects=True)
            assert done.text == f"Connected: {name.title()}.\n"
            await webex_sandbox.emit(
                "meetings", "ended", data={"title": name, **times}, owner=f"{name}@example.com"
            )
        await webex_sandbox.idle()
        await webex_sandbox.say("disconnect", person="ann@example.com")
        await webex_sandbox.idle()
        webex_sandbox.revoke_user("bob@example.com")
        await webex_sandbox.emit("meetings", "ended", data=times, owner="bob@example.com")
        await webex_sandbox.idle()

    assert Counter(replies(webex_sandbox)) == {
        "Goodbye.": 1,
        f"I can't see your meetings any more: {origin}/minutes/connect": 1,
        "I'll write when a meeting ends.": 2,
        "ann took 45 minutes.": 1,
        "bob took 45 minutes.": 1,
    }


@pytest.mark.parametrize(
    ("name", "prints"),
    [
        (
            "lifecycle",
            [
                "created My Message Webhook",
                "it posts to https://example.com/webhook-receiver",
                "it is now My Updated Webhook",
                "deleted",
            ],
        ),
        (
            "keep_alive",
            [
                "create keep-alive:messages: missing",
                "create keep-alive:attachmentActions: missing",
                "reactivate keep-alive:messages: switched off",
                "create keep-alive:attachmentActions: missing",
                "update keep-alive:messages: target URL differs",
                "update keep-alive:attachmentActions: target URL differs",
            ],
        ),
    ],
)
def test_what_happens_to_webhooks(
    name: str,
    prints: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a token, a sandbox shows the life of a webhook, and how `ensure` corrects some."""
    for variable in ("WEBEX_ACCESS_TOKEN", "WEBEX_BASE_URL", "TARGET_URL"):
        monkeypatch.delenv(variable, raising=False)
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")

    assert capsys.readouterr().out.splitlines() == prints
