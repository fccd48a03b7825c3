"""Holds the keys of a receiver's secrets, which a function may change while it runs."""

from collections import deque
from collections.abc import Callable, Iterable

from webex_webhooks_async.notifications.signatures import secret_keys
from webex_webhooks_async.validation import is_async_function

Secrets = str | Iterable[str] | Callable[[], str | Iterable[str]]
"""The secret of a webhook, or several, or a function without arguments that returns them."""


class Keys:
    """The keys of the moment, and those before, with which earlier requests were verified.

    Its repr shows none.

    Raises:
        ValueError: A secret is empty or not valid Unicode, or there are no secrets.
        TypeError: A secret isn't a string, or the function for them is async.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._function = secrets if callable(secrets) else None
        self._recent: deque[tuple[bytes, ...]] = deque(maxlen=_MOST_ROTATIONS)
        if not callable(secrets):
            self._recent.append(secret_keys(secrets))
        elif is_async_function(secrets):
            raise TypeError(f"a function for the secrets must not be async, got {secrets!r}")

    def __call__(self) -> tuple[bytes, ...]:
        """Return the keys of the moment.

        Raises:
            Exception: What the function raises, or what is wrong with the secrets that it returns.
        """
        if self._function is None:
            return self._recent[0]
        try:
            keys = secret_keys(self._function())
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit would end the process
            raise RuntimeError(f"it raised {type(error).__name__}") from error
        if keys not in self._recent:
            self._recent.appendleft(keys)
        return keys

    def recent(self) -> list[bytes]:
        """Return the keys of the moment, and those before. The errors are those of a call."""
        self()
        return [key for keys in self._recent for key in keys]


_MOST_ROTATIONS = 16  # of the secrets while a handler runs, or its notification waits
