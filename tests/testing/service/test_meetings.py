from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.support.clocks import StoppedClock
from tests.testing.doubles import ANN, BOB, BOT, Api, created, items, notifications_of
from webex_webhooks_async.testing import Sandbox

pytestmark = pytest.mark.once


async def ids(api: Api, path: str, who: Mapping[str, str] = ANN, /, **query: str) -> list[Any]:
    """The ids in a list."""
    return [each["id"] for each in await items(api, path, who, **query)]


@pytest.mark.parametrize(
    ("resource", "start"),
    [("meetings", "start"), ("recordings", "timeRecorded"), ("meetingTranscripts", "startTime")],
)
async def test_a_list_of_what_was_emitted(
    webex_sandbox: Sandbox, api: Api, resource: str, start: str
) -> None:
    """Everybody can list what was reported, by host, meeting and time, in pages."""
    starts = ["2026-02-03T10:00:00.000Z", "2026-02-03T12:00:00+02:00", "soon"]
    for number, host in enumerate(["ann@example.com", "bob@example.com", "bob@example.com"]):
        data = {"id": f"X{number}", "meetingId": f"M{number}", "hostEmail": host}
        await webex_sandbox.emit(resource, "created", data={**data, start: starts[number]})

    path = f"/{resource}"
    assert await ids(api, path) == ["X0", "X1", "X2"]
    assert await ids(api, path, hostEmail="BOB@example.com") == ["X1", "X2"]
    assert await ids(api, path, meetingId="M0", siteUrl="example.webex.com", max="1") == ["X0"]
    times = {"from": "2026-02-03T10:00:00Z", "to": "2026-02-04"}
    assert await ids(api, path, **times) == ["X0", "X1"]
    assert await ids(api, path, to=times["from"]) == []
    await webex_sandbox.emit(resource, "created", data={"id": "X3", "meetingId": []})
    assert await ids(api, path, meetingId="M1") == ["X1"]
    refused = await api.get(f"/{resource}", params={"from": "yesterday"})
    unknown = await api.get(f"/{resource}", params={"integrationTag": "a"})
    assert (refused.status_code, unknown.status_code) == (400, 200)


async def test_what_a_meetings_exporter_asks(webex_sandbox: Sandbox, api: Api) -> None:
    """Meetings are listed by state, series and number, and who took part, by their meeting."""
    of_series = {"meetingSeriesId": "S1", "meetingNumber": "123"}
    await webex_sandbox.emit("meetings", "created", data={"id": "M1", **of_series})
    await webex_sandbox.emit("meetings", "ended", data={"id": "M2", **of_series})
    await webex_sandbox.emit("meetingParticipants", "joined", data={"id": "P1", "meetingId": "M2"})
    await webex_sandbox.emit("meetingParticipants", "joined", data={"id": "P2"})

    host = {"hostEmail": "host@example.com"}
    assert await ids(api, "/meetings", meetingSeriesId="S1", meetingType="meeting") == ["M2"]
    assert await ids(api, "/meetings", meetingSeriesId="S1", state="scheduled") == ["M1"]
    late = {"from": "2999-01-01", "to": "2999-01-02", "state": "scheduled"}
    assert await ids(api, "/meetings", meetingNumber="123", **late) == ["M1", "M2"]
    assert await ids(api, "/meetingParticipants", meetingId="M2", **host) == ["P1"]
    assert (await api.get("/meetingParticipants")).json()["message"] == "meetingId is required"
    for path in ("/meetings/M2", "/meetingParticipants/P2"):
        assert (await api.get(path, params=host)).status_code == 200


async def test_a_meeting_is_scheduled(webex_sandbox: Sandbox, api: Api) -> None:
    """Who calls is its host, whose webhooks are notified, without what tells one how to join."""
    await notifications_of(webex_sandbox, api, "meetings", "created", BOB)
    notified = await notifications_of(webex_sandbox, api, "meetings", "created", ANN)
    times = {"start": "2026-02-03T10:00:00+01:00", "end": "2026-02-03T10:30:00+01:00"}

    given = {"title": "Plans", "timezone": "Europe/Paris", "scheduledType": "webinar", **times}
    meeting = await created(api, "/meetings", ANN, **given)
    refused = [
        await api.post("/meetings", json={"title": "Plans", **times, "end": end})
        for end in ("", "noon", times["start"])
    ]

    expected = {**given, "hostEmail": "ann@example.com"}
    assert {name: meeting[name] for name in expected} == expected
    assert meeting["sipAddress"].startswith(meeting["meetingNumber"])
    assert (await api.get(f"/meetings/{meeting['id']}")).json() == meeting
    (notification,) = notified
    assert notification["data"] == {key: meeting[key] for key in notification["data"]}
    assert notification["data"].keys().isdisjoint({"title", "password", "webLink"})
    assert notification["createdBy"] == meeting["hostUserId"]
    assert [each.status_code for each in refused] == [400, 400, 400]


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://webexapis.com/v1", "files.webexapis.com"),
        ("http://127.0.0.1:8900/v1", "localhost"),
        ("http://localhost:8900/v1", "127.0.0.1"),
    ],
)
async def test_the_files_of_a_recording(base_url: str, host: str) -> None:
    """A recording has links to its files: on another host, without a token, for three hours."""
    clock = StoppedClock()
    sandbox = Sandbox(clock=clock.now)
    await sandbox.emit("recordings", "created", data={"id": "R/1", "topic": "Plans"})
    async with sandbox.http_client() as api:
        read = await api.get(f"{base_url}/recordings/R%2F1", headers=ANN)
        links = dict(read.json()["temporaryDirectDownloadLinks"])
        expiration = links.pop("expiration")
        files = {name: await api.get(link) for name, link in links.items()}
        clock.advance(10800)
        in_time = await api.get(links["audioDownloadLink"])
        clock.advance(1)
        late = await api.get(links["audioDownloadLink"])
        wrong = await api.get(links["audioDownloadLink"].replace("file=audio", "file=video"))

    assert expiration == "2024-05-17T12:30:00Z"
    assert {httpx.URL(link).host for link in links.values()} == {host}
    assert {name: (each.headers["content-type"], each.text) for name, each in files.items()} == {
        "recordingDownloadLink": ("video/mp4", "The recording of Plans"),
        "audioDownloadLink": ("audio/mpeg", "The sound of Plans"),
        "transcriptDownloadLink": (
            "text/vtt; charset=utf-8",
            "WEBVTT\n\n00:01.000 --> 00:03.000\nPlans\n",
        ),
    }
    assert [each.status_code for each in (in_time, late, wrong)] == [200, 403, 404]


