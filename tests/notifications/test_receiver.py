import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from tests.notifications.doubles import (
    SECRET,
    Bot,
    DownError,
    FailingDeduplicator,
    HeldDeduplicator,
    body_of,
    distinct,
    signed,
)
from tests.support.wire import until
from webex_webhooks_async.errors import PayloadError, SignatureError
from webex_webhooks_async.models.notifications import MessageData, Notification
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.notifications.deduplication import MemoryDeduplicator
from webex_webhooks_async.notifications.receiver import Receiver
from webex_webhooks_async.notifications.signatures import SignatureAlgorithm, sign

BODY = body_of()


async def deliver(receiver: Receiver, body: bytes = BODY) -> int:
    """The answer to a signed body."""
    return await receiver.handle(*signed(body))


class TestDispatch:
    """Which handlers run."""

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
        """Whoever registered for a resource, an event, both or neither, in that order."""
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

    async def test_a_handler_gets_the_notification(self) -> None:
        """What a handler gets is the notification, with its data in the class of the resource."""
        receiver, got = Receiver(SECRET), list[Notification[MessageData]]()

        @receiver.on(Resource.MESSAGES, Event.CREATED)
        async def answer(notification: Notification[MessageData]) -> None:
            got.append(notification)

        await deliver(receiver)

        assert [(each.id, each.data.room_id) for each in got] == [("WEBHOOK", "ROOM")]

    async def test_what_nobody_handles_is_no_error(self) -> None:
        """A notification without a handler is answered with 204, and nothing is asked about it."""
        receiver = Receiver(SECRET, deduplicator=FailingDeduplicator("claim"))

        assert await deliver(receiver) == 204

    @pytest.mark.parametrize(("ignore", "runs"), [(True, 0), (False, 1)])
    async def test_own_actions_can_be_ignored(self, *, ignore: bool, runs: int) -> None:
        """What the bot itself did is left out if that was asked for."""
        bot = Bot(ignore_own_actions=ignore)

        assert await deliver(bot.receiver, body_of(actorId="BOT")) == 204
        assert len(bot.done) == runs

    async def test_others_actions_are_not_ignored(self) -> None:
        """What others did is handled all the same."""
        bot = Bot(ignore_own_actions=True)
        await deliver(bot.receiver)

        assert bot.done == ["MESSAGE"]


class TestRegistration:
    """Who can be a handler, and when."""

    async def test_a_handler_stays_what_it_is(self) -> None:
        """Registered, a function can still be called, and registered for something else too."""
        receiver, got = Receiver(SECRET), list[object]()

        @receiver.on("memberships")
        @receiver.on("messages", "deleted")
        async def note(notification: object) -> None:
            got.append(notification)

        await note("called")
        await deliver(receiver, body_of({}, resource="memberships"))
        await deliver(receiver, body_of(event="deleted"))

        assert got[0] == "called"
        assert len(got) == 3

    async def test_an_object_can_be_a_handler(self) -> None:
        """An object whose call is async is a handler like any other."""

        class Answering:
            called = 0

            async def __call__(self, notification: Notification[Any]) -> None:
                self.called += 1

        receiver, answering = Receiver(SECRET), Answering()
        receiver.on()(answering)
        await deliver(receiver)

        assert answering.called == 1

    @pytest.mark.parametrize("handler", [print, len, Bot, "text", None])
    def test_a_handler_is_async(self, handler: Any) -> None:  # noqa: ANN401 - mistakes
        """What isn't async is refused when it is registered, not when it is called."""
        with pytest.raises(TypeError, match="must be an async function"):
            Receiver(SECRET).on(Resource.MESSAGES)(handler)

    def test_on_is_called(self) -> None:
        """The decorator without its parentheses is a mistake that says what to write."""
        with pytest.raises(TypeError, match=r"write @receiver\.on\(\)"):

            @Receiver(SECRET).on  # type: ignore[call-overload, untyped-decorator, unused-ignore] # pyright: ignore[reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator] - the mistake
            async def handler(_: Notification[Any]) -> None: ...

    @pytest.mark.parametrize("words", [("all",), ("messages", "all"), (Resource.ALL, Event.ALL)])
    def test_all_is_no_word_of_notifications(self, words: tuple[str, ...]) -> None:
        """A handler that would never run is refused, with how to say what was meant."""
        with pytest.raises(ValueError, match="leave it out"):
            Receiver(SECRET).on(*words)

    @pytest.mark.parametrize("body", [BODY, body_of(resource="telepathy"), body_of(actorId="BOT")])
    async def test_registration_ends_with_the_first_notification(self, body: bytes) -> None:
        """A handler that would have missed a notification is refused."""
        bot = Bot(ignore_own_actions=True)
        await deliver(bot.receiver, body)

        with pytest.raises(RuntimeError, match="before the first"):
            bot.receiver.on(Resource.MESSAGES)(bot.run)

    async def test_strangers_do_not_end_registration(self) -> None:
        """What proves to be no notification changes nothing."""
        bot = Bot()
        await bot.receiver.handle(BODY, {})
        await deliver(bot.receiver, b"[]")
        bot.receiver.on(Resource.MESSAGES)(bot.run)
        await deliver(bot.receiver)

        assert bot.done == ["MESSAGE", "MESSAGE"]


