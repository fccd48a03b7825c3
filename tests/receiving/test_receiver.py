import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import pytest
from starlette.exceptions import HTTPException

from tests.bot.doubles import raising
from tests.notifications.doubles import (
    MESSAGE_DATA,
    SECRET,
    DownError,
    ReceiverUnderTest,
    UnspeakableError,
    body_of,
    deliver,
    distinct,
    lose,
    signed,
)
from tests.support.logs import Log
from tests.support.refusals import refused
from tests.support.wire import PATIENCE, until
from webex_webhooks_async.errors import PayloadError, SignatureError
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.notifications.signatures import SignatureAlgorithm, sign
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.types import CallNext

pytestmark = pytest.mark.usefixtures("tasks")

BODY = body_of()
MISFIT = body_of({**MESSAGE_DATA, "personId": None})
WHICH = "messages created MESSAGE of webhook WEBHOOK"
NOT_NEGATIVE = (
    "ValueError: respond_within must be a number of seconds, such as 30, or a timedelta, not"
)


async def delivered_again(bot: ReceiverUnderTest) -> int:
    """Open a closed receiver, and deliver to it; return the status."""
    async with bot.receiver:
        return await deliver(bot.receiver)


async def cancelled(request: asyncio.Task[int]) -> None:
    """Cancel a request, and wait for its end."""
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


class TestDispatch:
    @pytest.mark.parametrize(
        ("resource", "event", "expected"),
        [
            ("messages", "created", ["all", "messages", "messages created", "created"]),
            ("messages", "deleted", ["all", "messages", "deleted"]),
            ("memberships", "created", ["all", "created", "text"]),
            ("telepathy", "pondered", ["all"]),
        ],
    )
    async def test_handlers_run_in_order(
        self, resource: str, event: str, expected: list[str]
    ) -> None:
        """Handlers of the resource, the event, both or all run in their order of registration."""
        receiver, ran = Receiver(SECRET), list[str]()

        async def note(name: str, _: Notification[Any]) -> None:
            ran.append(name)

        receiver.on()(partial(note, "all"))
        receiver.on(Resource.MESSAGES)(partial(note, "messages"))
        receiver.on(Resource.MESSAGES, Event.CREATED)(partial(note, "messages created"))
        receiver.on(event="deleted")(partial(note, "deleted"))
        receiver.on(event=Event.CREATED)(partial(note, "created"))
        receiver.on("memberships", "created")(partial(note, "text"))

        assert await deliver(receiver, body_of(resource=resource, event=event)) == 204
        assert ran == expected

    async def test_a_notification_needs_no_task(self) -> None:
        """By default nothing waits for the event loop: a task would cost more than all the rest."""
        bot = ReceiverUnderTest()
        before = asyncio.all_tasks()

        with pytest.raises(StopIteration) as ended:
            bot.receiver.handle(*signed(BODY)).send(None)

        assert (ended.value.value, bot.done) == (204, ["MESSAGE"])
        assert asyncio.all_tasks() == before

    @pytest.mark.parametrize(
        ("ignore", "actor", "runs"), [(True, "BOT", 0), (False, "BOT", 2), (True, "PERSON", 2)]
    )
    async def test_own_actions_can_be_ignored(self, *, ignore: bool, actor: str, runs: int) -> None:
        """With `ignore_own_actions`, what the bot itself did is ignored, also by `dispatch`."""
        bot = ReceiverUnderTest(ignore_own_actions=ignore)
        body = body_of(actorId=actor)

        assert await deliver(bot.receiver, body) == 204
        await bot.receiver.dispatch(parse_unverified_notification(body))
        assert len(bot.done) == runs


