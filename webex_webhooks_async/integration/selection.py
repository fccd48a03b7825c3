"""The handlers of an integration, and what runs for a notification or a job."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import frozen

from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import NotConnectedError
from webex_webhooks_async.handling.dispatch import Execution, Placed, Registration, run_each
from webex_webhooks_async.handling.router import Selection
from webex_webhooks_async.handling.suspension import exceptions_in
from webex_webhooks_async.integration.contexts import Jobs, UserContext, UserJobContext
from webex_webhooks_async.integration.users import User
from webex_webhooks_async.models.ids import comparable, is_same
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event
from webex_webhooks_async.notifications.descriptions import describe, log_debug
from webex_webhooks_async.notifications.identity import PERSON, is_job
from webex_webhooks_async.receiving.lifespan import State

if TYPE_CHECKING:
    from webex_webhooks_async.handling.records import Records

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

Opened = Callable[[str], AbstractAsyncContextManager[tuple[User, Client]]]
"""Opens a client of somebody who is connected."""


@frozen(eq=False)
class UserHandler(Registration):
    """A handler of notifications."""

    label: str
    attempts: int | None
    in_order: bool


@frozen
class JobHandler:
    """A handler of jobs, with its label and its attempts."""

    handler: Callable[[Any], Coroutine[Any, Any, object]]
    label: str
    attempts: int | None


OWN_JOBS = ("on_connect", "on_lost", "on_disconnect")
"""The names of the jobs that an integration stores by itself."""


class UserSelection(Selection):
    """Chooses the handlers of an integration."""

    failed_is_handled = True
    leaves_line = True

    def __init__(self, jobs: Jobs, opened: Opened, *, is_of_org: bool) -> None:
        self._enqueuing = jobs
        self._opened = opened
        self._is_of_org = is_of_org
        self.handlers: list[UserHandler] = []
        self.jobs: dict[str, JobHandler] = {}
        self.own: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self.state: State = State()
        self.hidden: Callable[[], tuple[str, ...]] = tuple
        self._labels: Counter[str] = Counter()

    def label(self, kind: str) -> str:
        """Return the label of a registration, which none before has."""
        self._labels[kind] += 1
        number = self._labels[kind]
        return kind if number == 1 else f"{kind} {number}"

    def begin(
        self, notification: Notification[Any], key: str, records: "Records | None" = None
    ) -> Execution | None:
        execution = Execution(notification)
        execution.records = records
        if is_job(key):
            return self._begin_job(execution)
        selected = self._selected(notification)
        if not execution.fits:
            fitting = [each for each in selected if each.resource is None]
            if len(fitting) < len(selected):
                execution.note_misfit()
            selected = fitting
        if not (selected or execution.misfit):
            log_debug("%s has no matching handler", notification)
            return None
        execution.handlers = len(selected)
        execution.attempts = max((each.attempts or 0 for each in selected), default=0) or None
        execution.route = selected[0].label if len(selected) == 1 else ""
        execution.steps = [partial(self._run, execution, selected)]
        return execution

    def watched(self, placed: Iterable[Placed]) -> Iterator[tuple[str, str]]:  # noqa: ARG002 - of a router
        for each in self.handlers:
            if each.resource is not None:
                yield each.resource, each.event or Event.ALL

    def is_own(self, notification: Notification[Any]) -> bool:  # noqa: ARG002 - what users do themselves is news
        return False

    def line_of(self, notification: Notification[Any]) -> str | None:
        selected = self._selected(notification)
        if self._is_of_org or not any(each.in_order for each in selected):
            return None
        return comparable(notification.created_by or "") or None

    def why_not(self) -> None:
        """Return `None`: an integration asks itself."""

    def note_missed(self) -> None:
        """Do nothing: nobody knows what was missed."""

    def secrets(self) -> tuple[str, ...]:
        return self.hidden()

    def _selected(self, notification: Notification[Any]) -> Sequence[UserHandler]:
        resource, event = notification.resource, notification.event
        return [each for each in self.handlers if each.is_for(resource, event)]

    def _begin_job(self, execution: Execution) -> Execution | None:
        name = execution.notification.event
        job = self.jobs.get(name)
        if name in self.own:
            execution.steps = [partial(self._run_own, self.own[name])]
        elif job is not None:
            execution.steps = [partial(self._run_job, execution, job)]
            execution.attempts = job.attempts
        else:
            return None
        execution.handlers = 1
        execution.route = f"job {name}" if job is None else job.label
        return execution

    async def _run(
        self,
        execution: Execution,
        selected: Sequence[UserHandler],
        notification: Notification[Any],
    ) -> None:
        async def run(user: User, client: Client) -> None:
            for each in selected:
                context = UserContext[Any](
                    user=user.public,
                    client=client,
                    notification=notification,
                    state=self.state,
                    route=each.label,
                    jobs=self._enqueuing,
                )
                await run_each([each.handler], context)

        await self._run_as(execution, notification.created_by or "", run)

    async def _run_job(
        self, execution: Execution, job: JobHandler, notification: Notification[Any]
    ) -> None:
        data = notification.data

        async def run(user: User, client: Client) -> None:
            context = UserJobContext(
                user=user.public,
                client=client,
                value=data["value"],
                key=data.get("id"),
                state=self.state,
                route=job.label,
                jobs=self._enqueuing,
            )
            await run_each([job.handler], context)

        await self._run_as(execution, data[PERSON], run)

    async def _run_own(
        self, run: Callable[[Any], Awaitable[None]], notification: Notification[Any]
    ) -> None:
        await run(notification.data["value"])

    async def _run_as(
        self,
        execution: Execution,
        person_id: str,
        run: Callable[[User, Client], Awaitable[None]],
    ) -> None:
        """Run handlers as somebody; whoever isn't connected, or ceases to be, needs none."""
        try:
            async with self._opened(person_id) as (user, client):
                await run(user, client)
        except BaseException as error:
            gone = exceptions_in(error, NotConnectedError)
            if not any(is_same(each.person_id, person_id) for each in gone):
                raise
            logger.info("%s is completed: %s", describe(execution.notification), gone[0])
            execution.handlers, execution.misfit = 0, None
