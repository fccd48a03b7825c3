"""Selects what runs for a message, a submission or a job of a bot, and runs it."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from webex_webhooks_async.applications.decisions import decision
from webex_webhooks_async.applications.jobs import Job
from webex_webhooks_async.bot.access import Access
from webex_webhooks_async.bot.contexts.answers import Answers, LostLeaseError
from webex_webhooks_async.bot.contexts.ask_all import SeveralQuestions
from webex_webhooks_async.bot.contexts.contexts import (
    Context,
    JobContext,
    MessageContext,
    SubmissionContext,
    thread_of,
)
from webex_webhooks_async.bot.contexts.conversation_record import ConversationRecord
from webex_webhooks_async.bot.contexts.conversations import Conversation
from webex_webhooks_async.bot.contexts.stream import mark_unended
from webex_webhooks_async.bot.contexts.writing import DELETION
from webex_webhooks_async.bot.fetching import Fetched, Fetcher, Home, NothingLeftError, age_of
from webex_webhooks_async.bot.routes import Route, Routes
from webex_webhooks_async.bot.schedules import Schedule, Schedules
from webex_webhooks_async.bot.start import NOT_RUNNING, Stage, Startup
from webex_webhooks_async.client.environment import PASS_AN_INBOX
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.handling.dispatch import (
    Execution,
    Handler,
    HandlerIndex,
    Placed,
    Registration,
    in_middleware,
    run_each,
    steps_of,
)
from webex_webhooks_async.handling.failures import TooEarly
from webex_webhooks_async.handling.records import CONVERSATION
from webex_webhooks_async.handling.router import Selection
from webex_webhooks_async.models.ids import is_same
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.notifications.descriptions import OWN_ACTION, describe, log_debug
from webex_webhooks_async.notifications.identity import is_job, schedule_of
from webex_webhooks_async.notifications.lines import line_and_owner

if TYPE_CHECKING:
    from webex_webhooks_async.bot.catch_up import CatchUp
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
    from webex_webhooks_async.handling.records import Records
    from webex_webhooks_async.inbox.base import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

Choice = tuple[Placed | None, MessageContext | SubmissionContext | None]
"""The handler that was found, and the context that it gets."""


class BotSelection(Selection):
    """Selects the handlers of a bot."""

    failed_is_handled = True

    def __init__(  # noqa: PLR0913 - what a bot has
        self,
        home: Home,
        startup: Startup,
        *,
        name: str,
        access: Access | None,
        error_reply: str | None,
        inbox: "Inbox | None",
        clock: Clock,
    ) -> None:
        self._home = home
        self._startup = startup
        self._name = name  # the beginning of the names of its webhooks
        self.access: Access | None = access  # says who may use it; None is everybody
        self.error_reply: str | None = error_reply  # what to reply to what has failed
        # the inbox of questions, if there is one, which another bot may use as well
        self._inbox = inbox
        self._clock = clock
        self.routes: Routes = Routes()  # the handlers that get a context, since the start
        # fetches what the bot has missed, since the start, if it does
        self.catch_up: CatchUp | None = None
        # keeps the next times of schedules in the inbox, if there is one
        self.schedules: Schedules | None = None
        admits = None if access is None else access.is_open_to
        self.asker: SeveralQuestions = SeveralQuestions(
            inbox,
            admits=admits,
            is_answered=lambda: self._is_answered(self.routes.labels),
            stop=self._stop,
        )
        self.fetcher: Fetcher = Fetcher(
            home, startup, self.asker, clock, may_be_shared=inbox is not None
        )
        self.worker: InboxWorker | None = None  # the bot's worker, if it has an inbox
        # the handlers that were registered with `on`, since the start
        self.handlers: HandlerIndex = HandlerIndex(())
        self._around: tuple[Any, ...] = ()  # the bot's own middleware

    def _stop(self, numbers: Collection[int]) -> None:
        worker = cast("InboxWorker", self.worker)
        worker.stop(numbers)
        worker.wake()  # what asked is due

    def work_with(self, worker: "InboxWorker") -> None:
        """Use the inbox of the bot's worker, which is made after this."""
        self.worker = worker
        self.schedules = Schedules(worker, self._clock)

    def prepare(self, placed: Sequence[Placed]) -> None:
        """Take what is registered now; a handler that would get nothing is a `ValueError`."""
        self.routes = Routes(placed if self.worker is None else [*placed, _DELETING])
        if self.schedules is None and self.routes.jobs:
            name = next(iter(self.routes.jobs))
            is_schedule = any(each.name == name for each in self.routes.schedules())
            kind = "schedule" if is_schedule else "job"
            raise ValueError(f"the {kind} {name!r} needs an inbox: {PASS_AN_INBOX}")
        self.handlers = HandlerIndex(placed)
        self._around = tuple(placed[0].around[0]) if placed else ()
        if self.access is not None:
            self.access.forget()

    def begin(
        self, notification: Notification[Any], key: str, records: "Records | None" = None
    ) -> Execution | None:
        """Return the execution of a notification or a job.

        The message or submission is fetched first, if that may be for a handler, or an answer. A
        conversation goes on where its handler is.
        """
        execution = Execution(notification)
        execution.records = records
        if records is not None and records.known:
            mark_unended(self._home.client, records)
        record = None if records is None else records.known.get(CONVERSATION)
        known = None if record is None else ConversationRecord.of(record)
        if is_job(key):
            return JobRun.begin(self, execution, known)
        if known is not None and self.routes.labelled(known.began.route) is None:
            return None
        if self.is_own(notification):
            log_debug(OWN_ACTION, notification)
            return None
        routes = self.routes.of(notification)
        may_answer = records is not None and _may_answer(notification)
        if routes and not execution.fits:
            execution.note_misfit()
        if not ((routes or may_answer) and execution.fits):
            return self.handlers.begin(execution)
        run = MessageRun(self, execution, routes, known)
        execution.steps = in_middleware(self._around, [run])
        return execution

    def is_own(self, notification: Notification[Any]) -> bool:
        if notification.resource not in _DONE_BY_BOTS:
            return False  # with a person's token, the bot's owner has done it: recorded a meeting
        # The webhook may be somebody else's, so it matters who the bot is. And a webhook of this
        # name may be of the bot that had another token, or another sandbox, before.
        me = self._startup.me
        is_me = me is not None and is_same(notification.actor_id, me.id)
        return is_me or (
            notification.is_own_action and notification.name.startswith(f"{self._name}:")
        )

    def line_and_owner(self, notification: Notification[Any]) -> tuple[str | None, str | None]:
        me = self._startup.me
        return line_and_owner(notification, None if me is None else me.id)

    def watched(self, placed: Iterable[Placed]) -> Iterator[tuple[str, str]]:
        """Yield also what answers questions, if a handler may ask some."""
        placed = [*placed]
        yield from super().watched(placed)
        if self._inbox is not None and self._is_answered(each.entry for each in placed):
            yield Resource.MESSAGES, Event.CREATED
            yield Resource.ATTACHMENT_ACTIONS, Event.CREATED

    def _is_answered(self, entries: Iterable[object]) -> bool:
        """Whether something may ask: with a person's token, which hears every room, not a job."""
        me = self._startup.me
        is_person = me is not None and me.type == "person"
        return any(isinstance(each, Route if is_person else Route | Job) for each in entries)

    def why_not(self) -> str | None:
        """Return why nothing comes in; what comes before the bot knows itself, an inbox stores."""
        stage, waits_for = self._startup.stage, self._startup.waits_for
        if stage >= Stage.HANDLING:
            return None
        if stage is Stage.ACCEPTING and self._inbox is not None:
            return ""
        return (
            NOT_RUNNING if waits_for is None else f"the bot is starting: it waits for {waits_for}"
        )

    def note_missed(self) -> None:
        if self.catch_up is not None:
            self.catch_up.note()

    def secrets(self) -> tuple[str, ...]:
        return (InternalRequests.of(self._home.client).requester.token_in_use,)