class TestRegistration:
    async def test_a_handler_stays_what_it_is(self) -> None:
        """A registered function can still be called, and can be registered again."""
        receiver, got = Receiver(SECRET), list[object]()

        @receiver.on("memberships")
        @receiver.on("messages", "deleted")
        async def note(notification: object) -> None:
            got.append(notification)

        await note("called")
        await deliver(receiver, body_of(resource="memberships"))
        await deliver(receiver, body_of(event="deleted"))

        assert got[0] == "called"
        assert len(got) == 3

    @pytest.mark.parametrize("handler", [print, len, ReceiverUnderTest, "text", None])
    def test_a_handler_is_async(self, handler: Any) -> None:  # noqa: ANN401 - mistakes
        """A handler that isn't async is refused when it is registered."""
        with pytest.raises(TypeError, match=r"must be an async function, got .*: write async def$"):
            Receiver(SECRET).on(Resource.MESSAGES)(handler)

    def test_on_is_called(self) -> None:
        """The error for a decorator without parentheses says what to write."""
        with pytest.raises(TypeError, match=r"write on\(\)"):

            @Receiver(SECRET).on  # type: ignore[call-overload, untyped-decorator, unused-ignore] # pyright: ignore[reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator] - the mistake
            async def handler(_: Notification[Any]) -> None: ...

    @pytest.mark.parametrize(
        "words", [("all",), ("messages", "all"), (Resource.ALL, Event.ALL), ("",)]
    )
    def test_a_word_that_no_notification_has_is_refused(self, words: tuple[str, ...]) -> None:
        """A handler that would never run is refused, and the error says what to write."""
        with pytest.raises(ValueError, match="leave it out"):
            Receiver(SECRET).on(*words)

    async def test_refused_requests_do_not_end_registration(self) -> None:
        """After a request that isn't a notification, handlers can still be registered."""
        bot = ReceiverUnderTest()
        await bot.receiver.handle(BODY, {})
        await deliver(bot.receiver, b"[]")
        bot.receiver.on(Resource.MESSAGES)(bot.run)
        await deliver(bot.receiver)

        assert bot.done == ["MESSAGE", "MESSAGE"]


class TestRefusal:
    @pytest.mark.parametrize(
        ("body", "headers", "status"),
        [
            (BODY, {}, 401),
            (BODY, sign(BODY, "another"), 401),
            (BODY + b" ", sign(BODY, SECRET), 401),
            (b"[]", {}, 401),
            (b"[]", sign(b"[]", SECRET), 400),
            (b"\xef\xbb\xbf{}", sign(b"\xef\xbb\xbf{}", SECRET), 400),
            (b"[" * 10_000, sign(b"[" * 10_000, SECRET), 400),
            (b" " * 10_000_000, {}, 413),
        ],
    )
    async def test_no_notification(self, body: bytes, headers: dict[str, str], status: int) -> None:
        """A request that isn't signed, or isn't a notification, runs no handler."""
        bot = ReceiverUnderTest()

        assert await bot.receiver.handle(body, headers) == status
        assert bot.started == []

    async def test_the_minimum_is_enforced(self) -> None:
        """A signature of a weaker algorithm than `minimum_algorithm` is refused."""
        bot = ReceiverUnderTest(minimum_algorithm=SignatureAlgorithm.SHA256)
        headers = sign(BODY, SECRET)
        weak = {"X-Spark-Signature": headers["X-Spark-Signature"]}

        assert await bot.receiver.handle(BODY, headers) == 204
        assert await bot.receiver.handle(BODY, weak) == 401

    @pytest.mark.parametrize("body", [None, BODY.decode(), bytearray(BODY), 5])
    async def test_a_body_that_is_not_bytes_is_a_mistake(self, body: Any) -> None:  # noqa: ANN401 - mistakes
        """A body of another type is a `TypeError` that says what to pass."""
        with pytest.raises(TypeError, match=f"got {type(body).__name__}: pass the raw bytes"):
            await ReceiverUnderTest().receiver.handle(body, {})

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"max_pending": 0}, "ValueError: max_pending must be at least 1, got 0"),
            ({"max_pending": 5}, "ValueError: max_pending needs respond_within or an inbox"),
            ({"max_body": 0}, "ValueError: max_body must be at least 1, got 0"),
            ({"secrets": []}, "ValueError: pass the secret that the webhook was created with"),
            ({"secrets": {"webhook": SECRET}}, "TypeError: secrets must be str or Iterable, got d"),
            ({"max_pending": "5"}, "TypeError: max_pending must be int, got str"),
            ({"max_body": None}, "TypeError: max_body must be int, got NoneType"),
            ({"minimum_algorithm": "sha256"}, "TypeError: minimum_algorithm must be SignatureAlgo"),
            ({"on_error": 5}, "TypeError: on_error must be a function, got 5"),
            ({"ignore_own_actions": "no"}, "TypeError: ignore_own_actions must be True or False,"),
        ],
    )
    def test_wrong_arguments_are_refused(self, options: dict[str, Any], error: str) -> None:
        """A receiver that couldn't work isn't made, and the error names the argument."""
        options = {"secrets": SECRET, **options}
        with refused(error):
            Receiver(**options)


