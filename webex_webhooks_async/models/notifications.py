"""What Webex tells: the notification, and the data of each resource in it.

The data is about the thing, not the thing itself: no text of a message, no inputs of a card. Those
are fetched by id. An id is opaque: compare it, never parse it.

Facts: https://developer.webex.com/docs/api/guides/webhooks
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from webex_webhooks_async.models.extra import extra_field
from webex_webhooks_async.models.vocabulary import Resource

D_co = TypeVar("D_co", covariant=True)
"""The class of a notification's data."""


@frozen(kw_only=True)
class Notification(Generic[D_co]):
    """Something happened to a resource that a webhook watches.

    Attributes:
        id: The webhook's id. There is none of the delivery, nor of the event.
        name: What the webhook's creator calls it.
        resource: What it happened to, usually a `Resource`, and never ``all``.
        event: What happened, usually an `Event`, and never ``all``.
        data: About the thing that it happened to: an instance of the resource's data class; for a
            resource that has none, or data of another shape, the mapping that was sent.
        target_url: Where the webhook posts to.
        filter: Which events the webhook watches.
        org_id: The organization of the webhook's creator.
        created_by: The person or bot that made the webhook.
        app_id: The application whose token the webhook was made with.
        owned_by: Whose events the webhook watches, usually an `OwnedBy`.
        status: The webhook's, usually a `Status`.
        created: When the webhook was made, not when this happened; aware.
        actor_id: Who did it. Alerts have none.
        extra: What else the service sent, by its name on the wire.
    """

    id: str
    name: str
    resource: str
    event: str
    data: D_co
    target_url: str | None = None
    filter: str | None = None
    org_id: str | None = None
    created_by: str | None = None
    app_id: str | None = None
    owned_by: str | None = None
    status: str | None = None
    created: datetime | None = None
    actor_id: str | None = None
    extra: Mapping[str, Any] = extra_field()

    @property
    def is_own_action(self) -> bool:
        """Whether the webhook's own creator did it: a bot hears what it says itself."""
        return self.actor_id is not None and self.actor_id == self.created_by


@frozen(kw_only=True)
class MessageData:
    """A message, without its text.

    Facts: https://developer.webex.com/docs/api/v1/messages

    Attributes:
        id: The message's id.
        room_id: The room that it is in.
        person_id: Who wrote it.
        person_email: Who wrote it.
        room_type: ``direct`` or ``group``.
        created: When it was written; aware.
        updated: When it was last edited; aware.
        parent_id: The message that it answers.
        files: The URLs of its files; they take the access token.
        mentioned_people: The ids of those that it mentions.
        mentioned_groups: Such as ``all``.
        extra: What else the service sent, by its name on the wire.
    """

    id: str
    room_id: str
    person_id: str
    person_email: str
    room_type: str | None = None
    created: datetime | None = None
    updated: datetime | None = None
    parent_id: str | None = None
    files: tuple[str, ...] | None = None
    mentioned_people: tuple[str, ...] | None = None
    mentioned_groups: tuple[str, ...] | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True)
class AttachmentActionData:
    """What someone did with a card, without the inputs.

    Facts: https://developer.webex.com/docs/api/v1/attachment-actions

    Attributes:
        id: The action's id.
        message_id: The message that the card is in.
        person_id: Who did it.
        room_id: The room that the message is in.
        type: Such as ``submit``.
        created: When it was done; aware.
        extra: What else the service sent, by its name on the wire.
    """

    id: str
    message_id: str
    person_id: str
    room_id: str
    type: str | None = None
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True)
class MembershipData:
    """Someone's membership in a room.

    Facts: https://developer.webex.com/docs/api/v1/memberships

    Attributes:
        id: The membership's id.
        room_id: The room.
        person_id: The member.
        person_email: The member.
        person_display_name: The member.
        person_org_id: The member's organization.
        is_moderator: Whether the member moderates the room.
        is_monitor: What `is_moderator` was called once.
        is_room_hidden: Whether the member's own clients hide the room.
        room_type: ``direct`` or ``group``.
        created: When the member joined; aware.
        extra: What else the service sent, by its name on the wire.
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


@frozen(kw_only=True)
class RoomData:
    """A room.

    Facts: https://developer.webex.com/docs/api/v1/rooms

    Attributes:
        id: The room's id. One that migrated has a new one.
        type: ``direct`` or ``group``.
        title: What it is called.
        is_locked: Whether it is moderated.
        team_id: The team that it belongs to.
        creator_id: Who made it.
        last_activity: When something last happened in it; aware.
        created: When it was made; aware.
        extra: What else the service sent, by its name on the wire.
    """

    id: str
    type: str | None = None
    title: str | None = None
    is_locked: bool | None = None
    team_id: str | None = None
    creator_id: str | None = None
    last_activity: datetime | None = None
    created: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True)
class RemoteParty:
    """Who is on the other end of a call.

    Facts: https://developer.webex.com/docs/api/v1/call-controls

    Attributes:
        name: What the other end calls itself.
        number: Its number, or its address.
        person_id: The person, if it is one of the organization.
        place_id: The workspace, if it is one.
        call_type: Such as ``location``, ``organization``, ``external``.
        privacy_enabled: Whether it hides its identity.
        extra: What else the service sent, by its name on the wire.
    """

    name: str | None = None
    number: str | None = None
    person_id: str | None = None
    place_id: str | None = None
    call_type: str | None = None
    privacy_enabled: bool | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True)
class TelephonyCallData:
    """The state of a call after something happened to it.

    Facts: https://developer.webex.com/docs/api/v1/call-controls

    Attributes:
        call_id: The call's id.
        call_session_id: What the legs of one call have in common.
        personality: The person's side of the call, such as ``originator`` or ``terminator``.
        state: Such as ``alerting``, ``connected``, ``held``, ``disconnected``.
        event_type: Such as ``received``, ``answered``, ``held``, ``disconnected``.
        event_timestamp: When it happened; aware. Two events of one call can share it.
        remote_party: The other end.
        appearance: The line appearance that the call is on.
        endpoint_id: The device that the person uses.
        endpoint_type: Its kind.
        created: When the call was made; aware.
        answered: When it was answered; aware.
        disconnected: When it ended; aware.
        mute_capable: Whether it can be muted.
        muted: Whether it is muted.
        completed_elsewhere: Whether it was answered, or ended, somewhere else.
        redirections: How it was redirected, as it was sent.
        recall: Why it came back, as it was sent.
        recording_state: Such as ``pending``, ``started``, ``paused``, ``stopped``.
        extra: What else the service sent, by its name on the wire.
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
    redirections: tuple[Mapping[str, Any], ...] | None = field(default=None, hash=False)
    recall: Mapping[str, Any] | None = field(default=None, hash=False)
    recording_state: str | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True)
