"""The simulated API as an ASGI application: which operation a path and a method lead to."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from attrs import frozen
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webex_webhooks_async.testing.service import (
    access_tokens,
    attachment_actions,
    contents,
    emitted,
    memberships,
    messages,
    people,
    rooms,
    subscriptions,
    teams,
)
from webex_webhooks_async.testing.service.shared.events import WebexEvent
from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.requests import Call
from webex_webhooks_async.testing.service.shared.responses import (
    OAuthError,
    RefusedCallError,
    oauth_error_response,
    refusal,
)
from webex_webhooks_async.testing.service.shared.state import PATHS, State

Run = Callable[[Call], Awaitable[Response]]
Notify = Callable[[Sequence[WebexEvent]], Awaitable[object]]


@frozen
class Operation:
    """An operation.

    Attributes:
        run: Executes it.
        query: The parameters that its query may have; None if it ignores unknown ones.
    """

    run: Run
    query: tuple[str, ...] | None = ()


def _list(run: Run, *query: str) -> Operation:
    return Operation(run, (*query, "max", "cursor"))


ROUTES: Mapping[str, Mapping[str, Operation]] = {
    "/webhooks": {
        "GET": _list(subscriptions.list_webhooks, "ownedBy"),
        "POST": Operation(subscriptions.create_webhook),
    },
    "/webhooks/{id}": {
        "GET": Operation(subscriptions.get_webhook),
        "PUT": Operation(subscriptions.update_webhook),
        "DELETE": Operation(subscriptions.delete_webhook),
    },
    "/people": {"GET": _list(people.list_people, "email", "id", "displayName")},
    "/people/me": {"GET": Operation(people.get_me)},
    "/people/{id}": {"GET": Operation(people.get_person)},
    "/rooms": {
        "GET": _list(rooms.list_rooms, "teamId", "type"),
        "POST": Operation(rooms.create_room),
    },
    "/rooms/{id}": {
        "GET": Operation(rooms.get_room),
        "PUT": Operation(rooms.update_room),
        "DELETE": Operation(rooms.delete_room),
    },
    "/memberships": {
        "GET": _list(memberships.list_memberships, "roomId", "personId", "personEmail"),
        "POST": Operation(memberships.create_membership),
    },
    "/memberships/{id}": {
        "GET": Operation(memberships.get_membership),
        "PUT": Operation(memberships.update_membership),
        "DELETE": Operation(memberships.delete_membership),
    },
    "/messages": {
        "GET": _list(
            messages.list_messages,
            *("roomId", "parentId", "mentionedPeople", "before", "beforeMessage"),
        ),
        "POST": Operation(messages.create_message),
    },
    "/messages/direct": {
        "GET": _list(messages.list_direct_messages, "personId", "personEmail", "parentId"),
    },
    "/messages/{id}": {
        "GET": Operation(messages.get_message),
        "PUT": Operation(messages.update_message),
        "DELETE": Operation(messages.delete_message),
    },
    "/contents/{id}": {"GET": Operation(contents.get_content, ("allow",))},
    "/attachment/actions": {"POST": Operation(attachment_actions.create_action)},
    "/attachment/actions/{id}": {"GET": Operation(attachment_actions.get_action)},
    "/teams": {"GET": _list(teams.list_teams), "POST": Operation(teams.create_team)},
    "/teams/{id}": {
        "GET": Operation(teams.get_team),
        "PUT": Operation(teams.update_team),
        "DELETE": Operation(teams.delete_team),
    },
    "/team/memberships": {
        "GET": _list(teams.list_memberships, "teamId"),
        "POST": Operation(teams.create_membership),
    },
    "/team/memberships/{id}": {
        "GET": Operation(teams.get_membership),
        "PUT": Operation(teams.update_membership),
        "DELETE": Operation(teams.delete_membership),
    },
    "/access_token": {"POST": Operation(access_tokens.create_access_token)},
    "/authorize": {"GET": Operation(access_tokens.authorize, None)},  # RFC 6749, section 3.1
}
"""The operations, of two paths that match the more specific first.