class TestFailure:
    @pytest.mark.parametrize(
        "error",
        [
            ValueError("broken"),
            SignatureError("missing"),
            PayloadError(["$: broken"]),
            HTTPException(404),
            TimeoutError(),
            asyncio.CancelledError(),
        ],
    )
    async def test_a_failed_notification_comes_again(self, error: BaseException) -> None:
        """Whatever a handler raises ends the run with 500; the next delivery runs all of them."""
        bot = ReceiverUnderTest()
        bot.errors = [error]
        bot.receiver.on(Resource.MESSAGES)(bot.run)

        assert [await deliver(bot.receiver) for _ in range(3)] == [500, 204, 204]
        assert (len(bot.started), len(bot.done)) == (3, 2)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
    async def test_what_ends_the_process_releases_its_claim(
        self, error: type[BaseException]
    ) -> None:
        """It is raised, and the claim is released."""
        bot = ReceiverUnderTest()
        bot.errors = [error()]

        with pytest.raises(error):
            await deliver(bot.receiver)

        assert await deliver(bot.receiver) == 204
        assert bot.done == ["MESSAGE"]

    async def test_a_notification_forges_no_line_of_the_log(self, caplog: Log) -> None:
        """The record of a failure has the traceback, and names the notification in one line."""
        bot = ReceiverUnderTest()
        error = ValueError("broken")
        bot.errors = [error]
        await deliver(bot.receiver, body_of(id="W\n\x1b[2J"))

        (record,) = caplog.records

        assert record.getMessage() == (
            "a handler of messages created MESSAGE of webhook W\\n\\x1b[2J failed"
        )
        assert record.exc_info
        assert record.exc_info[1] is error
        fields = fields_of(record)
        assert fields.pop("webex_duration_ms") is not None
        assert fields == {
            "webex_resource": "messages",
            "webex_event": "created",
            "webex_webhook_id": "W\\n\\x1b[2J",
            "webex_data_id": "MESSAGE",
        }

    @pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(2), UnspeakableError()])
    @pytest.mark.parametrize("is_async", [True, False])
    async def test_on_error_gets_a_failure(
        self, caplog: Log, error: BaseException, *, is_async: bool
    ) -> None:
        """A plain or an async one gets each failure, also a `SystemExit`, as the cause of one."""
        failures: list[tuple[Exception, str]] = []

        def report(error: Exception, notification: Notification[Any]) -> None:
            failures.append((error, notification.id))

        async def report_async(error: Exception, notification: Notification[Any]) -> None:
            await asyncio.sleep(0)
            report(error, notification)

        bot = ReceiverUnderTest(on_error=report_async if is_async else report)
        bot.errors = [error]

        assert await deliver(bot.receiver) == 500
        ((failure, webhook_id),) = failures
        assert webhook_id == "WEBHOOK"
        assert failure is error or (failure.__cause__ is error and isinstance(error, SystemExit))
        assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [failure]

    @pytest.mark.parametrize(
        "error", [LookupError("unreachable"), asyncio.CancelledError(), SystemExit(2)]
    )
    async def test_a_failure_of_on_error_is_logged(self, caplog: Log, error: BaseException) -> None:
        """If `on_error` fails too, both failures are logged, and the notification comes again."""

        async def report(_: Exception, notification: Notification[Any]) -> None:
            raise error

        bot = ReceiverUnderTest(on_error=report)
        bot.errors = [ValueError("broken")]

        assert [await deliver(bot.receiver), await deliver(bot.receiver)] == [500, 204]
        _, record = caplog.records

        assert record.getMessage() == f"on_error failed for {WHICH}"
        assert type(error).__name__ in caplog.text
        assert "broken" in caplog.text


