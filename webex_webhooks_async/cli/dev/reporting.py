"""Reports the outcomes of a program's handlers to `dev`, over the channel of its process alone."""

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from webex_webhooks_async.formatting import first_of, summarize_redacted
from webex_webhooks_async.handling.dispatch import Execution
from webex_webhooks_async.notifications.identity import id_of_data


class Reporter:
    """The observer of a program.

    Args:
        report: Sends an object to `dev`.
        folder: The folder of the program: a place in it is where an error was raised.
    """

    def __init__(self, report: Callable[..., object], folder: Path) -> None:
        self._report = report
        self._folder = folder

    def failed(
        self,
        execution: Execution,
        error: BaseException | None,
        then: str,
        secrets: Iterable[str] | None,
    ) -> None:
        """Report how an attempt has failed, and what follows; without an error, it is put off."""
        card = getattr(execution.notification.data, "message_id", None)
        shown = error and summarize_redacted(error, secrets) + place_of(error, self._folder)
        outcome = {
            "key": execution.key,
            "about": card or id_of_data(execution.notification),
            "error": shown or "",
            "then": then,
            "isFinal": execution.is_last,
        }
        self._report(**outcome)

    def worked(self, key: str) -> None:
        """Report that an attempt hasn't failed."""
        self._report(worked=key)


def place_of(error: BaseException, folder: Path) -> str:
    """Return where an error was raised, such as `` in lunch, bot.py:12``; empty if elsewhere."""
    place = ""
    for frame, line in traceback.walk_tb(first_of(error).__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(folder) and "site-packages" not in path.parts:
            place = f" in {frame.f_code.co_name}, {path.relative_to(folder)}:{line}"
    return place
