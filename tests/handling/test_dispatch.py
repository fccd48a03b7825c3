import logging
import re
from typing import Any

import pytest

from tests.bot.doubles import raising
from tests.notifications.doubles import MESSAGE_DATA, SECRET, Traces, body_of, deliver
from tests.support.logs import Log
from webex_webhooks_async.errors import PayloadError
from webex_webhooks_async.handling.router import Router
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.receiving.receiver import Receiver
from webex_webhooks_async.types import CallNext

MISFIT = body_of({**MESSAGE_DATA, "personId": None})


@pytest.fixture
def traces() -> Traces:
    """Return what notes what runs."""
    return Traces()


class TestMiddleware:
    async def test_the_first_one_registered_is_the_outermost(self, traces: Traces) -> None:
        """A router's runs around its own handlers alone, which run in the place of `include`."""
        receiver, router, inner = Receiver(SECRET), Router(), Router()
        receiver.on()(traces.handler("before"))
        receiver.include(router)
        receiver.on()(traces.handler("after"))
        receiver.middleware(traces.middleware("first"))
        receiver.middleware(traces.middleware("second"))
        router.middleware(traces.middleware("router"))
        router.on("messages")(traces.handler("routed"))
        router.include(inner)
        inner.on()(traces.handler("inner"))
        router.on("messages")(traces.handler("added later"))

        assert await deliver(receiver) == 204
        assert traces.ran == [
            *("<first", "<second", "before"),
            *("<router", "routed", "inner", "added later", "router>"),
            *("after", "second>", "first>"),
        ]

    @pytest.mark.parametrize(
        "exit_",
        [
            SystemExit(2),
            BaseExceptionGroup("anyio", [ValueError(), BaseExceptionGroup("", [SystemExit(2)])]),
        ],
    )
    async def test_one_around_a_handler_that_exits(self, exit_: BaseException) -> None:
        """It gets the `SystemExit` of argparse, be it in a group, as an error that names it."""
        router, caught = Router(), list[Exception]()

        @router.middleware
        async def catch(_: Notification[Any], call_next: CallNext) -> None:
            try:
                await call_next()
            except Exception as error:
                caught.append(error)
                raise

        router.on()(raising(exit_))
        with pytest.raises(RuntimeError, match=r"^a handler raised SystemExit: 2$") as raised:
            await router.dispatch(parse_unverified_notification(body_of()))

        assert caught == [raised.value]
        assert raised.value.__cause__ is exit_

    async def test_without_a_matching_handler_none_runs(self, traces: Traces) -> None:
        """Neither a receiver's middleware runs then, nor a router's, and the response is 204."""
        receiver, router = Receiver(SECRET), Router()
        receiver.include(router)
        receiver.middleware(traces.middleware("receiver"))
        router.middleware(traces.middleware("router"))
        router.on("rooms")(traces.handler("rooms"))
        receiver.on("messages", "deleted")(traces.handler("deleted"))

        assert await deliver(receiver) == 204
        assert traces.ran == []

        await deliver(receiver, body_of(event="deleted"))

        assert traces.ran == ["<receiver", "deleted", "receiver>"]

    async def test_an_error_that_it_catches_is_handled(self, traces: Traces, caplog: Log) -> None:
        """The notification counts as handled; other handlers of the router don't run any more."""
        receiver = Receiver(SECRET)
        receiver.on()(traces.handler("fails", LookupError()))
        receiver.on()(traces.handler("isn't reached"))

        @receiver.middleware
        async def catch(_: Notification[Any], call_next: CallNext) -> None:
            with pytest.raises(LookupError):
                await call_next()

        assert [await deliver(receiver), await deliver(receiver)] == [204, 204]
        assert traces.ran == ["fails"]
        assert caplog.records == []

    async def test_its_own_error_is_a_failure(self, traces: Traces) -> None:
        """The response is 500, and the next delivery is handled again."""
        receiver = Receiver(SECRET)
        receiver.on()(traces.handler("runs"))

        @receiver.middleware
        async def fail(_: Notification[Any], call_next: CallNext) -> None:
            await call_next()
            raise LookupError

        assert [await deliver(receiver), await deliver(receiver)] == [500, 500]
        assert traces.ran == ["runs", "runs"]

    @pytest.mark.parametrize(
        ("calls", "ran"),
        [
            (0, ["<router", "router>", "after"]),
            (2, ["<router", "routed", "routed", "router>", "after"]),
        ],
    )
    async def test_it_decides_whether_handlers_run(
        self, traces: Traces, calls: int, ran: list[str]
    ) -> None:
        """Without `call_next` its handlers don't run, with two they run twice; others do once."""
        receiver, router = Receiver(SECRET), Router()
        receiver.include(router)
        receiver.on()(traces.handler("after"))
        router.middleware(traces.middleware("router", calls=calls))
        router.on()(traces.handler("routed"))

        assert [await deliver(receiver), await deliver(receiver)] == [204, 204]
        assert traces.ran == ran

    async def test_it_is_checked_when_it_is_registered(self, traces: Traces) -> None:
        """It is an async function of two arguments, and is registered before a notification."""
        router: Any = Router()

        async def one(_: Notification[Any]) -> None: ...

        with pytest.raises(TypeError, match="a middleware must take two arguments, the notific"):
            router.middleware(one)
        with pytest.raises(TypeError, match="a middleware must be an async function, got"):
            router.middleware(print)

        await router.dispatch(parse_unverified_notification(body_of()))

        with pytest.raises(RuntimeError, match="before the first notification"):
            router.middleware(traces.middleware("late"))


