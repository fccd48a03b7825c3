"""Makes the webhooks of a bot match its handlers: at its start, and at each look after that."""

import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from webex_webhooks_async.bot.catch_up import CatchUp
from webex_webhooks_async.claims import Claims, InboxUnavailableError, MemoryClaims, SharedClaims
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.planning import DesiredState, WebhookAction, WebhookChange
from webex_webhooks_async.client.reconciler import FAILURES_OF_A_TURN, Reconciler, pause_after
from webex_webhooks_async.client.resource import InternalRequests
from webex_webhooks_async.client.restraint import Restraint
from webex_webhooks_async.formatting import on_one_line, short_id
from webex_webhooks_async.models.messages import Person
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class BotWebhooks:
    """The webhooks of a bot, from one start to its end."""

    def __init__(  # noqa: PLR0913 - all are needed
        self,
        client: Client,
        name: str,
        wanted: Callable[[], Awaitable[Iterable[NewWebhook]]],
        shared: SharedClaims | None,
        clock: Clock,
        *,
        missed: CatchUp | None = None,
    ) -> None:
        self._webhooks = client.webhooks
        self._name = name  # the beginning of the names of its webhooks
        self._wanted = wanted  # returns those that it needs now; it asks for the secret
        self._shared = shared  # the claims that it shares with its replicas
        self._clock = clock
        self._missed = missed  # fetches what the webhooks have missed, if the bot does that
        self._of_messages: Webhook | None = None  # the one that brings new messages
        self._rivalry = _Rivalry(shared or MemoryClaims(clock.monotonic), clock)
        self.waits: bool = False  # whether it waits for a replica that makes the webhooks
        self._looking = self._reconciler(self._rivalry)

    async def start(self) -> None:
        """Make them match, and delete the others of this name; one process at a time does it."""
        wanted = await self._wanted()
        async with self._alone():
            desired = DesiredState.of(wanted, f"{self._name}:")
            await self._apply(self._reconciler(), desired, logging.INFO)

    async def is_turn(self, every: float) -> bool:
        """Whether this process is the one that looks, of all those that look every so often."""
        # A little less, so that a process which looks alone never comes too early.
        seconds = every - min(1.0, every / 10)
        name = f"look:{self._name}"
        return self._shared is None or await self._shared.claim(name, seconds)

    async def look(self) -> None:
        """Correct what has happened to them; delete nothing but doubles, as others may start."""
        wanted = await self._wanted()
        await self._apply(self._looking, DesiredState(tuple(wanted)), logging.WARNING)

    def catch_up(self, me: Person | None) -> None:
        """Begin to fetch what the webhooks have missed, if that is due, for the bot itself."""
        if self._missed is not None and self._of_messages is not None and me is not None:
            self._missed.begin(me, self._of_messages)

    def pause_after(self, error: Exception, every: float) -> float:
        """Log that a look failed; return the seconds until the next one."""
        if isinstance(error, FAILURES_OF_A_TURN):
            return pause_after(error, every)
        if isinstance(error, InboxUnavailableError):
            logger.warning("reconciliation failed: %s; retrying in %g s", error, every)
            return every
        logger.error("the webhooks can't be watched; trying again in %g s", every, exc_info=error)
        return every

    def _reconciler(self, restraint: Restraint | None = None) -> Reconciler:
        requester = InternalRequests.of(self._webhooks).requester
        retry, clock = requester.retry, requester.clock
        return Reconciler(self._webhooks, retry=retry, clock=clock, restraint=restraint)

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        """Wait until no other replica is at this; a process that is killed holds up others 30 s."""
        if self._shared is None:
            yield
            return
        name = f"start:{self._name}"
        while not await self._shared.claim(name, _CLAIMED_SECONDS):
            self.waits = True
            await self._clock.sleep(_POLL_SECONDS)
        self.waits = False
        try:
            yield
        finally:
            await self._shared.unclaim(name)

    async def _apply(self, reconciler: Reconciler, desired: DesiredState, level: int) -> None:
        done: list[WebhookChange] = []
        plan = await reconciler.plan(desired)
        if self._missed is not None and any(map(_had_no_messages, plan.changes)):
            self._missed.note()
        try:
            result = await reconciler.apply(plan, done)
        finally:
            for each in done:
                self._log(each, level)
        live = filter(brings_messages, result.webhooks.values())
        self._of_messages = next(live, self._of_messages)

    def _log(self, change: WebhookChange, level: int) -> None:
        """Log what was corrected; that a webhook was switched off or moved is always a warning."""
        more = ""
        if moves(change):
            level = logging.WARNING
            before, after = _urls(change)
            more = f", changed from {before} to {after}"
            if self._rivalry.note(change):
                level = logging.ERROR
                more += (
                    f": another process with this token and the name {self._name!r} wants {before}:"
                    " give one of them another token; this one changes it once an hour at most now,"
                    " until its next start"
                )
        if change.action is WebhookAction.REACTIVATE:
            level = max(level, logging.WARNING)
            more += _SWITCHED_OFF
        name = short_id(change.name)
        logger.log(level, "%s webhook %s: %s%s", change.action, name, change.reason, more)