class TestRefusal:
    """What isn't handled."""

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
        """A request that is none of Webex's, or no notification, runs nothing."""
        bot = Bot()

        assert await bot.receiver.handle(body, headers) == status
        assert bot.started == []

    async def test_a_minimum_is_held(self) -> None:
        """A signature of a weaker algorithm than was asked for is refused."""
        bot = Bot(minimum=SignatureAlgorithm.SHA256)
        headers = sign(BODY, SECRET)

        assert await bot.receiver.handle(BODY, headers) == 204

        del headers["X-Webex-Signature"]

        assert await bot.receiver.handle(BODY, headers) == 401

    async def test_no_headers_are_a_mistake(self) -> None:
        """Where a framework's headers should be, `None` raises in words of ours."""
        with pytest.raises(TypeError, match="headers must be Iterable, got NoneType"):
            await Bot().receiver.handle(BODY, None)  # type: ignore[arg-type] # the mistake

    async def test_a_body_that_is_no_bytes_is_a_mistake(self) -> None:
        """A body that was decoded raises, for no answer would tell the programmer."""
        with pytest.raises(TypeError, match="raw bytes"):
            await Bot().receiver.handle(BODY.decode(), {})  # type: ignore[arg-type] # the mistake

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"max_pending": 0}, "max_pending must be positive"),
            ({"max_body": 0}, "max_body must be a positive number of bytes"),
        ],
    )
    def test_a_receiver_that_could_not_work_is_refused(
        self, options: dict[str, Any], match: str
    ) -> None:
        """A mistake shows when the receiver is made, not when Webex calls."""
        with pytest.raises(ValueError, match=match):
            Receiver(SECRET, **options)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"max_pending": "5"}, "max_pending must be int, got str"),
            ({"max_body": None}, "max_body must be int, got NoneType"),
            (
                {"deduplicator": MemoryDeduplicator},
                (
                    "deduplicator must be Deduplicator, got the class MemoryDeduplicator: "
                    "pass an instance"
                ),
            ),
        ],
    )
    def test_an_argument_of_a_wrong_type_is_refused(
        self, options: dict[str, Any], match: str
    ) -> None:
        """A mistake is told in words of ours, when the receiver is made."""
        with pytest.raises(TypeError, match=match):
            Receiver(SECRET, **options)

    def test_a_secret_is_valid_unicode(self) -> None:
        """One that couldn't sign is refused when the receiver is made, not when it is called."""
        with pytest.raises(ValueError, match=r"^a secret is not valid Unicode"):
            Receiver([SECRET, "\udcff"])

    @pytest.mark.parametrize("secrets", ["", [], [SECRET, ""]])
    def test_a_receiver_without_a_secret_is_refused(self, secrets: str | list[str]) -> None:
        """A receiver that couldn't tell who calls is never made."""
        with pytest.raises(ValueError, match="secret"):
            Receiver(secrets)

    async def test_secrets_may_come_from_anywhere(self) -> None:
        """An iterable of secrets that can be walked once serves every request."""
        receiver = Receiver(iter(["old", SECRET]))

        assert [await deliver(receiver), await deliver(receiver)] == [204, 204]