class TestDispatch:
    @pytest.mark.parametrize("make", [Router, lambda: Receiver(SECRET)], ids=["router", "receiver"])
    async def test_it_runs_what_matches(self, traces: Traces, make: Any) -> None:  # noqa: ANN401 - of two classes
        """Middleware and handlers run as for a request, each time: nothing is deduplicated."""
        router: Router = make()
        router.middleware(traces.middleware("middleware"))
        router.on("messages")(traces.handler("messages"))
        router.on("rooms")(traces.handler("rooms"))

        for _ in range(2):
            await router.dispatch(parse_unverified_notification(body_of()))

        assert traces.ran == ["<middleware", "messages", "middleware>"] * 2

    async def test_it_raises_what_a_handler_raised(self, traces: Traces) -> None:
        """The error of a handler is raised unchanged, and `on_error` isn't called."""
        receiver = Receiver(SECRET, on_error=lambda _error, _: traces.ran.append("on_error"))
        error = LookupError()
        receiver.on()(traces.handler("fails", error))
        receiver.on()(traces.handler("isn't reached"))

        with pytest.raises(LookupError) as raised:
            await receiver.dispatch(parse_unverified_notification(body_of()))

        assert raised.value is error
        assert traces.ran == ["fails"]

    async def test_data_that_does_not_fit_is_an_error(self, traces: Traces) -> None:
        """A `PayloadError` names the problem; before it, handlers of everything run."""
        receiver = Receiver(SECRET)
        receiver.on("messages")(traces.handler("typed"))
        receiver.on()(traces.handler("all"))

        with pytest.raises(PayloadError, match=r"^\$\.data\.personId: expected a string"):
            await receiver.dispatch(parse_unverified_notification(MISFIT))

        assert traces.ran == ["all"]

    async def test_only_notifications_are_dispatched(self) -> None:
        """The body of a request is refused by name."""
        body: Any = body_of()
        with pytest.raises(TypeError, match="notification must be Notification, got bytes"):
            await Router().dispatch(body)


class TestRecords:
    @pytest.mark.parametrize(
        ("body", "words", "handlers"),
        [
            (body_of(), ("messages", "created", "MESSAGE"), "2 handlers"),
            (
                body_of({"callId": "CALL"}, resource="telephony_calls"),
                ("telephony_calls", "created", "CALL"),
                "1 handler",
            ),
            (body_of({"id": 5}, resource="telepathy"), ("telepathy", "created"), "1 handler"),
        ],
    )
    async def test_what_is_handled_has_a_record(
        self, caplog: Log, traces: Traces, body: bytes, words: tuple[str, ...], handlers: str
    ) -> None:
        """It names resource, event, the id in the data, the webhook, handlers and milliseconds."""
        caplog.set_level(logging.INFO)
        receiver, router = Receiver(SECRET), Router()
        for each in (receiver, router):
            each.on()(traces.handler("all"))
        receiver.on("messages")(traces.handler("messages"))
        receiver.middleware(traces.middleware("middleware"))
        await deliver(receiver, body)
        await router.dispatch(parse_unverified_notification(body))

        what = f"{' '.join(words)} of webhook WEBHOOK is handled"
        for record, count in zip(caplog.records, (handlers, "1 handler"), strict=True):
            assert record.levelname == "INFO"
            assert re.fullmatch(rf"{what}: {count}, \d+ ms", record.getMessage())
            fields = {each: it for each, it in vars(record).items() if each.startswith("webex_")}
            assert fields.pop("webex_duration_ms") >= 0
            names = ("webex_resource", "webex_event", "webex_data_id")
            assert fields == {
                **dict(zip(names, words, strict=False)),
                "webex_webhook_id": "WEBHOOK",
            }

    async def test_an_id_is_cut(self, caplog: Log, traces: Traces) -> None:
        """However long the ids in a signed notification are, a record has 1,000 characters."""
        caplog.set_level(logging.INFO)
        long = "\n" + "x" * 100_000
        receiver = Receiver(SECRET)
        receiver.on()(traces.handler("all"))
        await deliver(receiver, body_of({"id": long}, id=long, resource=long, event=long))

        (record,) = caplog.records
        assert len(record.getMessage()) < 1000
        fields = [str(each) for name, each in vars(record).items() if name.startswith("webex_")]
        assert all(len(each) < 300 for each in fields)
        assert "\n" not in record.getMessage()