class TestMisfits:
    PROBLEM = "$.data.personId: expected a string, got null"
    DATA: ClassVar[Mapping[str, Any]] = {**MESSAGE_DATA, "personId": None}

    @pytest.mark.parametrize(
        ("handlers", "statuses", "ran"),
        [
            ([("messages", "created"), ("messages",)], [500, 500], []),
            ([(), (None, "created"), ("messages", "deleted"), ("rooms",)], [204, 204], [0, 1]),
            ([(), ("messages",), ()], [500, 500], [0, 2, 0, 2]),
        ],
        ids=["typed handlers", "handlers of everything", "both"],
    )
    async def test_only_handlers_of_everything_get_it(
        self, caplog: Log, handlers: list[tuple[Any, ...]], statuses: list[int], ran: list[int]
    ) -> None:
        """Those without a resource get what was sent, each time; if there are others, it fails."""
        receiver = Receiver(SECRET)
        on: Any = receiver.on
        got, around = list[tuple[int, object]](), list[object]()

        async def note(number: int, notification: Notification[Any]) -> None:
            got.append((number, notification.data))

        @receiver.middleware
        async def note_too(notification: Notification[Any], call_next: CallNext) -> None:
            around.append(notification)
            await call_next()

        for number, words in enumerate(handlers):
            on(*words)(partial(note, number))

        assert [await deliver(receiver, MISFIT) for _ in statuses] == statuses
        assert got == [(number, self.DATA) for number in ran]
        assert len(around) == ran.count(0)
        assert [each.levelname for each in caplog.records] == ["ERROR"] * statuses.count(500)
        advice = "(a handler of on() without a resource gets the data as it came)"
        text = f"{WHICH} is not passed to the handlers of its resource: {self.PROBLEM} {advice}"
        assert {*caplog.messages} <= {text}

    @pytest.mark.parametrize("seconds", [0, None])
    async def test_on_error_gets_the_problems(self, caplog: Log, *, seconds: float | None) -> None:
        """`on_error` gets a `PayloadError` with the path of each problem."""
        failures: list[tuple[Exception, object]] = []

        def report(error: Exception, notification: Notification[Any]) -> None:
            failures.append((error, notification.data))

        bot = ReceiverUnderTest(on_error=report, respond_within=seconds)

        assert await deliver(bot.receiver, MISFIT) == (500 if seconds is None else 204)
        await bot.receiver.aclose()
        ((error, data),) = failures

        assert isinstance(error, PayloadError)
        assert (error.problems, data) == ((self.PROBLEM,), self.DATA)
        assert [record.levelname for record in caplog.records] == ["ERROR"]

    async def test_a_handler_that_fails_first_is_the_failure(self, caplog: Log) -> None:
        """If a handler without a resource fails, the run ends there, as for any other failure."""
        receiver = Receiver(SECRET)
        receiver.on("messages")(receiver.on()(raising(LookupError)))
        assert await deliver(receiver, MISFIT) == 500
        assert caplog.messages == [f"a handler of {WHICH} failed"]


