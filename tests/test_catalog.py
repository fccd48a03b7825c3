from webex_webhooks_async.catalog import CATALOG, FIREHOSE_EVENTS, FIREHOSE_RESOURCES
from webex_webhooks_async.models.vocabulary import Event, Resource


def test_every_known_resource_is_in_the_catalog() -> None:
    """The vocabulary and the catalog name the same resources."""
    assert set(Resource) == set(CATALOG)


def test_the_catalog_has_no_event_of_its_own() -> None:
    """Every event of the catalog is in the vocabulary, and the other way round."""
    happening = frozenset[str]().union(*(each.events for each in CATALOG.values()))

    assert set(Event) - {Event.ALL} == happening


def test_the_firehose_has_its_own_events() -> None:
    """A firehose may be limited to one of the events that it includes."""
    assert CATALOG[Resource.ALL].events == FIREHOSE_EVENTS
    assert Resource.ATTACHMENT_ACTIONS not in FIREHOSE_RESOURCES


def test_filters_that_need_the_organization() -> None:
    """A filter by the host of a meeting needs `ownedBy=org`."""
    meetings = CATALOG[Resource.MEETINGS]

    assert {"hostEmail", "hostUserId"} == meetings.org_filters
    assert meetings.org_filters <= meetings.filters


def test_what_a_notification_is_about_has_a_path() -> None:
    """Each resource that can be read by the id in a notification has its documented path."""
    paths = {str(each): watchable.path for each, watchable in CATALOG.items() if watchable.path}

    assert paths == {
        "attachmentActions": "attachment/actions",
        "convergedRecordings": "convergedRecordings",
        "meetingParticipants": "meetingParticipants",
        "meetings": "meetings",
        "memberships": "memberships",
        "messages": "messages",
        "recordings": "recordings",
        "rooms": "rooms",
        "telephony_calls": "telephony/calls",
    }
    assert CATALOG[Resource.TELEPHONY_CALLS].id_field == "call_id"
