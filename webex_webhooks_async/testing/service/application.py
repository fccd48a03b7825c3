"""The simulated API as a Starlette application: which operation a path and a method lead to."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from webex_webhooks_async.testing.service import (
    access_tokens,
    attachment_actions,
    emitted,
    memberships,
    messages,
    people,
    rooms,
    subscriptions,
)
from webex_webhooks_async.testing.service.shared.events import WebexEvent
from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.requests import Call
from webex_webhooks_async.testing.service.shared.responses import (
    OAuthError,
    respond_oauth_error,
    respond_refused,
)
from webex_webhooks_async.testing.service.shared.state import PATHS, State

Operation = Callable[[Call], Awaitable[Response]]
Notify = Callable[[Sequence[WebexEvent]], Awaitable[object]]

ROUTES: Mapping[str, Mapping[str, Operation]] = {
    "/webhooks": {"GET": subscriptions.list_webhooks, "POST": subscriptions.create_webhook},
    "/webhooks/{id}": {
        "GET": subscriptions.get_webhook,
        "PUT": subscriptions.update_webhook,
        "DELETE": subscriptions.delete_webhook,
    },
    "/people/me": {"GET": people.get_me},
    "/people/{id}": {"GET": people.get_person},
    "/rooms": {"GET": rooms.list_rooms, "POST": rooms.create_room},
    "/rooms/{id}": {"GET": rooms.get_room, "PUT": rooms.update_room},
    "/memberships": {
        "GET": memberships.list_memberships,
        "POST": memberships.create_membership,
    },
    "/memberships/{id}": {
        "GET": memberships.get_membership,
        "DELETE": memberships.delete_membership,
    },
    "/messages": {"GET": messages.list_messages, "POST": messages.create_message},
    "/messages/{id}": {"GET": messages.get_message, "DELETE": messages.delete_message},
    "/attachment/actions": {"POST": attachment_actions.create_action},
    "/attachment/actions/{id}": {"GET": attachment_actions.get_action},
    "/access_token": {"POST": access_tokens.create_access_token},
    "/authorize": {"GET": access_tokens.authorize},
}
"""The operations. The resources in the catalog that have none here can be read by id."""

WITHOUT_TOKEN = frozenset({"/access_token", "/authorize"})

_PERSON_TOKEN = "person:"  # noqa: S105 - the prefix of a token, not a token


def application(state: State, notify: Notify) -> Starlette:
    """The API of what `state` holds.

    Args:
        state: What the simulated Webex holds.
        notify: Notifies the webhooks, after the response, of what an operation caused.
    """
    made = Starlette(
        routes=[
            _route(path, operations, state, notify)
            for path, operations in {**_readable_by_id(), **ROUTES}.items()
        ],
        exception_handlers={HTTPException: respond_refused, OAuthError: respond_oauth_error},
    )
    made.router.redirect_slashes = False  # a path with an empty id is not found, not a list
    return made


def _readable_by_id() -> dict[str, Mapping[str, Operation]]:
    return {
        f"/{path}/{{id}}": {"GET": emitted.get_document(resource)}
        for resource, path in PATHS.items()
    }


def _route(path: str, operations: Mapping[str, Operation], state: State, notify: Notify) -> Route:
    async def endpoint(request: Request) -> Response:
        person = state.bot if path in WITHOUT_TOKEN else _caller(state, request)
        call = Call(request=request, state=state, person=person)
        response = await operations["GET" if request.method == "HEAD" else request.method](call)
        if call.events:
            # Not before the response: a bot that does one thing at a time is free by then.
            response.background = BackgroundTask(notify, call.events)
        return response

    return Route(f"/v1{path}", endpoint, methods=[*operations])


def _caller(state: State, request: Request) -> SandboxPerson:
    token = state.tokens.bearer(request)
    if token.startswith(_PERSON_TOKEN):
        return state.named(token.removeprefix(_PERSON_TOKEN))
    return state.bot