class TestDuplicates:
    async def test_fifty_copies_at_once(self) -> None:
        """Of fifty copies that arrive at once, one runs the handlers; the others don't wait."""
        bot = ReceiverUnderTest()
        bot.may_end.clear()
        requests = [asyncio.create_task(deliver(bot.receiver)) for _ in range(50)]
        await until(lambda: sum(each.done() for each in requests) == 49)
        bot.may_end.set()

        assert await asyncio.gather(*requests, deliver(bot.receiver)) == [204] * 51
        assert await deliver(bot.receiver, distinct(1)) == 204
        assert bot.done == ["MESSAGE", "MESSAGE-1"]

    async def test_each_receiver_has_a_memory_of_its_own(self) -> None:
        """A copy that comes to another receiver is handled there as well."""
        bots = [ReceiverUnderTest(), ReceiverUnderTest()]

        assert [await deliver(each.receiver) for each in bots * 2] == [204] * 4
        assert [len(each.done) for each in bots] == [1, 1]

    async def test_a_message_is_known_by_its_id(self) -> None:
        """A copy with another body is one, also of another webhook of the same creator."""
        bot = ReceiverUnderTest()
        bodies = [
            BODY,
            body_of(id="ANOTHER", name="another webhook"),
            body_of({**MESSAGE_DATA, "text": "of a later release"}),
            body_of(createdBy="another person"),
        ]

        assert [await deliver(bot.receiver, each) for each in bodies] == [204] * 4
        assert bot.done == ["MESSAGE", "MESSAGE"]


class TestCancellation:
    async def test_a_cancelled_request_comes_again(self) -> None:
        """Its handler is cancelled; while that cleans up, a copy isn't handled, and later it is."""
        receiver = Receiver(SECRET)
        cleaning, may_end = asyncio.Event(), asyncio.Event()
        runs: list[str] = []

        @receiver.on()
        async def clean_up(_: Notification[Any]) -> None:
            runs.append("run")
            try:
                if len(runs) == 1:
                    await asyncio.Event().wait()
            finally:
                cleaning.set()
                await may_end.wait()

        request = asyncio.create_task(deliver(receiver))
        await until(lambda: bool(runs))
        request.cancel()
        await cleaning.wait()

        assert await deliver(receiver) == 204
        assert len(runs) == 1
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await request

        assert [await deliver(receiver), await deliver(receiver)] == [204, 204]
        assert len(runs) == 2

    async def test_cancelled_while_on_error_runs(self) -> None:
        """A cancelled request is cancelled in `on_error`, too, and leaves no claim behind."""
        reporting = asyncio.Event()

        async def report(_: Exception, notification: Notification[Any]) -> None:
            reporting.set()
            await asyncio.Event().wait()

        bot = ReceiverUnderTest(on_error=report)
        bot.errors = [ValueError()]
        request = asyncio.create_task(deliver(bot.receiver))
        await reporting.wait()
        await cancelled(request)

        assert await deliver(bot.receiver) == 204