async def test_links_that_a_test_gives(webex_sandbox: Sandbox, api: Api) -> None:
    """Links that were emitted stay as they are."""
    links = {"recordingDownloadLink": "https://files.example.com/1.mp4"}
    given = {"id": "R1", "temporaryDirectDownloadLinks": links}
    await webex_sandbox.emit("recordings", "created", data=given)

    read = await api.get("/recordings/R1", params={"hostEmail": "host@example.com"})
    assert read.json()["temporaryDirectDownloadLinks"] == links


async def test_the_text_of_a_transcript(webex_sandbox: Sandbox, api: Api) -> None:
    """A transcript that was emitted has links to it as text and as WebVTT; others are a 404."""
    ann = (await api.get("/people/me", headers=ANN)).json()
    for transcript, host in (("T1/a", ann["id"]), ("T2", 5)):
        given = {"id": transcript, "hostUserId": host, "meetingTopic": "Plans"}
        await webex_sandbox.emit("meetingTranscripts", "created", data=given)

    listed, _ = await items(api, "/meetingTranscripts")
    text = await api.get(f"{listed['txtDownloadLink']}&hostEmail=host@example.com")
    default = await api.get("/meetingTranscripts/T2/download")
    vtt = await api.get(listed["vttDownloadLink"])
    others = [
        (await api.get(f"/meetingTranscripts/{path}")).status_code
        for path in ("T3/download", "T2/download?format=doc", "T2")
    ]

    assert text.text == "Ann: Welcome to Plans.\n"
    assert vtt.text.startswith("WEBVTT\n")
    assert default.headers["content-type"].startswith("text/vtt")
    assert default.text.startswith("WEBVTT\n")
    assert others == [404, 400, 501]


async def test_recordings_of_a_format(webex_sandbox: Sandbox, api: Api) -> None:
    """A list may be of the recordings of a format, and of a status; other lists ignore both."""
    for number, given in enumerate([{}, {"format": "ARF"}, {"status": "deleted"}]):
        await webex_sandbox.emit("recordings", "created", data={"id": f"X{number}", **given})
    await webex_sandbox.emit("meetings", "created", data={"id": "M1"})

    assert await ids(api, "/recordings", format="arf") == ["X1"]
    assert await ids(api, "/recordings", format="MP4", status="available") == ["X0"]
    assert await ids(api, "/meetings", status="deleted") == ["M1"]


async def test_what_is_private() -> None:
    """With `private`, what is one person's is a 404 for others; what is nobody's is everybody's."""
    sandbox = Sandbox(private=True)
    async with sandbox.http_client() as api:
        await sandbox.say("Hello", person="ann@example.com")
        await sandbox.emit("recordings", "created", data={"id": "X1"}, owner="ann@example.com")
        await sandbox.emit("recordings", "created", data={"id": "X2"})
        await sandbox.emit(
            "meetingTranscripts", "created", data={"id": "T1"}, owner="ann@example.com"
        )
        of_ann = ("/recordings/X1", "/meetingTranscripts/T1/download")

        listed = [await ids(api, "/recordings", who) for who in (ANN, BOB, BOT)]
        statuses = [
            [(await api.get(path, headers=who)).status_code for path in of_ann]
            for who in (ANN, BOB, BOT)
        ]
        links = (await api.get("/recordings/X1", headers=ANN)).json()[
            "temporaryDirectDownloadLinks"
        ]
        file = await api.get(links["recordingDownloadLink"])

    assert listed == [["X1", "X2"], ["X2"], ["X2"]]
    assert statuses == [[200, 200], [404, 404], [404, 404]]
    assert file.status_code == 200
