from tests.cli.conftest import Invoke
from tests.cli.harness import ServedWebex


def test_update(webex: ServedWebex, invoke: Invoke) -> None:
    """The given fields change; all others stay, also the secret."""
    webhook = webex.create(secret="a-canary-secret")

    done = invoke(
        *("update", webhook.id, "--name", "new", "--target-url", "https://example.com/new"),
    )

    (updated,) = webex.sandbox.webhooks
    assert (updated.name, updated.target_url) == ("new", "https://example.com/new")
    assert updated.secret == "a-canary-secret"
    assert (done.exit_code, "https://example.com/new" in done.out) == (0, True)


def test_update_of_status_and_secret(webex: ServedWebex, invoke: Invoke) -> None:
    """Status and secret can be changed alone."""
    webhook = webex.create()

    invoke("update", webhook.id, "--status", "inactive", "--secret-env", "SECRET")

    (updated,) = webex.sandbox.webhooks
    assert (updated.status, updated.secret) == ("inactive", "a-canary-secret")


def test_update_of_nothing(webex: ServedWebex, invoke: Invoke) -> None:
    """An update without a change is wrong usage, and nothing is sent."""
    done = invoke("update", "some-id")

    assert (done.exit_code, done.out, webex.sandbox.requests) == (2, "", ())
    assert "nothing to change: pass --name" in done.err
