"""What `Sandbox.emit` reported of meetings: the lists, and what can be downloaded.

Facts: https://developer.webex.com/docs/api/v1/meetings, /recordings and /meeting-transcripts
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import quote

from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Resource
from webex_webhooks_async.testing.service.calls import Call, page_response
from webex_webhooks_async.testing.service.formats import timestamp
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response

FILTERS = ("hostEmail", "meetingId")
"""The parameters of each list."""

_LINKS_LIFETIME = timedelta(hours=3)

_DOWNLOADS = {
    "recordingDownloadLink": ("video/mp4", "The recording of {topic}"),
    "audioDownloadLink": ("audio/mpeg", "The sound of {topic}"),
    "transcriptDownloadLink": ("text/vtt", "WEBVTT\n\n00:01.000 --> 00:03.000\n{topic}\n"),
}
"""What a recording's links lead to."""

_TRANSCRIPTS = {
    "txt": ("text/plain", "{host}: Welcome to {topic}.\n"),
    "vtt": ("text/vtt", "WEBVTT\n\n00:01.000 --> 00:03.000\n{host}: Welcome to {topic}.\n"),
}


def list_emitted(resource: str) -> Callable[[Call], Awaitable[Response]]:
    """The operation that lists what was reported of a resource, to everybody."""

    async def list_(call: Call) -> Response:
        host, meeting = (call.query(name) for name in FILTERS)
        return page_response(
            call,
            call.state.documents[resource],
            where=lambda each: (
                (host is None or str(each.get("hostEmail")).lower() == host.lower())
                and (meeting is None or meeting in {each["id"], each.get("meetingId")})
            ),
        )

    return list_


async def get_recording(call: Call) -> Response:
    """One recording, with links to its files: on another host, without a token, for three hours."""
    recording = call.document(Resource.RECORDINGS)
    url, expires = call.request.url, timestamp(call.state.clock() + _LINKS_LIFETIME)
    host = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}.get(
        str(url.hostname), f"files.{url.hostname}"
    )
    links: dict[str, str] = {
        name: str(
            url.replace(
                hostname=host,
                path=f"/v1/downloads/{quote(recording['id'], safe='')}",
                query=f"file={name}&expires={quote(expires)}",
            )
        )
        for name in _DOWNLOADS
    }
    links["expiration"] = expires
    return json_response({"temporaryDirectDownloadLinks": links, **recording})


async def download(call: Call) -> Response:
    """What a link of a recording leads to."""
    recording = call.document(Resource.RECORDINGS)
    name, expires = call.query("file") or "", call.query("expires") or ""
    if name not in _DOWNLOADS:
        raise RefusedCallError(404)
    if call.state.now() > expires:
        raise RefusedCallError(403, "the link has expired: get the recording again")
    return _file(*_DOWNLOADS[name], topic=recording.get("topic"))


async def download_transcript(call: Call) -> Response:
    """The text of a transcript, as WebVTT or as plain text."""
    transcript = call.document(Resource.MEETING_TRANSCRIPTS)
    form = call.query("format") or "vtt"
    if form not in _TRANSCRIPTS:
        raise RefusedCallError(400, f"format must be {' or '.join(_TRANSCRIPTS)}")
    host = call.state.persons.find(transcript.get("hostUserId"))
    name = host.display_name if host else "Host"
    return _file(*_TRANSCRIPTS[form], topic=transcript.get("meetingTopic"), host=name)


def _file(media_type: str, content: str, **words: object) -> Response:
    return Response(content.format(**words), media_type=media_type)