_DONE_BY_BOTS = frozenset(
    {Resource.MESSAGES, Resource.ATTACHMENT_ACTIONS, Resource.MEMBERSHIPS, Resource.ROOMS}
)


async def _delete(context: JobContext) -> None:
    await context.delete(context.value)


_DELETING = Placed(0, Job(None, None, _delete, DELETION, None), (), ())
"""The bot's own handler of messages that are to be deleted later."""


class MessageRun:
    """One run of what is for a message or a submission: the handler that was found, and `on`."""

    def __init__(
        self,
        selection: BotSelection,
        execution: Execution,
        routes: Sequence[Placed],
        known: ConversationRecord | None,
    ) -> None:
        self._selection = selection
        self._fetcher = selection.fetcher
        self._execution = execution
        self._routes = routes  # the handlers that it may be for
        self._known = known  # the record of its conversation, if it has asked

    async def __call__(self, notification: Notification[Any]) -> None:
        """Fetch a message or a submission; run the first handler that is for it, and those of `on`.

        If it can't be fetched, the handlers of `on` have run.
        """
        failure: Exception | None = None
        choice: Choice | None = None, None
        try:
            choice = self._resumed() or await self._choice(notification)
        except LostLeaseError:
            return  # the process that has it now runs what is for it
        except Exception as error:  # noqa: BLE001 - it is raised below
            failure = error
        if choice is None:
            return
        await run_each(steps_of(self._selected(*choice), 1), notification)
        if failure is not None:
            raise failure

    def _resumed(self) -> Choice | None:
        """Return the handler that has asked, with the context that it had, if one has."""
        if self._known is None:
            return None
        began, notification = self._known.began, self._execution.notification
        placed = cast("Placed", self._selection.routes.labelled(began.route))
        given: dict[str, Any] = {**self._fetcher.of_each(began.route), "age": began.age}
        if began.message is not None:
            details = cast("Route", placed.entry).details(began.text) or {}
            given |= {"match": details["match"]} if "match" in details else {}
        return placed, began.context(notification, **given)

    async def _choice(self, notification: Notification[Any]) -> Choice | None:
        """Fetch what a notification is about, and choose its handler; `None` for the bot's own."""
        routes, answers = self._routes, self._answers()
        may_answer = answers is not None and await answers.look()
        if answers is not None and (answers.has_answered or not (routes or may_answer)):
            return None, None
        try:
            fetched = await self._fetcher.fetch(notification)
        except NothingLeftError:
            return None, None
        if fetched is None:
            return None
        if isinstance(fetched.said, str):
            routes = self._selection.routes.of_text(fetched.said)
        choice: Choice = None, None
        if may_answer and answers is not None:
            commands = [each for each in routes if cast("Route", each.entry).names]
            choice = await self._match(commands, fetched)
            is_command, context = choice[0] is not None, self._fetcher.context(fetched)
            if await self._has_answered(answers, context, is_command=is_command):
                return None, None
            if answers.is_too_early(context):
                raise TooEarly
        if choice == (None, None):
            choice = await self._match(routes, fetched)
        return await self._begun(*choice)

    async def _begun(
        self, placed: Placed | None, chosen: MessageContext | SubmissionContext | None
    ) -> Choice:
        """Return a choice without the handler, if it may not begin; note that it was chosen."""
        if placed is None or chosen is None:
            log_debug("%s has no matching handler", self._execution.notification)
            return None, None
        records, execution = self._execution.records, self._execution
        if records is not None:
            if records.is_stopped and execution.is_first:
                logger.info("%s is stopped before it began", describe(execution.notification))
                return None, chosen
            records.note_chosen()
        if not await self._admits(chosen):
            return None, chosen
        await thread_of(chosen)  # so that it is known to the handler
        records, in_order = self._execution.records, cast("Route", placed.entry).in_order
        if not in_order and records is not None and await records.leave_line():
            cast("InboxWorker", self._selection.worker).wake()
        return placed, chosen

    def _answers(self) -> Answers | None:
        """Return what this may answer: nothing, if it is in no line."""
        records, data = self._execution.records, self._execution.notification.data
        if records is None or records.stored is None or records.stored[1].line is None:
            return None
        return Answers(records, self._fetcher.me, data)

    async def _has_answered(
        self, answers: Answers, context: MessageContext | SubmissionContext, *, is_command: bool
    ) -> bool:
        """Answer a question, if there is one; return whether nothing else handles this."""
        while question := await answers.question_for(context, is_command=is_command):
            if not await self._admits(context):
                return True
            if await answers.answer(question, context):
                cast("InboxWorker", self._selection.worker).wake()
                return True
        return False

    async def _match(self, routes: Iterable[Placed], fetched: Fetched) -> Choice:
        """Return the first of some handlers that is for what was said, with what it gets."""
        for placed in routes:
            route = cast("Route", placed.entry)
            details = route.details(fetched.said)
            if details is None:
                continue
            label = self._selection.routes.labels[route]
            context, where = self._fetcher.context(fetched, label, details), route.where
            if where is None or await decision(f"where of {route.title}", where, context):
                return placed, context
        return None, None

    async def _admits(self, context: MessageContext | SubmissionContext) -> bool:
        access = self._selection.access
        return access is None or await access.admits(context)

    def _selected(
        self, chosen: Placed | None, context: MessageContext | SubmissionContext | None
    ) -> list[Placed]:
        """Return the chosen handler and those of `on`, in the order of registration."""
        execution = self._execution
        selected = [*self._selection.handlers.select(execution)]
        if chosen is None or context is None:
            return selected
        conversation = _begin_conversation(execution, context, self._known)
        if conversation is not None:
            handlers = ((each, conversation.once(each.entry.handler)) for each in selected)
            selected = [_replaced(each, handler) for each, handler in handlers if handler]
        execution.handlers += 1
        execution.route = context.route
        if (reply := self._selection.error_reply) is not None:
            execution.apology = partial(context.reply, reply, key=_ERROR_REPLY)
        selected.append(_replaced(chosen, partial(_run_with, conversation, chosen, context)))
        return sorted(selected, key=lambda each: each.number)


