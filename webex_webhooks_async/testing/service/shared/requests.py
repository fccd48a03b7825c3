"""What a request contains: the caller, the body, the query; or why it is refused."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
from attrs import Factory, frozen
from starlette.requests import Request

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.vocabulary import OwnedBy, Status
from webex_webhooks_async.serialization import parse_json
from webex_webhooks_async.testing.service.shared.errors import RefusedError
from webex_webhooks_async.testing.service.shared.events import WebexEvent
from webex_webhooks_async.testing.service.shared.persons import Person
from webex_webhooks_async.testing.service.shared.state import State

MAX_PAGE_SIZE = 100
"""The size of a page by default, and at most: a larger `max` is clamped, not refused."""

_HIGHEST_PORT = 65535
_JSON = "application/json"
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
    person: Person
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
            RefusedError: The media type is another, or the body isn't a JSON object.
        """
        _check_media_type(self.request, _JSON)
        try:
            document = parse_json(await self.request.body())
            json.dumps(document, ensure_ascii=False).encode()  # refuses lone surrogates
        except (DecodeError, UnicodeEncodeError):
            raise RefusedError(400, "The request's body is not valid JSON.") from None
        if not isinstance(document, dict):
            raise RefusedError(400, "The request's body must be a JSON object.")
        return cast("dict[str, Any]", document)

    async def form(self) -> Mapping[str, str]:
        """The fields of a form, without empty ones; of repeated ones, the last.

        Raises:
            RefusedError: The media type is another, or the body isn't text.
        """
        _check_media_type(self.request, _FORM)
        try:
            fields = parse_qs((await self.request.body()).decode())
        except ValueError:
            raise RefusedError(400, "The request's body is not a valid form.") from None
        return {name: values[-1] for name, values in fields.items()}


def fields_of(
    document: Mapping[str, Any], *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> dict[str, str]:
    """The text fields that an operation knows; a null or empty optional one counts as absent.

    Raises:
        RefusedError: A required one is missing, or one is malformed; every problem is named.
    """
    fields: dict[str, str] = {}
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
        raise RefusedError(400, *problems)
    return fields


def page_size(request: Request) -> int:
    """How many items the page has.

    Raises:
        RefusedError: ``max`` isn't a positive number.
    """
    text = request.query_params.get("max", str(MAX_PAGE_SIZE))
    if not re.fullmatch(r"0*[1-9][0-9]*", text, re.ASCII):
        raise RefusedError(400, f"max must be a positive number, got {text}")
    return min(int(text.lstrip("0")[:9]), MAX_PAGE_SIZE)  # 9 digits exceed any page


def wanted_owner(call: Call) -> str | None:
    """The ``ownedBy`` of the query; None for every owner.

    Raises:
        RefusedError: It is neither of the two words.
    """
    owner = call.query("ownedBy")
    if problem := owner and _problem("ownedBy", owner):
        raise RefusedError(400, problem)
    return owner


def is_http_url(text: str) -> bool:
    """Whether this is an absolute http(s) URL."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host) and (url.port or 0) <= _HIGHEST_PORT


def _check_media_type(request: Request, expected: str) -> None:
    given = request.headers.get("content-type", expected)
    if given.partition(";")[0].strip().lower() != expected:
        raise RefusedError(415, f"The request's media type is not supported; send {expected}.")


_WORDS = {"ownedBy": frozenset(OwnedBy), "status": frozenset(Status)}


def _problem(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return f"{name} must be a string"
    if name == "targetUrl" and not is_http_url(value):
        return f"{name} must be an absolute http(s) URL"
    if name in _WORDS and value not in _WORDS[name]:
        return f"{name} must be {' or '.join(sorted(_WORDS[name]))}"
    return None
