"""Makes the webhooks that are there those that are wanted, and keeps them so."""

import logging
import random
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Protocol

import attrs
from attrs import field, frozen

from webex_webhooks_async.client.clock import Clock
from webex_webhooks_async.client.desired_state.planning import (
    Action,
    Change,
    DesiredState,
    Plan,
    Result,
    settle,
)
from webex_webhooks_async.client.retries import RetryPolicy, may_have_been_done
from webex_webhooks_async.errors import (
    APIError,
    ConflictError,
    DecodeError,
    GoneError,
    LockedError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.models.vocabulary import OwnedBy, Status
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook, WebhookUpdate

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

REACTIVATION_COOLDOWN = 300.0
"""So long after a re-activation a single failure switches a webhook off again.

https://developer.webex.com/docs/api/guides/webhooks
"""


class Operations(Protocol):
    """The operations that upkeep takes."""

    async def create(self, webhook: NewWebhook) -> Webhook:
        """Make a webhook."""
        ...

    async def get(self, webhook_id: str) -> Webhook:
        """The webhook with this id."""
        ...

    async def update(self, webhook_id: str, update: WebhookUpdate) -> Webhook:
        """Change a webhook."""
        ...

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook."""
        ...

    def list(self, *, owned_by: str | None = None) -> AsyncIterable[Webhook]:
        """The webhooks."""
        ...


@frozen
class Reconciler:
    """Plans, carries out and watches.

    Attributes:
        operations: What the service offers.
        retry: How often a create is sent whose answers are lost, and how long to wait in between.
        clock: The time.
    """

    operations: Operations
    retry: RetryPolicy
    clock: Clock

    async def plan(self, state: DesiredState) -> Plan:
        """What is to be done; it can be applied."""
        plan = state.plan([each async for each in self.existing(org=state.wants_org)])
        return attrs.evolve(plan, carry_out=self.apply)

    async def apply(self, plan: Plan) -> Result:
        """Carry out a plan."""
        changes: list[Change] = []
        webhooks = await self._carry_out(plan, changes.append)
        return Result(changes=tuple(changes), webhooks=webhooks)

    async def watch(self, state: DesiredState, *, every: float) -> AsyncGenerator[Result]:
        """Carry out a new plan every so many seconds, and yield what was changed."""
        changes: list[Change] = []  # also of a round that an outage broke off
        probation = ReactivationCooldown(self.clock)

        def note(change: Change) -> None:
            changes.append(change)
            probation.note(change)

        while True:
            pause = every
            try:
                plan = probation.hold_back(await self.plan(state))
                webhooks = await self._carry_out(plan, note)
            except (TransportError, ServerError, LockedError, RateLimitError) as error:
                pause = max(every, _retry_after(error))
                logger.warning("webhooks could not be kept: %s; again in %g s", error, pause)
            else:
                if changes:
                    yield Result(changes=tuple(changes), webhooks=webhooks)
                    changes.clear()
            await self.clock.sleep(pause)

    async def existing(self, *, org: bool) -> AsyncGenerator[Webhook]:
        """The webhooks that are there, some of them perhaps twice.

        Whether a plain list has those of the whole organization is not documented. Asking for
        them takes an administrator's token, so it is done where one of them is wanted.
        """
        for owner in (None, OwnedBy.ORG) if org else (None,):
            async for webhook in self.operations.list(owned_by=owner):
                yield webhook

    async def _carry_out(self, plan: Plan, note: Callable[[Change], None]) -> dict[str, Webhook]:
        run = PlanExecution(self, plan, note)
        for step in (run.make, run.remove, run.verify):
            for change in plan.changes:
                with _told_in_errors(change):
                    await step(change)
        return run.live


@frozen
class PlanExecution:
    """One plan on its way.

    Attributes:
        reconciler: What it needs.
        plan: The plan.
        note: Is told of each change that was carried out.
        live: The webhook of each wanted name, so far.
        thinned: The names of which a webhook was deleted.
    """

    reconciler: Reconciler
    plan: Plan
    note: Callable[[Change], None]
    live: dict[str, Webhook] = field(factory=dict[str, Webhook])
    thinned: set[str] = field(factory=set[str])

    async def make(self, change: Change) -> None:
        """Let there be what is wanted."""
        wanted, existing = change.wanted, change.existing
        if wanted is None:
            return
        if existing is None:
            await self._create(change, wanted)
        elif change.action is Action.REPLACE:
            self.live[change.name] = await self._create_once(wanted)
        elif change.action is Action.KEEP:
            self.live[change.name] = existing
        else:
            await self._update(change, wanted, existing)

    async def remove(self, change: Change) -> None:
        """Let go what isn't wanted; one that is gone already is fine."""
        if change.existing is None or change.action not in {Action.REPLACE, Action.DELETE}:
            return
        with suppress(NotFoundError, GoneError):
            await self.reconciler.operations.delete(change.existing.id)
        self.thinned.add(change.name)
        self.note(change)

    async def verify(self, change: Change) -> None:
        """Make sure that of what was thinned one is left.

        Two runs at a time that want different things of one name delete what the other one made.
        The one that deletes last also looks last, and so there is one in the end.
        """
        if change.wanted is None or change.name not in self.thinned:
            return
        try:
            await self.reconciler.operations.get(self.live[change.name].id)
        except (NotFoundError, GoneError):
            await self._recreate(change.wanted)

    async def _create(self, change: Change, wanted: NewWebhook) -> None:
        self.live[change.name] = await self._create_once(wanted)
        self.note(change)

    async def _recreate(self, wanted: NewWebhook) -> None:
        reason = "deleted meanwhile"
        change = Change(action=Action.CREATE, name=wanted.name, wanted=wanted, reason=reason)
        await self._create(change, wanted)

    async def _update(self, change: Change, wanted: NewWebhook, existing: Webhook) -> None:
        secret = wanted.secret or existing.secret
        status = Status.ACTIVE if change.action is Action.REACTIVATE else existing.status
        update = WebhookUpdate(
            name=wanted.name,
            target_url=wanted.target_url,
            secret=secret or None,
            status=status or None,
        )
        try:
            updated = await self.reconciler.operations.update(existing.id, update)
        except (NotFoundError, GoneError):
            await self._recreate(wanted)
        else:
            self.live[change.name] = _with_secret(updated, secret)
            self.note(change)

    async def _create_once(self, wanted: NewWebhook) -> Webhook:
        """Make one webhook, though answers get lost: look it up before it is sent again."""
        reconciler = self.reconciler
        attempt = 1
        while True:  # until the retry policy has had enough
            try:
                return _with_secret(await reconciler.operations.create(wanted), wanted.secret)
            except WebexError as error:
                if not _may_be_there(error):
                    raise
                jitter = random.random()  # noqa: S311 - spreads load, guards nothing
                await reconciler.clock.sleep(reconciler.retry.backoff(attempt, jitter))
                found = await self._look_up(wanted)
                if found is not None:
                    return found
                if attempt >= reconciler.retry.attempts or not _may_be_missing(error):
                    raise
            attempt += 1

    async def _look_up(self, wanted: NewWebhook) -> Webhook | None:
        """The webhook that is as wanted, and wasn't there when the plan was made."""
        known = {change.existing.id for change in self.plan.changes if change.existing is not None}
        is_org = wanted.owned_by == OwnedBy.ORG
        found = settle(
            wanted,
            [
                each
                async for each in self.reconciler.existing(org=is_org)
                if each.name == wanted.name and each.id not in known
            ],
        )
        return found.existing if found.action is Action.KEEP else None


def _may_be_there(error: WebexError) -> bool:
    """Whether a webhook may be there, though creating it led to this."""
    if isinstance(error, ServerError):
        return may_have_been_done(error.status_code)
    return isinstance(error, TransportError | ConflictError | DecodeError)


def _may_be_missing(error: WebexError) -> bool:
    """Whether a webhook that isn't found after this error may be created again."""
    return isinstance(error, TransportError | ServerError)


def _with_secret(webhook: Webhook, secret: str | None) -> Webhook:
    """The webhook with the secret that was sent, where the service doesn't return it."""
    return webhook if webhook.secret else attrs.evolve(webhook, secret=secret)


def _retry_after(error: WebexError) -> float:
    seconds = error.retry_after if isinstance(error, APIError) else None
    return seconds or 0.0


@contextmanager
def _told_in_errors(change: Change) -> Generator[None]:
    try:
        yield
    except WebexError as error:
        error.add_note(f"on the way to {change.action} webhook {change.name!r}")
        raise


class ReactivationCooldown:
    """Which webhooks were switched on again so lately that a single failure switches them off."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def note(self, change: Change) -> None:
        """Note what was carried out."""
        if change.action is Action.REACTIVATE and change.existing is not None:
            self._since[change.existing.id] = self._clock.monotonic()

    def hold_back(self, plan: Plan) -> Plan:
        """The plan without the re-activations that come too early."""
        now = self._clock.monotonic()
        self._since = {
            webhook_id: since
            for webhook_id, since in self._since.items()
            if now - since < REACTIVATION_COOLDOWN
        }
        return attrs.evolve(plan, changes=tuple(map(self._held_back, plan.changes)))

    def _held_back(self, change: Change) -> Change:
        is_early = change.existing is not None and change.existing.id in self._since
        if change.action is not Action.REACTIVATE or not is_early:
            return change
        reason = "switched off again right after it was re-activated: waiting"
        return attrs.evolve(change, action=Action.KEEP, reason=reason)
