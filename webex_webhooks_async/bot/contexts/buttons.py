"""Makes a card of what a message says, with a button for each of its answers."""

from collections.abc import Mapping
from typing import Any

from webex_webhooks_async.validation import check_not_empty

Buttons = Mapping[str, str]
"""What each button of a card says, by its action."""


def check_buttons(buttons: Buttons, data: Mapping[str, Any] | None) -> None:
    """Check the arguments `buttons` and `data`."""
    if not isinstance(buttons, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - of users
        raise TypeError(f"buttons must be a mapping, {_EXAMPLE}, got {type(buttons).__name__}")
    if not buttons:
        raise ValueError(f"buttons is empty: pass some, {_EXAMPLE}")
    for action, title in buttons.items():
        check_not_empty("an action of buttons", action)
        check_not_empty(f"what the button {action!r} says", title)
    if data is None:
        return
    if not isinstance(data, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - of users
        raise TypeError(
            f'data must be a mapping, such as {{"order": 7}}, got {type(data).__name__}'
        )
    for name in data:
        if check_not_empty("a name in data", name) == "action":
            raise ValueError("data has the name 'action', which is that of the button's own action")


_EXAMPLE = 'such as {"approve": "Approve"}'


def card_of_buttons(
    text: str, buttons: Buttons, data: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Return a card that says a text and has the buttons, each with its action and the data."""
    return {
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
        "actions": [
            {"type": "Action.Submit", "title": title, "data": {**(data or {}), "action": action}}
            for action, title in buttons.items()
        ],
    }