class TestFailure:
    """What becomes of a notification whose handlers fail."""

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
        """Whatever a handler raises is a 500, and the next delivery runs it again."""
        bot = Bot()
        bot.errors = [error]

        assert [await deliver(bot.receiver) for _ in range(3)] == [500, 204, 204]
        assert (len(bot.started), len(bot.done)) == (2, 1)

    async def test_the_first_failure_ends_it(self) -> None:
        """Handlers after one that failed wait for the next delivery, which runs them all."""
        bot = Bot()
        bot.errors = [ValueError(), ValueError()]
        bot.receiver.on(Resource.MESSAGES)(bot.run)

        assert [await deliver(bot.receiver) for _ in range(3)] == [500, 500, 204]
        assert (len(bot.started), len(bot.done)) == (4, 2)

    async def test_what_ends_the_process_releases_its_claim(self) -> None:
        """What is no ordinary exception goes through, and the claim is given back all the same."""

        class StopError(BaseException):
            pass

        bot = Bot()
        bot.errors = [StopError()]

        with pytest.raises(StopError):
            await deliver(bot.receiver)

        assert await deliver(bot.receiver) == 204
        assert bot.done == ["MESSAGE"]

    async def test_a_failure_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """A failure shows up with its traceback and with what it was about."""
        bot = Bot()
        error = ValueError("broken")
        bot.errors = [error]
        await deliver(bot.receiver)

        (record,) = caplog.records

        assert record.getMessage() == "a handler of messages created of webhook WEBHOOK failed"
        assert record.exc_info
        assert record.exc_info[1] is error

    async def test_a_notification_forges_no_line_of_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What a log or a terminal would obey stands there escaped, even if it is signed."""
        bot = Bot()
        bot.errors = [ValueError("broken")]
        await deliver(bot.receiver, body_of(id="W\n\x1b[2J"))

        (record,) = caplog.records

        assert record.getMessage() == (
            "a handler of messages created of webhook W\\n\\x1b[2J failed"
        )

    @pytest.mark.parametrize("is_async", [True, False])
    async def test_a_failure_is_told(
        self, caplog: pytest.LogCaptureFixture, *, is_async: bool
    ) -> None:
        """Who asked for failures is told of each instead, by a plain or an async call."""
        told: list[tuple[Exception, str]] = []

        def tell(error: Exception, notification: Notification[Any]) -> None:
            told.append((error, notification.id))

        async def tell_async(error: Exception, notification: Notification[Any]) -> None:
            await asyncio.sleep(0)
            tell(error, notification)

        bot = Bot(on_error=tell_async if is_async else tell)
        error = ValueError("broken")
        bot.errors = [error]

        assert await deliver(bot.receiver) == 500
        assert told == [(error, "WEBHOOK")]
        assert caplog.records == []

    async def test_a_failure_to_tell_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """If `on_error` fails too, both failures are logged, and the notification comes again."""

        def tell(error: Exception, notification: Notification[Any]) -> None:
            raise LookupError("nobody is there")

        bot = Bot(on_error=tell)
        bot.errors = [ValueError("broken")]

        assert [await deliver(bot.receiver), await deliver(bot.receiver)] == [500, 204]
        assert "on_error failed for messages created of webhook WEBHOOK" in caplog.text
        assert "nobody is there" in caplog.text
        assert "broken" in caplog.text


class TestDuplicates:
    """What becomes of copies."""

    async def test_a_copy_is_not_handled(self) -> None:
        """A notification that comes again is answered as if it were handled."""
        bot = Bot()

        assert [await deliver(bot.receiver), await deliver(bot.receiver)] == [204, 204]
        assert len(bot.started) == 1

    async def test_another_notification_is_no_copy(self) -> None:
        """What differs in a single byte is another notification."""
        bot = Bot()

        assert [await deliver(bot.receiver, distinct(each)) for each in range(3)] == [204] * 3
        assert bot.done == ["MESSAGE-0", "MESSAGE-1", "MESSAGE-2"]

    async def test_fifty_copies_at_once(self) -> None:
        """However many copies come at once, the handlers run once."""
        bot = Bot()

        assert await asyncio.gather(*(deliver(bot.receiver) for _ in range(50))) == [204] * 50
        assert len(bot.started) == 1

    async def test_a_copy_does_not_wait(self) -> None:
        """A copy of what is being handled is answered at once."""
        bot = Bot()
        bot.may_end.clear()
        first = asyncio.create_task(deliver(bot.receiver))
        await until(lambda: bool(bot.started))

        assert await deliver(bot.receiver) == 204

        bot.may_end.set()

        assert await first == 204
        assert len(bot.started) == 1

    async def test_what_is_handled_may_be_forgotten(self) -> None:
        """A copy of what is being handled isn't run, even if the deduplicator forgot about it."""
        bot = Bot(deduplicator=MemoryDeduplicator(max_entries=1))
        bot.may_end.clear()
        first = asyncio.create_task(deliver(bot.receiver, distinct(1)))
        second = asyncio.create_task(deliver(bot.receiver, distinct(2)))
        await until(lambda: len(bot.started) == 2)

        assert await deliver(bot.receiver, distinct(1)) == 204

        bot.may_end.set()

        assert [await first, await second] == [204, 204]
        assert bot.started == ["MESSAGE-1", "MESSAGE-2"]

    async def test_deduplication_can_be_switched_off(self) -> None:
        """Without a deduplicator every copy is handled."""
        bot = Bot(deduplicator=None)

        assert [await deliver(bot.receiver), await deliver(bot.receiver)] == [204, 204]
        assert len(bot.done) == 2

    async def test_receivers_share_nothing_by_default(self) -> None:
        """Two receivers each handle a notification, for neither was told of the other."""
        first, second = Bot(), Bot()
        await deliver(first.receiver)
        await deliver(second.receiver)

        assert (first.done, second.done) == (["MESSAGE"], ["MESSAGE"])

    async def test_receivers_can_share(self) -> None:
        """Two receivers with one deduplicator handle a notification once between them."""
        shared = MemoryDeduplicator()
        first, second = Bot(deduplicator=shared), Bot(deduplicator=shared)

        assert [await deliver(first.receiver), await deliver(second.receiver)] == [204, 204]
        assert (first.done, second.done) == (["MESSAGE"], [])

    async def test_a_deduplicator_is_shown_a_hash_alone(self) -> None:
        """What a deduplicator remembers is the SHA-256 of the body, and nothing of the body."""
        deduplicator = HeldDeduplicator()
        deduplicator.answers.set()
        await deliver(Bot(deduplicator=deduplicator).receiver)

        assert deduplicator.claimed == {hashlib.sha256(BODY).hexdigest()}

    async def test_a_deduplicator_that_is_down(self, caplog: pytest.LogCaptureFixture) -> None:
        """While nobody knows whether it is a copy, the notification has to come again."""
        deduplicator = FailingDeduplicator("claim")
        bot = Bot(deduplicator=deduplicator)

        assert await deliver(bot.receiver) == 503
        assert bot.started == []
        assert "the deduplicator failed" in caplog.text

        deduplicator.fails.clear()

        assert await deliver(bot.receiver) == 204
        assert bot.done == ["MESSAGE"]

    async def test_a_claim_that_stays_behind(self) -> None:
        """A deduplicator that goes down in between changes nothing about the answer."""
        bot = Bot(deduplicator=FailingDeduplicator("release"))
        bot.errors = [ValueError()]

        assert await deliver(bot.receiver) == 500


