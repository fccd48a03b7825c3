"""Makes the existing webhooks match the desired state, once or for as long as a program runs."""

import logging
import random
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Protocol

from attrs import evolve, frozen

from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.planning import (
    Action,
    Change,
    DesiredState,
    Plan,
    Result,
    WebhookPlanWarning,
)
from webex_webhooks_async.client.retries import RetryPolicy, may_have_been_processed
from webex_webhooks_async.errors import (
    AuthenticationError,
    ConflictError,
    DecodeError,
    LockedError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TransportError,
    WebexError,
)
from webex_webhooks_async.models.vocabulary import OwnedBy, Status
from webex_webhooks_async.models.webhooks import (
    NewWebhook,
    UnreadableWebhook,
    Webhook,
    WebhookUpdate,
)

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

REACTIVATION_COOLDOWN = 300.0
"""For so many seconds after a reactivation, a single failure switches a webhook off again.

https://developer.webex.com/docs/api/guides/webhooks
"""


class Operations(Protocol):
    """The operations that a reconciler needs; `Webhooks` has them."""

    async def create(self, webhook: NewWebhook) -> Webhook:
        """Create a webhook."""
        ...

    async def get(self, webhook_id: str) -> Webhook:
        """Get the webhook with this id."""
        ...

    async def update(self, webhook_id: str, update: WebhookUpdate) -> Webhook:
        """Update a webhook."""
        ...

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook."""
        ...


Scan = Callable[[str | None], AsyncIterable[Webhook | UnreadableWebhook]]
"""Lists the webhooks of an owner, also those that can't be read."""


class Reconciler:
    """Plans, applies and watches one desired state.

    Args:
        operations: The operations on webhooks.
        scan: Lists them.
        desired: The webhooks that should exist.
        retry: How often a create is sent whose response is lost, and how long to wait in between.
        clock: The time.
    """

    def __init__(
        self,
        operations: Operations,
        scan: Scan,
        desired: DesiredState,
        *,
        retry: RetryPolicy,
        clock: Clock,
    ) -> None:
        self.operations = operations
        self._scan = scan
        self.retry = retry
        self.clock = clock
        self._desired = desired
        self._reactivated: dict[str, float] = {}  # when, by id
        self._warned: set[str] = set()

    async def plan(self) -> Plan:
        """What has to change; warnings point to where the caller of this was called."""
        existing = await self.existing(org=self._desired.wants_org)
        changes = tuple(map(self.hold_back, self._desired.changes(existing)))
        for each in self._desired.double_deliveries(existing, changes):
            if each not in self._warned:
                self._warned.add(each)
                warnings.warn(each, WebhookPlanWarning, stacklevel=3)
        return Plan(changes=changes, applier=self.apply)

    async def apply(self, plan: Plan) -> Result:
        """Execute a plan."""
        execution = PlanExecution(self, plan)
        webhooks = await execution.run()
        return Result(changes=tuple(execution.done), webhooks=webhooks)

    async def watch(
        self, *, every: float, look: Callable[[], Awaitable[Iterable[NewWebhook]]] | None = None
    ) -> AsyncGenerator[Result]:
        """Execute a new plan every so many seconds, and yield what was changed.

        Args:
            every: Seconds.
            look: Returns the webhooks that should exist, before each plan.
        """
        changes: list[Change] = []  # also of a turn that an outage interrupts
        while True:
            pause = every
            try:
                if look is not None:
                    self._desired = evolve(self._desired, wanted=tuple(await look()))
                execution = PlanExecution(self, await self.plan())
                try:
                    webhooks = await execution.run()
                finally:
                    changes.extend(execution.done)
            except (TransportError, ServerError, LockedError, RateLimitError, DecodeError) as error:
                pause = _pause(error, every)
                level = logging.ERROR if isinstance(error, DecodeError) else logging.WARNING
                logger.log(level, "reconciliation failed: %s; retrying in %g s", error, pause)
            else:
                if changes:
                    yield Result(changes=tuple(changes), webhooks=webhooks)
                    changes.clear()
            await self.clock.sleep(pause)

    async def existing(self, *, org: bool) -> list[Webhook | UnreadableWebhook]:
        """The webhooks that exist, possibly some of them twice.

        Whether a plain list has those of the whole organization is not documented. Listing them
        needs an administrator's token, so they are listed only where one of them is wanted.
        """
        owners = (None, OwnedBy.ORG) if org else (None,)
        return [webhook for owner in owners async for webhook in self._scan(owner)]

    def note_reactivation(self, webhook: Webhook) -> None:
        """Remember when this webhook was reactivated."""
        self._reactivated[webhook.id] = self.clock.monotonic()

    def hold_back(self, change: Change) -> Change:
        """The change, but no reactivation within the cooldown of the previous one."""
        if change.action is not Action.REACTIVATE or change.existing is None:
            return change
        since = self._reactivated.get(change.existing.id)
        if since is None or self.clock.monotonic() - since >= REACTIVATION_COOLDOWN:
            return change
        reason = "switched off again soon after it was reactivated: waiting"
        return evolve(change, action=Action.KEEP, reason=reason)


