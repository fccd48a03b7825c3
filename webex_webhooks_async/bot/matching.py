"""Finds the handler of a message, a submission or a job, and what runs around it."""

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from attrs import evolve, frozen

from webex_webhooks_async.applications.jobs import Job
from webex_webhooks_async.bot.access import Access, decision
from webex_webhooks_async.bot.contexts.contexts import (
    Context,
    JobContext,
    Jobs,
    MessageContext,
    SubmissionContext,
)
from webex_webhooks_async.bot.contexts.conversations import Answers, Conversation, context_of
from webex_webhooks_async.bot.contexts.mentions import text_without_mention
from webex_webhooks_async.bot.contexts.questions import Questions
from webex_webhooks_async.bot.schedules import Schedule, Schedules
from webex_webhooks_async.bot.start import NOT_RUNNING, Stage, Startup
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.errors import GoneError, NotFoundError
from webex_webhooks_async.formatting import short_id
from webex_webhooks_async.handling.dispatch import (
    Handler,
    Handlers,
    Handling,
    Placed,
    Registration,
    in_middleware,
    run_each,
    steps_of,
)
from webex_webhooks_async.handling.router import Selection, watched_by
from webex_webhooks_async.models.ids import is_same
from webex_webhooks_async.models.messages import AttachmentAction, Message, Person
from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, OwnedBy, Resource
from webex_webhooks_async.notifications.descriptions import OWN_ACTION, describe, log_debug
from webex_webhooks_async.notifications.identity import is_job, line_of_room, schedule_of
from webex_webhooks_async.receiving.lifespan import State

if TYPE_CHECKING:
    from webex_webhooks_async.bot.catch_up import CatchUp
    from webex_webhooks_async.handling.inbox_worker import InboxWorker
    from webex_webhooks_async.handling.records import Records
    from webex_webhooks_async.inbox.base import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_clock = Clock()  # tests replace it

Find = Callable[[Any], Mapping[str, Any] | None]
"""Returns what a context has in addition, if a text or inputs are for a handler."""


@frozen(eq=False)
class Route(Registration):
    """A handler of messages or of submitted cards, and which ones it handles.

    Attributes:
        find: Recognizes what is for it; `None` if everything is.
        where: Decides by the context whether it is for it; `None` if it always is.
    """

    call: str
    name: str | None = None
    find: Find | None = None
    names: tuple[str, ...] = ()
    where: Callable[[Any], bool | Awaitable[bool]] | None = None

    @property
    def title(self) -> str:
        """How it was registered, for errors."""
        return f"{getattr(self.handler, '__name__', self.handler)} of {self.call}"

    @property
    def label(self) -> str:
        """The label for logs and metrics, such as ``command swap``."""
        kind = self.call.partition("(")[0]
        name = getattr(self.handler, "__name__", type(self.handler).__name__)
        return f"{kind} {self.name or name}"

    def details(self, said: object) -> Mapping[str, Any] | None:
        """Return what the context has in addition; `None` if the handler isn't for it."""
        return {} if self.find is None else self.find(said)


class Checks:
    """Checks that each handler may get something, in the order of registration."""

    def __init__(self) -> None:
        self._taking_all: dict[str | None, Route] = {}
        self._commands: dict[str, Route] = {}
        self._jobs: dict[str, Job] = {}

    def add(self, entry: Registration) -> None:
        """Check the next one; what it costs doesn't depend on how many there are.

        Raises:
            ValueError: It would get nothing.
        """
        if isinstance(entry, Job):
            if self._jobs.setdefault(entry.name, entry) is not entry:
                raise ValueError(f"two handlers are for the job {entry.name!r}: it runs one")
        elif isinstance(entry, Route):
            self._add_route(entry)

    def _add_route(self, route: Route) -> None:
        if other := self._taking_all.get(route.resource):
            raise ValueError(
                f"{route.title} gets nothing, because {other.title} takes everything: register "
                "that last"
            )
        names = [name.lower() for name in route.names]
        for name in names:
            for end in (*(each.start() for each in re.finditer(r"\s", name)), len(name)):
                if other := self._commands.get(name[:end]):
                    raise ValueError(
                        f"{route.title} gets no {name!r}, because {other.title} takes "
                        f"{name[:end]!r} and what follows it: give it another name, or "
                        "register it first"
                    )
        if route.where is None:
            self._commands |= dict.fromkeys(names, route)
            if route.find is None:
                self._taking_all[route.resource] = route


