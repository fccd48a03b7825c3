import warnings
from functools import partial, wraps
from typing import Any
from unittest.mock import AsyncMock

import pytest

from tests.notifications.doubles import SECRET, Traces, body_of, deliver
from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.errors import WebexWarning
from webex_webhooks_async.handling.router import Router
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.receiving.receiver import Receiver

URL = "https://bot.example.com/webex"


class TestInclude:
    async def test_a_router_counts_once(self) -> None:
        """Within one receiver the handlers of a router run once, however it is included."""
        traces, shared, other, receiver = Traces(), Router(), Router(), Receiver(SECRET)
        shared.on()(traces.handler("shared"))
        shared.include(other)
        other.include(shared)
        for router in (shared, other, shared):
            receiver.include(router)

        assert await deliver(receiver) == 204
        assert traces.ran == ["shared"]

    async def test_receivers_share_a_router(self) -> None:
        """Two receivers that include one router each run its handlers, also after the first."""
        traces, router = Traces(), Router()
        router.on()(traces.handler("shared"))
        for _ in range(2):
            receiver = Receiver(SECRET)
            receiver.include(router)
            await deliver(receiver)

        assert traces.ran == ["shared", "shared"]

    @pytest.mark.parametrize("envelope", [{}, {"resource": "telepathy"}, {"actorId": "BOT"}])
    async def test_registration_ends_with_the_first_notification(
        self, envelope: dict[str, object]
    ) -> None:
        """No handlers are taken that would have missed a notification, also by routers."""
        inner, outer = Router(), Router()
        receiver = Receiver(SECRET, ignore_own_actions=True)
        receiver.include(outer)
        outer.include(inner)
        await deliver(receiver, body_of(**envelope))

        for each in (inner, outer, receiver):
            with pytest.raises(RuntimeError, match="before the first"):
                each.on()(Traces().handler("too late"))
            with pytest.raises(RuntimeError, match="before the first"):
                each.include(Router())


class TestWords:
    @pytest.mark.parametrize("router", [Router(), Receiver(SECRET)])
    @pytest.mark.parametrize(
        ("words", "match"),
        [
            (("mesages",), "the resource 'mesages' is unknown: did you mean 'messages'"),
            (("Rooms", "created"), "the resource 'Rooms' is unknown: did you mean 'rooms'"),
            (("attachment_actions",), "is unknown: did you mean 'attachmentActions'"),
            (("rooms", "craeted"), "the event 'craeted' is unknown: did you mean 'created'"),
            (("messages", "updated"), "'messages' has no event 'updated', only created, deleted"),
            ((Resource.ROOMS, Event.JOINED), "'rooms' has no event 'joined', only created, "),
        ],
    )
    def test_a_mistake_is_a_warning_at_the_users_line(
        self, router: Router, words: tuple[str, ...], match: str
    ) -> None:
        """A probable typo, and an event that a resource doesn't have, are warnings at the line."""

        def register() -> None:
            router.on(*words)(Traces().handler("typo"))

        with pytest.warns(WebexWarning, match=match) as record:
            register()

        line = register.__code__.co_firstlineno + 1

        assert [(each.filename, each.lineno) for each in record] == [(__file__, line)]

    @pytest.mark.parametrize(
        "words", [("telepathy", "pondered"), ("messages", "pondered"), ("telepathy", "created")]
    )
    def test_a_new_word_is_allowed(self, words: tuple[str, str]) -> None:
        """A word that isn't close to a known one is accepted: Webex adds resources and events."""
        with warnings.catch_warnings(action="error"):
            Router().on(*words)

    def test_what_webex_documents_is_allowed(self) -> None:
        """No event that a resource has is a warning, with its resource or without one."""
        router = Router()
        with warnings.catch_warnings(action="error"):
            for resource, watchable in CATALOG.items():
                if resource != Resource.ALL:
                    for event in (None, *watchable.events):
                        router.on(resource, event)
            for event in set(Event) - {Event.ALL}:
                router.on(event=event)


