"""A request's contents: the caller, the body, the query, the page; or why it is refused.

Facts: RFC 7578 (multipart)
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.message import Message
from email.parser import HeaderParser
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlencode

from attrs import Factory, frozen
from starlette.requests import Request
from starlette.responses import Response

from webex_webhooks_async.client.requester import http_url
from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.vocabulary import OwnedBy, WebhookStatus
from webex_webhooks_async.serialization.strict_json import parse_json
from webex_webhooks_async.testing.service.events import WebexEvent
from webex_webhooks_async.testing.service.formats import moment_of
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
from webex_webhooks_async.testing.service.state import Json, State, Store, unknown_person

PAGE_SIZE = 100
"""The size of a page by default, and at most: a larger `max` is lowered, not refused."""

T = TypeVar("T")

_OURS = frozenset({"cursor", "max"})
_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_FORM = "application/x-www-form-urlencoded"


@frozen(kw_only=True)
class Call:
    """One call of an operation, and what it causes."""

    request: Request
    state: State
    person: SandboxPerson  # whose access token the request carries
    events: list[WebexEvent] = Factory(list[WebexEvent])  # notified after the response

    @property
    def id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])

    def document(self, resource: str) -> Json:
        """Return the stored document of a resource by the id in the path."""
        document = self.state.documents[resource].get(self.id)
        if document is None or not self.state.may_read(self.person, resource, self.id):
            raise RefusedCallError(404)
        return document

    def query(self, name: str) -> str | None:
        """A parameter of the query; None if it is absent or empty."""
        return self.request.query_params.get(name) or None

    def query_word(self, name: str) -> str | None:
        """A parameter of the query that has to be one of some words; None without a value."""
        word = self.query(name)
        if problem := word and _problem(name, word):
            raise RefusedCallError(400, problem)
        return word

    def query_time(self, name: str) -> datetime | None:
        """A parameter of the query that has to be a time; None without a value."""
        text = self.query(name)
        moment = moment_of(text) if text else None
        if text and moment is None:
            raise RefusedCallError(400, f"{name} must be a date and time in ISO 8601, got {text!r}")
        return moment

    def person_id(self, named: str) -> str:
        """The id of a person who is named by it, or by the UUID in it."""
        person = self.state.persons.find(named)
        if person is not None and "@" not in named:
            return person.id
        if (problem := unknown_person(named)).status_code == HTTPStatus.BAD_REQUEST:
            raise problem
        return named

    async def json(self) -> dict[str, Any]:
        """The JSON object in the body."""
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
        """The members of the message in the body, and its files, which only multipart has.

        Many published programs send a message as a plain form, which no page of Webex's names.
        """
        content_type = self.request.headers.get("content-type", _JSON)
        kind = content_type.partition(";")[0].strip().lower()
        if kind == _MULTIPART:
            return _parse_multipart(content_type, await self.request.body())
        if kind == _FORM:
            return dict(await self.form()), ()
        return await self.json(), ()

    async def form(self) -> Mapping[str, str]:
        """The fields of a form, without empty ones; of repeated ones, the last."""
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


def person_of(call: Call, fields: Mapping[str, str]) -> SandboxPerson:
    """The person whom a request names by id or by address, who is introduced if need be."""
    return call.state.named(id_or_email(fields))


def id_or_email(fields: Mapping[str, str]) -> str:
    """The ways in which a request names a person."""
    given = [fields[name] for name in ("personId", "personEmail") if fields.get(name)]
    if len(given) != 1:
        raise RefusedCallError(400, "exactly one of personId, personEmail is required")
    return given[0]


def _check_media_type(request: Request, expected: str) -> None:
    given = request.headers.get("content-type", expected)
    if given.partition(";")[0].strip().lower() != expected:
        raise RefusedCallError(415, f"The request's media type is not supported; send {expected}.")


_WORDS = {
    "ownedBy": frozenset(OwnedBy),
    "status": frozenset(WebhookStatus),
    "sortBy": frozenset({"id", "lastactivity", "created"}),
}


def _problem(name: str, value: object) -> str | None:
    if name.startswith("is"):
        return None if isinstance(value, bool) else f"{name} must be true or false"
    if not isinstance(value, str):
        return f"{name} must be a string"
    if name == "targetUrl" and http_url(value) is None:
        return f"{name} must be an absolute http(s) URL"
    if name in _WORDS and value not in _WORDS[name]:
        return f"{name} must be {' or '.join(sorted(_WORDS[name]))}"
    return None


def page_response(  # noqa: PLR0913 - each says something else about the list
    call: Call,
    store: Store[T],
    *,
    where: Callable[[T], bool],
    on_wire: Callable[[T], Any] = lambda item: item,
    order: Callable[[T], str] = lambda _item: "",
    newest_first: bool = False,
    size: int = PAGE_SIZE,
    at_most: int = PAGE_SIZE,
    beside: Mapping[str, Any] | None = None,
) -> Response:
    """The page of a list that the query asks for, with the link to the next one.

    A cursor is the position of the last item that was listed, so items that are added or removed
    between two pages neither repeat nor skip another. `order` is the sort key: equal documents are
    in the order in which they were added. `size` is that of a page if the query has no ``max``, and
    `beside` has the members of the response besides the items.
    """
    query = call.request.query_params
    text = query.get("max", str(size))
    if not re.fullmatch(r"0*[1-9][0-9]*", text, re.ASCII):
        raise RefusedCallError(400, f"max must be a positive number, got {text}")
    size = min(int(text.lstrip("0")[:9]), at_most)  # 9 digits exceed any page
    cursor = query.get("cursor")
    last = ("", 0) if cursor is None else _position(cursor)
    found = {(order(item), number): item for number, item in store.numbered() if where(item)}
    rest = [
        each
        for each in sorted(found, reverse=newest_first)
        if cursor is None or (each < last if newest_first else each > last)
    ]
    listed = [on_wire(found[each]) for each in rest[:size]]
    response = json_response({"items": listed, **(beside or {})})
    if len(rest) > size:
        value, number = rest[size - 1]
        kept = {key: each for key, each in query.items() if each and key not in _OURS}
        sized = {"max": size} if "max" in query else {}
        following = urlencode({**sized, **kept, "cursor": f"{number}-{value}"})
        response.headers["Link"] = f'<{call.request.url.replace(query=following)}>; rel="next"'
    return response


def _position(cursor: str) -> tuple[str, int]:
    match = re.fullmatch("([0-9]{1,18})-(.*)", cursor)
    if match is None:
        raise RefusedCallError(400, "the cursor must come from the Link header of the page before")
    return match[2], int(match[1])


def _parse_multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], tuple[File, ...]]:
    """The fields of a form, the last of a repeated one, and its files, which are called so."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise RefusedCallError(400, "multipart/form-data needs a boundary")
    _, *parts = (b"\r\n" + body).split(f"\r\n--{boundary}".encode("latin-1", "replace"))
    ends = [number for number, part in enumerate(parts) if part.startswith(b"--")]
    if not ends:
        raise RefusedCallError(
            400, "the multipart body ends too early: its last boundary is missing; send it again"
        )
    fields: dict[str, Any] = {}
    files: list[File] = []
    for part in parts[: ends[0]]:
        name, value = _parsed(part)
        if not isinstance(value, File):
            fields[name] = value
        elif name == "files":
            files.append(value)
    return fields, tuple(files)


def _parsed(part: bytes) -> tuple[str, File | str]:
    head, separator, content = part.partition(b"\r\n\r\n")
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip())
    name = headers.get_param("name", header="content-disposition")
    if not separator or not isinstance(name, str):
        raise RefusedCallError(400, "a part of the multipart body has no name")
    filename = headers.get_filename()
    if filename is None:
        return name, content.decode("utf-8", "replace")
    for escape, character in (("%22", '"'), ("%0D", " "), ("%0A", " ")):
        filename = filename.replace(escape, character)
    return name, File(
        filename.replace("\\", "/").rpartition("/")[2] or "file",
        content,
        headers.get_content_type() if "content-type" in headers else None,
    )
