"""A person's conversation with the bot of a sandbox."""

import asyncio
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx

from webex_webhooks_async.cli.running import CommandError, UsageError, usage_errors
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.errors import TransportError
from webex_webhooks_async.formatting import describe_exception
from webex_webhooks_async.models.messages import Message
from webex_webhooks_async.testing.gateway import SANDBOX_HEADER

POLL_SECONDS = 0.2
QUIET_SECONDS = 1.0  # after a reply, before a conversation counts as quiet
SUBMIT = "/submit"
"""A line that begins with this word submits a card."""


class Conversation:
    """The direct room of a person and the bot.

    Args:
        client: Calls the sandbox as the person.
        bot: The address of the bot.
    """

    def __init__(self, client: Client, bot: str) -> None:
        self.bot = bot
        self._client = client
        self._room_id: str | None = None
        self._seen: set[str] = set()
        self._card_id: str | None = None

    async def send(self, line: str) -> None:
        """Send a line to the bot: a message, or after `SUBMIT` the inputs of its last card.

        Raises:
            UsageError: There is no card, or the inputs have another form than ID=VALUE.
            WebexError: The sandbox refuses it, or is gone.
        """
        if line.split()[:1] == [SUBMIT]:
            await self._submit(line)
        else:
            await self._say(line)

    async def _submit(self, line: str) -> None:
        if self._card_id is None:
            raise UsageError(f"{self.bot} has not sent a card in this conversation")
        with usage_errors(SUBMIT):  # such as for a quotation mark that isn't closed
            _, *words = shlex.split(line)
        inputs: dict[str, str] = {}
        for word in words:
            input_id, equals, value = word.partition("=")
            if not (input_id and equals):
                raise UsageError(f"{SUBMIT}: write each input as ID=VALUE, got {word!r}")
            inputs[input_id] = value
        action = {"type": "submit", "messageId": self._card_id, "inputs": inputs}
        await self._client.post("attachment/actions", json=action)

    async def _say(self, text: str) -> None:
        message = await self._client.post(
            "messages", json={"toPersonEmail": self.bot, "text": text}, into=Message
        )
        if self._room_id is None:
            self._room_id = message.room_id
            newest_first = [each.id for each in await self._newest()]
            self._seen = set(newest_first[newest_first.index(message.id) :])

    async def new_replies(self) -> list[Message]:
        """What the bot has said since the last call, oldest first.

        Raises:
            WebexError: The sandbox is gone.
        """
        new = [each for each in await self._newest() if each.id not in self._seen]
        self._seen.update(each.id for each in new)
        replies = [each for each in reversed(new) if each.person_email == self.bot]
        for each in replies:
            self._card_id = each.id if each.attachments else self._card_id
        return replies

    async def replies(self, timeout: float) -> AsyncIterator[Message]:  # noqa: ASYNC109 - of the first
        """What the bot says, until it is quiet.

        Args:
            timeout: Seconds to wait for the first reply; after each one, `QUIET_SECONDS`.
        """
        now = asyncio.get_running_loop().time
        end = now() + timeout
        while now() < end:
            for reply in await self.new_replies():
                yield reply
                end = now() + QUIET_SECONDS
            await asyncio.sleep(POLL_SECONDS)

    async def _newest(self) -> Iterable[Message]:
        if self._room_id is None:
            return ()
        page = await self._client.list("messages", params={"roomId": self._room_id}, into=Message)
        return page.items


@asynccontextmanager
async def conversation(base_url: str, person: str) -> AsyncGenerator[Conversation]:
    """Talk to the bot of a sandbox as long as the block runs.

    Raises:
        CommandError: No sandbox responds there, at the beginning or later.
        UsageError: The URL or the address can't be used, or the person is the bot.
    """
    with usage_errors():
        client = Client(f"person:{person}", base_url=base_url)
    async with client:
        bot = await _bot_of(base_url)
        if person.lower() == bot.lower():
            raise UsageError(f"--as must be another person than the bot, {bot}")
        try:
            yield Conversation(client, bot)
        except TransportError as error:
            raise CommandError(
                f"the sandbox at {base_url} responds no longer: start one with "
                "`webex-webhooks sandbox`"
            ) from error


async def _bot_of(base_url: str) -> str:
    """The address of the bot. No token goes there: it may be another service than a sandbox."""
    try:
        async with httpx.AsyncClient(trust_env=False) as http_client:
            response = await http_client.get(
                f"{base_url.rstrip('/')}/people/me", headers={"Authorization": "Bearer sandbox"}
            )
    except httpx.RequestError as error:
        raise CommandError(
            f"no sandbox responds at {base_url} ({describe_exception(error)}): start one with "
            "`webex-webhooks sandbox`"
        ) from error
    if SANDBOX_HEADER not in response.headers.raw:
        raise CommandError(
            f"the service at {base_url} isn't a sandbox: start one with `webex-webhooks sandbox`, "
            "and set WEBEX_BASE_URL to the URL that it prints"
        )
    address: str = response.json()["emails"][0]
    return address
