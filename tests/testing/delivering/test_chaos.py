"""Deliveries that are late, come twice or are lost, by a seed."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.testing.doubles import BOT, NEW, created
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.delivering.chaos import Chaos, Fate


def fates(seed: int | None, number: int = 1_000) -> list[Fate]:
    """What happens to the first deliveries."""
    chaos = Chaos(seed)
    return [chaos.next() for _ in range(number)]


def test_how_much_goes_wrong() -> None:
    """Of 1,000 deliveries about 200 are up to a second late, 100 come twice, and 10 are lost."""
    found = fates(7)

    times = Counter(each.times for each in found)
    assert 170 < sum(each.delay > 0 for each in found) < 230
    assert max(each.delay for each in found) <= 1.0
    assert (80 < times[2] < 120, 4 < times[0] < 18) == (True, True)


def test_the_seed() -> None:
    """The same seed is the same chaos, another one another, and without one there is none."""
    assert fates(7) == fates(7) != fates(8)
    assert set(fates(None)) == {Fate()}
    for seed in ("7", 7.0, True):
        with pytest.raises(TypeError, match="chaos must be int, got"):
            Sandbox(chaos=seed)  # type: ignore[arg-type] # wrong on purpose


class NotingBot:
    """A bot that notes the bodies that come, and a clock of its own for what is late."""

    def __init__(self, status: int = 204) -> None:
        self.bodies: list[bytes] = []
        self.status = status
        self.late: list[float] = []
        self.came = asyncio.Event()
        self.may_come = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait until all that is in time has come."""
        self.late.append(seconds)
        await self.may_come.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note a body."""
        self.bodies.append(await Request(scope, receive).body())
        self.came.set()
        await Response(status_code=self.status)(scope, receive, send)

    @property
    def names(self) -> list[Any]:
        """What the bodies are about."""
        return [json.loads(each)["data"]["id"] for each in self.bodies]


async def watched(target: NotingBot, chaos: int) -> Sandbox:
    """A sandbox with a webhook of messages, which leads to a target."""
    sandbox = Sandbox(chaos=chaos, sleep=target.sleep)
    sandbox.deliver_to(target)
    async with sandbox.http_client() as api:
        await created(api, "/webhooks", BOT, **NEW)
    return sandbox


async def test_deliveries() -> None:
    """What is late is overtaken, a copy has the same bytes, and what is lost doesn't come."""
    target = NotingBot()
    sandbox = await watched(target, chaos=7)
    expected = fates(7, 100)

    async with asyncio.TaskGroup() as group:
        saying = [
            group.create_task(sandbox.emit("messages", "created", data={"id": f"M{number}"}))
            for number in range(100)
        ]
        await asyncio.wait(
            [task for task, fate in zip(saying, expected, strict=True) if not fate.delay]
        )
        in_time = target.names
        target.may_come.set()

    assert {*in_time} == {
        f"M{n}" for n, each in enumerate(expected) if each.times and not each.delay
    }
    assert Counter(target.names) == {
        f"M{n}": each.times for n, each in enumerate(expected) if each.times
    }
    assert len({*target.bodies}) == len({*target.names})
    assert target.late == [each.delay for each in expected if each.delay]
    outcomes = [delivery for task in saying for delivery in task.result()]
    assert [each.ok for each in outcomes] == [bool(each.times) for each in expected]
    assert len(sandbox.deliveries) == sum(max(1, each.times) for each in expected)
    (lost, *_) = [each for each in outcomes if not each.ok]
    assert lost.reason == "lost on its way, by chaos=7"


async def test_a_lost_delivery_is_no_failure() -> None:
    """A webhook isn't switched off by what is lost, only by what fails."""
    seed = next(each for each in range(1_000) if fates(each, 1)[0].times == 0)
    target = NotingBot(status=500)
    target.may_come.set()
    sandbox = await watched(target, chaos=seed)
    (webhook,) = sandbox.webhooks
    async with sandbox.http_client() as api:
        for status in ("inactive", "active"):  # from now on, one failure switches it off
            await api.put(f"/webhooks/{webhook.id}", json={**NEW, "status": status}, headers=BOT)

    (lost,) = await sandbox.say("Hello")
    (failed,) = await sandbox.say("Hello")

    assert (lost.switched_off, failed.switched_off) == (False, True)


async def test_what_follows_from_a_request_overtakes() -> None:
    """The events of one request are in order, but for what is late."""
    seed = next(
        each
        for each in range(1_000)
        if [fate.delay > 0 for fate in fates(each, 2)] == [True, False]
        and all(fate.times == 1 for fate in fates(each, 2))
    )
    target = NotingBot()
    sandbox = Sandbox(chaos=seed, sleep=target.sleep)
    sandbox.deliver_to(target)
    async with sandbox.http_client() as webex:
        await created(webex, "/webhooks", BOT, **{**NEW, "resource": "all", "event": "all"})
        creating = asyncio.create_task(created(webex, "/rooms", BOT, title="Lunch"))
        await target.came.wait()
        target.may_come.set()
        await creating

    resources = [json.loads(each)["resource"] for each in target.bodies]
    assert resources == ["memberships", "rooms"]
