"""The webhooks of an embedded Webex, and its tokens, as a Starlette application.

Facts: https://developer.webex.com/docs/api/v1/webhooks
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from webex_webhooks_async.models.vocabulary import OwnedBy, Status
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.serialization import to_wire
from webex_webhooks_async.testing.answers import (
    RefusedError,
    answer_refused,
    json_answer,
    relayed,
)
from webex_webhooks_async.testing.clock import Clock, to_utc_milliseconds
from webex_webhooks_async.testing.health import Health
from webex_webhooks_async.testing.payloads import (
    fields_of,
    page_size,
    read_form,
    read_json,
    wanted_owner,
)
from webex_webhooks_async.testing.people import Person, webex_id
from webex_webhooks_async.testing.store import WebhookStore
from webex_webhooks_async.testing.subscriptions import problems_of_subscription
from webex_webhooks_async.testing.tokens import Tokens


class Service:
    """What answers, when no fault strikes."""

    def __init__(
        self,
        *,
        store: WebhookStore,
        tokens: Tokens,
        health: Health,
        bot: Person,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._health = health
        self._bot = bot
        self._app_id = webex_id("APPLICATION")
        self._clock = clock

    def application(self, more: Iterable[Route] = ()) -> Starlette:
        """The service as an ASGI application, which has `more` to offer than webhooks."""
        application = Starlette(
            routes=[
                Route("/v1/webhooks", self._webhooks, methods=["GET", "POST"]),
                Route("/v1/webhooks/{id}", self._webhook, methods=["GET", "PUT", "DELETE"]),
                Route("/v1/people/me", self._me, methods=["GET"]),
                Route("/v1/access_token", self._access_token, methods=["POST"]),
                *more,
            ],
            exception_handlers={HTTPException: answer_refused},
        )
        application.router.redirect_slashes = False  # an empty id is not found; no list is meant
        return application

    async def _webhooks(self, request: Request) -> Response:
        self._tokens.check(request)
        if request.method == "POST":
            return self._create(await read_json(request))
        return self._list(request)

    async def _webhook(self, request: Request) -> Response:
        self._tokens.check(request)
        webhook_id = request.path_params["id"]
        if request.method == "PUT":
            return self._update(webhook_id, await read_json(request))
        if request.method == "DELETE":
            return self._delete(webhook_id)
        return json_answer(_on_wire(self._find(webhook_id)))

    async def _me(self, request: Request) -> Response:
        self._tokens.check(request)
        return json_answer(
            {
                "id": self._bot.id,
                "emails": [self._bot.email],
                "displayName": self._bot.display_name,
                "nickName": self._bot.display_name,
                "userName": self._bot.email,
                "orgId": self._bot.org_id,
                "type": "bot",
            }
        )

    async def _access_token(self, request: Request) -> Response:
        return json_answer(self._tokens.grant(await read_form(request)))

    def _list(self, request: Request) -> Response:
        size, owner = page_size(request), wanted_owner(request)
        try:
            page = self._store.page(
                size=size, owned_by=owner, cursor=request.query_params.get("cursor")
            )
        except ValueError as error:
            raise RefusedError(400, str(error)) from None
        answer = json_answer({"items": [_on_wire(webhook) for webhook in page.items]})
        if page.cursor is not None:
            owned_by = {"ownedBy": owner} if owner else {}
            query = urlencode({"max": size, **owned_by, "cursor": page.cursor})
            answer.headers["Link"] = f'<{request.url.replace(query=query)}>; rel="next"'
        return answer

    def _create(self, document: dict[str, Any]) -> Response:
        fields = fields_of(
            document,
            required=("name", "targetUrl", "resource", "event"),
            optional=("filter", "secret", "ownedBy"),
        )
        webhook = Webhook(
            id=webex_id("WEBHOOK"),
            name=fields["name"],
            target_url=fields["targetUrl"],
            resource=fields["resource"],
            event=fields["event"],
            filter=fields.get("filter"),
            secret=fields.get("secret"),
            status=Status.ACTIVE,
            created=to_utc_milliseconds(self._clock()),
            owned_by=fields.get("ownedBy", OwnedBy.CREATOR),
            org_id=self._bot.org_id,
            created_by=self._bot.id,
            app_id=self._app_id,
        )
        if problems := tuple(problems_of_subscription(webhook)):
            raise RefusedError(400, *(relayed(problem) for problem in problems))
        self._store.add(webhook)
        return json_answer(_on_wire(webhook))

    def _update(self, webhook_id: str, document: dict[str, Any]) -> Response:
        fields = fields_of(document, required=("name", "targetUrl"), optional=("secret", "status"))
        webhook = self._find(webhook_id)
        updated = attrs.evolve(
            webhook,
            name=fields["name"],
            target_url=fields["targetUrl"],
            # Whether Webex keeps a secret that is left out isn't documented; here it is kept.
            secret=fields.get("secret", webhook.secret),
            status=fields.get("status", webhook.status),
        )
        self._store.replace(updated)
        if (webhook.status, updated.status) == (Status.INACTIVE, Status.ACTIVE):
            self._health.reactivated(webhook_id)
        return json_answer(_on_wire(updated))

    def _delete(self, webhook_id: str) -> Response:
        self._store.remove(self._find(webhook_id))
        self._health.forget(webhook_id)
        return Response(status_code=204)

    def _find(self, webhook_id: str) -> Webhook:
        webhook = self._store.get(webhook_id)
        if webhook is None:
            raise RefusedError(404)
        return webhook


def _on_wire(webhook: Webhook) -> dict[str, Any]:
    members: dict[str, Any] = to_wire(webhook)
    return members