class TestCancellation:
    """What becomes of a notification whose request is cancelled."""

    async def test_a_cancelled_request_comes_again(self) -> None:
        """A handler that was stopped has ended before the next delivery runs it again."""
        bot = Bot()
        bot.may_end.clear()
        request = asyncio.create_task(deliver(bot.receiver))
        await until(lambda: bool(bot.started))
        request.cancel()

        with pytest.raises(asyncio.CancelledError):
            await request

        bot.may_end.set()

        assert [await deliver(bot.receiver), await deliver(bot.receiver)] == [204, 204]
        assert (len(bot.started), len(bot.done)) == (2, 1)

    async def test_a_handler_that_takes_its_time_to_stop(self) -> None:
        """As long as a stopped handler isn't through, no copy of its notification runs."""
        receiver = Receiver(SECRET)
        cleaning, may_end = asyncio.Event(), asyncio.Event()
        runs: list[str] = []

        @receiver.on()
        async def clean_up(_: Notification[Any]) -> None:
            runs.append("run")
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                await may_end.wait()

        request = asyncio.create_task(deliver(receiver))
        await until(lambda: bool(runs))
        request.cancel()
        await cleaning.wait()

        assert await deliver(receiver) == 204
        assert runs == ["run"]

        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await request

    async def test_cancelled_while_the_deduplicator_is_asked(self) -> None:
        """A request that was cancelled before anything ran leaves no claim behind."""
        deduplicator = HeldDeduplicator()
        bot = Bot(deduplicator=deduplicator)
        request = asyncio.create_task(deliver(bot.receiver))
        await until(lambda: bool(deduplicator.asked))
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        deduplicator.answers.set()
        await bot.receiver.aclose()
        async with bot.receiver:
            assert await deliver(bot.receiver) == 204

        assert bot.done == ["MESSAGE"]


