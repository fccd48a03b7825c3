"""Asks several people at once, and waits for their answers until there are enough."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from webex_webhooks_async.applications.decisions import decision
from webex_webhooks_async.bot.contexts.contexts import AskOptions, Context, Until, created_at
from webex_webhooks_async.bot.contexts.conversation_record import SeveralRecord
from webex_webhooks_async.bot.contexts.questions import Asked, Questions, digest_of, id_of_address
from webex_webhooks_async.bot.contexts.writing import PLACES
from webex_webhooks_async.client.responses import is_gone
from webex_webhooks_async.errors import (
    APIError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
)
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling.records import numbered
from webex_webhooks_async.handling.suspension import uncut
from webex_webhooks_async.inbox.entries import NO_ANSWER, STOPPED, Question
from webex_webhooks_async.models.messages import Person
from webex_webhooks_async.validation import check_keywords, check_not_empty

if TYPE_CHECKING:
    from webex_webhooks_async.bot.contexts.conversations import Conversation
    from webex_webhooks_async.client.client import Client

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_LAST = datetime.max.replace(tzinfo=UTC)


class SeveralQuestions(Questions):
    """The questions of a bot, also those to several people at once."""

    async def ask_all(
        self,
        context: Context,
        text: str | None,
        to: Iterable[str],
        until: Until[Any] | None,
        options: AskOptions,
    ) -> dict[str, Any]:
        """Ask several people, as `Context.ask_all` says."""
        check_keywords(
            "ask_all", options, AskOptions.__annotations__.keys() - {*PLACES, "commands"}
        )
        names = _checked_names(to)
        _check_until(until)
        asked = Asked.of(context, text, {**options, "to_person_id": "anybody"})
        conversation, key = self._asking(), options.get("key")
        if not names:
            return {}
        digest = digest_of(["all", text, asked.content, names] if key is None else ["all", key])
        with conversation.one_at_a_time(), numbered(conversation.numbers[digest]) as number:
            known = await conversation.records.recall(name := f"all:{digest}:{number}")
            data = SeveralRecord() if known is None else SeveralRecord.of(known)
            group = _Group(conversation, asked, name, names, data)
            if group.is_unanswered and not conversation.suspension.stop.is_wanted:
                await uncut(partial(self._ask_each, group), has_begun=True)
            conversation.taken.add(name)
            if STOPPED in map(group.answer_of, group.people) or (
                group.is_unanswered and conversation.suspension.stop.is_wanted
            ):
                await self._stop_each(group)
            await self._hear(group, until)
            if group.open and not group.is_over:
                open_ids = {group.record_of(who): each.id for who, each in group.open.items()}
                raise conversation.suspension.begin(open_ids, asked.words)
            if group.open:
                await group.end()
                await self._hear(group, until)
        return {each: group.contexts.get(group.data.people[each]) for each in names}

    async def _ask_each(self, group: "_Group") -> None:
        """Look up who is to be asked, and ask those who haven't answered."""
        conversation, words = group.conversation, group.asked.words
        asked = (await conversation.begin()).asked
        is_new = asked is None or asked.record != group.name
        if is_new:
            await conversation.check_has_taken(group.name, words)
        if missing := [each for each in group.names if each not in group.data.people]:
            found = {each: await self._id_of(each, group.asked.context.client) for each in missing}
            await group.remember(people={**group.data.people, **found})
        if is_new:
            await conversation.note(group.name, words, None)
        sent = {} if is_new else await conversation.sent_questions()
        for person_id in group.people:
            if group.answer_of(person_id) is not None:
                continue
            question, record = group.question_for(person_id), group.record_of(person_id)
            if record in sent:
                group.open[person_id] = sent[record]
                continue
            try:
                opened = await self._opened(
                    question,
                    conversation,
                    record,
                    person_id,
                    is_new=is_new,
                    place=await question.place_of(person_id) if question.is_text else "",
                    beside=bool(group.open) or not is_new,
                )
            except (PermissionDeniedError, NotFoundError) as error:
                logger.warning("%s can't be asked: %s", person_id, describe_exception(error))
                people = group.data.people.items()
                others = {name: "" if each == person_id else each for name, each in people}
                await group.remember(people=others)
                continue
            if isinstance(opened, bytes):
                conversation.records.known[record] = opened
            else:
                group.open[person_id] = opened

    async def _id_of(self, name: str, client: "Client") -> str:
        """Return the id of a person who is to be asked; it is empty if that can't be."""
        person_id = None
        if "@" in name:
            person_id = await id_of_address(client, name)
        else:
            try:
                person_id = (await client.get("people", name, into=Person)).id
            except APIError as error:
                if not (isinstance(error, BadRequestError) or is_gone(error)):
                    raise
        if person_id is None:
            logger.warning("%s can't be asked: nobody in Webex is called so", name)
        elif self._admits is not None and not await self._admits(person_id, client):
            logger.warning("%s can't be asked: the bot's allow doesn't let them in", name)
        else:
            return person_id
        return ""

    async def _hear(self, group: "_Group", until: Until[Any] | None) -> None:
        """Take the answers that are there, and ask `until` about the new ones in their order."""
        new: dict[str, datetime] = {}  # when they were written
        for person_id in group.people:
            answer = group.answer_of(person_id)
            if answer is None or person_id in group.heard:
                continue
            group.heard.add(person_id)
            found = None
            if answer != NO_ANSWER:
                found = group.contexts[person_id] = self._answered(group.conversation, answer)
                if person_id not in group.data.answered:
                    new[person_id] = created_at(found) or _LAST
            question, record = group.question_for(person_id), group.record_of(person_id)
            await question.clear(group.conversation, record, found)
        if until is not None:
            for person_id in sorted(new, key=lambda each: new[each]):
                await group.note_answer(person_id, until)

    async def _stop_each(self, group: "_Group") -> None:
        """Clear the cards of a question that is stopped, and end the handler."""
        conversation = group.conversation
        conversation.suspension.stop.want(is_late=True)
        for person_id in group.people:
            question, record = group.question_for(person_id), group.record_of(person_id)
            await question.send(conversation, record)  # the first that wasn't sent ends it
            answer, found = group.answer_of(person_id), None
            if answer is not None and answer not in {NO_ANSWER, STOPPED}:
                found = self._answered(conversation, answer)
            await question.clear(conversation, record, found)
        await conversation.suspension.stop.end()