class JobRun:
    """One run of a job."""

    def __init__(
        self,
        selection: BotSelection,
        execution: Execution,
        placed: Placed,
        known: ConversationRecord | None,
    ) -> None:
        self._selection = selection
        self._execution = execution
        self._placed = placed
        self._known = known  # the record of its conversation, if it has asked

    @classmethod
    def begin(
        cls, selection: BotSelection, execution: Execution, known: ConversationRecord | None
    ) -> Execution | None:
        """Return the execution of a job with what runs; `None` if it isn't registered here."""
        notification = execution.notification
        placed = selection.routes.jobs.get(notification.event)
        if placed is None:
            return None
        job = cast("Job", placed.entry)
        if schedule_of(notification) not in {None, job.schedule}:
            return None
        execution.steps = [cls(selection, execution, placed, known)]
        execution.handlers = 1
        execution.route = selection.routes.labels[job]
        execution.attempts = job.attempts
        return execution

    async def __call__(self, notification: Notification[Any]) -> None:
        """Run the handler, unless it is of a schedule whose time has passed."""
        data, job = notification.data, self._placed.entry
        value, due = data["value"], datetime.fromisoformat(data["due"])
        if isinstance(job, Schedule):
            if not await self._may_begin(job, due):
                return
            value, due = job.value, job.times.here(due)
        fetcher = self._selection.fetcher
        age = age_of(due, fetcher.clock.now()) if self._known is None else self._known.began.age
        given = fetcher.of_each(self._execution.route)
        context = JobContext(value=value, key=data.get("id"), due=due, age=age, **given)
        conversation = _begin_conversation(self._execution, context, self._known)
        await _run_with(conversation, self._placed, context)

    async def _may_begin(self, schedule: Schedule, due: datetime) -> bool:
        """Whether a schedule runs: its time may have passed, unless it was enqueued."""
        execution, schedules = self._execution, self._selection.schedules
        if schedule_of(execution.notification) is None or not execution.is_first:
            return True
        if schedules is None or await schedules.begin(schedule, due):
            return True
        execution.handlers = 0
        return False


def _may_answer(notification: Notification[Any]) -> bool:
    data: object = notification.data
    return notification.event == Event.CREATED and isinstance(
        data, MessageData | AttachmentActionData
    )


def _begin_conversation(
    execution: Execution, context: Context, known: ConversationRecord | None
) -> Conversation | None:
    if execution.records is None or execution.records.stored is None:
        return None
    return Conversation(execution, execution.records, context, known)


def _replaced(placed: Placed, handler: Handler[Any]) -> Placed:
    """Put another handler in the place of one."""
    entry = Registration(placed.entry.resource, placed.entry.event, handler)
    return Placed(placed.number, entry, placed.around, placed.around_context)


async def _run_with(
    conversation: Conversation | None, placed: Placed, context: Context, *_: object
) -> None:
    """Run a handler with its context, within what runs around it."""
    (step,) = in_middleware(placed.around_context, [placed.entry.handler])
    if conversation is None:
        await step(context)
    else:
        await conversation.suspension.stop.run(step(context))
        conversation.warn_of_untaken()


_ERROR_REPLY = "webex-webhooks:error_reply"  # the key of that reply
