"""The messages of an embedded Webex: what someone and the bot say to each other.

Facts: https://developer.webex.com/docs/api/v1/messages
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.testing.answers import RefusedError, json_answer
from webex_webhooks_async.testing.clock import Clock, timestamp
from webex_webhooks_async.testing.occurrences import Occurrence, without_nones
from webex_webhooks_async.testing.payloads import fields_of, read_json
from webex_webhooks_async.testing.people import Person, webex_id
from webex_webhooks_async.testing.tokens import Tokens

_PLACES = ("roomId", "toPersonId", "toPersonEmail")
_WORDS = ("text", "markdown")
_NOT_TOLD = frozenset({*_WORDS, "attachments"})
"""What a notification doesn't tell of a message."""


class Messages:
    """What was said.

    All tokens are the bot's. So the bot says everything but what is addressed to it: someone says
    that, in the room that the two share.
    """

    def __init__(
        self,
        *,
        tokens: Tokens,
        bot: Person,
        clock: Clock,
        notify: Callable[[Occurrence], Awaitable[object]],
    ) -> None:
        self._tokens = tokens
        self._bot = bot
        self._clock = clock
        self._notify = notify
        self._someone = Person.made_up()
        self._direct_room = webex_id("ROOM")
        self._said: dict[str, Mapping[str, Any]] = {}

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self._said.values())

    def routes(self) -> list[Route]:
        """The operations on them."""
        return [
            Route("/v1/messages", self._messages, methods=["GET", "POST"]),
            Route("/v1/messages/{id}", self._message, methods=["GET"]),
        ]

    def say(self, document: Mapping[str, Any]) -> Occurrence:
        """Write a message, of which a `POST` has this body.

        Raises:
            RefusedError: It has no place to go to, or says nothing.
        """
        fields = fields_of(document, required=(), optional=(*_PLACES, *_WORDS))
        if fields.keys().isdisjoint(_PLACES):
            raise RefusedError(400, f"one of {', '.join(_PLACES)} is required")
        if fields.keys().isdisjoint(_WORDS) and not document.get("files"):
            raise RefusedError(400, f"one of {', '.join(_WORDS)}, files is required")
        author = self._someone if self._is_to_bot(fields) else self._bot
        room = fields.get("roomId", self._direct_room)
        message = without_nones(
            {
                **{key: value for key, value in document.items() if key not in _PLACES},
                "id": webex_id("MESSAGE"),
                "roomId": room,
                "roomType": "direct" if room == self._direct_room else "group",
                "text": fields.get("text", fields.get("markdown")),
                "personId": author.id,
                "personEmail": author.email,
                "created": timestamp(self._clock()),
            }
        )
        self._said[message["id"]] = message
        return Occurrence(
            resource=Resource.MESSAGES,
            event=Event.CREATED,
            actor_id=author.id,
            data={key: value for key, value in message.items() if key not in _NOT_TOLD},
        )

    def _is_to_bot(self, fields: Mapping[str, str]) -> bool:
        return self._bot.id == fields.get("toPersonId") or (
            self._bot.email == fields.get("toPersonEmail")
        )

    async def _messages(self, request: Request) -> Response:
        self._tokens.check(request)
        if request.method == "POST":
            return self._create(await read_json(request))
        room = request.query_params.get("roomId")
        if not room:
            raise RefusedError(400, "roomId is required and must not be empty")
        latest_first = [each for each in reversed(self._said.values()) if each["roomId"] == room]
        return json_answer({"items": latest_first})

    def _create(self, document: dict[str, Any]) -> Response:
        occurrence = self.say(document)
        answer = json_answer(self._said[occurrence.data["id"]])
        # Webhooks hear of it after the answer: a bot that does one thing at a time is free then.
        answer.background = BackgroundTask(self._notify, occurrence)
        return answer

    async def _message(self, request: Request) -> Response:
        self._tokens.check(request)
        message = self._said.get(request.path_params["id"])
        if message is None:
            raise RefusedError(404)
        return json_answer(message)
