"""Handlers that run later, because a service that they need is out."""

import logging
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.bot.doubles import noting, raising, replying
from tests.bot.talking import Talk
from tests.support.inboxes import retry_all_in
from tests.support.logs import Log
from tests.support.wire import until
from webex_webhooks_async import Context, GiveUpError, MessageContext, RetryLaterError, attempt

pytestmark = pytest.mark.once


async def test_a_service_that_is_out(talk: Talk, caplog: Log) -> None:
    """The handler runs again after the pause, which counts as no failure and is no error."""
    attempts: list[tuple[int, bool, bool]] = []

    @talk.command()
    async def go(context: MessageContext) -> None:
        known = attempt()
        attempts.append((known.number, known.is_first, known.is_last))
        if talk.runs < 8:
            raise RetryLaterError("the model is out", after=timedelta(seconds=30))
        await context.reply("Here you are")

    caplog.set_level(logging.INFO)
    async with talk.running():
        await talk.say("go")
        for runs in range(2, 9):
            (stored,) = await talk.settle("retrying")
            assert (stored.failures, stored.error) == (0, "RetryLaterError: the model is out")
            await talk.pass_(38)
            await until(lambda: talk.runs == runs)  # noqa: B023 - used at once
        await talk.end("Here you are")
    assert attempts == [(1, True, False), *[(1, False, False)] * 7]
    assert talk.errors == []
    assert caplog.text.count("s: RetryLaterError: the model is out") == 7


async def test_what_a_person_writes_meanwhile(talk: Talk) -> None:
    """A message that is put off lets what its person wrote later go first."""
    talk.command()(raising(RetryLaterError(after=30)))
    talk.command("other")(replying(lambda _: "Of course"))
    async with talk.running():
        await talk.after("go", "retrying")
        await talk.exchange("other", "Of course")


@pytest.mark.parametrize("asks", [False, True])
async def test_what_holds_up_its_line(talk: Talk, asks: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A job in a line, and a message that has asked, go before what comes later all the same."""
    order: list[str] = []

    @talk.bot.job("later")
    async def put_off(_: Context) -> None:
        order.append("put off")
        if len(order) == 1:
            raise RetryLaterError(after=30)

    @talk.command()
    async def go(context: MessageContext) -> None:
        if asks:
            await context.ask("Which?")
            await put_off(context)
        else:
            await context.enqueue("later", None, line=context.person_id)

    talk.command("other")(noting(order, lambda _: "other"))
    async with talk.running():
        await talk.say("go")
        if asks:
            await talk.hear("Which?")
            await talk.say("This")
        await talk.settle("retrying")
        await talk.after("other", "retrying", "waiting")
        await talk.pass_(38)
        await talk.settle()
    assert order == ["put off", "put off", "other"]


async def test_an_hour_later(talk: Talk) -> None:
    """After an hour it is a failure that waits at least as long; a retry begins a new hour."""
    talk.command()(raising(RetryLaterError("out", after=1800)))
    async with talk.running():
        await talk.say("go")
        for runs in (2, 3):
            await talk.settle("retrying")
            talk.time.advance(2251)
            await talk.time.pass_(1)
            await until(lambda: talk.runs == runs)  # noqa: B023 - used at once
        await until(lambda: len(talk.errors) == 1)
        (stored,) = await talk.settle("retrying")
        assert stored.failures == 1
        retry_all_in(talk.path, talk.time.now_in_seconds)
        await talk.time.pass_(1)
        await until(lambda: talk.runs == 4)
        (stored,) = await talk.settle("retrying")
    assert stored.failures == 0
    assert len(talk.errors) == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (lambda: ExceptionGroup("two", [RetryLaterError(after=5), RetryLaterError(after=9)]), 0),
        (lambda: ExceptionGroup("two", [RetryLaterError(after=5), KeyError("x")]), 1),
        (lambda: ExceptionGroup("two", [RetryLaterError(after=5), GiveUpError("no")]), 1),
    ],
    ids=["later", "failure", "gives up"],
)
async def test_in_a_group(talk: Talk, error: Callable[[], Exception], state: int) -> None:
    """A group of nothing else counts as the longest one; beside another error it is a failure."""

    @talk.command()
    async def go(_: MessageContext) -> None:
        raise error()

    async with talk.running():
        await talk.say("go")
        await until(lambda: bool(talk.stored) and talk.stored[0].error is not None)
    assert [each.failures for each in talk.stored] == [state]


@pytest.mark.parametrize("after", [0, -1, float("inf"), float("nan"), timedelta(0)])
def test_a_wrong_pause(after: Any) -> None:  # noqa: ANN401 - wrong
    """The pause is positive and finite."""
    with pytest.raises(ValueError, match="after must be"):
        RetryLaterError("out", after=after)


def test_it_survives_pickle() -> None:
    """It arrives in another process as it was, also in a group."""
    group = ExceptionGroup("out", [RetryLaterError("the model is out", after=2)])
    (error,) = pickle.loads(pickle.dumps(group)).exceptions  # noqa: S301 - our own
    assert (str(error), error.after) == ("the model is out", 2)
