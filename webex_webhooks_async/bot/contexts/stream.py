"""An answer that grows: its messages are edited while it is written, within Webex's ten edits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

from attrs import define, field, frozen

from webex_webhooks_async.bot.contexts.writing import closing_of, post, split_markdown
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.errors import (
    APIError,
    BadRequestError,
    GoneError,
    NotFoundError,
    RateLimitError,
)
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.handling.once import records_of
from webex_webhooks_async.handling.records import Records, check_outside
from webex_webhooks_async.handling.suspension import check_stop, uncut
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.serialization.converter import from_json, to_json
from webex_webhooks_async.validation import check_not_empty, check_text

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

_KIND = "stream"  # of its records
_PAUSES = (1.5, 2.3, 3.6, 5.6, 8.7, 13.4, 20.8, 32.3)  # seconds before each edit of progress
_MAX_EDITS = 10  # https://developer.webex.com/docs/api/v1/messages/edit-a-message
_CLOSING_EDITS = len(_PAUSES) + 1  # one more may close a full part; the last one is for the end
_PART_BYTES = 7_000
_LINE_BYTES = 300
_CURSOR = " ▌"
_SECONDS_AFTER_ERROR = 5.0


@frozen(kw_only=True)
class Part:
    """One message of a stream, as it was sent last.

    Attributes:
        message: The message, as Webex returned it last.
        edits: How many edits of it Webex may have counted.
        text: Its part of the text.
        tail: What follows that: the cursor, the status, or nothing.
        is_shown: Whether it is known to show this.
    """

    message: Message
    edits: int = 0
    text: str
    tail: str = ""
    is_shown: bool = True

    def shows(self, text: str, tail: str = "") -> bool:
        """Whether it shows this already."""
        return self.is_shown and (self.text, self.tail) == (text, tail)


@frozen(kw_only=True)
class StreamData:
    """What an inbox keeps of a stream.

    Attributes:
        parts: Its messages, in order.
        interrupted: The line that says that it was interrupted.
        stopped: The line that says that it was stopped.
        has_ended: Whether its text is whole.
    """

    parts: tuple[Part, ...]
    interrupted: str
    stopped: str
    has_ended: bool = False


@define(eq=False)
class Board:
    """The messages of a stream, and their record.

    Attributes:
        client: The bot's client.
        records: The records of what is handled.
        name: The name of the record.
        interrupted: The line that says that it was interrupted.
        stopped: The line that says that it was stopped.
        parts: The messages, in order.
        has_ended: Whether the text is whole.
    """

    client: Client
    records: Records
    name: str
    interrupted: str
    stopped: str
    parts: list[Part] = field(factory=list[Part])
    has_ended: bool = False

    @classmethod
    def of(cls, client: Client, records: Records, name: str, record: bytes) -> Self:
        """Return the one of a record."""
        data = from_json(record, StreamData)
        parts, lines = list(data.parts), (data.interrupted, data.stopped)
        return cls(client, records, name, *lines, parts, data.has_ended)

    @property
    def size(self) -> int:
        """How many bytes of text are shown, or may be."""
        return _size_of([each.text for each in self.parts])

    async def remember(self) -> None:
        """Record what is shown."""
        data = StreamData(
            parts=tuple(self.parts),
            interrupted=self.interrupted,
            stopped=self.stopped,
            has_ended=self.has_ended,
        )
        await self.records.remember(self.name, to_json(data), "what a stream shows")

    async def post(self, place: Mapping[str, str], text: str, tail: str = "") -> None:
        """Send another message."""
        await uncut(partial(self._post, place, text, tail))

    async def _post(self, place: Mapping[str, str], text: str, tail: str) -> None:
        await check_stop(is_recorded=False)
        message, _ = await post(self.client, {**place, "markdown": text + tail})
        self.parts.append(Part(message=message, text=text, tail=tail))
        self.has_ended = False
        await self.remember()

    async def edit(
        self, number: int, text: str, tail: str = "", *, is_repeated: bool = True
    ) -> None:
        """Edit a message; the edit is recorded before it is sent, because it may count."""
        await uncut(partial(self._edit, number, text, tail, is_repeated=is_repeated))

    async def _edit(self, number: int, text: str, tail: str, *, is_repeated: bool) -> None:
        await check_stop(is_recorded=False)
        before = self.parts[number]
        trying = Part(
            message=before.message, edits=before.edits + 1, text=text, tail=tail, is_shown=False
        )
        self.parts[number], self.has_ended = trying, False
        await self.remember()
        body = {"roomId": before.message.room_id, "markdown": text + tail}
        put = InternalRequests.of(self.client).send_for_record
        try:
            message, _ = await put(
                "PUT",
                "messages",
                before.message.id,
                json=body,
                into=Message,
                is_repeated=is_repeated,
            )
        except APIError as error:
            if error.status_code < 500:  # noqa: PLR2004 - it has refused the edit
                self.parts[number] = before
                await self.remember()
            raise
        self.parts[number] = Part(message=message, edits=trying.edits, text=text, tail=tail)

    async def delete_from(self, number: int) -> None:
        """Delete the messages from one on, the last one first."""
        while len(self.parts) > number:
            with suppress(NotFoundError, GoneError):
                message_id = self.parts[-1].message.id
                await uncut(partial(self.client.delete, "messages", message_id))
            self.parts.pop()
            await self.remember()

    async def finish(self, place: Mapping[str, str], texts: list[str]) -> None:
        """Let the messages show these texts, and no other ones."""
        for number, text in enumerate(texts):
            if number < len(self.parts) and not await self._has_edited(number, text):
                await self.delete_from(number)
            if number == len(self.parts):
                await self.post(place, text)
        await self.delete_from(len(texts))
        if not self.has_ended:
            self.has_ended = True
            await self.remember()

    async def _has_edited(self, number: int, text: str) -> bool:
        """Edit a message, unless it shows this; return False where Webex takes no edit of it."""
        part = self.parts[number]
        if part.shows(text):
            return True
        if part.edits >= _MAX_EDITS:
            return False
        try:
            await self.edit(number, text)
        except (BadRequestError, NotFoundError, GoneError):
            return False
        return True

    async def mark(self, is_stopped: bool, texts: list[str] | None = None) -> None:  # noqa: FBT001 - as `Records.at_end`
        """Say below these texts, or what is shown, that no more follows; an error is logged."""
        if self.has_ended or not self.parts:
            return
        try:
            line = self.stopped if is_stopped else self.interrupted
            await self._mark(texts or [each.text for each in self.parts], line)
        except Exception as error:  # noqa: BLE001 - whatever a client of the user's raises
            logger.warning(
                "an answer ends in the middle, and its message can't say so: %s",
                describe_exception(error),
            )

    async def _mark(self, texts: list[str], line: str) -> None:
        place, last = _place_of(self.parts[0].message), len(texts) - 1
        for number, text in enumerate(texts):
            tail = _below(text, line) if number == last else ""
            if number == len(self.parts):
                await self.post(place, text, tail)
            elif self.parts[number].shows(text, tail):
                continue
            elif self.parts[number].edits < _MAX_EDITS:
                await self.edit(number, text, tail)
            else:
                await self.post(place, "", line)
                break
        self.has_ended = True
        await self.remember()


def _place_of(message: Message) -> dict[str, str]:
    place = {"roomId": message.room_id}
    return place if message.parent_id is None else {**place, "parentId": message.parent_id}


class Stream:
    """An answer that grows while it is written: what `MessageContext.stream` returns.

    ::

        async with context.stream() as answer:
            async for piece in model.stream(context.text):
                answer.write(piece)

    While the block runs, the message is edited after 1.5 s, and then ever less often, so that two
    of the ten edits that Webex takes are left for the end. A text of more than 7,000 bytes
    continues in another message. At the end of the block, the messages show the whole text.
    """

    def __init__(  # noqa: PLR0913 - most are options, by name
        self,
        client: Client,
        place: Callable[[], Awaitable[Mapping[str, str]]],
        status: str,
        *,
        key: str | None,
        interrupted: str,
        stopped: str,
    ) -> None:
        _check_line("status", status)
        _check_line("interrupted", interrupted)
        _check_line("stopped", stopped)
        if key is not None:
            check_not_empty("key", key)
        self._client = client
        self._find_place = place
        self._key = key
        self._lines = interrupted, stopped
        self._text = ""
        self._status = self._first_status = status
        self._board: Board | None = None
        self._place: Mapping[str, str] = {}
        self._is_open = False
        self._clock = InternalRequests.of(client).requester.clock
        self._changed = asyncio.Event()
        self._outgrown = asyncio.Event()
        self._room = _PART_BYTES  # bytes that the last message can still take
        self._sending = asyncio.Lock()
        self._not_before = 0.0
        self._sent_at = 0.0
        self._has_warned = False
        self._progress: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        """What was written. Setting it replaces that, and removes the status.

        Raises:
            TypeError: It is set to something else than text.
            RuntimeError: It is set outside of the block.
        """
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._check_open("set the text")
        check_text("text", text)
        self._text, self._status = text, ""
        self._room = len(self.messages) * _PART_BYTES - _size_of([text])
        self._note_change(0)

    @property
    def status(self) -> str:
        """The line below the text, until something is written; empty without one.

        Raises:
            ValueError: It is set to more than 300 bytes.
            TypeError: It is set to something else than text.
            RuntimeError: It is set outside of the block.
        """
        return self._status

    @status.setter
    def status(self, status: str) -> None:
        self._check_open("set the status")
        _check_line("status", status, or_empty=True)
        self._status = status
        self._note_change(0)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages in their order, as Webex returned them last; empty if they are deleted."""
        return () if self._board is None else tuple(each.message for each in self._board.parts)

    def write(self, piece: str) -> None:
        """Append a piece to the text, and remove the status.

        Raises:
            TypeError: It isn't text.
            RuntimeError: It is called outside of the block.
        """
        self._check_open("write")
        check_text("piece", piece)
        self._text += piece
        self._status = ""
        self._note_change(len(piece.encode()))

    def _check_open(self, what: str) -> None:
        if not self._is_open:
            raise RuntimeError(f"{what} inside of `async with context.stream() as answer:`")

    def _note_change(self, size: int) -> None:
        self._room -= size
        if self._room <= 0:
            self._outgrown.set()
        self._changed.set()

    async def __aenter__(self) -> Self:
        """Send the status, unless an earlier attempt has sent it.

        Raises:
            RuntimeError: It was entered before, or is inside of the transaction of `once`.
            APIError: Webex responded with an error status.
            TransportError: No response arrived. The message may have been sent.
            DecodeError: The response doesn't fit.
        """
        if self._board is not None:
            raise RuntimeError("a stream is entered once: call context.stream() for another one")
        check_outside("say something")
        records = records_of("stream")
        name = records.next_name(_KIND, self._key or "")
        record = await records.recall(name)
        if record is None:
            board = Board(self._client, records, name, *self._lines)
        else:
            board = Board.of(self._client, records, name, record)
        self._board = board
        self._place = await self._find_place()
        if not (board.parts or board.has_ended):
            await board.post(self._place, "", self._status)
        records.at_end[name] = self._mark
        self._sent_at = self._clock.monotonic()
        self._is_open = True
        self._progress = asyncio.create_task(self._show_progress(board))
        return self

    async def __aexit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the messages show the whole text; after an error, what is written so far.

        Raises:
            APIError: Webex responded with an error status.
            TransportError: No response arrived.
            DecodeError: The response doesn't fit.
        """
        self._is_open = False
        board, progress = cast("tuple[Board, asyncio.Task[None]]", (self._board, self._progress))
        if error is None:
            async with self._sending:  # what is under way arrives before what follows
                progress.cancel()
            await board.finish(self._place, _parts_of(self._text))
        elif not isinstance(error, asyncio.CancelledError):
            with suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS_AFTER_ERROR), self._sending:
                    await self._show(board, "")
        progress.cancel()

    async def _mark(self, is_stopped: bool) -> None:  # noqa: FBT001 - as `Records.at_end`
        """Say that the answer ends in the middle, unless it has ended."""
        async with self._sending:  # what is under way arrives before it
            board, texts = cast("Board", self._board), _parts_of(self._text)
            is_longer = _size_of(texts) >= board.size
            await board.mark(is_stopped, texts if is_longer else None)

    async def _show_progress(self, board: Board) -> None:
        """Show what is written, whenever it is time to."""
        while True:
            await self._changed.wait()
            pause = self._seconds_to_next(board.parts[-1].edits if board.parts else 0)
            if pause is None or pause > 0:
                await self._wait(pause)
            self._changed.clear()
            self._outgrown.clear()
            async with self._sending:
                await self._show(board, _CURSOR)

    def _seconds_to_next(self, edits: int) -> float | None:
        """Return in how many seconds the next edit comes; `None` if none is left for progress."""
        if edits >= len(_PAUSES):
            return None
        due = max(self._sent_at + _PAUSES[edits], self._not_before)
        return due - self._clock.monotonic()

    async def _wait(self, seconds: float | None) -> None:
        """Wait for so long, or until the text outgrows its messages."""
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(self._outgrown.wait())]
        if seconds is not None:
            waiting.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def _show(self, board: Board, cursor: str) -> None:
        """Show what is written as progress, once, unless more is shown; an error is logged."""
        texts = _parts_of(self._text) or [""]
        size, shown = _size_of(texts), board.size
        if size < shown or (board.has_ended and size == shown):
            return
        self._room = _PART_BYTES - len(texts[-1].encode())
        self._sent_at = self._clock.monotonic()
        try:
            for number, text in enumerate(texts):
                is_last = number == len(texts) - 1
                await self._show_part(board, number, text, cursor if is_last else None)
        except Exception as error:  # noqa: BLE001 - the end raises what lasts
            self._note_error(error)

    async def _show_part(self, board: Board, number: int, text: str, cursor: str | None) -> None:
        """Show a part; a cursor or a status is below the last one, which has no other below it."""
        tail, most = "", _CLOSING_EDITS
        if cursor is not None:
            status = self._status or ("" if text else self._first_status)
            tail, most = _below(text, status) if status else _behind(text, cursor), len(_PAUSES)
        if number == len(board.parts):
            await board.post(self._place, text, tail)
        elif not board.parts[number].shows(text, tail) and board.parts[number].edits < most:
            await board.edit(number, text, tail, is_repeated=False)

    def _note_error(self, error: Exception) -> None:
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            self._not_before = self._clock.monotonic() + error.retry_after
        level = logging.DEBUG if self._has_warned else logging.WARNING
        self._has_warned = True
        logger.log(level, "an answer that grows isn't shown for now: %s", describe_exception(error))


def mark_unended(client: Client, records: Records) -> None:
    """Let the streams of earlier attempts be marked at the end, unless they are ended by then."""
    for name, record in records.known.items():
        if name.startswith(f"{_KIND}:"):
            records.at_end[name] = Board.of(client, records, name, record).mark


def _parts_of(text: str) -> list[str]:
    """Cut a text into what each message shows; nothing of whitespace alone.

    What looks like a mention is shown as text: a model may write one of everybody.
    """
    shown = text.rstrip().replace("<@", "&lt;@")
    return [each for each in split_markdown(shown, _PART_BYTES) if not each.isspace()]


def _size_of(texts: Iterable[str]) -> int:
    return sum(len(each.encode()) for each in texts)


def _below(text: str, line: str) -> str:
    """Return what puts a line below a text, whose open code block it closes."""
    return f"{closing_of(text)}\n\n{line}" if text else line


def _behind(text: str, cursor: str) -> str:
    """Return what puts a cursor behind a text, whose open code block it closes."""
    closing = closing_of(text)
    return f"{closing}\n{cursor.strip()}" if closing and cursor else closing + cursor


def _check_line(name: str, line: str, *, or_empty: bool = False) -> None:
    check_text(name, line)
    if not (line or or_empty):
        raise ValueError(f"{name} is empty: pass a text to show")
    if len(line.encode()) > _LINE_BYTES:
        raise ValueError(f"{name} must have at most {_LINE_BYTES} bytes, got {len(line.encode())}")
