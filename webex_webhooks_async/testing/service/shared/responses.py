"""Responses in the forms that Webex uses."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def json_response(content: Mapping[str, Any], status_code: int = 200) -> Response:
    """A response with a JSON object."""
    text = json.dumps(content, separators=(",", ":"))
    return Response(text, status_code, media_type="application/json;charset=UTF-8")
