"""The simulated API as an ASGI application: which operation a path and a method lead to."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import unquote

from attrs import frozen
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.testing.service import (
    access_tokens,
    attachment_actions,
    documents,
    meetings,
    messages,
    people,
    rooms,
    teams,
    webhooks,
)
from webex_webhooks_async.testing.service.calls import Call
from webex_webhooks_async.testing.service.events import WebexEvent
from webex_webhooks_async.testing.service.responses import RefusedCallError, error_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import PATHS, State
from webex_webhooks_async.testing.service.token_store import PERSON_TOKEN

Execute = Callable[[Call], Awaitable[Response]]
Announce = Callable[[Sequence[WebexEvent]], Callable[[], Awaitable[object]]]


@frozen
class Operation:
    """Executes an operation."""

    execute: Execute
    query: tuple[str, ...] | None = ()  # its parameters; None if it has any others as well
    refused: tuple[str, ...] = ()  # the parameters that Webex refuses


_PAGE = ("max", "cursor")  # what each list has


ROUTES: Mapping[str, Operation] = {
    "GET /webhooks": Operation(webhooks.list_webhooks, ("ownedBy", *_PAGE)),
    "POST /webhooks": Operation(webhooks.create_webhook),
    "GET /webhooks/{id}": Operation(webhooks.get_webhook),
    "PUT /webhooks/{id}": Operation(webhooks.update_webhook),
    "DELETE /webhooks/{id}": Operation(webhooks.delete_webhook),
    "GET /people": Operation(
        people.list_people,
        # The last one is of the JavaScript SDK, which asks for several people at once.
        ("email", "id", "displayName", "showAllTypes", *_PAGE),
    ),
    "POST /people": Operation(people.create_person),
    "GET /people/me": Operation(people.get_me),
    "GET /people/{id}": Operation(people.get_person),
    "GET /licenses": Operation(people.list_licenses, ("orgId", *_PAGE)),
    "GET /rooms": Operation(rooms.list_rooms, ("teamId", "type", "sortBy", *_PAGE)),
    "POST /rooms": Operation(rooms.create_room),
    "GET /rooms/{id}": Operation(rooms.get_room),
    "PUT /rooms/{id}": Operation(rooms.update_room),
    "DELETE /rooms/{id}": Operation(rooms.delete_room),
    "GET /memberships": Operation(
        rooms.list_memberships, ("roomId", "personId", "personEmail", *_PAGE)
    ),
    "POST /memberships": Operation(rooms.create_membership),
    "GET /memberships/{id}": Operation(rooms.get_membership),
    "PUT /memberships/{id}": Operation(rooms.update_membership),
    "DELETE /memberships/{id}": Operation(rooms.delete_membership),
    "GET /messages": Operation(
        messages.list_messages,
        ("roomId", "parentId", "mentionedPeople", "before", "beforeMessage", *_PAGE),
    ),
    "POST /messages": Operation(messages.create_message),
    "GET /messages/direct": Operation(
        messages.list_direct_messages,
        ("personId", "personEmail", "parentId", "cursor"),
        refused=("max",),
    ),
    "GET /messages/{id}": Operation(messages.get_message),
    "PUT /messages/{id}": Operation(messages.update_message),
    "DELETE /messages/{id}": Operation(messages.delete_message),
    "GET /contents/{id}": Operation(messages.get_content, ("allow",)),
    "POST /attachment/actions": Operation(attachment_actions.create_action),
    "GET /attachment/actions/{id}": Operation(attachment_actions.get_action),
    "GET /teams": Operation(teams.list_teams, _PAGE),
    "POST /teams": Operation(teams.create_team),
    "GET /teams/{id}": Operation(teams.get_team),
    "PUT /teams/{id}": Operation(teams.update_team),
    "DELETE /teams/{id}": Operation(teams.delete_team),
    "GET /team/memberships": Operation(teams.list_memberships, ("teamId", *_PAGE)),
    "POST /team/memberships": Operation(teams.create_membership),
    "GET /team/memberships/{id}": Operation(teams.get_membership),
    "PUT /team/memberships/{id}": Operation(teams.update_membership),
    "DELETE /team/memberships/{id}": Operation(teams.delete_membership),
    **{
        f"GET /{resource}": Operation(meetings.list_emitted(resource), (*query, *_PAGE))
        for resource, query in meetings.FILTERS.items()
    },
    "POST /meetings": Operation(meetings.create_meeting),
    "GET /meetings/{id}": Operation(
        documents.get_document(Resource.MEETINGS), (meetings.HOST, "current")
    ),
    "GET /meetingParticipants/{id}": Operation(
        documents.get_document(Resource.MEETING_PARTICIPANTS), (meetings.HOST,)
    ),
    "GET /recordings/{id}": Operation(meetings.get_recording, (meetings.HOST,)),
    "GET /downloads/{id}": Operation(meetings.download, ("file", "expires")),
    "GET /meetingTranscripts/{id}/download": Operation(
        meetings.download_transcript, (meetings.HOST, "meetingId", "format")
    ),
    "POST /access_token": Operation(access_tokens.create_access_token),
    "DELETE /authorizations": Operation(access_tokens.delete_authorizations, ("clientId",)),
    "GET /authorize": Operation(access_tokens.authorize, None),  # RFC 6749, section 3.1
}
"""The operations, of two paths that match the more specific first.

