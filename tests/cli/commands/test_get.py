import json
import re

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import ServedWebex
from webex_webhooks_async import to_json


def test_get(webex: ServedWebex, invoke: Invoke) -> None:
    """One webhook is shown field by field; its secret is not."""
    webhook = webex.create(filter="roomId=Y2lz", secret="a-canary-secret")

    done = invoke("get", webhook.id)

    fields = dict(re.split(r"  +", line) for line in done.out.splitlines())
    assert fields["id"] == webhook.id
    assert fields["watches"] == "messages created"
    assert fields["filter"] == "roomId=Y2lz"
    assert fields["secret"] == "set, not shown"
    assert (done.exit_code, done.err) == (0, "")


@pytest.mark.parametrize("secret", [4_217_421_742, ["canary"]])
def test_a_secret_that_is_not_text(webex: ServedWebex, invoke: Invoke, secret: object) -> None:
    """A secret in another type than Webex documents is a secret all the same."""
    webhook = webex.create()
    document = {**json.loads(to_json(webhook)), "secret": secret}
    webex.sandbox.fail(body=document, times=3)

    done, as_json = invoke("get", webhook.id), invoke("get", webhook.id, "--json")

    assert re.search("secret +set, not shown\n", done.out)
    assert json.loads(as_json.out)["hasSecret"] is True
    assert json.dumps(secret) not in done.out + as_json.out
    assert json.dumps(secret) in invoke("get", webhook.id, "--show-secret").out


def test_a_webhook_that_is_nested_deeply(webex: ServedWebex, invoke: Invoke) -> None:
    """What can't be printed is one line on standard error."""
    webhook = webex.create()
    deep: object = 1
    for _ in range(900):
        deep = [deep]
    webex.sandbox.fail(body={**json.loads(to_json(webhook)), "more": deep})

    done = invoke("get", webhook.id, "--json")

    assert (done.exit_code, done.err.count("\n")) in {(0, 0), (1, 1)}


def test_get_as_json(webex: ServedWebex, invoke: Invoke) -> None:
    """JSON is one object, which says whether there is a secret."""
    webhook = webex.create()

    document = json.loads(invoke("get", webhook.id, "--json").out)

    assert (document["id"], document["hasSecret"]) == (webhook.id, False)


@pytest.mark.usefixtures("webex")
def test_get_what_is_not_there(invoke: Invoke) -> None:
    """An error of Webex is one line with its tracking id, and the exit code is 1."""
    done = invoke("get", "nothing", "--json")

    assert (done.exit_code, done.out) == (1, "")
    assert re.fullmatch(
        r"error: GET /v1/webhooks/nothing: 404 Not Found: .+ \(tracking id ROUTER_[0-9A-F-]+\)\n",
        done.err,
    )