@define(eq=False)
class _Group:
    """A question to several people, in one run."""

    conversation: "Conversation"
    asked: Asked  # the question, without the person
    name: str  # the name of its record
    names: list[str]  # who is asked, as the handler names them
    data: SeveralRecord
    # the questions that aren't answered, by the ids of the people
    open: dict[str, Question] = field(factory=dict[str, Question])
    # the answers, by the ids of the people
    contexts: dict[str, Any] = field(factory=dict[str, Any])
    heard: set[str] = field(factory=set[str])  # whose answer was taken, or whose time is over

    @property
    def people(self) -> list[str]:
        """The ids of those who are asked, each once."""
        found = (self.data.people.get(each) for each in self.names)
        return [*dict.fromkeys(each for each in found if each)]

    @property
    def is_unanswered(self) -> bool:
        """Whether somebody isn't looked up yet, or hasn't answered."""
        is_found = self.data.people.keys() >= {*self.names}
        return not is_found or None in map(self.answer_of, self.people)

    @property
    def is_over(self) -> bool:
        """Whether there is enough, or it is over for somebody, and the rest wasn't sent."""
        is_sent = any(each.opened is not None for each in self.open.values())
        return self.data.is_over or not (is_sent or len(self.open) == len(self.people))

    def question_for(self, person_id: str) -> Asked:
        return evolve(self.asked, place={"toPersonId": person_id})

    def record_of(self, person_id: str) -> str:
        return f"answer:{digest_of([self.name, person_id])}"

    def answer_of(self, person_id: str) -> bytes | None:
        return self.conversation.records.known.get(self.record_of(person_id))

    async def note_answer(self, person_id: str, until: Until[Any]) -> None:
        """Record the next answer, and whether there is enough now, if somebody is waited for."""
        answered, people = (*self.data.answered, person_id), self.data.people
        if not self.open or self.data.is_over:
            is_over = self.data.is_over
        elif isinstance(until, int):
            is_over = len(answered) >= until
        else:
            pairs = (
                (name, each) for each in answered for name in self.names if people[name] == each
            )
            answers = {name: self.contexts[each] for name, each in pairs}
            is_over = await decision("until", until, answers)
        await self.remember(answered=answered, is_over=is_over)

    async def remember(self, **changes: Any) -> None:  # noqa: ANN401 - of the record
        self.data = evolve(self.data, **changes)
        records = self.conversation.records
        await records.remember(self.name, self.data.to_json(), "a question to several people")

    async def end(self) -> None:
        """End the questions that are open; whoever has answered by now has."""
        inbox, entry = self.conversation.inbox, self.conversation.entry
        await inbox.end([each.id for each in self.open.values()], NO_ANSWER)
        found = await inbox.records(entry)
        for record in map(self.record_of, self.open):
            self.conversation.records.known[record] = found.get(record, NO_ANSWER)
        self.open.clear()


def _checked_names(to: Iterable[str]) -> list[str]:
    """Return the people who are to be asked, each name once."""
    if isinstance(to, str) or not isinstance(to, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - of users
        given = type(to).__name__
        raise TypeError(f'to must have ids or addresses, such as ["ann@example.com"], got {given}')
    return [*dict.fromkeys(check_not_empty("a person in to", each) for each in to)]


def _check_until(until: object) -> None:
    is_number = isinstance(until, int) and not isinstance(until, bool)
    if not (until is None or is_number or callable(until)):
        raise TypeError(f"until must be a number of answers or a function, got {until!r}")
    if isinstance(until, int) and until < 1:
        raise ValueError(f"until must be at least 1, got {until}")