class TestRespondWithin:
    @pytest.mark.parametrize(
        ("error", "status"),
        [(None, 204), (ValueError("broken"), 500), (asyncio.CancelledError(), 500)],
    )
    async def test_handlers_that_are_done_in_time(
        self, error: BaseException | None, status: int
    ) -> None:
        """The response knows the outcome, and what failed comes again."""
        bot = ReceiverUnderTest(respond_within=PATIENCE)
        bot.errors = [] if error is None else [error]

        assert [await deliver(bot.receiver), await deliver(bot.receiver)] == [status, 204]
        assert bot.done == ["MESSAGE"]

    async def test_handlers_that_take_longer(self) -> None:
        """The response is 204, they go on; what fails then is reported, and a copy is handled."""
        reported: list[Exception] = []

        def report(error: Exception, _: object) -> None:
            reported.append(error)

        bot = ReceiverUnderTest(respond_within=timedelta(milliseconds=10), on_error=report)
        bot.may_end.clear()
        bot.errors = [ValueError("too late")]

        assert [await deliver(bot.receiver), await deliver(bot.receiver)] == [204, 204]
        assert (bot.started, bot.done, reported) == (["MESSAGE"], [], [])
        bot.may_end.set()
        await until(lambda: bool(reported))
        await bot.receiver.aclose()
        assert await delivered_again(bot) == 204

        assert bot.done == ["MESSAGE"]

    async def test_those_within_their_seconds_count(self) -> None:
        """They are unfinished, as those are that have got their response."""
        bot = ReceiverUnderTest(respond_within=PATIENCE, max_pending=2)
        bot.may_end.clear()
        requests = [asyncio.create_task(deliver(bot.receiver, distinct(each))) for each in (1, 2)]
        await until(lambda: len(bot.started) == 2)

        assert await deliver(bot.receiver, distinct(3)) == 503
        bot.may_end.set()
        assert await asyncio.gather(*requests) == [204, 204]

    async def test_a_cancelled_request(self) -> None:
        """The handlers go on, and a copy counts as one."""
        bot = ReceiverUnderTest(respond_within=PATIENCE)
        bot.may_end.clear()
        request = asyncio.create_task(deliver(bot.receiver))
        await until(lambda: bool(bot.started))
        await cancelled(request)
        bot.may_end.set()
        await bot.receiver.aclose()
        assert await delivered_again(bot) == 204

        assert bot.done == bot.started == ["MESSAGE"]

    @pytest.mark.parametrize(
        ("value", "error"),
        [
            (-1, NOT_NEGATIVE),
            (float("nan"), NOT_NEGATIVE),
            (float("inf"), NOT_NEGATIVE),
            (False, "TypeError: respond_within must be float or int or timedelta, got bool"),
            (True, "TypeError: respond_within must be float or int or timedelta, got bool"),
            ("", "TypeError: respond_within must be float or int or timedelta, got str"),
            ("5", "TypeError: respond_within must be float or int or timedelta, got str"),
        ],
    )
    def test_wrong_values(self, value: Any, error: str) -> None:  # noqa: ANN401 - wrong on purpose
        """What is no number of seconds is refused."""
        with refused(error):
            Receiver(SECRET, respond_within=value)

    async def test_the_response_comes_first(self) -> None:
        """`handle` returns before a handler runs, and several callers may wait for the end."""
        bot = ReceiverUnderTest(respond_within=0)
        bot.may_end.clear()

        assert await deliver(bot.receiver) == 204
        assert bot.started == []
        await until(lambda: bool(bot.started))

        assert bot.done == []
        bot.may_end.set()
        await asyncio.gather(bot.receiver.aclose(), bot.receiver.aclose())
        await bot.receiver.aclose()

        assert bot.done == ["MESSAGE"]

    async def test_no_more_than_was_asked_for_is_pending(self, caplog: Log) -> None:
        """The response beyond `max_pending` is 503, for a copy 204; later ones are accepted."""
        bot = ReceiverUnderTest(respond_within=0, max_pending=2)
        bot.may_end.clear()

        statuses = [await deliver(bot.receiver, distinct(each)) for each in (1, 2, 3, 1)]

        assert statuses == [204, 204, 503, 204]
        assert "MESSAGE-3 of webhook WEBHOOK is not handled: too much is pending" in caplog.text
        bot.may_end.set()
        await until(lambda: not bot.receiver._direct._pending)  # pyright: ignore[reportPrivateUsage] - nothing public shows it

        assert await deliver(bot.receiver, distinct(3)) == 204
        await bot.receiver.aclose()

        assert bot.done == ["MESSAGE-1", "MESSAGE-2", "MESSAGE-3"]

    @pytest.mark.parametrize("options", [{"respond_within": 0}, {}])
    async def test_a_closed_receiver_accepts_nothing(
        self, caplog: Log, *, options: dict[str, Any]
    ) -> None:
        """The response of a closed receiver is 503; when it is opened again, it accepts again."""
        bot = ReceiverUnderTest(**options)
        await bot.receiver.aclose()

        assert await deliver(bot.receiver) == 503
        assert caplog.messages[0].endswith("is not handled: the receiver is shutting down")
        assert bot.started == []
        assert await delivered_again(bot) == 204

        assert bot.done == ["MESSAGE"]

    async def test_the_end_of_the_event_loop(self) -> None:
        """An accepted notification whose task is cancelled leaves no claim behind."""
        before = asyncio.all_tasks()
        bot = ReceiverUnderTest(respond_within=0)
        bot.may_end.clear()
        await deliver(bot.receiver)
        await until(lambda: bool(bot.started))
        for pending in asyncio.all_tasks() - before:
            pending.cancel()
        await bot.receiver.aclose()
        bot.may_end.set()
        assert await delivered_again(bot) == 204

        assert bot.done == ["MESSAGE"]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("seconds", [0, PATIENCE, None])
    async def test_an_event_loop_that_ended_before_its_handlers(
        self, caplog: Log, seconds: float | None
    ) -> None:
        """They never end: closing doesn't wait, they aren't pending, and a copy is handled."""
        caplog.set_level(logging.CRITICAL)  # asyncio reports each task that was lost
        bot = ReceiverUnderTest(respond_within=seconds, max_pending=... if seconds is None else 1)
        began: list[str] = []

        @bot.receiver.middleware
        async def hang(_: Notification[Any], call_next: CallNext) -> None:
            began.append("began")
            if len(began) == 1:
                await asyncio.Event().wait()
            await call_next()

        await asyncio.to_thread(lose, deliver(bot.receiver), lambda: bool(began))

        assert await deliver(bot.receiver, distinct(1)) == 204
        await until(lambda: not bot.receiver._direct._pending)  # pyright: ignore[reportPrivateUsage] - nothing public shows it
        assert await deliver(bot.receiver) == 204
        async with asyncio.timeout(PATIENCE):
            await bot.receiver.aclose()
        assert bot.done == ["MESSAGE-1", "MESSAGE"]
        gc.collect()


