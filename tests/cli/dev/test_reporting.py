import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.wire import until
from webex_webhooks_async import Notification, Receiver, RetryLaterError, SQLiteInbox
from webex_webhooks_async.cli.dev.reporting import Reporter, place_of
from webex_webhooks_async.handling import sandbox_reports
from webex_webhooks_async.testing import sample_notification, signed_request


def test_where_an_error_was_raised(tmp_path: Path) -> None:
    """The place is the last one in the folder of the program, of the first error in a group."""
    (tmp_path / "site-packages").mkdir()
    library = tmp_path / "site-packages" / "library.py"
    library.write_text("def fail():\n    raise KeyError\n", encoding="utf-8")
    code = compile("def lunch():\n\n    fail()\n", tmp_path / "bot.py", "exec")
    names: dict[str, object] = {}
    exec(compile(library.read_text(encoding="utf-8"), library, "exec"), names)  # noqa: S102 - ours
    exec(code, names)  # noqa: S102 - the same
    lunch = names["lunch"]
    assert callable(lunch)
    with pytest.raises(KeyError) as failure:
        lunch()

    group = ExceptionGroup("several", [failure.value, ValueError()])
    assert place_of(group, tmp_path) == " in lunch, bot.py:3"
    assert place_of(failure.value, Path(sys.prefix) / "elsewhere") == ""
    assert place_of(ValueError("that nobody raised"), Path("/")) == ""


async def test_an_attempt_that_is_put_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program reports for how long and why, without a secret, and no error."""
    reported: list[dict[str, object]] = []

    def report(**outcome: object) -> None:
        reported.append(outcome)

    monkeypatch.setattr(sandbox_reports, "observer", Reporter(report, tmp_path))
    receiver = Receiver("a-secret", inbox=SQLiteInbox(tmp_path / "inbox.db"))

    @receiver.on()
    async def lunch(_: Notification[Any]) -> None:
        raise RetryLaterError("no model: a-secret", after=8)

    body = sample_notification("messages", "created")
    async with receiver, httpx.AsyncClient(transport=httpx.ASGITransport(receiver)) as webex:
        await webex.send(signed_request("http://bot/", body, "a-secret"))
        await until(lambda: bool(reported))

    (outcome,) = reported
    assert (outcome["error"], outcome["isFinal"]) == ("", False)
    assert re.fullmatch(r"put off for (8|9|10) s: no model: \*+", str(outcome["then"]))
