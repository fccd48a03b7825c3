"""Meetings and recordings, which a run against Webex makes none of."""

import re

from tests.conformance import sources
from tests.conformance.assumptions import assumption
from tests.conformance.webex import Webex

WITHOUT_FRACTION = re.compile(r"[\d-]{10}T[\d:]{8}Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@assumption("recorded", source=sources.MEETINGS)
async def test_meeting_data(webex: Webex) -> None:
    """The data of an ended meeting have no title and no number, and a bare UUID as orgId; the
    envelope has no actorId.
    """
    hook = await webex.hook(None, resource="meetings", event="ended")
    await webex.emit("meetings", "ended")
    arrival = await webex.delivery(hook)
    assert arrival.data.keys().isdisjoint({"title", "meetingNumber"})
    assert UUID.fullmatch(arrival.data["orgId"])
    assert "actorId" not in arrival.json


@assumption("recorded", source=sources.MEETINGS)
async def test_meeting_times(webex: Webex) -> None:
    """The times of an ended meeting have no fraction of a second."""
    hook = await webex.hook(None, resource="meetings", event="ended")
    await webex.emit("meetings", "ended")
    data = (await webex.delivery(hook)).data
    assert WITHOUT_FRACTION.fullmatch(data["start"])
    assert WITHOUT_FRACTION.fullmatch(data["end"])


@assumption("recorded", source=sources.MEETINGS)
async def test_recording_data(webex: Webex) -> None:
    """A recording has downloadUrl, playbackUrl and shareToMe, and times without a fraction."""
    identifier = await webex.emit("recordings", "created")
    recording = (await webex.bot.get(f"/recordings/{identifier}")).json()
    assert {"downloadUrl", "playbackUrl", "shareToMe"} <= recording.keys()
    assert WITHOUT_FRACTION.fullmatch(recording["createTime"])
