"""The time of a test, which the test moves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bot.doubles import SECRET, URL
from tests.support.refusals import refused
from webex_webhooks_async import Bot, Client, JobContext, MessageContext, SQLiteInbox
from webex_webhooks_async.testing import Sandbox, WebexClock

DAY = timedelta(days=1)


@pytest.fixture
def bot(webex_client: Client, webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Bot:
    """A bot with the inbox of the environment."""
    monkeypatch.setenv("WEBEX_WEBHOOK_SECRET", SECRET)
    bot = Bot.from_env(client=webex_client, target_url=URL)
    webex_sandbox.deliver_to(bot)
    return bot


@pytest.fixture(autouse=True)
def inbox(webex_inbox: SQLiteInbox) -> SQLiteInbox:
    """Set the variable with which the bot has an inbox."""
    return webex_inbox


async def test_each_due_time(bot: Bot, webex_clock: WebexClock, inbox: SQLiteInbox) -> None:
    """Everybody's time goes from one due time to the next, of schedules and of jobs."""
    ran: list[tuple[str, datetime | None, datetime]] = []
    begin = webex_clock.now()

    @bot.schedule("daily", "0 9 * * *", timezone="UTC")
    async def daily(context: JobContext) -> None:
        ran.append(("daily", context.due, await context.now()))

    @bot.job("remind")
    async def remind(context: JobContext) -> None:
        ran.append(("remind", context.due, await context.now()))
        message = await context.send("It's time!", to_person_email="ann@example.com")
        assert message.created == context.due
        if context.value > 1:
            await context.enqueue("remind", context.value - 1, after=timedelta(hours=10))

    async with bot:
        await bot.enqueue("remind", 3, after=DAY)
        await webex_clock.advance(DAY - timedelta(seconds=1))
        assert [name for name, _, _ in ran] == ["daily"]
        await webex_clock.advance(begin + 3 * DAY)

    assert [now for _, _, now in ran] == sorted(due for _, due, _ in ran if due is not None)
    assert [name for name, _, _ in ran].count("daily") == 3
    reminded = [now - begin for name, _, now in ran if name == "remind"]
    assert reminded == [DAY, DAY + timedelta(hours=10), DAY + timedelta(hours=20)]
    assert webex_clock.now() == begin + 3 * DAY == await inbox.now()


async def test_what_fails(bot: Bot, webex_clock: WebexClock, webex_sandbox: Sandbox) -> None:
    """What a handler raises ends it; where nothing raises, what failed is tried until the end.

    What stands behind it in its line isn't waited for before.
    """
    times: list[datetime] = []

    @bot.job("order")
    async def order(context: JobContext) -> None:
        times.append(await context.now())
        raise LookupError("no soup")

    async with bot:
        await bot.enqueue("order", 1, after=3600, line="soups")
        await bot.enqueue("order", 2, after=3600, line="soups")
        with pytest.raises(LookupError, match="no soup"):
            await webex_clock.advance(DAY)
        assert times == [webex_clock.now()]
        webex_sandbox.raise_handler_errors = False
        await webex_clock.advance(DAY)

    assert len(times) == 10
    assert times == sorted(times)


async def test_a_question_that_ends(
    bot: Bot, webex_clock: WebexClock, webex_sandbox: Sandbox
) -> None:
    """A question ends when its time is over; one that is answered before goes on."""

    @bot.command("order")
    async def order(context: MessageContext) -> None:
        answer = await context.ask("Which dish?", default=None, timeout=DAY)
        await context.reply("Too late." if answer is None else answer.text)

    async with bot:
        for person in ("ann@example.com", "ben@example.com"):
            await webex_sandbox.say("order", person=person)
        await webex_clock.advance(DAY / 2)
        await webex_sandbox.say("Soup", person="ann@example.com")
        await webex_clock.advance(DAY / 2)

    assert [each.text for each in webex_sandbox.messages][-2:] == ["Soup", "Too late."]


async def test_another_inbox(webex_client: Client, webex_clock: WebexClock, tmp_path: Path) -> None:
    """A bot with an inbox whose time doesn't pass is an error; one without an inbox is none."""
    other = Bot(webex_client, SECRET, inbox=SQLiteInbox(tmp_path / "other.db"))
    begin = webex_clock.now()
    async with Bot(webex_client, SECRET):
        await webex_clock.advance(DAY)
        async with other:
            with pytest.raises(RuntimeError, match="has an inbox with another clock"):
                await webex_clock.advance(DAY)
    assert webex_clock.now() == begin + DAY


@pytest.mark.parametrize(
    ("time", "error"),
    [
        (-DAY, "ValueError: time must be a number of seconds, such as 30, or a timedelta, not neg"),
        (datetime(2999, 1, 1), "ValueError: time must have a time zone"),  # noqa: DTZ001 - refused
        (datetime(2001, 1, 1, tzinfo=UTC), "ValueError: time must not be in the past: it is 2"),
        ("60", "TypeError: time must be float or int or timedelta, got str"),
    ],
)
async def test_wrong_times(time: Any, error: str, webex_clock: WebexClock) -> None:  # noqa: ANN401 - mistakes
    """A time without a zone, a past or a negative one is refused, and none passes."""
    begin = webex_clock.now()
    with refused(error):
        await webex_clock.advance(time)
    assert webex_clock.now() == begin