class PlanExecution:
    """Executes a plan, and looks again until each wanted name has exactly one webhook.

    Other runs may do the same at the same time. So after a name got a webhook or lost one, this
    lists the webhooks again and makes a new plan for that name. Whichever run creates last or
    deletes last sees what all of them did, and leaves one webhook.

    Runs that want the same thing keep the same webhook. Runs that want different things may delete
    each other's, so from the third look on they keep the oldest one and replace none.

    An error of one webhook doesn't keep the others from being made. Nothing is sent after a 401,
    and without a response only what looks whether a create was processed.

    What changes after what, for a name:

    * A create is counted in `_creates` and looked at again (`_to_recheck`). With its response, the
      webhook is in `_live` and the change in `done`. If its response was lost, it is in `_lost`;
      as long as one is there that had no response, changes of other names only wait for the next
      look. An update that succeeds is in `_live` and `done` as well.
    * What was deleted, or not found by an update, is in `_gone`, and its name is looked at again.
      Nothing is deleted while the create of its name is in `_lost`.
    * After any other error the name is in `_failed`, and gets no further change.
    * A look empties `_to_recheck`. It leaves out what is in `_gone`, asks by id for what is in
      `_live` and not in the list, and empties `_lost`: the create goes to `done` if its webhook is
      there, to `_failed` if it was sent often enough, and else into the new plan.

    Args:
        reconciler: What lists the webhooks, and sends the requests.
        plan: The plan.

    Attributes:
        done: The changes that were executed so far.
    """

    def __init__(self, reconciler: Reconciler, plan: Plan) -> None:
        self.done: list[Change] = []
        self._reconciler = reconciler
        self._operations = reconciler.operations
        self._changes = plan.changes
        self._wanted = tuple(each.wanted for each in plan.changes if each.wanted is not None)
        self._live: dict[str, Webhook] = {}  # by name
        self._gone: set[str] = set()  # ids; a list that lags behind still has them
        self._creates = Counter[str]()  # how often one was sent, by name
        self._lost: dict[str, _Failure] = {}  # creates that may have made a webhook, by name
        self._to_recheck: set[str] = set()  # names
        self._failed: dict[str, _Failure] = {}  # by name

    async def run(self) -> dict[str, Webhook]:
        """Execute the plan, and return the webhook of each wanted name.

        Raises:
            WebexError: The first error; its notes name the others and what was done.
        """
        try:
            return await self._run()
        except WebexError as error:
            for failure in self._failed.values():
                if failure.error is not error:
                    failed = f"{failure.change.action} {failure.change.name!r}"
                    error.add_note(f"{failed} failed too: {failure.error}")
            if self.done:
                done = ", ".join(f"{each.action} {each.name!r}" for each in self.done)
                error.add_note(f"done before: {done}")
            raise

    async def _run(self) -> dict[str, Webhook]:
        names = {each.name for each in self._wanted}
        await self._execute([each for each in self._changes if each.name in names])
        looks = 1
        while self._to_recheck and looks < _MAX_LOOKS:
            if not self._lost:
                looks += 1
            await self._execute(await self._look_again(agree=looks > _LOOKS_BEFORE_AGREEING))
        if not self._failed:
            await self._execute([each for each in self._changes if each.name not in names])
        for failure in self._failed.values():
            raise failure.error
        live = self._live  # lacks what a service has lost at the last look
        return {each.name: live[each.name] for each in self._wanted if each.name in live}

    async def _execute(self, changes: Iterable[Change]) -> None:
        for step in (self._make, self._remove):
            for change in changes:
                if change.name in self._failed:
                    continue
                if any(isinstance(lost.error, TransportError) for lost in self._lost.values()):
                    self._to_recheck.add(change.name)  # nothing is sent before Webex responds
                    continue
                try:
                    await step(change)
                except WebexError as error:
                    self._fail(change, error)

    def _fail(self, change: Change, error: WebexError) -> None:
        """Keep an error for later, or raise it if it isn't one of this webhook alone."""
        error.add_note(f"while trying to {change.action} webhook {change.name!r}")
        self._failed[change.name] = _Failure(change, error)
        if isinstance(error, AuthenticationError | TransportError):
            raise error

    async def _make(self, change: Change) -> None:
        wanted, existing = change.wanted, change.existing
        if wanted is None:
            return
        if existing is None or change.action is Action.REPLACE:
            await self._create(change, wanted)
        elif change.action is Action.KEEP:
            self._live[change.name] = existing
        else:
            await self._update(change, wanted, existing)

    async def _create(self, change: Change, wanted: NewWebhook) -> None:
        self._creates[change.name] += 1
        try:
            created = await self._operations.create(wanted)
        except WebexError as error:
            if not _may_be_there(error):
                raise
            self._lost[change.name] = _Failure(change, error)
        else:
            self._live[change.name] = _with_secret(created, wanted.secret)
            self.done.append(change)
        self._to_recheck.add(change.name)

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
            updated = await self._operations.update(existing.id, update)
        except NotFoundError:
            self._gone.add(existing.id)
            self._to_recheck.add(change.name)
        else:
            self._live[change.name] = _with_secret(updated, secret)
            self.done.append(change)
            if change.action is Action.REACTIVATE:
                self._reconciler.note_reactivation(existing)

    async def _remove(self, change: Change) -> None:
        if change.existing is None or change.action not in {Action.REPLACE, Action.DELETE}:
            return
        if change.name in self._lost:  # first a new one, then the old one goes
            return
        with suppress(NotFoundError):
            await self._operations.delete(change.existing.id)
        self._gone.add(change.existing.id)
        self._to_recheck.add(change.name)
        if change.action is Action.DELETE:
            self.done.append(change)

    async def _look_again(self, *, agree: bool) -> tuple[Change, ...]:
        """Plan again for the names that a change may have left without exactly one webhook."""
        if self._lost:
            attempt = max(self._creates[name] for name in self._lost)
            jitter = random.random()  # noqa: S311 - spreads load, guards nothing
            await self._reconciler.clock.sleep(self._reconciler.retry.backoff(attempt, jitter))
        desired = DesiredState(
            tuple(each for each in self._wanted if each.name in self._to_recheck)
        )
        self._to_recheck.clear()
        listed = await self._reconciler.existing(org=desired.wants_org)
        existing = [each for each in listed if each.id not in self._gone]
        for name in sorted(desired.names.difference(each.name for each in existing)):
            existing.extend(await self._unlisted(name))
        changes = desired.changes(existing, agree=agree)
        self._resolve(changes)
        return tuple(map(self._reconciler.hold_back, changes))

    async def _unlisted(self, name: str) -> list[Webhook]:
        """The webhook that this made or kept, if it exists though a list doesn't have it."""
        live = self._live.get(name)
        if live is None or live.id in self._gone:
            return []
        try:
            return [await self._operations.get(live.id)]
        except NotFoundError:
            return []

    def _resolve(self, changes: Iterable[Change]) -> None:
        """See which of the lost creates have made a webhook, and which are sent again."""
        for change in changes:
            lost = self._lost.pop(change.name, None)
            if lost is None:
                continue
            if change.action not in {Action.CREATE, Action.REPLACE}:
                self.done.append(lost.change)
                continue
            is_last = self._creates[change.name] >= self._reconciler.retry.attempts
            if is_last or not _may_be_missing(lost.error):
                self._fail(lost.change, lost.error)


_MAX_LOOKS = 20
"""After so many lists a run takes what it made as it is; four runs at a time need up to nine."""

_LOOKS_BEFORE_AGREEING = 2


@frozen
class _Failure:
    """A change that was tried, and its error."""

    change: Change
    error: WebexError


def _may_be_there(error: WebexError) -> bool:
    """Whether the server may have created the webhook, although this was raised."""
    return may_have_been_processed(error) or isinstance(error, ConflictError | DecodeError)


def _may_be_missing(error: WebexError) -> bool:
    """Whether a webhook that isn't found after this error may be created again."""
    return isinstance(error, TransportError | ServerError)


def _with_secret(webhook: Webhook, secret: str | None) -> Webhook:
    """The webhook with the secret that was sent, where the service doesn't return it."""
    return webhook if webhook.secret else evolve(webhook, secret=secret)


def _pause(error: WebexError, every: float) -> float:
    """Seconds until `watch` tries again: only a 429 can make them more, up to an hour."""
    if not isinstance(error, RateLimitError) or error.retry_after is None:
        return every
    return max(every, min(error.retry_after, _LONGEST_WAIT))


_LONGEST_WAIT = 3600.0
"""Seconds; Cisco's own sample of a 429 asks for so many."""