The resources in the catalog that have none here can be read by id.
"""

_ALL: Mapping[str, Operation] = {
    **ROUTES,
    **{
        f"GET /{path}/{{id}}": Operation(documents.get_document(resource))
        for resource, path in PATHS.items()
        if f"GET /{path}/{{id}}" not in ROUTES
    },
}

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_PREFIX = "/v1"
_NOT_BY_ID = frozenset({f"{_PREFIX}/telephony/calls/history"})
"""What the pattern of another path takes for an id, and the sandbox lacks."""

_PATTERNS = {  # a percent-encoded slash belongs to the id; the JavaScript SDK ends lists with one
    path: re.compile(_PREFIX + path.replace("{id}", "(?P<id>[^/]+)") + "/?")
    for path in dict.fromkeys(name.split()[1] for name in _ALL)
}
_WITHOUT_TOKEN = frozenset({"/access_token", "/authorize", "/downloads/{id}"})


def application(state: State, announce: Announce) -> Callable[[Request], Awaitable[Response]]:
    """The API of what `state` holds.

    `announce` gets what an operation caused; what it returns is called after the response.
    """

    async def respond(request: Request) -> Response:
        try:
            path, operation = _operation(request)
            person = state.bot if path in _WITHOUT_TOKEN else _caller(state, request)
            _check_query(path, operation, request)
            call = Call(request=request, state=state, person=person)
            response = await operation.execute(call)
        except RefusedCallError as error:
            return error_response(request, error)
        if call.events:
            # Not before the response: a bot that does one thing at a time is free by then.
            response.background = BackgroundTask(announce(call.events))
        return response

    return respond


def _operation(request: Request) -> tuple[str, Operation]:
    """The path with ``{id}``, and the operation; the id goes into the request's scope."""
    sent: str = request.scope["raw_path"].decode("latin-1")
    method = "GET" if request.method == "HEAD" else request.method
    for path, pattern in _PATTERNS.items():
        if sent not in _NOT_BY_ID and (match := pattern.fullmatch(sent)):
            operation = _ALL.get(f"{method} {path}")
            if operation is None:
                raise _lacking(request.method, sent, f" {path}")
            params = {name: unquote(value) for name, value in match.groupdict().items()}
            request.scope["path_params"] = params
            return path, operation
    if not sent.startswith(f"{_PREFIX}/"):
        raise RefusedCallError(
            501,
            message=f"The sandbox doesn't have {request.method} {sent}: its paths begin with "
            f"{_PREFIX}/. A base URL may need a slash at its end.",
        )
    raise _lacking(request.method, sent)


def _lacking(method: str, sent: str, path: str = "") -> RefusedCallError:
    there_is = (name.replace(" ", f" {_PREFIX}") for name in _ALL if name.endswith(path))
    message = f"The sandbox doesn't have {method} {sent}; errors lists what it has."
    return RefusedCallError(501, *there_is, message=message)


def _check_query(path: str, operation: Operation, request: Request) -> None:
    """Refuse parameters that Webex refuses; of others that the operation doesn't have, say so."""
    if operation.query is None:
        return
    for name in operation.refused:
        if name in request.query_params:
            raise RefusedCallError(400, f"this list has no parameter {name}; leave it out")
    if unknown := [each for each in request.query_params if each not in operation.query]:
        request.state.remark = (
            f"{request.method} {_PREFIX}{path} ignores {', '.join(unknown)}; "
            f"its query parameters are {', '.join(operation.query) or 'none'}"
        )
        logger.warning("%s", request.state.remark)


def _caller(state: State, request: Request) -> SandboxPerson:
    """Whose access token a request carries; notes the base URL that this person calls."""
    token = state.tokens.bearer(request)
    if token.startswith(PERSON_TOKEN):
        who = token.removeprefix(PERSON_TOKEN)
        person = state.persons.find(who)
        if person is None and "@" not in who:
            raise RefusedCallError(404, f"the token names {who!r}: it needs a person's address")
        person = state.named(who)
    else:
        person = state.tokens.owner(token) or state.bot
    state.base_urls[person.id] = f"{request.url.scheme}://{request.url.netloc}{_PREFIX}"
    return person