class TestBackground:
    """Handlers that run after the answer."""

    async def test_the_answer_is_out_first(self) -> None:
        """The answer doesn't wait for the handlers; closing does."""
        bot = Bot(background=True)
        bot.may_end.clear()

        assert await deliver(bot.receiver) == 204

        await until(lambda: bool(bot.started))

        assert bot.done == []

        bot.may_end.set()
        await bot.receiver.aclose()

        assert bot.done == ["MESSAGE"]

    async def test_no_more_than_was_asked_for_is_pending(self) -> None:
        """What is too much is refused with 503, and accepted when it comes again later."""
        bot = Bot(background=True, max_pending=2)
        bot.may_end.clear()

        answers = [await deliver(bot.receiver, distinct(each)) for each in (1, 2, 3, 4)]

        assert answers == [204, 204, 503, 503]

        bot.may_end.set()
        await until(lambda: len(bot.done) == 2)

        assert await deliver(bot.receiver, distinct(3)) == 204

        await bot.receiver.aclose()

        assert bot.done == ["MESSAGE-1", "MESSAGE-2", "MESSAGE-3"]

    async def test_why_it_is_refused_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """Each 503 has a line that says whether too much is pending, or the end is near."""
        bot = Bot(background=True, max_pending=1)
        bot.may_end.clear()
        await deliver(bot.receiver, distinct(1))
        await deliver(bot.receiver, distinct(2))
        bot.may_end.set()
        await bot.receiver.aclose()
        await deliver(bot.receiver, distinct(3))

        assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
            "too much is pending",
            "the receiver is shutting down",
        ]

    async def test_a_copy_takes_no_place(self) -> None:
        """A copy of what is pending is answered with 204 even where nothing else is accepted."""
        bot = Bot(background=True, max_pending=1)
        bot.may_end.clear()

        answers = [await deliver(bot.receiver, distinct(each)) for each in (1, 1, 2, 1)]

        assert answers == [204, 204, 503, 204]

        bot.may_end.set()
        await bot.receiver.aclose()

        assert bot.started == ["MESSAGE-1"]

    @pytest.mark.parametrize("background", [True, False])
    async def test_a_closed_receiver_accepts_nothing(self, *, background: bool) -> None:
        """What comes during or after the end has to come again, and can."""
        bot = Bot(background=background)
        await bot.receiver.aclose()

        assert await deliver(bot.receiver) == 503
        assert bot.started == []

        async with bot.receiver:
            assert await deliver(bot.receiver) == 204

        assert bot.done == ["MESSAGE"]

    async def test_what_arrives_while_it_closes(self) -> None:
        """A request that is asking the deduplicator when the end comes is turned away."""
        deduplicator = HeldDeduplicator()
        bot = Bot(background=True, deduplicator=deduplicator)
        request = asyncio.create_task(deliver(bot.receiver))
        await until(lambda: bool(deduplicator.asked))
        closing = asyncio.create_task(bot.receiver.aclose())
        deduplicator.answers.set()

        assert await request == 503

        await closing

        assert bot.started == []
        assert deduplicator.claimed == set()

    async def test_nothing_that_was_accepted_is_lost(self) -> None:
        """Closing waits for whatever was accepted, and hands a thousand over as well as one."""
        bot = Bot(background=True)
        bodies = [distinct(each) for each in range(1000)]

        assert {await deliver(bot.receiver, body) for body in bodies} == {204}

        await bot.receiver.aclose()

        assert len(bot.done) == 1000

    async def test_closing_can_be_repeated(self) -> None:
        """Two who close a receiver at once both wait for the end."""
        bot = Bot(background=True)
        await deliver(bot.receiver)
        await asyncio.gather(bot.receiver.aclose(), bot.receiver.aclose())
        await bot.receiver.aclose()

        assert bot.done == ["MESSAGE"]

    async def test_a_handler_may_close_its_receiver(self) -> None:
        """A handler that closes its receiver waits for all others, but not for itself."""
        bot = Bot(background=True)
        closed: list[int] = []

        @bot.receiver.on("rooms")
        async def close(_: Notification[Any]) -> None:
            await bot.receiver.aclose()
            closed.append(len(bot.done))

        await deliver(bot.receiver)
        await deliver(bot.receiver, body_of({}, resource="rooms"))
        await until(lambda: bool(closed))

        assert closed == [1]

    async def test_a_failure_in_the_background(self) -> None:
        """A failure is told though nobody waits for it, and a copy that comes later is tried."""
        told: list[Exception] = []

        def tell(error: Exception, notification: Notification[Any]) -> None:
            told.append(error)

        bot = Bot(background=True, on_error=tell)
        error = ValueError("broken")
        bot.errors = [error]
        async with bot.receiver:
            assert await deliver(bot.receiver) == 204

        assert told == [error]

        async with bot.receiver:
            assert await deliver(bot.receiver) == 204

        assert bot.done == ["MESSAGE"]

    async def test_the_end_of_the_event_loop(self) -> None:
        """What was accepted and is cancelled, for nobody closed the receiver, leaves no claim."""
        before = asyncio.all_tasks()
        bot = Bot(background=True)
        bot.may_end.clear()
        await deliver(bot.receiver)
        await until(lambda: bool(bot.started))
        for pending in asyncio.all_tasks() - before:
            pending.cancel()
        await bot.receiver.aclose()
        bot.may_end.set()
        async with bot.receiver:
            assert await deliver(bot.receiver) == 204

        assert bot.done == ["MESSAGE"]