class Routes:
    """The handlers that get a context, found by what it is about.

    A command is found by the first word of a message, and so among the commands that begin with it
    and all other handlers of messages, in the order of registration.

    Args:
        placed: The registered handlers, in their order.

    Attributes:
        labels: The label of each, for logs and metrics; equal ones are numbered.
        jobs: The handlers of jobs, by their names.

    Raises:
        ValueError: A handler would get nothing.
    """

    def __init__(self, placed: Iterable[Placed] = ()) -> None:
        self.labels: dict[Registration, str] = {}
        self.jobs: dict[str, Placed] = {}
        self._by_label: dict[str, Placed] = {}
        self._of_resource: dict[str | None, list[Placed]] = {}
        self._commands: dict[str, list[Placed]] = {}
        self._others: list[Placed] = []  # of messages
        checks, counts = Checks(), Counter[str]()
        for each in placed:
            entry = each.entry
            checks.add(entry)
            if isinstance(entry, Route | Job):
                counts[entry.label] += 1
                number = counts[entry.label]
                label = entry.label if number == 1 else f"{entry.label} {number}"
                self.labels[entry] = label
                self._by_label[label] = each
            if isinstance(entry, Job):
                self.jobs[entry.name] = each
            elif isinstance(entry, Route):
                self._note(each, entry)
        for commands in self._commands.values():
            commands.extend(self._others)
            commands.sort(key=_number_of)

    def _note(self, placed: Placed, route: Route) -> None:
        self._of_resource.setdefault(route.resource, []).append(placed)
        for word in {_first_word(name) for name in route.names}:
            self._commands.setdefault(word, []).append(placed)
        if route.resource == Resource.MESSAGES and not route.names:
            self._others.append(placed)

    def schedules(self) -> list[Schedule]:
        """Return the schedules among the jobs."""
        entries = (each.entry for each in self.jobs.values())
        return [each for each in entries if isinstance(each, Schedule)]

    def labelled(self, label: str) -> Placed | None:
        """Return the one with this label, if there is one here."""
        return self._by_label.get(label)

    def of(self, notification: Notification[Any]) -> Sequence[Placed]:
        """Return those of which one may be for what a notification is about."""
        found = self._of_resource.get(notification.resource, ())
        return found if found and found[0].entry.event == notification.event else ()

    def of_text(self, text: str) -> Sequence[Placed]:
        """Return those of which one may be for a message with this text."""
        return self._commands.get(_first_word(text), self._others)


def _number_of(placed: Placed) -> int:
    return placed.number


def _first_word(text: str) -> str:
    """Return the first word of a text, the same for all that a command takes for the same."""
    first = text.split(None, 1)[:1]
    return "".join(first).translate(_DOTS).casefold()


_DOTS = {0x130: "i", 0x131: "i"}  # re.IGNORECASE takes both for an i, and `casefold` doesn't


class Home(Jobs, Protocol):
    """The bot whose handlers run."""

    client: Client

    @property
    def state(self) -> State:
        """The mapping that its lifespan has yielded."""
        ...


