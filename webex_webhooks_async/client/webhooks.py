"""The webhooks resource: create, get, list, update, delete, and keep as wanted.

Facts: https://developer.webex.com/docs/register-and-manage-webhooks
"""

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from webex_webhooks_async.client.webhook_requests import WebhookRequests
from webex_webhooks_async.models.webhooks import NewWebhook
from webex_webhooks_async.validation import seconds_of

if TYPE_CHECKING:
    from webex_webhooks_async.client.planning import DesiredState, WebhookPlan, WebhookPlanResult
    from webex_webhooks_async.client.reconciler import Reconciler


class Webhooks(WebhookRequests):
    """The webhooks of the token's owner. A `Client` has it as ``client.webhooks``.

    Each method raises an `APIError` when Webex responds with an error status, a `TransportError`
    when no response arrives, and a `DecodeError` when a response doesn't fit. An id that is empty
    or isn't valid Unicode is a `ValueError`, and one that isn't a string a `TypeError`.
    """

    async def ensure(
        self, wanted: Iterable[NewWebhook], *, prune: str | None = None
    ) -> "WebhookPlanResult":
        """Make exactly one webhook of each wanted name exist, as wanted.

        It sends only what that needs: one list where everything is as wanted; after a create, one
        more list. Run it at every start of your program, in as many processes as you like at the
        same time, and again after an error.

        Args:
            wanted: The webhooks you want; they are matched by name.
            prune: A prefix: webhooks whose name starts with it and that aren't wanted are deleted.
                Without it, webhooks that aren't wanted aren't touched.

        Raises:
            ValueError: A name is wanted twice, or `prune` is empty; nothing was sent.
            TypeError: An argument has a wrong type; nothing was sent.
            DecodeError: A webhook of a wanted name can't be read. If the first list has it,
                nothing is changed.
            WebexError: The first of the errors; its notes name the others and what was done. An
                error of one webhook doesn't keep the others from being made, but nothing is pruned
                then. After a 401, and without a response, nothing more is sent.

        Warns:
            WebhookPlanWarning: A wanted webhook probably doesn't do what you want, or another
                webhook brings the same events to the same URL.
        """
        reconciler, desired = self._reconciler(), self._desired(wanted, prune)
        return await reconciler.apply(await reconciler.plan(desired))

    async def plan(
        self, wanted: Iterable[NewWebhook], *, prune: str | None = None
    ) -> "WebhookPlan":
        """Plan what `ensure` would do; ``await plan.apply()`` does it.

        The arguments, the errors and the warnings are those of `ensure`.
        """
        reconciler, desired = self._reconciler(), self._desired(wanted, prune)
        return await reconciler.plan(desired)

    def watch(
        self,
        wanted: Iterable[NewWebhook],
        *,
        every: float | timedelta = 300.0,
        prune: str | None = None,
    ) -> "AsyncGenerator[WebhookPlanResult]":
        """Do what `ensure` does, at once and then every so many seconds, until it is cancelled.

        ::

            async for result in client.webhooks.watch(wanted):
                print(result.changes)

        It yields only when something was changed. These errors are logged, and it tries again at
        its next turn: a `TransportError`, a `ServerError`, a `LockedError`, a `DecodeError` and a
        `RateLimitError`, which can make the next turn later: as much as Webex asks for, up to an
        hour. Any other error is raised. A webhook that Webex switches off again within five minutes
        after it was reactivated here stays off until these are over.

        Args:
            wanted: As for `ensure`.
            every: Seconds, or a `timedelta`, from one turn to the next.
            prune: As for `ensure`.

        Raises:
            ValueError: As `ensure`, or `every` isn't positive, or more than a century; at the call
                itself.
            TypeError: As `ensure`, or `every` isn't a number or a `timedelta`; at the call itself.

        Warns:
            WebhookPlanWarning: As `ensure`, once.
        """
        seconds = seconds_of("every", every)
        return self._reconciler().watch(self._desired(wanted, prune), every=seconds)

    def _reconciler(self) -> "Reconciler":
        from webex_webhooks_async.client.reconciler import Reconciler  # noqa: PLC0415 - it takes 5 ms, and most programs plan nothing

        requester = self._requester
        return Reconciler(self, retry=requester.retry, clock=requester.clock)

    def _desired(self, wanted: Iterable[NewWebhook], prune: str | None) -> "DesiredState":
        """Check the arguments; warnings point to where the caller of this was called."""
        from webex_webhooks_async.client.planning import DesiredState  # noqa: PLC0415 - as above

        return DesiredState.of(wanted, prune, stacklevel=4)
