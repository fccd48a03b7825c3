import json
import signal

import pytest

from tests.cli.conftest import Invoke
from tests.cli.harness import ServedWebex, Typist, terminal


def test_delete(webex: ServedWebex, invoke: Invoke) -> None:
    """Several are deleted at once, one that is named twice only once, and others stay."""
    first, second, _ = (webex.create(name=name) for name in ("first", "second", "third"))

    done = invoke("delete", first.id, second.id, first.id, "--yes")

    assert sorted(done.out.splitlines()) == sorted([f"deleted {first.id}", f"deleted {second.id}"])
    assert (done.exit_code, done.err, webex.names) == (0, "", ["third"])


def test_delete_in_part(webex: ServedWebex, invoke: Invoke) -> None:
    """If one can't be deleted, the others are, and the exit code is 1."""
    webhook = webex.create()

    done = invoke("delete", "nothing", webhook.id, "--yes", "--json")

    assert json.loads(done.out) == [
        {"id": "nothing", "deleted": False},
        {"id": webhook.id, "deleted": True},
    ]
    assert (done.exit_code, webex.names) == (1, [])
    assert done.err.startswith("error: DELETE /v1/webhooks/nothing: 404 Not Found")


def test_delete_with_nobody_to_ask(webex: ServedWebex, invoke: Invoke) -> None:
    """Without a terminal and without --yes nothing is deleted."""
    webhook = webex.create()

    done = invoke("delete", webhook.id)

    assert (done.exit_code, done.out, webex.names) == (2, "", [webhook.name])
    assert "pass --yes" in done.err


@pytest.mark.parametrize(("typed", "left"), [("Yes\n", 0), ("\n", 1), ("", 1)])
def test_delete_asks(
    webex: ServedWebex, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, typed: str, left: int
) -> None:
    """On a terminal the webhooks are shown, and are deleted only after a yes."""
    webhook = webex.create()
    monkeypatch.setattr("sys.stdin", Typist(typed))

    done = invoke("delete", webhook.id)

    assert webhook.name in done.err
    assert "Delete this webhook? [y/N]" in done.err
    assert (done.exit_code, len(webex.names)) == (left, left)


def test_delete_asks_on_a_terminal(webex: ServedWebex) -> None:
    """On a real terminal it asks once for several webhooks."""
    first, second = (webex.create(name=name) for name in ("first", "second"))

    with terminal("delete", first.id, second.id) as screen:
        screen.wait_for(r"Delete these 2 webhooks\? \[y/N\] ")
        screen.type("y\n")
        exit_code = screen.finish()

    assert (exit_code, webex.names) == (0, [])


def test_ctrl_c_at_the_question(webex: ServedWebex) -> None:
    """Ctrl-C at the question deletes nothing, and leaves no traceback."""
    webhook = webex.create()

    with terminal("delete", webhook.id) as screen:
        screen.wait_for(r"\[y/N\] ")
        screen.type("\x03")
        exit_code = screen.finish()

    assert (exit_code, webex.names) == (-signal.SIGINT, [webhook.name])
    assert "Traceback" not in screen.seen
