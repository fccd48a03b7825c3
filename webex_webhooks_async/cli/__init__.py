"""The command line `webex-webhooks`."""

import signal
import sys


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    try:
        from webex_webhooks_async.cli.app import run  # noqa: PLC0415 - its extra may be missing
    except ModuleNotFoundError as error:
        sys.exit(
            f"webex-webhooks: {error.name} is missing: "
            'pip install "webex-webhooks-async[cli]" brings all that the command line needs'
        )
    except KeyboardInterrupt:  # it takes a moment to import
        sys.exit(128 + signal.SIGINT)
    sys.exit(run(sys.argv[1:]))
