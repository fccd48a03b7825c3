"""The command line `webex-webhooks`.

`app.py` lists the commands, which are in `commands/`.
"""

import signal
import sys
from typing import cast

# httpx has a command line of its own, and imports it, rich and pygments where it can: that takes
# a quarter of the time of our own start, and of a program that `dev` starts.
cast("dict[str, object]", sys.modules).setdefault("httpx._main", None)


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C ends the process at once, without a traceback: imports take a moment, and outside
        # of an event loop there is nothing to tidy up. In one, `running.run` handles the signals.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from webex_webhooks_async.cli.app import run  # noqa: PLC0415 - its extra may be missing
    except ModuleNotFoundError as error:
        sys.exit(
            f"webex-webhooks: {error.name} is missing: install the command line with "
            'pip install "webex-webhooks-async[cli]"'
        )
    sys.exit(run(sys.argv[1:]))
