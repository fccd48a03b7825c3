"""Responses in the forms that Webex uses."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from webex_webhooks_async.serialization import dump_json


def json_response(content: Mapping[str, Any], status_code: int = 200) -> Response:
    """A response with a JSON object."""
    return Response(dump_json(content), status_code, media_type="application/json;charset=UTF-8")
