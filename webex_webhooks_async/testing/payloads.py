"""What a request says in its body and its query, or why it is refused."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
from starlette.requests import Request

from webex_webhooks_async.errors import DecodeError
from webex_webhooks_async.models.vocabulary import OwnedBy, Status
from webex_webhooks_async.serialization import parse_json
from webex_webhooks_async.testing.answers import RefusedError

MAX_PAGE_SIZE = 100
"""The size of a page, unless a smaller one is asked for. A larger one is clamped, not refused."""

_HIGHEST_PORT = 65535
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        RefusedError: It has another media type, or isn't JSON, or no object.
    """
    _check_media_type(request, _JSON)
    try:
        document = parse_json(await request.body())
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (DecodeError, UnicodeEncodeError):
        raise RefusedError(400, "The request's body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise RefusedError(400, "The request's body must be a JSON object.")
    return cast("dict[str, Any]", document)


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form, without empty ones; of one that came twice, the last.

    Raises:
        RefusedError: It has another media type, or isn't text.
    """
    _check_media_type(request, _FORM)
    try:
        fields = parse_qs((await request.body()).decode())
    except ValueError:
        raise RefusedError(400, "The request's body is not a valid form.") from None
    return {name: values[-1] for name, values in fields.items()}


def fields_of(
    document: Mapping[str, Any], *, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, str]:
    """The fields that an operation knows; a null or empty optional one counts as left out.

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
    """How many items the page shall have that is asked for.

    Raises:
        RefusedError: It is no positive number.
    """
    text = request.query_params.get("max", str(MAX_PAGE_SIZE))
    if not re.fullmatch(r"0*[1-9][0-9]*", text, re.ASCII):
        raise RefusedError(400, f"max must be a positive number, got {text}")
    return min(int(text.lstrip("0")[:9]), MAX_PAGE_SIZE)  # no number of 9 digits is a page's size


def wanted_owner(request: Request) -> str | None:
    """Whose webhooks are asked for; None for everyone's.

    Raises:
        RefusedError: It is neither of the two words.
    """
    owner = request.query_params.get("ownedBy") or None
    if problem := owner and _problem("ownedBy", owner):
        raise RefusedError(400, problem)
    return owner


def _check_media_type(request: Request, expected: str) -> None:
    given = request.headers.get("content-type", expected)
    if given.partition(";")[0].strip().lower() != expected:
        raise RefusedError(415)


_WORDS = {"ownedBy": frozenset(OwnedBy), "status": frozenset(Status)}


def _problem(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return f"{name} must be a string"
    if name == "targetUrl" and not _is_absolute(value):
        return f"{name} must be an absolute http(s) URL"
    if name in _WORDS and value not in _WORDS[name]:
        return f"{name} must be {' or '.join(sorted(_WORDS[name]))}"
    return None


def _is_absolute(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host) and (url.port or 0) <= _HIGHEST_PORT