class TestClosing:
    async def test_closing_waits_for_handlers(self) -> None:
        """It waits for them, not for the task around them; it can be cancelled, and be repeated."""
        bot = ReceiverUnderTest()
        bot.may_end.clear()
        may_go_on = asyncio.Event()

        async def serve() -> int:
            status = await deliver(bot.receiver)
            await may_go_on.wait()
            return status

        serving = asyncio.create_task(serve())
        await until(lambda: bool(bot.started))
        closing = asyncio.create_task(bot.receiver.aclose())
        for _ in range(10):
            await asyncio.sleep(0)

        assert not closing.done()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        bot.may_end.set()
        await bot.receiver.aclose()

        assert bot.done == ["MESSAGE"]
        may_go_on.set()
        assert await serving == 204

    @pytest.mark.parametrize("seconds", [0, None])
    @pytest.mark.parametrize("in_a_task", [True, False])
    async def test_it_is_an_error(self, *, seconds: float | None, in_a_task: bool) -> None:
        """A handler that closes its receiver, and `on_error` too, get an error at once."""
        errors: list[str] = []

        async def close(*_: object) -> None:
            closing = bot.receiver.aclose()
            try:
                await (asyncio.create_task(closing) if in_a_task else closing)
            except RuntimeError as error:
                errors.append(str(error))
                raise

        bot = ReceiverUnderTest(respond_within=seconds, on_error=close)
        bot.receiver.on()(close)
        status = await deliver(bot.receiver)
        await bot.receiver.aclose()

        assert status == (500 if seconds is None else 204)
        assert len(errors) == 2
        assert all("a handler can't close its own receiver" in each for each in errors)

    async def test_a_handler_that_delivers(self) -> None:
        """A handler whose receiver waits for another handler that closes it isn't hung up."""
        bot = ReceiverUnderTest()
        inner = body_of(resource="rooms")
        statuses: list[int] = []

        @bot.receiver.on("memberships")
        async def pass_on(_: Notification[Any]) -> None:
            statuses.append(await deliver(other.receiver, inner))

        other = ReceiverUnderTest()

        @other.receiver.on("rooms")
        async def close(_: Notification[Any]) -> None:
            await bot.receiver.aclose()

        await deliver(bot.receiver, body_of(resource="memberships"))

        assert statuses == [500]

    async def test_a_task_that_outlives_its_handler(self) -> None:
        """A task that a handler began closes the receiver like anybody else afterwards."""
        bot = ReceiverUnderTest()
        closing: list[asyncio.Task[None]] = []
        may_close = asyncio.Event()

        @bot.receiver.on()
        async def begin(_: Notification[Any]) -> None:
            async def close() -> None:
                await may_close.wait()
                await bot.receiver.aclose()

            closing.append(asyncio.create_task(close()))

        await deliver(bot.receiver)
        may_close.set()
        await asyncio.gather(*closing)

        assert await deliver(bot.receiver, distinct(1)) == 503


