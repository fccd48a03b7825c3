"""Makes the existing webhooks match the desired state, once or for as long as a program runs."""

import logging
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress

from attrs import evolve, frozen

from webex_webhooks_async import errors
from webex_webhooks_async.claims import MemoryClaims
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.planning import (
    DesiredState,
    WebhookAction,
    WebhookChange,
    WebhookPlan,
    WebhookPlanResult,
    WebhookPlanWarning,
)
from webex_webhooks_async.client.restraint import Restraint
from webex_webhooks_async.client.retries import (
    RetryPolicy,
    backoff,
    may_have_been_processed,
    pause_wanted,
)
from webex_webhooks_async.client.webhook_requests import WebhookRequests
from webex_webhooks_async.models.vocabulary import OwnedBy, WebhookStatus
from webex_webhooks_async.models.webhooks import (
    NewWebhook,
    UnreadableWebhook,
    Webhook,
    WebhookUpdate,
)

logger: logging.Logger = logging.getLogger("webex_webhooks_async")


class Reconciler:
    """Plans and applies, and does so again and again."""

    def __init__(
        self,
        webhooks: WebhookRequests,
        *,
        retry: RetryPolicy,
        clock: Clock,
        restraint: Restraint | None = None,
    ) -> None:
        self.webhooks = webhooks
        self.retry = retry
        self.clock = clock
        self.restraint: Restraint = restraint or Restraint(MemoryClaims(clock.monotonic))
        self._warned: set[str] = set()

    async def plan(self, desired: DesiredState) -> WebhookPlan:
        """Return the changes to make; warnings point to where the caller of this was called."""
        existing = await self.existing(org=desired.wants_org)
        changes = desired.changes(existing)
        for each in desired.double_deliveries(existing, changes):
            if each not in self._warned:
                self._warned.add(each)
                warnings.warn(each, WebhookPlanWarning, stacklevel=3)
        return WebhookPlan(changes=changes, executor=self.apply)

    async def apply(
        self, plan: WebhookPlan, done: list[WebhookChange] | None = None
    ) -> WebhookPlanResult:
        """Execute a plan."""
        execution = PlanExecution(self, plan, [] if done is None else done)
        webhooks = await execution.run()
        return WebhookPlanResult(changes=tuple(execution.done), webhooks=webhooks)

    async def watch(
        self, desired: DesiredState, *, every: float
    ) -> AsyncGenerator[WebhookPlanResult]:
        """Execute a new plan every so many seconds, and yield what was changed."""
        done: list[WebhookChange] = []  # also of a turn that an outage interrupts
        while True:
            pause = every
            try:
                result = await self.apply(await self.plan(desired), done)
            except FAILURES_OF_A_TURN as error:
                pause = pause_after(error, every)
            else:
                if result.changes:
                    yield result
                    done.clear()
            await self.clock.sleep(pause)

    async def existing(self, *, org: bool) -> list[Webhook | UnreadableWebhook]:
        """The webhooks that exist, possibly some of them twice.

        Whether a plain list has those of the whole organization is not documented. Listing them
        needs an administrator's token, so they are listed only where one of them is wanted.
        """
        owners = (None, OwnedBy.ORG) if org else (None,)
        return [webhook for owner in owners async for webhook in self.webhooks._scan(owner)]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own


FAILURES_OF_A_TURN = (
    errors.TransportError,
    errors.ServerError,
    errors.LockedError,
    errors.RateLimitError,
    errors.DecodeError,
)
"""After these, who looks again and again tries again."""


def pause_after(error: errors.WebexError, every: float) -> float:
    """Log that a turn failed; return the seconds until the next one.

    Only a 429 can make them more than so many, up to an hour.
    """
    pause = max(every, pause_wanted(error)) if isinstance(error, errors.RateLimitError) else every
    level = logging.ERROR if isinstance(error, errors.DecodeError) else logging.WARNING
    logger.log(level, "reconciliation failed: %s; retrying in %g s", error, pause)
    return pause


