"""Makes a card of what a message says, with a button for each of its answers."""

from collections.abc import Mapping
from typing import Any

from webex_webhooks_async.validation import check_not_empty

Buttons = Mapping[str, str]
"""What each button of a card says, by its action."""


def check_buttons(buttons: Buttons) -> None:
    """Check the argument `buttons`."""
    if not isinstance(buttons, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - of users
        raise TypeError(f"buttons must be a mapping, {_EXAMPLE}, got {type(buttons).__name__}")
    if not buttons:
        raise ValueError(f"buttons is empty: pass some, {_EXAMPLE}")
    for action, title in buttons.items():
        check_not_empty("an action of buttons", action)
        check_not_empty(f"what the button {action!r} says", title)


_EXAMPLE = 'such as {"approve": "Approve"}'


def card_of_buttons(text: str, buttons: Buttons) -> Mapping[str, Any]:
    """Return a card that says a text and has the buttons, each with its action as its data."""
    return {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
        "actions": [
            {"type": "Action.Submit", "title": title, "data": {"action": action}}
            for action, title in buttons.items()
        ],
    }
