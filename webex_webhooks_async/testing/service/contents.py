"""The files of messages.

Facts: https://developer.webex.com/docs/basics#message-attachments
"""

from urllib.parse import quote

from starlette.responses import Response

from webex_webhooks_async.testing.service import messages
from webex_webhooks_async.testing.service.shared.requests import Call
from webex_webhooks_async.testing.service.shared.responses import RefusedCallError


async def get_content(call: Call) -> Response:
    """A file of a message that the caller may read."""
    stored = call.state.contents.get(call.id)
    if stored is None:
        raise RefusedCallError(404, f"no file has the id {call.id!r}")
    messages.find(call.state, call.person, stored.message_id)
    name = stored.file.name
    shown = f'filename="{name}"' if quote(name) == name else f"filename*=utf-8''{quote(name, '')}"
    return Response(
        stored.file.content,
        headers={
            "Content-Disposition": f"attachment; {shown}",
            "Content-Type": stored.file.content_type,
        },
    )
