from webex_webhooks_async import Client
from webex_webhooks_async.cli.conversation import Conversation
from webex_webhooks_async.testing import Sandbox


async def test_before_anything_is_said(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """Before the first message, nothing is requested."""
    room = Conversation(webex_client, webex_sandbox.bot.email)

    assert (await room.new_replies(), webex_sandbox.requests) == ([], ())
