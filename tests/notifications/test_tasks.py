"""Tasks that handlers start, and that argparse or click end."""

import asyncio
import gc
import sys
from argparse import ArgumentParser
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from tests.examples.serving import settings_of
from tests.notifications.doubles import SECRET, body_of, signed, taken
from tests.support.clocks import Time
from tests.support.programs import read_until, running
from tests.support.wire import PATIENCE, until, unused_port
from webex_webhooks_async import Notification, Receiver, SQLiteInbox, parse_unverified_notification
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once

Act = Callable[[], Awaitable[object]]


async def parse() -> None:
    """Parse what somebody has written."""
    await asyncio.sleep(0)
    ArgumentParser().parse_args(["--help-me"])


async def wait() -> None:
    """Wait for ever."""
    await asyncio.Event().wait()


async def in_a_group() -> None:
    """Parse one in a group, whose other task would never end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(wait())
        group.create_task(parse())


async def gathered() -> None:
    """Parse two at a time."""
    await asyncio.gather(parse(), parse())


async def in_a_task_of_a_task() -> None:
    """Parse one on the second level."""
    await asyncio.create_task(in_a_group())


async def in_another_coroutine() -> None:
    """Parse one in a coroutine that a task factory puts around it."""

    async def around(coroutine: Awaitable[object]) -> None:
        await coroutine

    def make(loop: Any, coro: Any, **_: Any) -> Any:  # noqa: ANN401 - as asyncio calls it
        return asyncio.Task(around(coro), loop=loop)

    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()
    loop.set_task_factory(make)
    try:
        await asyncio.create_task(parse())
    finally:
        loop.set_task_factory(factory)


async def leave_a_generator() -> AsyncGenerator[None]:
    """End the process when it is closed."""
    try:
        yield
    finally:
        sys.exit(2)


async def begin_generators() -> None:
    """Leave one behind, and one in a cycle, which the garbage collector finds later."""
    async for _ in leave_a_generator():
        break
    cycle: list[object] = [generator := leave_a_generator()]
    cycle.append(cycle)
    await anext(generator)


def errors_in(error: BaseException) -> list[BaseException]:
    """The errors in a group, on all levels."""
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return [each for part in inner for each in errors_in(part)] or [error]


@pytest.mark.usefixtures("tasks")
@pytest.mark.parametrize("act", [in_a_group, gathered, in_a_task_of_a_task, in_another_coroutine])
@pytest.mark.parametrize("mode", ["foreground", "background", "inbox", "dispatch"])
async def test_a_task_ends_no_event_loop(act: Act, mode: str, tmp_path: Path) -> None:
    """Its `SystemExit`, on which asyncio ends the loop, is a failure of the handler."""
    options: dict[str, Any] = {"background": mode == "background"}
    if mode == "inbox":
        options = {"inbox": SQLiteInbox(tmp_path / "inbox.db"), "attempts": 1}
    failures: list[Exception] = []
    receiver = Receiver(SECRET, on_error=lambda error, _: failures.append(error), **options)

    @receiver.on()
    async def handle(_: Notification[Any]) -> None:
        await act()

    async with receiver:
        if mode == "dispatch":
            with pytest.raises((RuntimeError, ExceptionGroup)) as raised:
                await receiver.dispatch(parse_unverified_notification(body_of()))
            failures.append(raised.value)
        else:
            status = await receiver.handle(*signed(body_of()))
            assert status == (500 if mode == "foreground" else 204)
        await until(lambda: bool(failures))

    (error,) = errors_in(failures[0])
    assert str(error) == "a task raised SystemExit: 2"
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, SystemExit)


@pytest.mark.usefixtures("tasks")
async def test_a_task_of_on_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """So it is in a new process that has only given up a notification yet, and runs no handler."""
    path, time = tmp_path / "inbox.db", Time()
    dead = SQLiteInbox(path, clock=time.now_in_seconds)
    await dead.put("key", body_of())
    for _ in range(5):
        await dead.remember(await taken(dead), "alone", b"4")
        time.advance(60)
    await dead.aclose()
    inbox = SQLiteInbox(path, clock=time.now_in_seconds)

    receiver = Receiver(SECRET, inbox=inbox, on_error=lambda _, __: gathered())
    receiver.on()(AsyncMock())
    async with receiver:
        await until(lambda: "on_error failed for messages created MESSAGE" in caplog.text)

    assert "RuntimeError: a task raised SystemExit: 2" in caplog.text


@pytest.mark.usefixtures("tasks")
async def test_what_is_left_behind_ends_no_event_loop(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a task nor generators, which asyncio closes in tasks: asyncio logs it."""
    receiver = Receiver(SECRET)
    left: set[asyncio.Task[None]] = set()

    @receiver.on()
    async def handle(_: Notification[Any]) -> None:
        left.add(asyncio.create_task(parse()))
        await begin_generators()

    assert await receiver.handle(*signed(body_of())) == 204
    await asyncio.wait(left)
    left.clear()
    said = "RuntimeError: a task raised SystemExit: 2"
    await until(lambda: gc.collect() >= 0 and caplog.text.count(said) == 3)


