"""Testing without an account: a local Webex simulator, and sample notifications."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webex_webhooks_async.testing.clock import WebexClock
    from webex_webhooks_async.testing.delivering.delivery import Delivery
    from webex_webhooks_async.testing.requests import RecordedRequest
    from webex_webhooks_async.testing.samples import sample_notification, signed_request
    from webex_webhooks_async.testing.sandbox import Sandbox
    from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson
else:
    _MODULES = {
        "Delivery": "delivering.delivery",
        "SandboxPerson": "service.sandbox_person",
        "RecordedRequest": "requests",
        "Sandbox": "sandbox",
        "WebexClock": "clock",
        "sample_notification": "samples",
        "signed_request": "samples",
    }

    def __getattr__(name: str) -> object:
        """Import a public name at its first use: pytest loads the plugin, and needs none."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        except ModuleNotFoundError as error:
            raise ImportError(
                f'the sandbox needs {error.name}: pip install "webex-webhooks-async[sandbox]"'
            ) from error


__all__ = [
    "Delivery",
    "RecordedRequest",
    "Sandbox",
    "SandboxPerson",
    "WebexClock",
    "sample_notification",
    "signed_request",
]