class TestLog:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (BODY, f"{WHICH} is a duplicate"),
            (
                body_of(resource="rooms"),
                "rooms created MESSAGE of webhook WEBHOOK has no matching handler",
            ),
            (body_of(actorId="BOT"), f"{WHICH} is ignored: it is the bot's own action"),
        ],
    )
    async def test_what_is_not_handled_is_logged(
        self, caplog: Log, body: bytes, message: str
    ) -> None:
        """Each 204 for a notification that isn't handled has a DEBUG record that says why."""
        bot = ReceiverUnderTest(ignore_own_actions=True)
        await deliver(bot.receiver)
        for level, expected in [(logging.INFO, []), (logging.DEBUG, [("DEBUG", message)])]:
            caplog.set_level(level)

            assert await deliver(bot.receiver, body) == 204
            assert [(each.levelname, each.getMessage()) for each in caplog.records] == expected


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What a record has for log services."""
    return {name: each for name, each in vars(record).items() if name.startswith("webex_")}


REQUESTS: list[tuple[bytes, dict[str, str]]] = [
    (BODY, {}),
    (BODY, sign(BODY + b" ", SECRET)),
    (BODY, {"X-Spark-Signature": "PERSON é"}),
    *map(signed, (BODY, BODY, BODY[:-1], MISFIT, body_of(resource="rooms"))),
    *map(signed, (body_of(actorId="BOT"), body_of("PERSON", orgId=["ROOM"]))),
    signed(BODY.ljust(2_000_000)),
]


def fail_to_report(error: Exception, notification: Notification[Any]) -> None:
    """Fail, as `on_error`."""
    raise DownError


@pytest.mark.parametrize("on_error", [None, fail_to_report])
@pytest.mark.parametrize("fails", [True, False])
async def test_nothing_is_given_away(
    caplog: Log, on_error: Callable[..., None] | None, *, fails: bool
) -> None:
    """No log record or argument of one contains a part of a body, a header or the secret."""
    caplog.set_level(logging.DEBUG)
    bot = ReceiverUnderTest(on_error=on_error, ignore_own_actions=True)
    bot.errors.extend([DownError()] * 10 * fails)
    for body, headers in REQUESTS:
        await bot.receiver.handle(body, headers)
    await bot.receiver.aclose()
    await deliver(bot.receiver)
    confidential = [SECRET, "PERSON", "ROOM", "example.com", *sign(BODY, SECRET).values()]
    fields = [(record.args, *fields_of(record).values()) for record in caplog.records]
    logged = f"{caplog.text}{fields!r}"

    assert [each for each in confidential if each in logged] == []
