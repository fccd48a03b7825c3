"""Asks questions: each is opened and sent, and its answer is there when the handler runs again."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from webex_webhooks_async.applications.inboxes import time_of
from webex_webhooks_async.bot.contexts.answers import (
    place_of_card,
    place_of_sending,
    place_of_texts,
)
from webex_webhooks_async.bot.contexts.buttons import Buttons
from webex_webhooks_async.bot.contexts.contexts import (
    AskOptions,
    Context,
    MessageContext,
    PersonContext,
    SubmissionContext,
    of_each,
    reply_to,
    set_thread,
    thread_of,
)
from webex_webhooks_async.bot.contexts.conversation_record import AnswerRecord, QuestionData
from webex_webhooks_async.bot.contexts.conversations import (
    Conversation,
    RefusedQuestionError,
    current_conversation,
    place_of_person,
)
from webex_webhooks_async.bot.contexts.writing import (
    PLACES,
    MessageOptions,
    closing_of,
    new_messages,
    place_of,
    post,
    remove,
    texts_of,
    write,
)
from webex_webhooks_async.client.environment import PASS_AN_INBOX
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling.dispatch import active_execution
from webex_webhooks_async.handling.records import as_json, check_outside_of_once, numbered
from webex_webhooks_async.handling.suspension import HandlerStopped, NoAnswerError, end_of, uncut
from webex_webhooks_async.inbox.entries import NO_ANSWER, STOPPED, Question
from webex_webhooks_async.models.ids import comparable
from webex_webhooks_async.models.messages import Message, Person
from webex_webhooks_async.notifications.lines import line_of_id, owner_of
from webex_webhooks_async.serialization.strict_json import dump_json
from webex_webhooks_async.validation import check_flag, check_keywords, check_not_empty, seconds_of

if TYPE_CHECKING:
    from webex_webhooks_async.client.client import Client
    from webex_webhooks_async.inbox.base import Inbox

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_TEXT_SECONDS = 3600.0
_CARD_SECONDS = 86_400.0
_CONTENT = ("markdown", "card", "buttons")


class Questions:
    """The questions of a bot."""

    def __init__(
        self,
        inbox: "Inbox | None",
        *,
        admits: "Callable[[str, Client], Awaitable[bool]] | None",
        is_answered: "Callable[[], bool]",
        stop: "Callable[[Collection[int]], None]",
    ) -> None:
        self._inbox = inbox  # the inbox that keeps them; without one, nothing can be asked
        self._admits = admits  # returns whether a person may use the bot; None if everybody may
        # returns whether the bot has the webhooks that bring answers
        self._is_answered = is_answered
        # stops what runs in this process, by its numbers, and looks at what is due
        self._stop = stop

    async def ask(
        self, context: Context, text: str | None, options: AskOptions
    ) -> MessageContext | SubmissionContext:
        """Ask a question, as `Context.ask` says."""
        asked = Asked.of(context, text, options)
        conversation = self._asking()
        stop = conversation.suspension.stop
        with conversation.one_at_a_time():
            await conversation.begin()
            digest = digest_of(asked.identity)
            with numbered(conversation.numbers[digest]) as number:
                record = f"answer:{digest}:{number}"
                answer = await conversation.records.recall(record)
                if answer is None and stop.is_wanted:
                    answer = STOPPED  # its process was killed before the question could end
                if answer is None:
                    opening = partial(self._open, asked, conversation, record)
                    answer = await uncut(opening, has_begun=True)
            conversation.taken.add(record)
        if answer == STOPPED:
            stop.want(is_late=True)
            await asked.send(conversation, record)  # what wasn't sent isn't sent any more
        found = None if answer in {NO_ANSWER, STOPPED} else self._answered(conversation, answer)
        await asked.clear(conversation, record, found)
        if found is None:
            message = await asked.send(conversation, record)
            if answer == STOPPED:
                await stop.end(message)
            known = await conversation.begin()
            raise NoAnswerError(message, is_failure=record in known.others)
        return found

    async def now(self) -> datetime:
        """Return the time, as `Context.now` says."""
        return await time_of(self._inbox)

    def _asking(self) -> Conversation:
        """Return what asks, if answers can arrive."""
        conversation = self._conversation("ask anything")
        if not self._is_answered():
            raise RuntimeError(
                "with a person's token, which hears every room, a job alone makes no webhooks for "
                "answers: register a handler of messages or submissions, or use a bot's token"
            )
        if conversation.suspension.stop.has_come:
            raise HandlerStopped
        return conversation

    def _conversation(self, what: str) -> Conversation:
        execution, conversation = active_execution(), current_conversation.get()
        if execution is not None and not execution.key:
            raise RuntimeError(
                f"a handler can't {what} in dispatch, because nothing is stored with which it "
                "could run again: let Webex post to the bot"
            )
        if self._inbox is None:
            raise RuntimeError(f"without an inbox, a handler can't {what}: {PASS_AN_INBOX}")
        check_outside_of_once(what)
        if conversation is not None and conversation.execution is execution:
            return conversation
        raise RuntimeError(
            f"only a handler of a command, a message, a submission, a job or a schedule can {what}"
            ", or the middleware of its context, before it ends"
        )

    async def _open(self, asked: "Asked", conversation: Conversation, record: str) -> bytes:
        """Open a question and send it, unless that has been done; return its answer."""
        known = await conversation.begin()
        is_new = known.asked is None or known.asked.record != record
        if known.asked is None or is_new:
            await conversation.check_has_taken(record, asked.words)
            person_id = await self._person(asked)
        else:
            person_id = known.asked.person
        place, is_own = "", False
        if asked.is_text:
            place = await asked.place_of(cast("str", person_id))  # somebody answers a text
            is_own = conversation.is_of(person_id) and await self._is_newest(
                conversation, place, cast("str", person_id), is_first=known.asked is None
            )
        if is_new:
            await conversation.note(record, asked.words, person_id)
        found = await self._opened(
            asked, conversation, record, person_id, is_new=is_new, place=place, is_own=is_own
        )
        if isinstance(found, bytes):
            return found
        raise conversation.suspension.begin({record: found.id}, asked.words)

    async def _opened(  # noqa: PLR0913 - what there is to know of a question
        self,
        asked: "Asked",
        conversation: Conversation,
        record: str,
        person_id: str | None,
        *,
        is_new: bool,
        place: str,
        is_own: bool = False,
        beside: bool = False,
    ) -> Question | bytes:
        """Open a question, and send it when it is its turn; return its answer, if it has one."""
        owner = (await conversation.begin()).owner
        after, created = conversation.since(person_id)
        room_id = (asked.place or {}).get("roomId")
        data = QuestionData(
            about=conversation.about,
            is_own=is_own,
            after=after,
            created=created,
            threads=await asked.threads(),
            takes_commands=not asked.commands,
            person=None if person_id is None else comparable(person_id),
            actions=None if asked.buttons is None else tuple(asked.buttons),
            room=None if room_id is None else comparable(room_id),
        )
        opening = partial(
            conversation.inbox.ask,
            conversation.entry,
            record,
            owner=owner,
            queues=asked.is_text and not is_own,
            beside=beside,
        )

        async def open_sent(place: str, data: QuestionData) -> Question | bytes | None:
            line = line_of_id(person_id)
            return await opening(place=place, data=data.to_json(), seconds=asked.seconds, line=line)

        if asked.is_text:
            # A question that isn't new may have been sent, so it stays open after an error.
            async with _closed_on_error(conversation, record) if is_new else nullcontext():
                found = await opening(place=place, data=data.to_json())
            if isinstance(found, Question) and found.opened is not None:
                async with _closed_on_error(conversation, record):
                    message = await asked.send(conversation, record)
                created = data.created or message.created
                threads = (*data.threads, comparable(message.id))
                where = comparable(message.room_id)
                data = evolve(data, created=created, threads=threads, where=where)
                found = await open_sent(place, data)
        else:
            # It is open before anybody can press, at a place where a press finds it until then.
            async with _closed_on_error(conversation, record) if is_new else nullcontext():
                found = await opening(place=place_of_sending(asked.context.me), data=data.to_json())
            if isinstance(found, Question):
                async with _closed_on_error(conversation, record):
                    message = await asked.send(conversation, record)
                data = evolve(data, where=comparable(message.room_id))
                found = await open_sent(place_of_card(asked.context.me, message.id), data)
        if found is None:
            raise RuntimeError(
                f"{conversation.about} has lost its lease, so another process asks: does a handler "
                "block the event loop?"
            )
        return found

    async def _person(self, asked: "Asked") -> str | None:
        """Return the id of who is asked; `None` if that is anybody in a room."""
        person_id, client = asked.person_id, asked.context.client
        if (email := (asked.place or {}).get("toPersonEmail")) is not None:
            person_id = await id_of_address(client, email)
            if person_id is None:
                raise ValueError(f"nobody in Webex has the address {email!r}: correct it")
        is_refused = (
            person_id is not None
            and self._admits is not None
            and not await self._admits(person_id, client)
        )
        if is_refused:
            raise RefusedQuestionError(
                f"who is asked {asked.words!r} may not use the bot, and so can't answer: ask "
                "somebody whom allow lets in"
            )
        return person_id

    async def _is_newest(
        self, conversation: Conversation, place: str, person_id: str, *, is_first: bool
    ) -> bool:
        """Whether a conversation is the newest one of its person that asks for a text at a place.

        With its first question, it ends the earlier ones.
        """
        inbox, number = conversation.inbox, conversation.entry.number
        anywhere = owner_of(line_of_id(person_id))

        def is_begun(question: Question) -> bool:  # by a message or a submission of this person
            owner = question.owner or ""
            return question.number != number and owner != anywhere and owner.startswith(anywhere)

        others = [*filter(is_begun, await inbox.questions(place) or ())]
        older = [each for each in others if each.number < number]
        if is_first:
            await end_questions(inbox, older, "its person has begun another one")
        return len(older) == len(others)

    @staticmethod
    def _answered(conversation: Conversation, answer: bytes) -> MessageContext | SubmissionContext:
        found = AnswerRecord.of(answer).context(of_each(conversation.context))
        conversation.follow(found)
        return found

    async def stop_earlier(self, context: PersonContext[Any], *, everywhere: bool) -> bool:
        """Stop what a person has begun, as `PersonContext.stop_earlier` says."""
        check_flag("everywhere", everywhere)
        conversation = self._conversation("stop what was begun")
        if not isinstance(conversation.context, PersonContext):
            raise RuntimeError(  # noqa: TRY004 - of where it is called
                "a job can't stop what a person has begun: call stop_earlier in the handler of a "
                "message or a submission, and cancel for a job"
            )
        number, inbox = conversation.entry.number, conversation.inbox
        line, room = line_of_id(context.person_id), comparable(context.room_id)
        anywhere, here = owner_of(line), owner_of(line, context.room_id)
        place = await place_of_person(context)

        def is_ended(question: Question) -> bool:
            is_earlier = question.number < number or question.owner == anywhere
            is_here = question.owner == here or question.place == place
            is_here = is_here or QuestionData.of(question).where == room
            return is_earlier and (everywhere or is_here)

        async def stop() -> tuple[bool, bytes]:
            begun = await inbox.stop(anywhere if everywhere else here, before=number)
            asking = [each for each in await inbox.questions(anywhere) or () if is_ended(each)]
            count = await end_questions(inbox, asking, "its person has stopped it")
            self._stop(begun)
            return bool(begun or count), dump_json(bool(begun or count))

        what = [comparable(context.person_id), None if everywhere else room]
        return await conversation.records.act("stopped", what, stop, bool)


def digest_of(identity: object) -> str:
    """Return what a question is known by."""
    return hashlib.sha256(as_json(identity)).hexdigest()


async def id_of_address(client: "Client", email: str) -> str | None:
    """Return the id of the person with an address, if there is one."""
    found = None
    async for person in client.list("people", into=Person, params={"email": email}):
        found = person.id
    return found


@asynccontextmanager
async def _closed_on_error(conversation: Conversation, record: str) -> AsyncGenerator[None]:
    """Open or send a question in the block; if that fails, close it before anything else."""
    try:
        yield
    except BaseException:
        await end_of(asyncio.create_task(conversation.unask(record)))
        raise


async def end_questions(inbox: "Inbox", questions: Sequence[Question], why: str) -> int:
    """End the conversations that ask some questions, and log why."""
    count = await inbox.end([each.id for each in questions]) if questions else 0
    if count:
        for each in questions:
            logger.info("the conversation of %s is ended: %s", QuestionData.of(each).about, why)
    return count


@frozen(kw_only=True)
class Asked:
    """A question, and the person who is asked."""

    context: Context
    text: str | None
    content: MessageOptions
    place: Mapping[str, str] | None
    seconds: float  # for how long an answer is waited for
    commands: bool  # whether a command stays one
    is_text: bool
    keeps_card: bool  # whether the card stays when the question is over
    buttons: Buttons | None
    identity: object  # the key that tells it from other questions
    words: str  # the text, for the log

    @classmethod
    def of(cls, context: Context, text: str | None, options: AskOptions) -> "Asked":
        """Check the arguments of a question."""
        check_keywords("ask", options, AskOptions.__annotations__)
        content: dict[str, Any] = {each: options.get(each) for each in _CONTENT}
        is_text = content["card"] is None and content["buttons"] is None
        if is_text and not texts_of(text, content["markdown"]):
            raise ValueError('there is nothing to ask: pass a text, such as "Which day?"')
        new_messages(text, **content)
        commands, keeps_card = options.get("commands", True), options.get("keep_card", False)
        check_flag("commands", commands)
        check_flag("keep_card", keeps_card)
        if keeps_card and is_text:
            raise ValueError("keep_card is for a question with buttons or a card: leave it out")
        if not (commands or is_text):
            raise ValueError("commands=False is for a question that a text answers: leave it out")
        if (key := options.get("key")) is not None:
            check_not_empty("key", key)
        timeout = options.get("timeout")
        seconds = _TEXT_SECONDS if is_text else _CARD_SECONDS
        place = _place_asked(context, options, is_text=is_text)
        where = {"reply": cast("Any", context).notification.data.id} if place is None else {**place}
        return cls(
            context=context,
            text=text,
            content=cast("MessageOptions", content),
            place=place,
            seconds=seconds if timeout is None else seconds_of("timeout", timeout),
            commands=commands,
            is_text=is_text,
            keeps_card=keeps_card,
            buttons=content["buttons"],
            identity=[text, content, where] if key is None else key,
            words=(text or content["markdown"] or "a card")[:_MOST_SHOWN],
        )

    @property
    def person(self) -> PersonContext[Any]:
        """The context, of a reply: nobody else is replied to."""
        return cast("PersonContext[Any]", self.context)

    @property
    def person_id(self) -> str | None:
        """The id of who is asked, if it is given."""
        return self.person.person_id if self.place is None else self.place.get("toPersonId")

    async def send(self, conversation: Conversation, record: str) -> Message:
        """Send the question, unless an earlier run or this one has sent it."""
        if record not in conversation.sent:
            text, content = self.text, self.content
            if self.place is None:
                message = await reply_to(self.person, text, content, question=record)
            else:
                client, me = self.context.client, self.context.me
                message = await write(client, self.place, text, content, me=me, question=record)
            conversation.sent[record] = message
        return conversation.sent[record]

    async def clear(
        self,
        conversation: Conversation,
        record: str,
        found: MessageContext | SubmissionContext | None,
    ) -> None:
        """Post what was pressed, then delete the card, each once over all runs; a stop waits."""
        if self.is_text or self.keeps_card:
            return
        act, client = conversation.records.act, self.context.client

        async def clear() -> None:
            card = await self.send(conversation, record)
            card_id = card.id
            if isinstance(found, SubmissionContext):
                card_id = found.message_id
                root, room_type = await thread_of(found)
                place = {"roomId": found.room_id, **({} if root == card_id else {"parentId": root})}
                for number, body in enumerate(self._pressed(card, found.action)):
                    say = partial(post, client, {**place, **body}, may_leave_thread=root != card_id)
                    said = await act("pressed", [record, number], say, Message)
                    if root == card_id:
                        set_thread(found, said.id, room_type)
            await act("cleared", record, partial(remove, client, card_id), bool)

        try:
            await uncut(clear, has_begun=True)
        except Exception as error:  # noqa: BLE001 - the question is over all the same
            why = describe_exception(error)
            logger.warning("%s: the card of %r stays: %s", conversation.about, self.words, why)

    def _pressed(self, card: Message, action: str) -> list[dict[str, Any]]:
        """Return the messages that say what a card said, and which button was pressed.

        A card mentions nobody, so what looks like a mention is shown as text.
        """
        if self.buttons is None:
            return []
        said = (card.markdown or card.text or "").rstrip().replace("<@", "&lt;@")
        behind = "\n\n" if "\n" in said else " "  # not in the last line of a list or of code
        title = self.buttons.get(action, action)
        return new_messages(None, markdown=f"{said}{closing_of(said)}{behind}**{title}**")

    async def threads(self) -> tuple[str, ...]:
        """Return the thread of a reply."""
        return () if self.place is not None else (comparable((await thread_of(self.person))[0]),)

    async def place_of(self, person_id: str) -> str:
        """Return the place of the texts that answer it."""
        if self.place is None:
            return await place_of_person(self.person)
        return place_of_texts(self.context.me, person_id, None)


def _place_asked(
    context: Context, options: AskOptions, *, is_text: bool
) -> Mapping[str, str] | None:
    """Return where a question is sent, as Webex has it; `None` for a reply."""
    named = cast("Mapping[str, str | None]", options)
    given = {name: each for name in PLACES if (each := named.get(name)) is not None}
    if len(given) > 1:
        raise ValueError("pass one of room_id, to_person_id and to_person_email, or none to reply")
    if is_text and "room_id" in given:
        raise ValueError(
            "a text in a room answers nobody's question: pass buttons or a card with room_id, or "
            "ask a person"
        )
    if given:
        return place_of(given, None)
    if not isinstance(context, PersonContext):
        raise ValueError(  # noqa: TRY004 - of the arguments
            "nobody began this, so say who is asked: pass to_person_id, to_person_email or room_id"
        )
    return None


_MOST_SHOWN = 100  # characters of a question, in the log
