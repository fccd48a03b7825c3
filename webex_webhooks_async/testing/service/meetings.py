"""Meetings that are scheduled, and what `Sandbox.emit` reported of them: lists and downloads.

Facts: https://developer.webex.com/docs/api/v1/meetings, /recordings and /meeting-transcripts
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from urllib.parse import quote

from starlette.responses import Response

from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.testing.service.calls import Call, fields_of, page_response
from webex_webhooks_async.testing.service.documents import emit
from webex_webhooks_async.testing.service.formats import moment_of, timestamp_of_meeting
from webex_webhooks_async.testing.service.responses import RefusedCallError, json_response
from webex_webhooks_async.testing.service.state import Json

HOST = "hostEmail"
"""A parameter also of what is read by id, where it changes nothing: everybody sees all."""

_STARTS: Mapping[str, str] = {
    Resource.MEETINGS: "start",
    Resource.MEETING_TRANSCRIPTS: "startTime",
    Resource.RECORDINGS: "timeRecorded",
}
"""What has to be in the range from ``from`` to ``to``."""

_OF_MEETINGS = (HOST, "siteUrl", "meetingNumber", "meetingSeriesId", "meetingType", "state")
_MEMBERS = (*_OF_MEETINGS, "format", "status")
"""The parameters that a member of the same name has to equal."""

FILTERS: Mapping[str, tuple[str, ...]] = {
    Resource.MEETINGS: (*_OF_MEETINGS, "meetingId", "from", "to"),
    Resource.MEETING_PARTICIPANTS: (HOST, "meetingId"),
    Resource.MEETING_TRANSCRIPTS: (HOST, "siteUrl", "meetingId", "from", "to"),
    Resource.RECORDINGS: (HOST, "siteUrl", "meetingId", "format", "status", "from", "to"),
}
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


async def create_meeting(call: Call) -> Response:
    """Schedule a meeting, whose host is who calls."""
    optional = ("agenda", "password", "scheduledType", "timezone")
    fields = fields_of(await call.json(), required=("title", "start", "end"), optional=optional)
    start, end = (moment_of(fields[name]) for name in ("start", "end"))
    if start is None or end is None or end <= start:
        raise RefusedCallError(
            400, "start and end must be times in ISO 8601, the end after the start"
        )
    number = f"{secrets.randbelow(10**11):011}"
    made = {
        "meetingNumber": number,
        "meetingType": "meetingSeries",
        "scheduledType": "meeting",
        "hostUserId": call.person.id,
        "state": "active",
        "webLink": f"https://example.webex.com/example/j.php?MTID=m{secrets.token_hex(16)}",
        "sipAddress": f"{number}@example.webex.com",
        "password": secrets.token_urlsafe(8),
    }
    event = emit(
        *(call.state, Resource.MEETINGS, Event.CREATED, {**made, **fields}),
        actor_id=None,
        owner=call.person,
    )
    call.events.append(event)
    return json_response(call.state.documents[Resource.MEETINGS].get(event.data["id"]) or {})


def list_emitted(resource: str) -> Callable[[Call], Awaitable[Response]]:
    """The operation that lists what was reported of a resource, and isn't private."""

    async def list_(call: Call) -> Response:
        meeting = call.query("meetingId")
        if meeting is None and resource == Resource.MEETING_PARTICIPANTS:
            raise RefusedCallError(400, "meetingId is required")
        of_list = (name for name in _MEMBERS if name in FILTERS[resource])
        wanted = {name: value for name in of_list if (value := call.query(name))}
        start, end = call.query_time("from"), call.query_time("to")
        if "meetingNumber" in wanted:  # Webex ignores these then
            start = end = None
            wanted = {name: wanted[name] for name in wanted.keys() - {"meetingType", "state"}}

        def is_listed(each: Json) -> bool:
            begins = moment_of(str(each.get(_STARTS.get(resource, ""))))
            return (
                call.state.may_read(call.person, resource, each["id"])
                and (meeting is None or meeting in (each["id"], each.get("meetingId")))
                and all(str(each.get(k)).lower() == v.lower() for k, v in wanted.items())
                and (start is None or (begins is not None and begins >= start))
                and (end is None or (begins is not None and begins < end))
            )

        return page_response(
            call,
            call.state.documents[resource],
            where=is_listed,
            on_wire=lambda each: _with_links(call, resource, each),
        )

    return list_


def _with_links(call: Call, resource: str, listed: Json) -> Json:
    """Return a listed document; a transcript gets links to its text if it was emitted without."""
    if resource != Resource.MEETING_TRANSCRIPTS:
        return listed
    path = f"/v1/meetingTranscripts/{quote(listed['id'], safe='')}/download"
    meeting = quote(str(listed.get("meetingId", "")), safe="")
    links = {
        f"{form}DownloadLink": str(
            call.request.url.replace(path=path, query=f"meetingId={meeting}&format={form}")
        )
        for form in _TRANSCRIPTS
    }
    return {**links, **listed}


async def get_recording(call: Call) -> Response:
    """One recording, with links to its files: on another host, without a token, for three hours."""
    recording = call.document(Resource.RECORDINGS)
    url, expires = call.request.url, timestamp_of_meeting(call.state.clock() + _LINKS_LIFETIME)
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
    """Return the contents behind a link of a recording."""
    # The link needs no token: who has it may read what is behind it.
    recording = call.state.documents[Resource.RECORDINGS].get(call.id)
    name, expires = call.query("file") or "", call.query("expires") or ""
    if recording is None or name not in _DOWNLOADS:
        raise RefusedCallError(404)
    if timestamp_of_meeting(call.state.clock()) > expires:
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
