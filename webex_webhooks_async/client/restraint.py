"""Leaves a webhook as it is for a while after a change, between looks at the webhooks."""

from webex_webhooks_async.claims import Claims
from webex_webhooks_async.client.planning import WebhookAction, WebhookChange

REACTIVATION_COOLDOWN = 300.0
"""For so many seconds after a reactivation, a single failure switches a webhook off again.

https://developer.webex.com/docs/api/guides/webhooks
"""


class Restraint:
    """Lets a webhook be reactivated once within the cooldown."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def admits(self, change: WebhookChange) -> bool:
        """Whether to send an update now."""
        if change.action is not WebhookAction.REACTIVATE:
            return True
        return await self._claims.claim(_reactivation_of(change), REACTIVATION_COOLDOWN)

    async def withdraw(self, change: WebhookChange) -> None:
        """Forget an update that failed."""
        if change.action is WebhookAction.REACTIVATE:
            await self._claims.unclaim(_reactivation_of(change))


def _reactivation_of(change: WebhookChange) -> str:
    return f"reactivation:{change.existing and change.existing.id}"
