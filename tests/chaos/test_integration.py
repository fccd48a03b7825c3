"""Replicas of an integration, while they are killed, Webex is out, and people revoke and leave.

CHAOS_NOTIFICATIONS says how many notifications come.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from attrs import define, field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.examples.serving import settings_of
from tests.integration.stage import KEY, OTHER_KEY, SECRET
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.services import Service, Services, running_services
from tests.support.wire import until, unused_port
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.loopback_server import serve_on_loopback

pytestmark = [
    pytest.mark.once,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

NOTIFICATIONS = int(os.environ.get("CHAOS_NOTIFICATIONS", "50"))
KILLS = max(2, NOTIFICATIONS // 100)
REPLICAS = 3
USERS = max(8, NOTIFICATIONS // 50)
TOKEN_LIFE = 5.0  # seconds


@define
class Balancer:
    """Passes each request to a replica that is up."""

    ports: list[int]
    client: httpx.AsyncClient
    _numbers: "count[int]" = field(factory=count, init=False)

    async def respond(self, request: Request) -> Response:
        body, number = await request.body(), next(self._numbers)
        place = f"{request.url.path}?{request.url.query}"
        for port in (self.ports[(number + each) % REPLICAS] for each in range(REPLICAS)):
            try:
                response = await self.client.request(
                    request.method,
                    f"http://127.0.0.1:{port}{place}",
                    content=body,
                    headers=request.headers.raw,
                )
            except httpx.TransportError:
                continue
            headers = dict(response.headers)
            return Response(response.content, response.status_code, headers)
        return Response(status_code=503)


@define
class Replicas:
    """An integration with all its processes, and the people who use it."""

    webex: Sandbox
    services: Services
    ports: list[int]
    url: str
    written: Path
    client: httpx.AsyncClient
    postgres: PostgresServer | None
    running: dict[int, Service] = field(factory=dict[int, Service])
    sent: int = 0
    accepted: dict[str, str] = field(factory=dict[str, str])  # meetings, with their hosts

    async def start(self, *keys: str) -> None:
        """Start each process, after the one before it has ended."""
        for port in self.ports:
            if (old := self.running.get(port)) is not None:
                old.stop()
                await self.services.until(lambda old=old: old.is_over)  # type: ignore[misc] # its default has a type
            uvicorn = "uvicorn --no-access-log --app-dir ../../tests/chaos meeting_integration"
            command = f"env KEYS={','.join(keys)} {uvicorn}:integration --port {port}"
            new = self.running[port] = self.services.start(command)
            await self.services.until(lambda new=new: new.says("Uvicorn running"))  # type: ignore[misc] # the same

    def lines(self, kind: str) -> list[str]:
        """Return what was written of a kind."""
        lines = self.written.read_text().splitlines() if self.written.exists() else []
        return [rest for word, _, rest in (each.partition(" ") for each in lines) if word == kind]

    async def connect(self, email: str) -> None:
        """Let somebody connect in a browser."""
        async with httpx.AsyncClient(headers={"x-account": email}, trust_env=False) as browser:
            begun = await browser.get(f"{self.url}/connect")
            place = httpx.URL(begun.headers["location"]).copy_merge_params({"login_hint": email})
            allowed = await browser.get(place)
            assert (await browser.get(allowed.headers["location"])).status_code == 200

    async def send(self, emails: list[str]) -> None:
        """Report meetings; what isn't responded to with 204 isn't accepted."""
        for number in range(NOTIFICATIONS):
            email = emails[number % len(emails)]
            meeting = f"M{number:05}"
            data = {"id": meeting, "title": email}
            deliveries = await self.webex.emit("meetings", "ended", data=data, owner=email)
            if any(each.status_code == 204 for each in deliveries):
                self.accepted[meeting] = email
            self.sent += 1
            await asyncio.sleep(0.02)

    async def reaches(self, part: float) -> None:
        """Wait until such a part has been sent."""
        await until(lambda: self.sent >= NOTIFICATIONS * part)

    async def kill_at_random(self) -> None:
        """Kill processes, which start again."""
        choice = random.Random(NOTIFICATIONS)  # noqa: S311 - no secret
        for part in sorted(choice.random() * 0.9 for _ in range(KILLS)):
            await self.reaches(part)
            self.running[choice.choice(self.ports)].kill()

    async def cut_off(self) -> None:
        """Let Webex be out for a while, and let the database crash."""
        await self.reaches(0.3)
        self.webex.fail(status=503, times=None)
        await asyncio.sleep(1)
        self.webex.clear_faults()
        if self.postgres is not None:
            await self.reaches(0.4)
            self.postgres.crash()
            await asyncio.sleep(0.5)
            await asyncio.to_thread(self.postgres.restart)

    async def replace_the_key(self) -> None:
        """Replace the key in two deploys."""
        await self.reaches(0.6)
        await self.start(KEY, OTHER_KEY)
        await self.start(OTHER_KEY, KEY)

    async def part(self, revoking: list[str], leaving: list[str]) -> None:
        """Let people take back their permission, and others leave."""
        await self.reaches(0.5)
        for email in revoking:
            self.webex.revoke_user(email)
        for email in leaving:
            url, headers = f"{self.url}/disconnect", {"x-account": email}
            for _ in range(100):
                if (await self.client.post(url, headers=headers)).status_code == 200:
                    break
                await asyncio.sleep(0.1)


@asynccontextmanager
async def running_replicas(folder: Path, *, is_postgres: bool) -> AsyncGenerator[Replicas]:
    """Let an integration run on files, or on a PostgreSQL server of its own."""
    async with AsyncExitStack() as stack:
        webex = Sandbox(token_life=TOKEN_LIFE, client_secret=SECRET, private=True)
        base_url = await stack.enter_async_context(webex.serve())
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10, trust_env=False))
        ports = [unused_port() for _ in range(REPLICAS)]
        balancer = Balancer(ports, client)

        route = Route("/{path:path}", balancer.respond, methods=["GET", "POST"])
        application = Starlette(routes=[route])
        url = await stack.enter_async_context(serve_on_loopback(application, 0))
        postgres = stack.enter_context(running_postgres()) if is_postgres else None
        settings = settings_of(
            base_url,
            WEBEX_CLIENT_ID="C1",
            WEBEX_CLIENT_SECRET=SECRET,
            WEBEX_SCOPES="meeting:schedules_read",
            WEBEX_PUBLIC_URL=url,
            WEBEX_USER_STORE=postgres.url if postgres else str(folder / "users.db"),
            WEBEX_INTEGRATION_INBOX=postgres.url if postgres else str(folder / "inbox.db"),
            WRITTEN=str(folder / "written"),
        )
        services = await stack.enter_async_context(running_services(settings))
        yield Replicas(webex, services, ports, url, folder / "written", client, postgres)


@pytest.mark.parametrize("is_postgres", [False, True], ids=["sqlite", "postgres"])
async def test_users(tmp_path: Path, *, is_postgres: bool) -> None:
    """No accepted meeting is lost or read by another user, and nobody is lost but who revokes."""
    emails = [f"user-{number}@example.com" for number in range(USERS)]
    revoking, leaving = emails[: USERS // 8], emails[USERS // 8 : USERS // 4]
    async with running_replicas(tmp_path, is_postgres=is_postgres) as replicas:
        await replicas.start(KEY)
        for email in emails:
            await replicas.connect(email)
        await until(lambda: len(replicas.lines("connected")) >= USERS)
        async with asyncio.TaskGroup() as group:
            group.create_task(replicas.kill_at_random())
            group.create_task(replicas.cut_off())
            group.create_task(replicas.replace_the_key())
            group.create_task(replicas.part(revoking, leaving))
            group.create_task(replicas.send(emails))
        staying = {
            meeting
            for meeting, email in replicas.accepted.items()
            if email not in {*revoking, *leaving}
        }
        await until(lambda: staying <= {*replicas.lines("handled")})
        await until(lambda: {*leaving} <= {*replicas.lines("left")})
        await until(lambda: {*revoking} <= {*replicas.lines("lost")})
        owners = {each.created_by for each in replicas.webex.webhooks}
        ids = {replicas.webex._known(each).id for each in leaving}
        handled, lost = replicas.lines("handled"), replicas.lines("lost")
        print(  # noqa: T201 - the figures are for people
            f"{REPLICAS} replicas, {KILLS} SIGKILLs, {USERS} users, {NOTIFICATIONS} notifications: "
            f"accepted {len(replicas.accepted)}, of those who stay {len(staying)}, lost "
            f"{len(staying - {*handled})}, handled twice {len(handled) - len({*handled})}, with a "
            f"wrong token {len(replicas.lines('wrong'))}; users lost wrongly "
            f"{len({*lost} - {*revoking})}, left {len({*replicas.lines('left')})}"
        )
        assert {*lost} == {*revoking}
        assert {*replicas.lines("left")} == {*leaving}
        assert not replicas.lines("wrong")
        assert not ids & owners
        assert len(staying) > NOTIFICATIONS / 4
