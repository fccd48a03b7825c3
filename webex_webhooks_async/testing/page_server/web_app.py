"""The sandbox as it is served on loopback: who may call it, the page, and what the page needs.

Besides the API there is one private endpoint, ``/sandbox``, for what Webex has no way to ask. The
page and `chat` use it, and nothing that they do there is recorded, or made to fail.
"""

from collections.abc import AsyncGenerator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.serialization.strict_json import dump_json, parse_json
from webex_webhooks_async.testing.delivering.event_stream import EventStream
from webex_webhooks_async.testing.page_server.page_actions import PageActions
from webex_webhooks_async.testing.requests import SANDBOX_HEADER, body_of
from webex_webhooks_async.testing.service.responses import RefusedCallError
from webex_webhooks_async.validation import is_loopback

if TYPE_CHECKING:
    from webex_webhooks_async.testing.service.state import Json

PRIVATE = "/sandbox"
"""The path of the private endpoint, which Webex doesn't have."""

RENDERER = "https://cdn.jsdelivr.net/npm/adaptivecards@3.0.6/dist/adaptivecards.min.js"
"""What renders cards: the one script that isn't our own. The page loads it by its integrity."""

INTEGRITY = "sha384-M6IdJidOpX9E8ISrXtcfFvFTf4ePKNWDy3pRXxzb/8dro8ceUoIIzcK4higcq/JC"
"""The digest of the file in the npm package."""

_POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src 'self' {RENDERER}",
        "style-src 'self'",
        "connect-src 'self'",
        # Cards have pictures, which a bot in development may serve itself.
        "img-src 'self' data: blob: https: http://127.0.0.1:* http://localhost:*",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    **SANDBOX_HEADER,
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_AUTHORIZE = "/v1/authorize"  # an integration sends its user's browser there
_MAX_DOCUMENT = 1_048_576  # bytes that an action reads; the data of an event have some thousands
_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_FILES = files("webex_webhooks_async.testing.page_server").joinpath("page")


class WebApp:
    """An ASGI application: the API, the private endpoint and, if wanted, the page."""

    def __init__(  # noqa: PLR0913 - each is a collaborator or an option of its own
        self,
        api: ASGIApp,
        *,
        unrecorded: ASGIApp,
        events: EventStream,
        actions: PageActions,
        page: bool,
        allow_remote: bool,
    ) -> None:
        self._api = api
        self._unrecorded = unrecorded
        self._events = events
        self._actions = actions
        self._allow_remote = allow_remote
        shown = _FILES.iterdir() if page else ()
        self._page = {f"/{each.name}".replace("/index.html", "/"): each for each in shown}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        path: str = scope["path"]
        if path.startswith(f"{PRIVATE}/v1/"):
            scope = _without_prefix(scope)
        response = await self._response_to(Request(scope, receive), path)
        await response(scope, receive, send)

    async def _response_to(self, request: Request, path: str) -> ASGIApp:
        if not (self._allow_remote or _is_loopback(request)):
            return _refused(
                403,
                "the sandbox is for this machine: call it as 127.0.0.1 or localhost, or allow "
                "other hosts with Sandbox(allow_remote=True), on the command line with "
                "--allow-remote",
            )
        is_visit = _is_visit(request) and (path in self._page or path == _AUTHORIZE)
        if not (_is_same_origin(request) and (_asks_itself(request) or is_visit)):
            return _refused(403, "pages of other origins can't use the sandbox")
        if path in self._page:
            return _static(self._page[path])
        if path.startswith(f"{PRIVATE}/"):
            return await self._private(request, path.removeprefix(PRIVATE))
        return self._api

    async def _private(self, request: Request, path: str) -> ASGIApp:
        if path.startswith("/v1/"):
            return self._unrecorded
        if path == "/events":
            stream = _server_sent(self._events)
            return StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)
        name = path.removeprefix("/")
        return await self._act(name, request) if name in self._actions.by_name else self._api

    async def _act(self, name: str, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refused(415, "send application/json")
        body = await body_of(request, at_most=_MAX_DOCUMENT)
        if body is None:
            return _refused(413, f"the body must not exceed {_MAX_DOCUMENT} bytes")
        try:
            document = parse_json(body)
        except DecodeError:
            return _refused(400, "the body is not valid JSON")
        try:
            result = await self._actions.by_name[name](
                cast("Json", document) if isinstance(document, dict) else {}
            )
        except RefusedCallError as error:
            return _refused(error.status_code, str(error))
        return JSONResponse(result, headers=_HEADERS)


def _is_loopback(request: Request) -> bool:
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return is_loopback(name.removeprefix("[").removesuffix("]"))


def _without_prefix(scope: Scope) -> Scope:
    raw_path: bytes = scope["raw_path"]
    return {
        **scope,
        "path": scope["path"].removeprefix(PRIVATE),
        "raw_path": raw_path.removeprefix(PRIVATE.encode()),
    }


def _is_same_origin(request: Request) -> bool:
    """Whether no other page asks: a browser names the origin of the page that does.

    The scheme doesn't count: behind a proxy, the page may be read over https.
    """
    own = request.headers.get("host")
    return all(
        origin.partition("://")[1:] == ("://", own) for origin in request.headers.getlist("origin")
    )


def _asks_itself(request: Request) -> bool:
    """Whether no website asks where a browser names no origin, as for a picture or a link.

    Another port of this machine is the same site, and another origin.
    """
    return request.headers.get("sec-fetch-site") not in {"cross-site", "same-site"}


def _is_visit(request: Request) -> bool:
    """Whether a browser opens this in a tab or a window, from wherever a link led there."""
    headers = request.headers
    asked = (request.method, headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return asked == ("GET", "navigate", "document")


def _refused(status_code: int, message: str) -> Response:
    return JSONResponse({"message": message}, status_code, headers=_HEADERS)


def _static(file: Traversable) -> Response:
    content = file.read_text("utf-8")
    for word, meaning in {"$RENDERER": RENDERER, "$INTEGRITY": INTEGRITY}.items():
        content = content.replace(word, meaning)
    media_type = _MEDIA_TYPES[file.name.rpartition(".")[2]]
    return Response(content, media_type=media_type, headers=_HEADERS)


async def _server_sent(events: EventStream) -> AsyncGenerator[bytes, None]:
    async for event in events.follow():
        yield b"data: " + dump_json(event) + b"\n\n"