class BotSelection(Selection):
    """Selects the handlers of a bot.

    Args:
        home: The bot.
        startup: Knows who the bot is.
        name: The beginning of the names of its webhooks.
        access: Says who may use it; `None` is everybody.
        error_reply: What to reply to what has failed.
        in_order: Whether what happens in a room is in line.
        inbox: The inbox of questions, if there is one, which another bot may use as well.

    Attributes:
        routes: The handlers that get a context, since the start.
        catch_up: Fetches what the bot has missed, since the start, if it does.
        schedules: Keeps the next times of schedules in the inbox, if there is one.
        asker: Asks questions.
    """

    failed_is_handled = True

    def __init__(  # noqa: PLR0913 - what a bot has
        self,
        home: Home,
        startup: Startup,
        *,
        name: str,
        access: Access | None,
        error_reply: str | None,
        in_order: bool,
        inbox: "Inbox | None",
    ) -> None:
        self._home = home
        self._startup = startup
        self._name = name
        self._access = access
        self._error_reply = error_reply
        self._in_order = in_order
        self._inbox = inbox
        self._may_be_shared = inbox is not None
        self.routes: Routes = Routes()
        self.catch_up: CatchUp | None = None
        self.schedules: Schedules | None = None
        admits = None if access is None else access.is_open_to
        self.asker: Questions = Questions(inbox, in_order=in_order, admits=admits)
        self._worker: InboxWorker | None = None
        self._handlers = Handlers(())
        self._around: tuple[Any, ...] = ()  # the bot's own middleware

    def work_with(self, worker: "InboxWorker") -> None:
        """Use the inbox of the bot's worker, which is made after this."""
        self._worker = worker
        self.schedules = Schedules(worker)

    def prepare(self, placed: Sequence[Placed]) -> None:
        """Take what is registered now.

        Raises:
            ValueError: A handler would get nothing, or a schedule has no inbox.
        """
        self.routes = Routes(placed)
        if self.schedules is None and (schedules := self.routes.schedules()):
            raise ValueError(
                f"the schedule {schedules[0].name!r} needs an inbox: pass one, such as "
                'inbox=SQLiteInbox("inbox.db")'
            )
        self._handlers = Handlers(placed)
        self._around = tuple(placed[0].around[0]) if placed else ()
        if self._access is not None:
            self._access.forget()

    def begin(
        self, notification: Notification[Any], key: str, records: "Records | None" = None
    ) -> Handling | None:
        """Return the handling of a notification or a job.

        The message or submission is fetched first, if that may be for a handler, or an answer. A
        conversation goes on where its handler is.
        """
        handling = Handling(notification)
        handling.records = records
        if is_job(key):
            return self._begin_job(handling)
        known = None if records is None else records.conversation()
        if known and self.routes.labelled(known["route"]) is None:
            return None
        if self.is_own(notification):
            log_debug(OWN_ACTION, notification)
            return None
        routes = self.routes.of(notification)
        may_answer = records is not None and _may_answer(notification)
        if routes and not handling.fits:
            handling.note_misfit()
        if not ((routes or may_answer) and handling.fits):
            return self._handlers.begin(handling)
        handling.steps = in_middleware(self._around, [partial(self._pass_on, handling, routes)])
        return handling

    def is_own(self, notification: Notification[Any]) -> bool:
        # The webhook may be somebody else's, so it matters who the bot is. And a webhook of this
        # name may be of the bot that had another token, or another sandbox, before.
        me = self._startup.me
        is_me = me is not None and is_same(notification.actor_id, me.id)
        return is_me or (
            notification.is_own_action and notification.name.startswith(f"{self._name}:")
        )

    def line_of(self, notification: Notification[Any]) -> str | None:
        data: object = notification.data
        if isinstance(data, MessageData | AttachmentActionData):
            return line_of_room(data.room_id) if self._in_order else None
        return None

    def watched(self, placed: Iterable[Placed]) -> Iterator[tuple[str, str]]:
        """Yield also what answers questions, if a handler may ask some."""
        placed = [*placed]
        yield from watched_by(placed)
        if self._inbox is not None and any(isinstance(each.entry, Route | Job) for each in placed):
            yield Resource.MESSAGES, Event.CREATED
            yield Resource.ATTACHMENT_ACTIONS, Event.CREATED

    def why_not(self) -> str | None:
        """Return why nothing comes in; what comes before the bot knows itself, an inbox stores."""
        if self._startup.stage is Stage.ENDED:
            return NOT_RUNNING
        if self._startup.me is None:
            return _WAITING if self._inbox is None else ""
        return None

    def note_missed(self) -> None:
        if self.catch_up is not None:
            self.catch_up.note()

    def secrets(self) -> tuple[str, ...]:
        return (InternalRequests.of(self._home.client).requester.token_in_use,)

    @property
    def _me(self) -> Person:
        """The bot, which knows itself before it handles anything."""
        return cast("Person", self._startup.me)

    def _begin_job(self, handling: Handling) -> Handling | None:
        notification = handling.notification
        placed, schedule = self.routes.jobs.get(notification.event), schedule_of(notification)
        if placed is None:
            return None
        job = cast("Job", placed.entry)
        if schedule not in {None, job.schedule}:
            return None
        handling.steps = [partial(self._run_job, handling, placed, job)]
        handling.handlers = 1
        handling.route = self.routes.labels[job]
        handling.attempts = job.attempts
        return handling

    async def _run_job(
        self, handling: Handling, placed: Placed, job: Job, notification: Notification[Any]
    ) -> None:
        data = notification.data
        value, due = data["value"], datetime.fromisoformat(data["due"])
        if isinstance(job, Schedule):
            if not await self._may_begin(handling, job, due):
                return
            value, due = job.value, job.times.here(due)
        known = {} if handling.records is None else handling.records.conversation()
        of_each: dict[str, Any] = {"age": known.get("age", age_of(due))}
        context = JobContext(
            value=value,
            key=data.get("id"),
            due=due,
            **(of_each | self._of_each_context(placed)),
        )
        _begin_conversation(handling, context)
        await _run_with(handling, placed, context)

    async def _may_begin(self, handling: Handling, schedule: Schedule, due: datetime) -> bool:
        """Whether a schedule runs: its time may have passed, unless it was enqueued."""
        if schedule_of(handling.notification) is None or not handling.is_first:
            return True
        if self.schedules is None or await self.schedules.begin(schedule, due):
            return True
        handling.handlers = 0
        return False

    async def _pass_on(
        self, handling: Handling, routes: Sequence[Placed], notification: Notification[Any]
    ) -> None:
        """Fetch a message or a submission; run the first handler that is for it, and those of `on`.

        If it can't be fetched, the handlers of `on` have run.
        """
        failure: Exception | None = None
        choice: Choice | None = None, None
        try:
            choice = self._resumed(handling) or await self._choice(
                routes, notification, self._answers_of(handling)
            )
        except Exception as error:  # noqa: BLE001 - it is raised below
            failure = error
        if choice is None:
            return
        await run_each(steps_of(self._selected(handling, *choice), 1), notification)
        if failure is not None:
            raise failure

    def _selected(
        self,
        handling: Handling,
        chosen: Placed | None,
        context: MessageContext | SubmissionContext | None,
    ) -> list[Placed]:
        """Return the chosen handler and those of `on`, in the order of registration."""
        selected = [*self._handlers.select(handling)]
        if chosen is None or context is None:
            return selected
        conversation = _begin_conversation(handling, context)
        if conversation is not None:
            handlers = ((each, conversation.once(each.entry.handler)) for each in selected)
            selected = [_replaced(each, handler) for each, handler in handlers if handler]
        handling.handlers += 1
        handling.route = self.routes.labels[chosen.entry]
        if self._error_reply is not None:
            handling.apology = partial(context.reply, self._error_reply, key=_ERROR_REPLY)
        selected.append(_replaced(chosen, partial(_run_with, handling, chosen, context)))
        return sorted(selected, key=_number_of)

    def _answers_of(self, handling: Handling) -> Answers | None:
        records, data = handling.records, handling.notification.data
        if records is None or records.stored is None:
            return None
        return Answers(records, self._me, data, self.asker.sending)

    def _resumed(self, handling: Handling) -> "Choice | None":
        """Return the handler that has asked, with the context that it had, if one has."""
        records = handling.records
        if records is None or not (known := records.conversation()):
            return None
        placed = cast("Placed", self.routes.labelled(known["route"]))
        of_each = {**self._of_each_context(placed), "age": known["age"]}
        route = cast("Route", placed.entry)
        details = route.details(known["text"]) if "text" in known else None
        match = (details or {}).get("match")
        more = {} if match is None else {"match": match}
        return placed, context_of(known, handling.notification, {**of_each, **more})

    async def _choice(
        self,
        routes: Sequence[Placed],
        notification: Notification[Any],
        answers: Answers | None,
    ) -> "Choice | None":
        """Fetch what a notification is about, and choose its handler; `None` for the bot's own."""
        may_answer = answers is not None and await answers.look()
        if answers is not None and (answers.has_answered or not (routes or may_answer)):
            return None, None
        try:
            fetched = await self._fetched(notification)
        except (NotFoundError, GoneError):
            logger.info("%s is passed over: it is gone", describe(notification))
            self._look_for_another_bot(notification)
            return None, None
        if fetched is None:
            log_debug(OWN_ACTION, notification)
            return None
        if isinstance(fetched.said, str):
            routes = self.routes.of_text(fetched.said)
        choice: Choice = None, None
        if may_answer and answers is not None:
            commands = [each for each in routes if cast("Route", each.entry).names]
            choice = await self._match(commands, fetched)
            is_command, context = choice[0] is not None, self._context(fetched, None, {})
            if await self._has_answered(answers, context, is_command=is_command):
                return None, None
        if choice == (None, None):
            choice = await self._match(routes, fetched)
        placed, chosen = choice
        if placed is None or chosen is None:
            log_debug("%s has no matching handler", notification)
            return None, None
        if answers is not None:
            answers.note_handler()
        return (placed if await self._admits(chosen) else None), chosen

    async def _has_answered(
        self,
        answers: Answers,
        context: MessageContext | SubmissionContext,
        *,
        is_command: bool,
    ) -> bool:
        """Answer a question, if there is one; return whether nothing else handles this."""
        while question := await answers.question_for(context, is_command=is_command):
            if not await self._admits(context):
                return True
            if await answers.answer(question, context):
                cast("InboxWorker", self._worker).wake()
                return True
        return False

    async def _fetched(self, notification: Notification[Any]) -> "_Fetched | None":
        """Fetch what a notification is about; `None` is for the bot's own."""
        fetched = await self._home.client.fetch(notification)
        found = cast("Message | AttachmentAction", fetched)  # its notification says which
        if is_same(found.person_id, self._me.id):
            return None
        given: dict[str, Any] = {"notification": notification, "age": age_of(found.created)}
        if isinstance(found, Message):
            text = text_without_mention(found, self._me.id)
            return _Fetched(text, MessageContext, {**given, "message": found, "text": text})
        return _Fetched(found.inputs or {}, SubmissionContext, {**given, "action": found})

    def _context(
        self, fetched: "_Fetched", placed: Placed | None, details: Mapping[str, Any]
    ) -> MessageContext | SubmissionContext:
        return fetched.kind(**fetched.given, **self._of_each_context(placed), **details)

    async def _match(self, routes: Iterable[Placed], fetched: "_Fetched") -> "Choice":
        """Return the first of some handlers that is for what was said, with what it gets."""
        for placed in routes:
            route = cast("Route", placed.entry)
            details = route.details(fetched.said)
            if details is None:
                continue
            context = self._context(fetched, placed, details)
            where = route.where
            if where is None or await decision(f"where of {route.title}", where, context):
                return placed, context
        return None, None

    async def _admits(self, context: MessageContext | SubmissionContext) -> bool:
        return self._access is None or await self._access.admits(context)

    def _of_each_context(self, placed: Placed | None) -> dict[str, Any]:
        state = State()
        vars(state).update(vars(self._home.state))
        return {
            "client": self._home.client,
            "me": self._me,
            "state": state,
            "route": "" if placed is None else self.routes.labels[placed.entry],
            "jobs": self._home,
            "asker": self.asker,
        }

    def _look_for_another_bot(self, notification: Notification[Any]) -> None:
        """Say once that another bot may use the inbox, if its webhook brought what is gone here."""
        owner, me = notification.created_by, self._me
        if not self._may_be_shared or not owner or notification.owned_by == OwnedBy.ORG:
            return
        if not is_same(owner, me.id):
            self._may_be_shared = False  # which was said
            logger.error(_SHARED, describe(notification), short_id(owner), short_id(me.id))


