"""Looks at the users who are due: keeps their webhooks, and lets those go who leave."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial

from attrs import define, evolve, field

from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.reconciler import FAILURES_OF_A_TURN
from webex_webhooks_async.errors import NotConnectedError
from webex_webhooks_async.formatting import describe_exception, short_id
from webex_webhooks_async.integration.keyring import Keyring
from webex_webhooks_async.integration.store import Row
from webex_webhooks_async.integration.users import Change, User, Users
from webex_webhooks_async.models.webhooks import NewWebhook

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

Opened = Callable[[User], AbstractAsyncContextManager[Client]]
"""Opens a client of a user, also of one who leaves."""

LOOK_SECONDS = 120.0
"""After so many seconds without an end of a look, another process looks."""


@define(eq=False)
class Looks:
    """The looks of one process, from its start to its end."""

    users: Users
    keyring: Keyring
    opened: Opened
    webhooks: Callable[[str], Sequence[NewWebhook]]
    prefix: str
    welcome: Callable[[User], Awaitable[None]]
    part: Callable[[User], Awaitable[None]]
    every: float
    clock: Clock
    started: float = field(init=False)
    _running: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]], init=False)
    _woken: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.started = self.clock.now().timestamp()

    def wake(self) -> None:
        """Look for users who are due at once."""
        self._woken.set()

    async def run(self) -> None:
        """Look at the users who are due, some at a time, until this is cancelled."""
        self._woken = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            while True:
                self._woken.clear()
                rows: Sequence[Row] = ()
                if (free := _AT_A_TIME - len(self._running)) > 0:
                    try:
                        rows = await self.users.store.take_due(free, LOOK_SECONDS)
                    except OSError as error:
                        logger.error("the users can't be read: %s", describe_exception(error))  # noqa: TRY400 - it says all
                for row in rows:
                    task = group.create_task(self.look(row))
                    self._running.add(task)
                    task.add_done_callback(self._note_end)
                if not rows:
                    await self._pause()

    async def look(self, row: Row) -> None:
        """Look at a user; an error of one is none of the others."""
        try:
            user = self.users.opened(row)
            await self._look(user)
        except Exception as error:  # noqa: BLE001 - it is logged, and the next look may succeed
            is_outage = isinstance(error, (*FAILURES_OF_A_TURN, OSError))
            pause = min(_OUTAGE_SECONDS, self.every) if is_outage else self.every
            who, why = short_id(row.person), describe_exception(error)
            await self._set_due(row, pause)
            logger.warning("the webhooks of %s aren't as wanted: %s", who, why)

    async def look_soon(self, user: User, seconds: float) -> None:
        """Look at somebody who has just connected; what takes longer is done by another look."""
        try:
            async with asyncio.timeout(seconds):
                await self.look(user.row)
        except TimeoutError:
            await self._set_due(user.row, 0.0)
            self.wake()

    async def _look(self, user: User) -> None:
        if user.row.state == "connected":
            await self._keep(user)
        elif user.row.state == "leaving":
            await self._let_go(user)
        else:
            await self._note(user, Change(user.details, self.every, self.keyring.first))

    async def _keep(self, user: User) -> None:
        details, row = user.details, user.row
        # Older than the process that made the webhooks, whose key is known from the deploy before.
        is_older = self.started < details.named_by and row.webhooks_key in self.keyring.ids
        key = row.webhooks_key if is_older else self.keyring.first
        wanted = self.webhooks(self.keyring.secret_of(row.person, key))
        names = tuple(each.name for each in wanted)
        has_new_names = names != details.names or not details.is_welcome
        if is_older:
            wanted = [each for each in wanted if each.name in details.names]
        prune = self.prefix if has_new_names and not is_older else None
        if wanted or prune:
            async with self.opened(user) as client:
                await client.webhooks.ensure(wanted, prune=prune)
        if not details.is_welcome:
            await self.welcome(user)
        changed = evolve(details, is_welcome=True)
        if not is_older and (has_new_names or {row.webhooks_key, row.key} != {key}):
            changed = evolve(changed, names=names, named_by=self.started)
        await self._note(user, Change(changed, self.every, key))

    async def _let_go(self, user: User) -> None:
        who = short_id(user.public.person_id)
        try:
            async with self.opened(user) as client:
                await client.webhooks.ensure([], prune=self.prefix)
        except NotConnectedError:
            logger.warning("the webhooks of %s stay, because the permission is gone", who)
        except Exception as error:
            if self.clock.now() - user.public.since < _PATIENCE:
                raise
            logger.warning("the webhooks of %s stay: %s", who, describe_exception(error))
        await self.part(user)
        await self._set_due(user.row, self.every)

    async def _note(self, user: User, change: Change) -> None:
        """Store what a look has changed, unless somebody has connected or left meanwhile."""
        row, before = user.row, user.details
        first, key = self.keyring.first, change.webhooks_key
        is_sealed = row.key == first or key != first  # as far as this process has the say
        if is_sealed and change.details == before and key == row.webhooks_key:
            await self._set_due(row, self.every)
            return

        def merged(now: User | None) -> Change | None:
            if now is None or now.details.connection != before.connection:
                return None
            if now.row.state != row.state:
                return None
            new = change.details
            details = evolve(
                now.details, names=new.names, named_by=new.named_by, is_welcome=new.is_welcome
            )
            return Change(details, change.due_in, change.webhooks_key)

        await self.users.change(row.person, merged)

    async def _set_due(self, row: Row, seconds: float) -> None:
        try:
            await self.users.store.set_due(row, seconds)
        except OSError as error:  # it is due all the same, a little later
            logger.warning("the next look can't be set: %s", describe_exception(error))

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._woken.set()

    async def _pause(self) -> None:
        timer = asyncio.ensure_future(self.clock.sleep(min(_POLL_SECONDS, self.every)))
        timer.add_done_callback(partial(_set, self._woken))
        try:
            await self._woken.wait()
        finally:
            timer.cancel()


def _set(event: asyncio.Event, _: object) -> None:
    event.set()


_AT_A_TIME = 10
_POLL_SECONDS = 5.0
_OUTAGE_SECONDS = 60.0
_PATIENCE = timedelta(days=7)