The resources in the catalog that have none here can be read by id.
"""

_ALL: Mapping[str, Mapping[str, Operation]] = {
    **ROUTES,
    **{
        f"/{path}/{{id}}": {"GET": Operation(emitted.get_document(resource))}
        for resource, path in PATHS.items()
        if f"/{path}/{{id}}" not in ROUTES
    },
}

_WITHOUT_TOKEN = frozenset({"/access_token", "/authorize"})

_PREFIX = "/v1"
_PERSON_TOKEN = "person:"  # noqa: S105 - the prefix of a token, not a token


def application(state: State, notify: Notify) -> ASGIApp:
    """The API of what `state` holds.

    Args:
        state: What the simulated Webex holds.
        notify: Notifies the webhooks, after the response, of what an operation caused.
    """

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await _execute(state, notify, request)
        except RefusedCallError as error:
            response = refusal(request, error)
        except OAuthError as error:
            response = oauth_error_response(request, error)
        await response(scope, receive, send)

    return respond


async def _execute(state: State, notify: Notify, request: Request) -> Response:
    path, operation = _operation(request)
    person = state.bot if path in _WITHOUT_TOKEN else _caller(state, request)
    _check_query(path, operation, request)
    if path not in _WITHOUT_TOKEN:
        state.base_urls[person.id] = f"{request.url.scheme}://{request.url.netloc}{_PREFIX}"
    call = Call(request=request, state=state, person=person)
    response = await operation.run(call)
    if call.events:
        # Not before the response: a bot that does one thing at a time is free by then.
        response.background = BackgroundTask(notify, call.events)
    return response


def _operation(request: Request) -> tuple[str, Operation]:
    """The path with ``{id}``, and the operation; the id goes into the request's scope.

    Raises:
        RefusedCallError: The sandbox doesn't have it.
    """
    sent: str = request.scope["raw_path"].decode("latin-1")
    method = "GET" if request.method == "HEAD" else request.method
    for path, operations in _ALL.items():
        params = _match(_PREFIX + path, sent)
        if params is not None:
            if method in operations:
                request.scope["path_params"] = params
                return path, operations[method]
            raise _lacking(request.method, sent, _named({path: operations}))
    if not sent.startswith(f"{_PREFIX}/"):
        raise RefusedCallError(
            501,
            message=f"The sandbox doesn't have {request.method} {sent}: its paths begin with "
            f"{_PREFIX}/. A base URL may need a slash at its end.",
        )
    raise _lacking(request.method, sent, _named(_ALL))


def _match(path: str, sent: str) -> dict[str, str] | None:
    """The id in the path that was sent; None if it is another path.

    A percent-encoded slash belongs to the id, so the path is taken apart before it is decoded.
    """
    parts, given = path.split("/"), sent.split("/")
    params: dict[str, str] = {}
    if len(parts) != len(given):
        return None
    for part, segment in zip(parts, given, strict=True):
        if part == "{id}":
            params["id"] = unquote(segment)
        elif part != segment:
            return None
    return params


def _lacking(method: str, sent: str, there_is: Iterator[str]) -> RefusedCallError:
    return RefusedCallError(
        501,
        *there_is,
        message=f"The sandbox doesn't have {method} {sent}; errors lists what it has.",
    )


def _named(routes: Mapping[str, Mapping[str, Operation]]) -> Iterator[str]:
    for path, operations in routes.items():
        yield from (f"{method} {_PREFIX}{path}" for method in operations)


def _check_query(path: str, operation: Operation, request: Request) -> None:
    """Refuse parameters that the operation doesn't have.

    Raises:
        RefusedCallError: There are some.
    """
    if operation.query is None:
        return
    if unknown := [each for each in request.query_params if each not in operation.query]:
        raise RefusedCallError(
            501,
            f"it has: {', '.join(operation.query) or 'none'}",
            message=f"The sandbox doesn't have the query parameter {', '.join(unknown)} of "
            f"{request.method} {_PREFIX}{path}.",
        )


def _caller(state: State, request: Request) -> SandboxPerson:
    token = state.tokens.bearer(request)
    if token.startswith(_PERSON_TOKEN):
        return state.named(token.removeprefix(_PERSON_TOKEN))
    return state.tokens.owner(token) or state.bot
