"""What a request contains: the caller, the body, the query, the page; or why it is refused."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlencode

import httpx
from attrs import Factory, frozen
from starlette.requests import Request
from starlette.responses import Response

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.vocabulary import OwnedBy, Status
from webex_webhooks_async.strict_json import parse_json
from webex_webhooks_async.testing.service.shared.events import WebexEvent
from webex_webhooks_async.testing.service.shared.multipart import parse_multipart
from webex_webhooks_async.testing.service.shared.persons import SandboxPerson
from webex_webhooks_async.testing.service.shared.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.shared.state import State, Store

MAX_PAGE_SIZE = 100
"""The size of a page by default, and at most: a larger `max` is clamped, not refused."""

_HIGHEST_PORT = 65535
_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_FORM = "application/x-www-form-urlencoded"


@frozen(kw_only=True)
class Call:
    """One call of an operation.

    Attributes:
        request: The HTTP request.
        state: What the simulated Webex holds.
        person: Whose access token the request carries.
        events: What the operation causes; webhooks are notified after the response.
    """

    request: Request
    state: State
    person: SandboxPerson
    events: list[WebexEvent] = Factory(list[WebexEvent])

    @property
    def id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])

    def query(self, name: str) -> str | None:
        """A parameter of the query; None if it is absent or empty."""
        return self.request.query_params.get(name) or None

    async def json(self) -> dict[str, Any]:
        """The JSON object in the body.

        Raises:
            RefusedCallError: The media type is another, or the body isn't a JSON object.
        """
        _check_media_type(self.request, _JSON)
        try:
            document = parse_json(await self.request.body())
            json.dumps(document, ensure_ascii=False).encode()  # refuses lone surrogates
        except (DecodeError, UnicodeEncodeError):
            raise RefusedCallError(400, "The request's body is not valid JSON.") from None
        if not isinstance(document, dict):
            raise RefusedCallError(400, "The request's body must be a JSON object.")
        return cast("dict[str, Any]", document)

    async def message(self) -> tuple[dict[str, Any], tuple[File, ...]]:
        """The members of the message in the body, and its files: in JSON there are none.

        Raises:
            RefusedCallError: The body is neither JSON nor complete multipart.
        """
        content_type = self.request.headers.get("content-type", _JSON)
        if content_type.partition(";")[0].strip().lower() != _MULTIPART:
            return await self.json(), ()
        try:
            fields, files = parse_multipart(content_type, await self.request.body())
        except ValueError as error:
            raise RefusedCallError(400, str(error)) from None
        return dict(fields), files

    async def form(self) -> Mapping[str, str]:
        """The fields of a form, without empty ones; of repeated ones, the last.

        Raises:
            RefusedCallError: The media type is another, or the body isn't text.
        """
        _check_media_type(self.request, _FORM)
        try:
            fields = parse_qs((await self.request.body()).decode())
        except ValueError:
            raise RefusedCallError(400, "The request's body is not a valid form.") from None
        return {name: values[-1] for name, values in fields.items()}


def fields_of(
    document: Mapping[str, Any], *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> dict[str, Any]:
    """The fields that an operation knows: texts, and booleans where the name begins with ``is``.

    A null or empty optional one counts as absent.

    Raises:
        RefusedCallError: A required one is missing, or one is malformed; every problem is named.
    """
    fields: dict[str, Any] = {}
    problems: list[str] = []
    for name in (*required, *optional):
        value = document.get(name)
        if value is None or value == "":
            if name in required:
                problems.append(f"{name} is required and must not be empty")
        elif problem := _problem(name, value):
            problems.append(problem)
        else:
            fields[name] = value
    if problems:
        raise RefusedCallError(400, *problems)
    return fields


def page_size(request: Request) -> int:
    """How many items the page has.

    Raises:
        RefusedCallError: ``max`` isn't a positive number.
    """
    text = request.query_params.get("max", str(MAX_PAGE_SIZE))
    if not re.fullmatch(r"0*[1-9][0-9]*", text, re.ASCII):
        raise RefusedCallError(400, f"max must be a positive number, got {text}")
    return min(int(text.lstrip("0")[:9]), MAX_PAGE_SIZE)  # 9 digits exceed any page


def wanted_owner(call: Call) -> str | None:
    """The ``ownedBy`` of the query; None for every owner.

    Raises:
        RefusedCallError: It is neither of the two words.
    """
    owner = call.query("ownedBy")
    if problem := owner and _problem("ownedBy", owner):
        raise RefusedCallError(400, problem)
    return owner


def is_http_url(text: str) -> bool:
    """Whether this is an absolute http(s) URL."""
    try:
        url = httpx.URL(text)
        host = url.host
    except (httpx.InvalidURL, UnicodeError):  # the second is bad punycode
        return False
    return url.scheme in {"http", "https"} and bool(host) and (url.port or 0) <= _HIGHEST_PORT


def _check_media_type(request: Request, expected: str) -> None:
    given = request.headers.get("content-type", expected)
    if given.partition(";")[0].strip().lower() != expected:
        raise RefusedCallError(415, f"The request's media type is not supported; send {expected}.")


_WORDS = {"ownedBy": frozenset(OwnedBy), "status": frozenset(Status)}


def _problem(name: str, value: object) -> str | None:
    if name.startswith("is"):
        return None if isinstance(value, bool) else f"{name} must be true or false"
    if not isinstance(value, str):
        return f"{name} must be a string"
    if name == "targetUrl" and not is_http_url(value):
        return f"{name} must be an absolute http(s) URL"
    if name in _WORDS and value not in _WORDS[name]:
        return f"{name} must be {' or '.join(sorted(_WORDS[name]))}"
    return None


T = TypeVar("T")

_OURS = frozenset({"cursor", "max"})


def page_response(
    call: Call,
    store: Store[T],
    *,
    where: Callable[[T], bool],
    on_wire: Callable[[T], Any] = lambda item: item,
    newest_first: bool = False,
) -> Response:
    """The page of a list that the query asks for, with the link to the next one.

    Raises:
        RefusedCallError: ``max`` isn't a positive number, or the cursor comes from elsewhere.
    """
    query = call.request.query_params
    size = page_size(call.request)
    try:
        page = store.page(
            size=size, cursor=query.get("cursor"), where=where, newest_first=newest_first
        )
    except ValueError as error:
        raise RefusedCallError(400, str(error)) from None
    response = json_response({"items": [on_wire(item) for item in page.items]})
    if page.cursor is not None:
        rest = {key: value for key, value in query.items() if value and key not in _OURS}
        text = urlencode({"max": size, **rest, "cursor": page.cursor})
        response.headers["Link"] = f'<{call.request.url.replace(query=text)}>; rel="next"'
    return response