class TestSignature:
    def test_a_handler_takes_one_argument(self) -> None:
        """A handler that can't be called with the notification alone is refused at once."""

        async def none() -> None: ...
        async def two(first: object, second: object) -> None: ...
        async def by_name(*, notification: object) -> None: ...

        router: Any = Router()
        for handler in (none, two, by_name):
            with pytest.raises(TypeError, match="must take one argument, the notification; got"):
                router.on(Resource.MESSAGES)(handler)

    def test_other_arguments_have_values(self) -> None:
        """Those with values are allowed, and objects, and functions whose signature isn't known."""

        class Counting:
            async def __call__(self, notification: object) -> None: ...

        async def bound(first: object, notification: object) -> None: ...
        async def default(notification: object, second: object = None) -> None: ...
        async def anything(*arguments: object, **named: object) -> None: ...
        async def odd() -> None: ...

        @wraps(bound)
        async def decorated(notification: object) -> None: ...

        odd.__signature__ = "odd"  # type: ignore[attr-defined] # pyright: ignore[reportFunctionMemberAccess] - odd
        router: Any = Router()
        registered = (partial(bound, "first"), default, anything, decorated, AsyncMock(), odd)
        for handler in (*registered, Counting()):
            assert router.on(Resource.MESSAGES)(handler) is handler


class TestWebhooks:
    async def test_each_resource_and_event_has_a_webhook(self) -> None:
        """Each resource and event has one webhook, with the receiver's first secret."""
        receiver, router, handler = Receiver(["new", "old"]), Router(), Traces().handler("any")
        receiver.on(Resource.MESSAGES, Event.CREATED)(handler)
        receiver.on("messages", "created")(handler)
        receiver.on(Resource.MESSAGES, Event.DELETED)(handler)
        receiver.include(router)
        receiver.on()(handler)
        receiver.on(event=Event.CREATED)(handler)
        router.on("telepathy", "pondered")(handler)
        router.middleware(AsyncMock())

        wanted = await receiver.wanted_webhooks(name="bot", target_url=URL)

        of_all = {"target_url": URL, "secret": "new"}
        assert wanted == (
            NewWebhook(name="bot:messages:created", resource="messages", event="created", **of_all),
            NewWebhook(name="bot:messages:deleted", resource="messages", event="deleted", **of_all),
            NewWebhook(
                name="bot:telepathy:pondered", resource="telepathy", event="pondered", **of_all
            ),
        )

    async def test_all_events_cover_single_ones(self) -> None:
        """A handler of all events covers single ones, also one that is registered afterwards."""
        receiver, handler = Receiver(SECRET), Traces().handler("any")

        async def wanted() -> list[tuple[object, ...]]:
            webhooks = await receiver.wanted_webhooks(name="bot", target_url=URL, owned_by="org")
            return [(each.name, each.resource, each.event, each.owned_by) for each in webhooks]

        receiver.on(Resource.MESSAGES, Event.CREATED)(handler)
        assert await wanted() == [("bot:messages:created", "messages", "created", "org")]
        receiver.on(Resource.MESSAGES)(handler)
        receiver.on(Resource.ROOMS, Event.CREATED)(handler)
        receiver.on("messages", "deleted")(handler)
        assert await wanted() == [
            ("bot:messages:all", "messages", "all", "org"),
            ("bot:rooms:created", "rooms", "created", "org"),
        ]

    @pytest.mark.parametrize("words", [(), (None, "created")])
    async def test_no_webhooks_are_an_error(self, words: tuple[Any, ...]) -> None:
        """Without a webhook it raises: an empty result would let `prune` delete all of them."""
        receiver: Any = Receiver(SECRET)
        receiver.on(*words)(Traces().handler("any"))

        with pytest.raises(ValueError, match="no handler names a resource"):
            await receiver.wanted_webhooks(name="bot", target_url=URL)
        with pytest.raises(ValueError, match="no handler names a resource"):
            await Receiver(SECRET).wanted_webhooks(name="bot", target_url=URL)

    @pytest.mark.parametrize(
        ("arguments", "error", "match"),
        [
            ({"name": ""}, ValueError, "name is empty"),
            ({"name": None}, TypeError, "name must be str, got NoneType"),
            ({"name": "\udcff"}, ValueError, "name is not valid Unicode"),
            ({"target_url": "example.com"}, ValueError, "target_url must be an absolute http"),
            ({"owned_by": ""}, ValueError, "owned_by is empty"),
        ],
    )
    async def test_a_wrong_argument_is_refused(
        self, arguments: dict[str, Any], error: type[Exception], match: str
    ) -> None:
        """An argument that no webhook could have is refused by name."""
        receiver = Receiver(SECRET)
        receiver.on("rooms")(Traces().handler("any"))

        with pytest.raises(error, match=match):
            await receiver.wanted_webhooks(**{"name": "bot", "target_url": URL, **arguments})
