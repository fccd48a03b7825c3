import pytest

from webex_webhooks_async import Client, NewWebhook, ServerError
from webex_webhooks_async.cli.temporary import deleted_on_error, temporary_name
from webex_webhooks_async.testing import Sandbox


async def make(client: Client, name: str) -> None:
    """Create a webhook."""
    await client.webhooks.create(
        NewWebhook(
            name=name, target_url="https://example.com", resource="messages", event="created"
        )
    )


def names(sandbox: Sandbox) -> list[str]:
    """The names of the webhooks that exist."""
    return [webhook.name for webhook in sandbox.webhooks]


def test_a_name_of_its_own() -> None:
    """Each run has a name of its own."""
    assert temporary_name("demo") != temporary_name("demo")


async def test_an_error_leaves_nothing(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """After an error no webhook is left, not even one whose response was lost."""
    await make(webex_client, "of others")
    webex_sandbox.fail(status=503, execute=True, method="POST")

    with pytest.raises(ServerError):
        async with deleted_on_error(webex_client, "mine"):
            await make(webex_client, "mine")

    assert names(webex_sandbox) == ["of others"]


async def test_the_end_leaves_everything(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """Without an error nothing is deleted."""
    async with deleted_on_error(webex_client, "mine"):
        await make(webex_client, "mine")

    assert names(webex_sandbox) == ["mine"]


async def test_what_is_gone_already(webex_sandbox: Sandbox, webex_client: Client) -> None:
    """A webhook that someone else deletes meanwhile isn't an error."""
    await make(webex_client, "mine")
    webex_sandbox.fail(status=404, execute=True, method="DELETE")

    with pytest.raises(KeyError):
        async with deleted_on_error(webex_client, "mine"):
            raise KeyError

    assert names(webex_sandbox) == []


async def test_what_can_not_be_deleted(
    webex_sandbox: Sandbox, webex_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the webhooks that may be left."""
    webex_sandbox.fail(status=501, times=None)

    with pytest.raises(KeyError):
        async with deleted_on_error(webex_client, "mine"):
            raise KeyError

    assert capsys.readouterr().err == (
        "error: webhooks whose names begin with 'mine' may be left; `webex-webhooks list` shows "
        "them, and `webex-webhooks delete` removes them\n"
    )
