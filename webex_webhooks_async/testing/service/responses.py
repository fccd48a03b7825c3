"""Responses, and the errors with which Webex refuses a request."""

from collections.abc import Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from webex_webhooks_async.serialization.strict_json import dump_json

_MESSAGES = {
    **responses,
    401: "The request requires a valid access token set in the Authorization request header.",
    404: "The requested resource could not be found.",
    429: "Too many requests: try again after the time in Retry-After.",
}


class RefusedCallError(Exception):
    """A request that is refused: whatever an operation does for it raises this, with the reason.

    Its text has the problems alone, by default the status's usual message. Webex's own words, where
    they are known, come first in the response, and are the message unless that is another one.
    """

    headers: Mapping[str, str] = {}

    def __init__(
        self, status_code: int, *problems: str, message: str | None = None, words: str | None = None
    ) -> None:
        super().__init__(status_code, *problems)
        self.status_code = status_code
        self.problems: tuple[str, ...] = problems or (
            _MESSAGES.get(status_code, f"Status {status_code}"),
        )
        self.words: str | None = words
        self.message: str = message or words or self.problems[0]

    def __str__(self) -> str:
        return "; ".join(self.problems)

    @property
    def body(self) -> dict[str, Any]:
        """The error in Webex's form."""
        described = (*([self.words] if self.words else []), *self.problems)
        errors = [{"description": each} for each in described]
        return {"message": self.message, "errors": errors}


class OAuthError(RefusedCallError):
    """A refused request for a token, in the words of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, description)
        self.error = error

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.error, "error_description": self.message}


class ClientAuthenticationError(OAuthError):
    """A client whose HTTP Basic authentication is wrong: RFC 6749 asks for a 401 then."""

    headers: Mapping[str, str] = {"WWW-Authenticate": 'Basic realm="Webex", charset="UTF-8"'}

    def __init__(self, description: str) -> None:
        super().__init__("invalid_client", description)
        self.status_code = HTTPStatus.UNAUTHORIZED


def json_response(content: Mapping[str, Any], status_code: int = 200) -> Response:
    """A response with a JSON object."""
    return Response(dump_json(content), status_code, media_type="application/json;charset=UTF-8")


def error_response(
    request: Request, error: RefusedCallError, headers: Mapping[str, str] | None = None
) -> Response:
    """The response to a request that is refused."""
    body = {**error.body, "trackingId": request.state.tracking_id}
    response = json_response(body, error.status_code)
    response.headers.update({**error.headers, **(headers or {})})
    return response
