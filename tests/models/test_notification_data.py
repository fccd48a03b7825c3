import attrs
import pytest

from tests.notifications.doubles import MESSAGE_DATA
from webex_webhooks_async.models.notification_data import DATA_CLASSES, MessageData


@pytest.mark.parametrize(
    "resource", ["meetings", "meetingParticipants", "recordings", "meetingTranscripts"]
)
def test_nothing_is_promised_of_data_that_nobody_has_seen(resource: str) -> None:
    """Every field of the data of meetings, participants, recordings and transcripts is optional."""
    fields = attrs.asdict(DATA_CLASSES[resource](), filter=lambda field, _: field.name != "extra")

    assert set(fields.values()) == {None}


def test_a_message_has_the_fields_of_the_wire() -> None:
    """The ids and the address in Cisco's sample are required fields."""
    required = {each.name for each in attrs.fields(MessageData) if each.default is attrs.NOTHING}

    assert required == {"id", "room_id", "person_id", "person_email"}
    assert {"id", "roomId", "personId", "personEmail"} <= MESSAGE_DATA.keys()
