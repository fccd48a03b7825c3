"""Answers in the forms that Webex gives them."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_MESSAGES = {
    401: "The request requires a valid access token set in the Authorization request header.",
    404: "The requested resource could not be found.",
    405: "The method is not allowed for the requested resource.",
    415: "The request's media type is not supported; send application/json.",
    429: "Too many requests: ask again after the time that Retry-After gives.",
}


class RefusedError(HTTPException):
    """A request that gets an error for its answer.

    Attributes:
        problems: What is wrong; nothing for the usual message of the status.
    """

    def __init__(self, status_code: int, *problems: str) -> None:
        super().__init__(status_code)
        self.problems = problems


def json_answer(content: Mapping[str, Any], status_code: int = 200) -> Response:
    """An answer with a JSON object."""
    text = json.dumps(content, separators=(",", ":"))
    return Response(text, status_code, media_type="application/json;charset=UTF-8")


def error_answer(
    request: Request,
    status_code: int,
    problems: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error in Webex's form: a message, the problems, the tracking id."""
    problems = problems or (_MESSAGES.get(status_code) or _phrase(status_code),)
    answer = json_answer(
        {
            "message": problems[0],
            "errors": [{"description": problem} for problem in problems],
            "trackingId": request.state.tracking_id,
        },
        status_code,
    )
    answer.headers.update(headers or {})
    return answer


async def answer_refused(request: Request, error: Exception) -> Response:
    """What Starlette shall answer for an `HTTPException`, its own ones among them."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    problems = error.problems if isinstance(error, RefusedError) else ()
    return error_answer(request, error.status_code, problems, error.headers)


def relayed(problem: str) -> str:
    """A problem as the service passes it on from the inner one that checks webhooks."""
    return (
        "POST failed: HTTP/1.1 400 Bad Request "
        f"(url = https://webhooks.sandbox.invalid/webhooks/api/v1/webhooks, error = '{problem}')"
    )


def _phrase(status_code: int) -> str:
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return f"Status {status_code}"
