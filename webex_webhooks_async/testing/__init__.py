"""Testing, and trying without an account: an embedded Webex, and notifications made by hand."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webex_webhooks_async.testing.delivery import Delivery
    from webex_webhooks_async.testing.recording import RecordedRequest
    from webex_webhooks_async.testing.samples import sample_notification, signed_request
    from webex_webhooks_async.testing.sandbox import Sandbox
else:
    _MODULES = {
        "Delivery": "delivery",
        "RecordedRequest": "recording",
        "Sandbox": "sandbox",
        "sample_notification": "samples",
        "signed_request": "samples",
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for: pytest, which loads the plugin beside it, asks for nothing."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        except ModuleNotFoundError as error:
            raise ImportError(
                f'the sandbox needs {error.name}: pip install "webex-webhooks-async[sandbox]"'
            ) from error


__all__ = ["Delivery", "RecordedRequest", "Sandbox", "sample_notification", "signed_request"]
