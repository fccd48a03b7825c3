import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wire import PATIENCE, bound_socket
from webex_webhooks_async.cli.dev.child import explanation
from webex_webhooks_async.testing.target import Target
from webex_webhooks_async.testing.variables import variables_for_bot


@pytest.mark.parametrize(
    ("text", "summary", "printed"),
    [
        ("x = 1", "has no Bot, ", ""),
        ("import sys\nsys.exit(3)", "has ended itself .* `if __name__", "bot.py.*SystemExit: 3\n"),
        ("def f():\n    1 / 0\n\nf()", "can't be imported", "bot.py.*bot.py.*ZeroDivisionError: "),
        ("def f(:", "can't be imported", "bot.py.*SyntaxError: .*"),
    ],
)
def test_a_failed_import(  # noqa: PLR0913, PLR0917 - a table, and what a test needs
    text: str,
    summary: str,
    printed: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The traceback has the frames of the program alone; the page gets all that is printed."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bot.py").write_text(text, encoding="utf-8")
    with pytest.raises(BaseException) as failure:  # noqa: PT011 - each of them another
        Target.parse(f"{tmp_path}/bot.py").load()
    del sys.modules["bot"]

    frames = failure.tb.tb_next  # without that of this test
    shown, whole = explanation(failure.value.with_traceback(frames))

    error = capsys.readouterr().err
    assert re.match(summary, shown)
    assert whole == (error or shown)
    assert len(re.findall('File "', error)) == printed.count("bot.py")
    assert re.search(printed, error, re.DOTALL)


def test_a_death_of_dev_before_it_reads_a_report(tmp_path: Path) -> None:
    """The program ends with `dev`, also when a report of it is lost with `dev`."""
    (tmp_path / "app.py").write_text(
        "from starlette.applications import Starlette\napp = Starlette()", encoding="utf-8"
    )
    ours, theirs = socket.socketpair()
    with bound_socket() as listener, theirs:
        listener.listen()
        descriptors = (listener.fileno(), theirs.fileno())
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "webex_webhooks_async.cli.dev.child"),
                *(f"{tmp_path}/app.py", *map(str, descriptors)),
            ],
            pass_fds=descriptors,
            env={
                **os.environ,
                **variables_for_bot("http://127.0.0.1:9/v1", "http://127.0.0.1:8000"),
            },
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
    try:
        ours.send(b"\n")
        select.select([ours], [], [], PATIENCE)
        ours.close()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
