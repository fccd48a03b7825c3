"""The data of each resource in a notification.

An optional field is `None` when Webex didn't send it, or sent a value that doesn't fit. Times are
aware.

Facts: https://developer.webex.com/docs/receive-and-verify-webhooks and
https://developer.webex.com/docs/api/guides/webhooks
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from webex_webhooks_async.models import extra_field
from webex_webhooks_async.models.vocabulary import Resource


@frozen(kw_only=True, slots=False)
class MessageData:
    """A message, without its text.

    Facts: https://developer.webex.com/docs/api/v1/messages

    Attributes:
        person_id: The author.
        room_type: ``direct`` or ``group``.
        created: When it was written.
        updated: When it was last edited.
        parent_id: The message that it replies to.
        files: The URLs of its files; requests for them need the access token.
        mentioned_people: The ids of the people it mentions.
        mentioned_groups: The groups it mentions, such as ``all``.
    """

    id: str
    room_id: str
    person_id: str
    person_email: str
    room_type: str | None = None
    created: datetime | None = None
    updated: datetime | None = None
    parent_id: str | None = None
    files: tuple[str, ...] = ()
    mentioned_people: tuple[str, ...] = ()
    mentioned_groups: tuple[str, ...] = ()
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class AttachmentActionData:
    """The submission of a card, without the inputs.

    Facts: https://developer.webex.com/docs/api/v1/attachment-actions

    Attributes:
        message_id: The message that the card is in.
        person_id: The person who submitted it.
        type: The kind of action, such as ``submit``.
        created: When it was submitted.
    """

    id: str
    message_id: str
    person_id: str
    room_id: str
    type: str | None = None
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class MembershipData:
    """Someone's membership in a room.

    Facts: https://developer.webex.com/docs/api/v1/memberships

    Attributes:
        person_id: The member.
        is_monitor: The former name of `is_moderator`.
        is_room_hidden: Whether the member's own clients hide the room.
        room_type: ``direct`` or ``group``.
        created: When the member joined.
    """

    id: str
    room_id: str
    person_id: str
    person_email: str
    person_display_name: str | None = None
    person_org_id: str | None = None
    is_moderator: bool | None = None
    is_monitor: bool | None = None
    is_room_hidden: bool | None = None
    room_type: str | None = None
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class RoomData:
    """A room.

    Facts: https://developer.webex.com/docs/api/v1/rooms

    Attributes:
        id: The room's id. A migrated room has a new id.
        type: ``direct`` or ``group``.
        is_locked: Whether it is moderated.
        owner_id: The organization that owns it, by the id.
        is_public: Whether everybody in the organization can find and join it.
        is_read_only: Whether nobody can write in it any more.
        last_activity: When something last happened in it.
    """

    id: str
    type: str | None = None
    title: str | None = None
    is_locked: bool | None = None
    team_id: str | None = None
    creator_id: str | None = None
    owner_id: str | None = None
    description: str | None = None
    is_public: bool | None = None
    is_read_only: bool | None = None
    last_activity: datetime | None = None
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class RemoteParty:
    """The other end of a call.

    Facts: https://developer.webex.com/docs/api/v1/call-controls

    Attributes:
        number: Its number or address.
        person_id: The person, when it is one of the organization.
        place_id: The workspace, when it is one.
        call_type: The kind of call, such as ``location``, ``organization``, ``external``.
        privacy_enabled: Whether it hides its identity.
    """

    name: str | None = None
    number: str | None = None
    person_id: str | None = None
    place_id: str | None = None
    call_type: str | None = None
    privacy_enabled: bool | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class TelephonyCallData:
    """The state of a call after something happened to it.

    Facts: https://developer.webex.com/docs/api/v1/call-controls

    Attributes:
        call_session_id: The id that the legs of one call share.
        personality: The person's side of the call, such as ``originator`` or ``terminator``.
        state: Such as ``alerting``, ``connected``, ``held``, ``disconnected``.
        event_type: Such as ``received``, ``answered``, ``held``, ``disconnected``.
        event_timestamp: When it happened. Two events of one call can share it.
        appearance: The line appearance that the call is on.
        endpoint_id: The device that the person uses.
        disconnected: When it ended.
        completed_elsewhere: Whether it was answered or ended on another device.
        redirections: How it was redirected, as Webex sent it.
        recall: Why it came back, as Webex sent it.
        recording_state: The state of its recording, such as ``started`` or ``paused``.
    """

    call_id: str
    call_session_id: str | None = None
    personality: str | None = None
    state: str | None = None
    event_type: str | None = None
    event_timestamp: datetime | None = None
    remote_party: RemoteParty | None = None
    appearance: int | None = None
    endpoint_id: str | None = None
    endpoint_type: str | None = None
    created: datetime | None = None
    answered: datetime | None = None
    disconnected: datetime | None = None
    mute_capable: bool | None = None
    muted: bool | None = None
    completed_elsewhere: bool | None = None
    redirections: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    recall: Mapping[str, Any] | None = field(default=None, hash=False)
    recording_state: str | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class ServiceAppData:
    """An organization's decision about a service app.

    Facts: https://developer.webex.com/docs/service-apps

    Attributes:
        authorizer_org_id: The customer. The notification's own `org_id` is the app's owner.
        authorization_date: When the customer decided.
    """

    id: str
    authorizer_org_id: str
    authorization_date: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class MeetingData:
    """A meeting. Webex documents no notification of one, so every field is optional.

    One of 2021, of a meeting that had ended, has neither its title nor its number, and ids alone
    tell what it is about.

    Facts: https://developer.webex.com/docs/api/v1/meetings

    Attributes:
        meeting_number: The number to dial.
        scheduled_meeting_id: The scheduled meeting that it is an instance of.
        meeting_type: ``meetingSeries``, ``scheduledMeeting`` or ``meeting``.
        scheduled_type: ``meeting``, ``webinar`` or ``personalRoomMeeting``.
        state: Such as ``active``, ``scheduled``, ``inProgress``, ``ended``.
        timezone: The time zone that it was scheduled in.
        recurrence: The rule of a series, as RFC 2445 writes it.
        site_url: The Webex site, without a scheme.
        web_link: The URL at which people join.
        org_id: The organization, as a UUID alone.
    """

    id: str | None = None
    meeting_number: str | None = None
    meeting_series_id: str | None = None
    scheduled_meeting_id: str | None = None
    meeting_type: str | None = None
    scheduled_type: str | None = None
    state: str | None = None
    title: str | None = None
    agenda: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    timezone: str | None = None
    recurrence: str | None = None
    host_user_id: str | None = None
    host_email: str | None = None
    host_display_name: str | None = None
    site_url: str | None = None
    web_link: str | None = None
    room_id: str | None = None
    org_id: str | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class MeetingParticipantData:
    """Someone in a meeting. No notification of one has been seen, so every field is optional.

    Facts: https://developer.webex.com/docs/api/v1/meeting-participants

    Attributes:
        id: The participant's id, within the meeting.
        state: Such as ``lobby``, ``joined``, ``end``.
        site_url: The Webex site, without a scheme.
    """

    id: str | None = None
    meeting_id: str | None = None
    meeting_start_time: datetime | None = None
    org_id: str | None = None
    email: str | None = None
    display_name: str | None = None
    state: str | None = None
    host: bool | None = None
    co_host: bool | None = None
    invitee: bool | None = None
    joined_time: datetime | None = None
    left_time: datetime | None = None
    host_email: str | None = None
    host_person_id: str | None = None
    site_url: str | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class RecordingData:
    """A recording. No notification of one has been seen, so every field is optional.

    Facts: https://developer.webex.com/docs/api/v1/recordings

    Attributes:
        scheduled_meeting_id: The scheduled meeting that it was an instance of.
        meeting_series_id: The series that it was one of.
        topic: Its title.
        create_time: When the recording was created.
        time_recorded: When the recording started.
        site_url: The Webex site, without a scheme.
        playback_url: The URL at which it can be watched.
        format: Such as ``MP4`` or ``ARF``.
        service_type: Such as ``MeetingCenter``.
        status: Such as ``available``, ``deleted``, ``purged``.
    """

    id: str | None = None
    meeting_id: str | None = None
    scheduled_meeting_id: str | None = None
    meeting_series_id: str | None = None
    topic: str | None = None
    create_time: datetime | None = None
    time_recorded: datetime | None = None
    host_user_id: str | None = None
    host_email: str | None = None
    site_url: str | None = None
    download_url: str | None = None
    playback_url: str | None = None
    format: str | None = None
    service_type: str | None = None
    duration_seconds: int | None = None
    size_bytes: int | None = None
    status: str | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True, slots=False)
class MeetingTranscriptData:
    """A transcript. No notification of one has been seen, so every field is optional.

    Facts: https://developer.webex.com/docs/api/v1/meeting-transcripts

    Attributes:
        scheduled_meeting_id: The scheduled meeting that it was an instance of.
        meeting_series_id: The series that it was one of.
        meeting_topic: The meeting's title.
        start_time: When the meeting started.
        site_url: The Webex site, without a scheme.
        vtt_download_link: The URL of it as WebVTT.
        txt_download_link: The URL of it as text.
        status: Such as ``available`` or ``deleted``.
    """

    id: str | None = None
    meeting_id: str | None = None
    scheduled_meeting_id: str | None = None
    meeting_series_id: str | None = None
    meeting_topic: str | None = None
    start_time: datetime | None = None
    host_user_id: str | None = None
    host_email: str | None = None
    site_url: str | None = None
    vtt_download_link: str | None = None
    txt_download_link: str | None = None
    status: str | None = None
    extra: Mapping[str, Any] = extra_field()


NotificationData = (
    MessageData
    | AttachmentActionData
    | MembershipData
    | RoomData
    | TelephonyCallData
    | ServiceAppData
    | MeetingData
    | MeetingParticipantData
    | RecordingData
    | MeetingTranscriptData
    | Mapping[str, Any]
)
"""The data of a notification: a data class, or the mapping that Webex sent."""

DATA_CLASSES: Mapping[str, type[Any]] = {
    Resource.ATTACHMENT_ACTIONS: AttachmentActionData,
    Resource.MEETING_PARTICIPANTS: MeetingParticipantData,
    Resource.MEETING_TRANSCRIPTS: MeetingTranscriptData,
    Resource.MEETINGS: MeetingData,
    Resource.MEMBERSHIPS: MembershipData,
    Resource.MESSAGES: MessageData,
    Resource.RECORDINGS: RecordingData,
    Resource.ROOMS: RoomData,
    Resource.SERVICE_APP: ServiceAppData,
    Resource.TELEPHONY_CALLS: TelephonyCallData,
}
"""The data class of each resource that has one."""
