"""An attempt to deliver a notification, as tests and the page see it."""

from collections.abc import Mapping

import httpx
from attrs import field, frozen

from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.testing.delivering.reasons import SWITCHED_OFF, reason_of_status


@frozen(kw_only=True)
class Delivery:
    """An attempt to deliver a notification.

    Attributes:
        webhook: The webhook as it was then. A repr shows its name alone.
        body: What was sent. A repr doesn't show it.
        headers: The headers of the request, with the signatures if the webhook has a secret. A
            repr doesn't show them.
        status_code: The status of the response; None without one.
        error: Why there was no response, why nothing was sent, or, with a status of 503, why the
            bot can't take the notification now, if the sandbox learns it.
        switched_off: Whether this failure made Webex switch the webhook off.
        location: The target of a redirect.
        handler_error: The error of a handler, such as ``KeyError: 'dish'``, if the sandbox learns
            it: the first failure, on one line of at most 500 characters. If a handler fails after
            the response, `Sandbox.deliveries` has it as soon as it has failed.
    """

    webhook: Webhook = field(repr=lambda webhook: repr(webhook.name))
    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(hash=False, repr=False)
    status_code: int | None = None
    error: str | None = None
    switched_off: bool = False
    location: str | None = None
    handler_error: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the notification wasn't accepted, and what to do; None if it was."""
        if self.ok:
            return None
        reason = self.error
        if self.status_code is not None:
            reason = reason_of_status(self.status_code, self.url, self.location, self.error)
        return f"{reason}; the webhook {SWITCHED_OFF}" if self.switched_off else reason

    @property
    def ok(self) -> bool:
        """Whether the notification was accepted: any 2xx is success, a redirect is not."""
        return self.status_code is not None and httpx.codes.is_success(self.status_code)
