"""Responses, and the error bodies with which Webex refuses a request."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from webex_webhooks_async.strict_json import dump_json


def json_response(content: Mapping[str, Any], status_code: int = 200) -> Response:
    """A response with a JSON object."""
    return Response(dump_json(content), status_code, media_type="application/json;charset=UTF-8")


_MESSAGES = {
    401: "The request requires a valid access token set in the Authorization request header.",
    404: "The requested resource could not be found.",
    429: "Too many requests: try again after the time in Retry-After.",
}


class RefusedCallError(Exception):
    """A request that is refused.

    Attributes:
        status_code: The status of the response.
        problems: What is wrong; without any, the response has the status's usual message.
        message: What is wrong in a sentence; None for the first problem.
    """

    def __init__(self, status_code: int, *problems: str, message: str | None = None) -> None:
        super().__init__(status_code, *problems)
        self.status_code = status_code
        self.problems = problems
        self.message = message

    def __str__(self) -> str:
        return "; ".join(self.problems) or _message(self.status_code)


class OAuthError(Exception):
    """A refused request for a token, in the words of RFC 6749, section 5.2.

    Attributes:
        error: The code, such as ``invalid_grant``.
        description: What is wrong.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


def error_response(
    request: Request,
    status_code: int,
    problems: tuple[str, ...] = (),
    *,
    message: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error in Webex's form: a message, the problems, the tracking id."""
    problems = problems or (_message(status_code),)
    response = json_response(
        {
            "message": message or problems[0],
            "errors": [{"description": problem} for problem in problems],
            "trackingId": request.state.tracking_id,
        },
        status_code,
    )
    response.headers.update(headers or {})
    return response


def refusal(request: Request, error: RefusedCallError) -> Response:
    """The response to a request that is refused."""
    return error_response(request, error.status_code, error.problems, message=error.message)


def oauth_error_response(request: Request, error: OAuthError) -> Response:
    """The response to a refused request for a token."""
    body: dict[str, Any] = {
        "error": error.error,
        "error_description": error.description,
        "trackingId": request.state.tracking_id,
    }
    return json_response(body, HTTPStatus.BAD_REQUEST)


def relayed(problem: str) -> str:
    """A problem as Webex relays it from the inner service that checks webhooks."""
    return (
        "POST failed: HTTP/1.1 400 Bad Request "
        f"(url = https://webhooks.sandbox.invalid/webhooks/api/v1/webhooks, error = '{problem}')"
    )


def _message(status_code: int) -> str:
    if status_code in _MESSAGES:
        return _MESSAGES[status_code]
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return f"Status {status_code}"
