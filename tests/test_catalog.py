from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.models.vocabulary import Event, Resource

# https://developer.webex.com/docs/api/guides/webhooks
EVENTS = {
    "all": "created updated deleted",
    "messages": "created deleted",
    "memberships": "created updated deleted",
    "rooms": "created updated migrated",
    "attachmentActions": "created",
    "meetings": "created updated deleted started ended",
    "meetingParticipants": "joined left",
    "meetingTranscripts": "created",
    "recordings": "created updated deleted",
    "convergedRecordings": "created updated deleted",
    "telephony_calls": "created updated deleted",
    "telephony_conference": "created updated deleted",
    "telephony_mwi": "updated",
    # The events of these aren't documented.
    "telephony_agent": "",
    "telephony_agentMonitoring": "",
    "telephony_hookstatus": "",
    "telephony_queue": "",
    "telephony_queueMonitoring": "",
    "telephony_services": "",
    "uc_counters": "updated",
    "serviceApp": "authorized deauthorized",
    "adminBatchJobs": "statusChanged",
    "dataSources": "created updated deleted",
    "videoMeshAlerts": "triggered",
    "controlHubAlerts": "created",
}


def test_the_words_are_those_of_the_guide() -> None:
    """Vocabulary and catalog have each resource and each event of Webex's guide, and no others."""
    events = {str(each): set(watchable.events) for each, watchable in CATALOG.items()}

    assert events == {each: set(words.split()) for each, words in EVENTS.items()}
    assert set(Resource) == set(CATALOG)
    assert set(Event) == {"all"}.union(*events.values())