Scene = Callable[[Bot], Awaitable[object]]


async def failing(bot: Bot) -> None:
    """A handler fails."""
    bot.errors = [DownError()]
    await deliver(bot.receiver)


def fail_to_tell(error: Exception, notification: Notification[Any]) -> None:
    """Nobody is there to be told."""
    raise DownError


SCENES: list[Scene] = [
    lambda bot: deliver(bot.receiver),
    lambda bot: bot.receiver.handle(BODY, {}),
    lambda bot: bot.receiver.handle(BODY, sign(BODY + b" ", SECRET)),
    lambda bot: bot.receiver.handle(BODY, {"X-Spark-Signature": "PERSON é"}),
    lambda bot: deliver(bot.receiver, BODY[:-1]),
    lambda bot: deliver(bot.receiver, body_of("PERSON", orgId=["ROOM"])),
    lambda bot: deliver(bot.receiver, BODY.ljust(2_000_000)),
    failing,
]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("fails", [(), ("claim",), ("release",)])
@pytest.mark.parametrize("on_error", [None, fail_to_tell])
async def test_nothing_is_given_away(
    caplog: pytest.LogCaptureFixture,
    scene: Scene,
    fails: tuple[str, ...],
    on_error: Any,  # noqa: ANN401 - a plain function
) -> None:
    """Whatever happens, no log line holds anything of a body, a header or the secret."""
    caplog.set_level(logging.DEBUG)
    bot = Bot(deduplicator=FailingDeduplicator(*fails), on_error=on_error)
    await scene(bot)
    confidential = [
        SECRET,
        "PERSON",
        "ROOM",
        "MESSAGE",
        "example.com",
        *sign(BODY, SECRET).values(),
    ]

    assert [each for each in confidential if each in caplog.text] == []


@pytest.mark.parametrize(
    "argument",
    [{"minimum": "sha256"}, {"deduplicator": 5}, {"on_error": 5}],
    ids=lambda argument: next(iter(argument)),
)
def test_an_argument_of_a_wrong_type_is_refused(argument: dict[str, Any]) -> None:
    """A mistake is told when the receiver is made, not with each notification."""
    with pytest.raises(TypeError, match=f"{next(iter(argument))} must be"):
        Receiver("a-secret", **argument)