class ServiceAppData:
    """An organization's decision about a service app.

    Facts: https://developer.webex.com/docs/service-apps

    Attributes:
        id: The service app's id.
        authorizer_org_id: The customer. The notification's own `org_id` is the app's owner.
        authorization_date: When the customer decided; aware.
        extra: What else the service sent, by its name on the wire.
    """

    id: str
    authorizer_org_id: str
    authorization_date: datetime | None = None
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True)
class MeetingData:
    """A meeting. No capture of one is known, so nothing is promised to be there.

    Facts: https://developer.webex.com/docs/api/v1/meetings

    Attributes:
        id: The meeting's id.
        meeting_number: The number that people dial.
        meeting_series_id: The series that it is one of.
        scheduled_meeting_id: The scheduled meeting that it is an instance of.
        meeting_type: ``meetingSeries``, ``scheduledMeeting`` or ``meeting``.
        scheduled_type: ``meeting``, ``webinar`` or ``personalRoomMeeting``.
        state: Such as ``active``, ``scheduled``, ``inProgress``, ``ended``.
        title: What it is called.
        agenda: What it is about.
        start: When it starts; aware.
        end: When it ends; aware.
        timezone: The time zone that it was scheduled in.
        recurrence: The rule of a series, as RFC 2445 writes it.
        host_user_id: The host.
        host_email: The host.
        host_display_name: The host.
        site_url: The Webex site, without a scheme.
        web_link: Where people join.
        room_id: The room that it belongs to.
        extra: What else the service sent, by its name on the wire.
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
    extra: Mapping[str, Any] = extra_field()


@frozen(kw_only=True)
class MeetingParticipantData:
    """Someone in a meeting. No capture of one is known, so nothing is promised to be there.

    Facts: https://developer.webex.com/docs/api/v1/meeting-participants

    Attributes:
        id: The participant's id, within the meeting.
        meeting_id: The meeting.
        meeting_start_time: When the meeting started; aware.
        org_id: The participant's organization.
        email: The participant.
        display_name: The participant.
        state: Such as ``lobby``, ``joined``, ``end``.
        host: Whether the participant is the host.
        co_host: Whether the participant is a co-host.
        invitee: Whether the participant was invited.
        joined_time: When the participant joined; aware.
        left_time: When the participant left; aware.
        host_email: The host.
        host_person_id: The host.
        site_url: The Webex site, without a scheme.
        extra: What else the service sent, by its name on the wire.
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


@frozen(kw_only=True)
class RecordingData:
    """A recording. No capture of one is known, so nothing is promised to be there.

    Facts: https://developer.webex.com/docs/api/v1/recordings

    Attributes:
        id: The recording's id.
        meeting_id: The meeting that was recorded.
        scheduled_meeting_id: The scheduled meeting that it was an instance of.
        meeting_series_id: The series that it was one of.
        topic: What it is called.
        create_time: When the recording was made; aware.
        time_recorded: When what it shows happened; aware.
        host_user_id: The host.
        host_email: The host.
        site_url: The Webex site, without a scheme.
        download_url: Where it can be downloaded.
        playback_url: Where it can be watched.
        format: Such as ``MP4`` or ``ARF``.
        service_type: Such as ``MeetingCenter``.
        duration_seconds: Its length.
        size_bytes: Its size.
        status: Such as ``available``, ``deleted``, ``purged``.
        extra: What else the service sent, by its name on the wire.
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


@frozen(kw_only=True)
class MeetingTranscriptData:
    """A transcript. No capture of one is known, so nothing is promised to be there.

    Facts: https://developer.webex.com/docs/api/v1/meeting-transcripts

    Attributes:
        id: The transcript's id.
        meeting_id: The meeting.
        scheduled_meeting_id: The scheduled meeting that it was an instance of.
        meeting_series_id: The series that it was one of.
        meeting_topic: What the meeting is called.
        start_time: When the meeting started; aware.
        host_user_id: The host.
        host_email: The host.
        site_url: The Webex site, without a scheme.
        vtt_download_link: Where it can be downloaded as WebVTT.
        txt_download_link: Where it can be downloaded as text.
        status: Such as ``available`` or ``deleted``.
        extra: What else the service sent, by its name on the wire.
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
"""Whatever a notification's data may be."""

data_classes: Mapping[str, type[Any]] = {
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