class PlanExecution:
    """Executes a plan, and looks again until each wanted name has exactly one webhook.

    Other runs may do the same at the same time. So after a name got a webhook or lost one, this
    lists the webhooks again and makes a new plan for that name. Whichever run creates last or
    deletes last sees what all of them did, and leaves one webhook.

    Runs that want the same thing keep the same webhook. Runs that want different things may delete
    each other's, so from the third look on they keep the oldest one and replace none.

    An error of one webhook doesn't keep the others from being made. Nothing is sent after a 401,
    and without a response only what looks whether a create was processed.

    The order of the changes, for a name:

    * A create is counted in `_creates` and looked at again (`_to_recheck`). With its response, the
      webhook is in `_live` and the change in `done`. If its response was lost, it is in
      `_uncertain`; as long as one is there that had no response, changes of other names only wait
      for the next look. An update that succeeds is in `_live` and `done` as well.
    * A webhook that was deleted, or not found by an update, is in `_gone`, and its name is looked
      at again.
      Nothing is deleted while the create of its name is in `_uncertain`.
    * After any other error the name is in `_failed`, and gets no further change.
    * A look empties `_to_recheck`. It leaves out what is in `_gone`, asks by id for what is in
      `_live` and not in the list, and empties `_uncertain`: the create goes to `done` if its
      webhook is there, to `_failed` if it was sent often enough, and else into the new plan.
    """

    def __init__(
        self, reconciler: Reconciler, plan: WebhookPlan, done: list[WebhookChange]
    ) -> None:
        self.done = done
        self._reconciler = reconciler
        self._webhooks = reconciler.webhooks
        self._changes = plan.changes
        self._wanted = tuple(each.wanted for each in plan.changes if each.wanted is not None)
        self._live: dict[str, Webhook] = {}  # by name
        self._gone: set[str] = set()  # ids; a list that lags behind still has them
        self._creates = Counter[str]()  # how often one was sent, by name
        self._uncertain: dict[str, _Failure] = {}  # creates that may have made one, by name
        self._to_recheck: set[str] = set()  # names
        self._failed: dict[str, _Failure] = {}  # by name

    async def run(self) -> dict[str, Webhook]:
        """Execute the plan, and return the webhook of each wanted name.

        Raises:
            WebexError: The first error; its notes name the others and what was done.
        """
        try:
            return await self._run()
        except errors.WebexError as error:
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
        surplus = [each for each in self._changes if each.name not in names]

        await self._execute([each for each in self._changes if each.name in names])
        await self._look_until_one_is_left()
        if not self._failed:
            await self._execute(surplus)
        for failure in self._failed.values():
            raise failure.error  # the first one

        live = self._live  # lacks what a service has lost at the last look
        return {each.name: live[each.name] for each in self._wanted if each.name in live}

    async def _look_until_one_is_left(self) -> None:
        """Look and change again, until a look finds nothing to change for any wanted name."""
        looks = 1  # the plan was the first
        while self._to_recheck and looks < _MAX_LOOKS:
            if not self._uncertain:
                looks += 1
            changes = await self._look_again(agree=looks > _LOOKS_BEFORE_AGREEING)
            await self._execute(changes)

    async def _execute(self, changes: Iterable[WebhookChange]) -> None:
        for step in (self._make, self._remove):
            for change in changes:
                if change.name in self._failed:
                    continue
                if any(
                    isinstance(each.error, errors.TransportError)
                    for each in self._uncertain.values()
                ):
                    self._to_recheck.add(change.name)  # nothing is sent before Webex responds
                    continue
                try:
                    await step(change)
                except errors.WebexError as error:
                    self._fail(change, error)

    def _fail(self, change: WebhookChange, error: errors.WebexError) -> None:
        """Keep an error for later, or raise it if it isn't one of this webhook alone."""
        error.add_note(f"while trying to {change.action} webhook {change.name!r}")
        self._failed[change.name] = _Failure(change, error)
        if isinstance(error, errors.AuthenticationError | errors.TransportError):
            raise error

    async def _make(self, change: WebhookChange) -> None:
        wanted, existing = change.wanted, change.existing
        if wanted is None:
            return
        if existing is None or change.action is WebhookAction.REPLACE:
            await self._create(change, wanted)
        elif change.action is WebhookAction.KEEP:
            self._live[change.name] = existing
        else:
            await self._update(change, wanted, existing)

    async def _create(self, change: WebhookChange, wanted: NewWebhook) -> None:
        self._creates[change.name] += 1
        try:
            created = await self._webhooks.create(wanted)
        except errors.WebexError as error:
            # Webex may have created it all the same.
            may_be_there = may_have_been_processed(error)
            if not (may_be_there or isinstance(error, errors.ConflictError | errors.DecodeError)):
                raise
            self._uncertain[change.name] = _Failure(change, error)
        else:
            self._live[change.name] = _with_secret(created, wanted.secret)
            self.done.append(change)
        self._to_recheck.add(change.name)

    async def _update(self, change: WebhookChange, wanted: NewWebhook, existing: Webhook) -> None:
        restraint = self._reconciler.restraint
        if not await restraint.admits(change):
            self._live[change.name] = existing
            return
        secret = wanted.secret or existing.secret
        is_reactivated = change.action is WebhookAction.REACTIVATE
        status = WebhookStatus.ACTIVE if is_reactivated else existing.status
        update = WebhookUpdate(
            name=wanted.name,
            target_url=wanted.target_url,
            secret=secret or None,
            status=status or None,
        )
        try:
            updated = await self._webhooks.update(existing.id, update)
        except errors.NotFoundError:
            self._gone.add(existing.id)
            self._to_recheck.add(change.name)
        except errors.WebexError:
            await restraint.withdraw(change)
            raise
        else:
            self._live[change.name] = _with_secret(updated, secret)
            self.done.append(change)

    async def _remove(self, change: WebhookChange) -> None:
        if change.existing is None or change.action not in {
            WebhookAction.REPLACE,
            WebhookAction.DELETE,
        }:
            return
        if change.name in self._uncertain:  # first a new one, then the old one goes
            return
        with suppress(errors.NotFoundError):
            await self._webhooks.delete(change.existing.id)
        self._gone.add(change.existing.id)
        self._to_recheck.add(change.name)
        if change.action is WebhookAction.DELETE:
            self.done.append(change)

    async def _look_again(self, *, agree: bool) -> tuple[WebhookChange, ...]:
        """Plan again for the names that a change may have left without exactly one webhook."""
        if self._uncertain:
            attempt = max(self._creates[name] for name in self._uncertain)
            clock = self._reconciler.clock
            await clock.sleep(backoff(self._reconciler.retry, attempt, clock.jitter()))
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
        return changes

    async def _unlisted(self, name: str) -> list[Webhook]:
        """The webhook that this made or kept, if it exists though a list doesn't have it."""
        live = self._live.get(name)
        if live is None or live.id in self._gone:
            return []
        try:
            return [await self._webhooks.get(live.id)]
        except errors.NotFoundError:
            return []

    def _resolve(self, changes: Iterable[WebhookChange]) -> None:
        """See which of the uncertain creates have made a webhook, and which are sent again."""
        for change in changes:
            create = self._uncertain.pop(change.name, None)
            if create is None:
                continue
            if change.action not in {WebhookAction.CREATE, WebhookAction.REPLACE}:
                self.done.append(create.change)
                continue
            is_last = self._creates[change.name] >= self._reconciler.retry.attempts
            if is_last or not isinstance(create.error, errors.TransportError | errors.ServerError):
                self._fail(create.change, create.error)


_MAX_LOOKS = 20
"""After so many lists a run takes what it made as it is; four runs at a time need up to nine."""

_LOOKS_BEFORE_AGREEING = 2


@frozen
class _Failure:
    change: WebhookChange
    error: errors.WebexError


def _with_secret(webhook: Webhook, secret: str | None) -> Webhook:
    """The webhook with the secret that was sent, where the service doesn't return it."""
    return webhook if webhook.secret else evolve(webhook, secret=secret)
