"""Testing, and trying without an account: an embedded Webex, and notifications made by hand."""

from importlib import import_module
from typing import TYPE_CHECKING

from webex_webhooks_async.testing.delivery import Delivery
from webex_webhooks_async.testing.recording import RecordedRequest
from webex_webhooks_async.testing.samples import sample_notification, signed_request

if TYPE_CHECKING:
    from webex_webhooks_async.testing.sandbox import Sandbox
else:

    def __getattr__(name: str) -> object:
        """The sandbox, which takes an extra: so it is imported when it is asked for."""
        if name != "Sandbox":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return import_module("webex_webhooks_async.testing.sandbox").Sandbox
        except ModuleNotFoundError as error:
            raise ImportError(
                f'the sandbox needs {error.name}: pip install "webex-webhooks-async[sandbox]"'
            ) from error


__all__ = ["Delivery", "RecordedRequest", "Sandbox", "sample_notification", "signed_request"]