@pytest.mark.usefixtures("tasks")
async def test_a_task_is_as_any_other() -> None:
    """It has its name and its frames, may end before it starts, and is checked by asyncio."""
    receiver = Receiver(SECRET)
    said: list[object] = []

    @receiver.on()
    async def handle(_: Notification[Any]) -> None:
        task = asyncio.create_task(wait(), name="waiting")
        await asyncio.sleep(0)
        said.extend([repr(task), len(task.get_stack()), task.get_name()])
        task.cancel()
        await asyncio.wait([task])
        cast("Coroutine[Any, Any, None]", task.get_coro()).close()
        asyncio.create_task(parse()).cancel()
        coroutine: Any = parse
        with pytest.raises(TypeError, match="a coroutine was expected"):
            asyncio.create_task(coroutine).cancel()

    assert await receiver.handle(*signed(body_of())) == 204
    text, frames, name = said
    assert "coro=<wait() running at" in str(text)
    assert (frames, name) == (1, "waiting")


PROGRAM = """
import argparse, asyncio, logging
from webex_webhooks_async import Bot

logging.basicConfig(filename="log")
parser = argparse.ArgumentParser("order")
parser.add_argument("dish")
bot = Bot.from_env()

async def parse(text):
    return parser.parse_args(text.split())

@bot.message()
async def order(context):
    async with asyncio.TaskGroup() as group:
        ordered = group.create_task(parse(context.text))
    await context.reply(f"One {ordered.result().dish}")
"""


async def test_the_process_lives(tmp_path: Path) -> None:
    """After more failures than switch a webhook off, a bot on uvicorn responds, and says why."""
    (tmp_path / "orders.py").write_text(PROGRAM, encoding="utf-8")
    sandbox = Sandbox(delivery_timeout=PATIENCE)
    port = unused_port()
    async with sandbox.serve() as base_url:
        settings = settings_of(base_url, WEBEX_TARGET_URL=f"http://127.0.0.1:{port}")
        command = (sys.executable, "-m", "uvicorn", "orders:bot", "--port", str(port))
        async with running(*command, settings=settings, folder=tmp_path) as process:
            await read_until(process, "(Press CTRL+C")
            await asyncio.gather(*(sandbox.say("--help-me") for _ in range(101)))
            await sandbox.say("Pasta")
            reply = await sandbox.next_reply(PATIENCE)
            await until(lambda: len(sandbox.deliveries) == 103)  # the last one is of the reply

    assert reply.text == "One Pasta"
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "ERROR:webex_webhooks_async:a handler of messages created" in log
    assert "RuntimeError: a task raised SystemExit: 2" in log
    assert [each.status_code for each in sandbox.deliveries] == [204] * 103
    assert [each.status for each in sandbox.webhooks] == ["active"]
