"""Stores what `Sandbox.emit` reports, so that GET by id finds it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.responses import Response

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.models import wire_name
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.testing.service.calls import Call
from webex_webhooks_async.testing.service.events import (
    WebexEvent,
    actor_of,
    check_concrete,
    content,
    fake_data,
)
from webex_webhooks_async.testing.service.formats import webex_id, without_nones
from webex_webhooks_async.testing.service.responses import json_response
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson, fake_person
from webex_webhooks_async.testing.service.state import DIRECT, GROUP, Json, State

OWNER: Mapping[str, str] = {
    Resource.MEETINGS: "hostUserId",
    Resource.RECORDINGS: "hostUserId",
    Resource.MEETING_TRANSCRIPTS: "hostUserId",
    Resource.TELEPHONY_CALLS: "personId",
}
"""Whose it is, for what belongs to one person: only that person's webhooks are notified."""

_IN_A_ROOM = frozenset({Resource.ATTACHMENT_ACTIONS, Resource.MEMBERSHIPS, Resource.MESSAGES})


def get_document(resource: str) -> Callable[[Call], Awaitable[Response]]:
    """The operation that reads a resource of which only `emit` makes any."""

    async def get(call: Call) -> Response:
        return json_response(call.document(resource))

    return get


def emit(  # noqa: PLR0913 - what `Sandbox.emit` takes
    state: State,
    resource: str,
    event: str,
    data: Mapping[str, Any] | None,
    *,
    actor_id: str | None,
    owner: SandboxPerson | None,
) -> WebexEvent:
    """Report an event, and store what it is about; after ``deleted``, it is gone.

    It notifies the webhooks of its owner, by default of whom the data says it is, if that person
    was known before; or else everyone's.
    """
    check_concrete(resource, event)
    given = dict(data or {})
    if owner is not None and resource in OWNER:
        given.setdefault(OWNER[resource], owner.id)
    known = {each.id for each in state.persons} - state.fake_ids
    if resource in state.documents:
        subject, members, document = _stored(state, resource, event, given, actor_id)
    else:
        subject = _subject(state, resource, given, actor_id)
        fake = fake_data(resource, event, given, subject=subject, now=state.clock())
        members = document = without_nones({**fake, **given})
    owners = known & {_text(each, OWNER.get(resource, "")) for each in (members, document)}
    audience = frozenset({owner.id} if owner else owners) or None
    if resource in state.documents:
        state.readers[resource, document[wire_name(CATALOG[resource].id_field)]] = audience
    stored_only = content(resource, subject)
    return WebexEvent(
        resource=resource,
        event=event,
        actor_id=actor_of(resource, actor_id, subject),
        data={key: value for key, value in members.items() if key not in stored_only},
        audience=audience,
        document={**document, **members},
    )


def _stored(
    state: State, resource: str, event: str, given: Json, actor_id: str | None
) -> tuple[SandboxPerson, Json, Json]:
    """Store what is reported; return whom it is about, what is sent, and what is stored."""
    key = wire_name(CATALOG[resource].id_field)
    known = state.documents[resource].get(_text(given, key) or "")
    subject = _subject(state, resource, {**(known or {}), **given}, actor_id)
    if state.persons.find(subject.id) is None:
        state.introduce(subject)
        state.fake_ids.add(subject.id)
    base = known
    if base is None:
        fake = fake_data(resource, event, given, subject=subject, now=state.clock())
        room = _room_of(state, resource, given, subject)
        base = {key: webex_id(resource.upper()), **fake, **room}
    members = without_nones({**base, **given})
    # What has a wrong type, to test a bot with, goes into the notification alone.
    sound = {k: v for k, v in members.items() if isinstance(v, type(base.get(k, v)))}
    stored_only = content(resource, subject)
    left_out = {k: None for k in stored_only if k in given and given[k] is None}
    document = without_nones({**stored_only, **base, **sound, **left_out})
    if event == Event.DELETED:
        state.documents[resource].remove(document[key])
    else:
        state.documents[resource].put(document[key], document)
        if resource == Resource.MESSAGES:
            state.emitted.add(document[key])
    return subject, members, document


def _subject(state: State, resource: str, members: Json, actor_id: str | None) -> SandboxPerson:
    named = (_text(members, key) for key in ("personId", "creatorId", OWNER.get(resource, "")))
    person_id = next(filter(None, named), None)
    email = _text(members, "personEmail")
    if actor_id is not None and state.persons.find(actor_id) is None:
        state.introduce(fake_person(person_id=actor_id, email=None if person_id else email))
    known = state.persons.find(person_id or email or actor_id)
    if known is not None:
        return known
    if state.persons.find(email):  # of another id: the data is contradictory, and stays so
        email = None
    return state.of_an_organization(fake_person(person_id=person_id, email=email))


def _room_of(state: State, resource: str, given: Json, subject: SandboxPerson) -> Json:
    """The room that the data is about, by the keys that the data has; it is created if need be."""
    if resource == Resource.ROOMS:
        room_id = _text(given, "id")
        room = state.add_room({"id": room_id} if room_id else {}, creator=subject)
        _add_members(state, room, [state.bot, subject])
        return {"id": room["id"]}
    if resource not in _IN_A_ROOM:
        return {}
    room = _named_room(state, given, subject)
    if resource == Resource.MEMBERSHIPS:
        joining = [] if subject.id == state.bot.id else [state.bot]
    else:
        joining = [state.bot, subject]
    _add_members(state, room, joining)
    kind = {} if resource == Resource.ATTACHMENT_ACTIONS else {"roomType": room["type"]}
    return {"roomId": room["id"], **kind}


def _named_room(state: State, given: Json, subject: SandboxPerson) -> Json:
    room_id, kind = _text(given, "roomId"), _text(given, "roomType") or GROUP
    room = state.rooms.get(room_id) if room_id else None
    if room is not None:
        return room
    if room_id is None and kind == DIRECT and subject.id != state.bot.id:
        return state.direct_room(subject, state.bot)
    return state.add_room(without_nones({"id": room_id, "type": kind}), creator=subject)


def _add_members(state: State, room: Json, persons: Iterable[SandboxPerson]) -> None:
    members = state.members(room["id"])
    if room["type"] == DIRECT and members:
        return  # its two members are all it ever has
    for person in {each.id: each for each in persons if each.id not in members}.values():
        state.add_member(room, person)


def _text(members: Json, key: str) -> str | None:
    value = members.get(key)
    return value if isinstance(value, str) and value else None
