"""The handlers of an integration, and what runs for a notification or a job."""

import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen

from webex_webhooks_async.applications.jobs import Job
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import NotConnectedError
from webex_webhooks_async.handling.dispatch import Execution, Handler, Registration, run_each
from webex_webhooks_async.handling.router import Selection
from webex_webhooks_async.handling.suspension import exceptions_in
from webex_webhooks_async.integration.contexts import Jobs, UserContext, UserJobContext
from webex_webhooks_async.integration.users import User
from webex_webhooks_async.models.ids import is_same
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.descriptions import describe, log_debug
from webex_webhooks_async.notifications.identity import PERSON, is_job
from webex_webhooks_async.notifications.lines import line_of_id
from webex_webhooks_async.receiving.lifespan import State

if TYPE_CHECKING:
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
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


class UserSelection(Selection):
    """Chooses the handlers of an integration."""

    failed_is_handled = True
    leaves_line = True

    def __init__(self, jobs: Jobs, opened: Opened, *, is_of_org: bool) -> None:
        self._enqueuing = jobs
        self._opened = opened
        self._is_of_org = is_of_org
        self.handlers: list[UserHandler] = []
        self.jobs: dict[str, Job] = {}
        self.own: dict[str, Callable[[Notification[Any]], Coroutine[Any, Any, None]]] = {}
        self.state: State = State()
        self.hidden: Callable[[], tuple[str, ...]] = tuple
        self.worker: InboxWorker | None = None
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

    def is_own(self, notification: Notification[Any]) -> bool:  # noqa: ARG002 - what users do themselves is news
        return False

    def line_and_owner(self, notification: Notification[Any]) -> tuple[str | None, str | None]:
        return line_of_id(None if self._is_of_org else notification.created_by), None

    def secrets(self) -> tuple[str, ...]:
        return self.hidden()

    def _selected(self, notification: Notification[Any]) -> Sequence[UserHandler]:
        resource, event = notification.resource, notification.event
        return [each for each in self.handlers if each.is_for(resource, event)]

    def _begin_job(self, execution: Execution) -> Execution | None:
        name = execution.notification.event
        job = self.jobs.get(name)
        if job is not None:
            execution.steps = [partial(self._run_job, execution, job)]
            execution.attempts = job.attempts
        elif name in self.own:
            execution.steps = [self.own[name]]
        else:
            return None
        execution.handlers = 1
        execution.route = f"job {name}"
        return execution

    async def _run(
        self, execution: Execution, selected: Sequence[UserHandler], notification: Notification[Any]
    ) -> None:
        if (
            not any(each.in_order for each in selected)
            and await cast("Records", execution.records).leave_line()
        ):
            cast("InboxWorker", self.worker).wake()

        contexts = (
            (each.handler, partial(UserContext[Any], notification=notification, route=each.label))
            for each in selected
        )
        await self._run_as(execution, notification.created_by or "", contexts)

    async def _run_job(
        self, execution: Execution, job: Job, notification: Notification[Any]
    ) -> None:
        data = notification.data
        context = partial(UserJobContext, value=data["value"], key=data.get("id"), route=job.label)
        await self._run_as(execution, data[PERSON], [(job.handler, context)])

    async def _run_as(
        self,
        execution: Execution,
        person_id: str,
        contexts: Iterable[tuple[Handler[Any], Callable[..., Any]]],
    ) -> None:
        """Run handlers as somebody; whoever isn't connected, or ceases to be, needs none."""
        try:
            async with self._opened(person_id) as (user, client):
                given = {"user": user.public, "client": client, "state": self.state}
                for handler, context in contexts:
                    await run_each([handler], context(**given, jobs=self._enqueuing))
        except BaseException as error:
            gone = exceptions_in(error, NotConnectedError)
            if not any(is_same(each.person_id, person_id) for each in gone):
                raise
            logger.info("%s is completed: %s", describe(execution.notification), gone[0])
            execution.handlers, execution.misfit = 0, None