def age_of(created: datetime | None) -> float:
    """Return for how many seconds something has been there by the clock of this process."""
    return 0.0 if created is None else max(0.0, (_clock.now() - created).total_seconds())


def _may_answer(notification: Notification[Any]) -> bool:
    data: object = notification.data
    return notification.event == Event.CREATED and isinstance(
        data, MessageData | AttachmentActionData
    )


def _begin_conversation(handling: Handling, context: Context) -> Conversation | None:
    if handling.records is None or handling.records.stored is None:
        return None
    return Conversation(handling, handling.records, context)


def _replaced(placed: Placed, handler: Handler[Any]) -> Placed:
    """Put another handler in the place of one."""
    entry = placed.entry
    return evolve(placed, entry=Registration(entry.resource, entry.event, handler))


async def _run_with(handling: Handling, placed: Placed, context: Context, *_: object) -> None:
    """Run a handler with its context, within what runs around it."""
    (step,) = in_middleware(placed.around_context, [placed.entry.handler])
    await step(context)
    if isinstance(handling.conversation, Conversation):
        handling.conversation.warn_of_untaken()


@frozen
class _Fetched:
    """A message or a submission: what it says, and what its context has."""

    said: object
    kind: type[MessageContext] | type[SubmissionContext]
    given: Mapping[str, Any]


Choice = tuple[Placed | None, MessageContext | SubmissionContext | None]
"""The handler that was found, and the context that it gets."""

_WAITING = "the bot isn't ready: it waits for Webex, which hasn't responded since its start"
_ERROR_REPLY = "webex-webhooks:error_reply"  # the key of that reply

_SHARED = (
    "%s is of a webhook that %s made, and %s, this bot, can't read it: if another bot uses the "
    "same inbox, each loses messages of the other; give each one its own: another file, or "
    "another PostgresInbox(schema=...)"
)
