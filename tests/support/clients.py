"""A client of a server that sends raw bytes."""

from tests.support.wire import Wire
from webex_webhooks_async import Client, RetryPolicy


def client_of(wire: Wire) -> Client:
    """A client that sends each request once."""
    return Client("a-token", base_url=wire.base_url, retry=RetryPolicy.none())
