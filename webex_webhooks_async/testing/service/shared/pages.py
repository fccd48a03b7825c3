"""Lists in pages, with Webex's Link header.

Facts: "Pagination" on https://developer.webex.com/docs/basics
"""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from webex_webhooks_async.testing.service.shared.errors import RefusedError
from webex_webhooks_async.testing.service.shared.requests import Call, page_size
from webex_webhooks_async.testing.service.shared.responses import json_response
from webex_webhooks_async.testing.service.shared.store import Store

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
        RefusedError: ``max`` isn't a positive number, or the cursor comes from elsewhere.
    """
    query = call.request.query_params
    size = page_size(call.request)
    try:
        page = store.page(
            size=size, cursor=query.get("cursor"), where=where, newest_first=newest_first
        )
    except ValueError as error:
        raise RefusedError(400, str(error)) from None
    response = json_response({"items": [on_wire(item) for item in page.items]})
    if page.cursor is not None:
        rest = {key: value for key, value in query.items() if value and key not in _OURS}
        text = urlencode({"max": size, **rest, "cursor": page.cursor})
        response.headers["Link"] = f'<{call.request.url.replace(query=text)}>; rel="next"'
    return response