class _Rivalry(Restraint):
    """Notices that another process wants another target URL, and doesn't fight with it for long."""

    def __init__(self, claims: Claims, clock: Clock) -> None:
        super().__init__(claims)
        self._clock = clock
        self._moves = defaultdict[str, list[float]](list)  # when, by the name of the webhook
        self._contested: set[str] = set()

    async def admits(self, change: WebhookChange) -> bool:
        if not await super().admits(change):
            return False
        if not self._needs_claim(change) or await self._claims.claim(_move_of(change), _HOUR):
            return True
        await super().withdraw(change)
        return False

    async def withdraw(self, change: WebhookChange) -> None:
        if self._needs_claim(change):
            await self._claims.unclaim(_move_of(change))
        await super().withdraw(change)

    def note(self, change: WebhookChange) -> bool:
        """Count a change of a target URL; return whether another process keeps changing it back."""
        self._recent(change).append(self._clock.monotonic())
        if len(self._recent(change)) > _PEACEFUL_MOVES:
            self._contested.add(change.name)
        return change.name in self._contested

    def _needs_claim(self, change: WebhookChange) -> bool:
        return moves(change) and (
            change.name in self._contested or len(self._recent(change)) == _PEACEFUL_MOVES
        )

    def _recent(self, change: WebhookChange) -> list[float]:
        recent = self._moves[change.name]
        recent[:] = [each for each in recent if self._clock.monotonic() - each < _HOUR]
        return recent


def brings_messages(webhook: Webhook | NewWebhook) -> bool:
    """Whether a webhook is for new messages."""
    is_of_messages = webhook.resource in {Resource.MESSAGES, Resource.ALL}
    return is_of_messages and webhook.event in {Event.CREATED, Event.ALL}


def _had_no_messages(change: WebhookChange) -> bool:
    """Whether a change is of a webhook for new messages that wasn't as wanted."""
    is_wanted = change.wanted is not None and brings_messages(change.wanted)
    return is_wanted and change.action is not WebhookAction.KEEP


def moves(change: WebhookChange) -> bool:
    """Whether a change gives a webhook that exists another target URL."""
    before, after = _urls(change)
    return None not in {before, after} and before != after


def _urls(change: WebhookChange) -> tuple[str | None, str | None]:
    before, after = (
        None if each is None else on_one_line(each.target_url)
        for each in (change.existing, change.wanted)
    )
    return before, after


def _move_of(change: WebhookChange) -> str:
    return f"target-url:{change.name}"


_CLAIMED_SECONDS = 30.0  # by one that starts; the next one may begin then
_POLL_SECONDS = 0.5
_HOUR = 3600.0
_PEACEFUL_MOVES = 2  # within an hour: a deploy, and one that is taken back

_SWITCHED_OFF = (
    "; Webex does that after 100 failed deliveries within five minutes: with inbox= or "
    "respond_within=5.0, slow handlers cause none"
)
