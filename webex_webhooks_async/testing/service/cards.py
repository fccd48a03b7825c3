"""Cards: their inputs and buttons, and what a pressed button submits.

Facts: https://developer.webex.com/docs/buttons-and-cards and https://adaptivecards.io/explorer
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any, cast

from attrs import frozen

from webex_webhooks_async.serialization.strict_json import is_same

_SHOW_CARD = "Action.ShowCard"
_NEWEST = (1, 3)
_MOST_ACTIONS = 5
_UNSUPPORTED = ("Action.Execute", "Table")


def remarks_on(cards: object) -> tuple[str, ...]:
    """Name the parts of cards that Webex documents as unsupported, or as beyond its limits."""
    return tuple(dict.fromkeys(_remarks(cards)))


def _remarks(cards: object) -> Iterator[str]:
    for part in (part for card, _ in _scopes(cards) for part in _parts(card)):
        kind, actions = part.get("type"), part.get("actions")
        if kind == "AdaptiveCard" and (version := _version(part)) > _NEWEST:
            shown, newest = (".".join(map(str, each)) for each in (version, _NEWEST))
            yield f"Webex supports cards up to version {newest}, and this one has version {shown}"
        if isinstance(actions, list) and len(cast("list[object]", actions)) > _MOST_ACTIONS:
            yield f"Webex supports up to {_MOST_ACTIONS} actions in a list, and this card has more"
        if kind in _UNSUPPORTED:
            yield f"Webex doesn't support {kind}, which this card has"


def _version(card: Mapping[str, Any]) -> tuple[int, ...]:
    numbers = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", str(card.get("version")), re.ASCII)
    return tuple(map(int, numbers.groups())) if numbers else ()


@frozen(kw_only=True)
class Button:
    """A button that submits; a part of the card that does so when it is clicked has no title."""

    title: str | None
    data: Mapping[str, Any]  # what it submits besides the inputs
    inputs: Mapping[str, Mapping[str, Any]]

    def submitted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the submission for some inputs and the button.

        Raises:
            ValueError: An input isn't one of the button's, or can't have the value, or the button's
                data has another value.
        """
        if unknown := given.keys() - self.inputs.keys() - self.data.keys():
            raise ValueError(unknown_inputs(unknown, self.inputs.keys() | self.data.keys()))
        for key in given.keys() - self.inputs.keys():
            if not is_same(given[key], self.data[key]):
                raise ValueError(
                    f"{key!r} isn't an input: the card submits {self.data[key]!r}, "
                    f"not {given[key]!r}"
                )
        for key in given.keys() & self.inputs.keys():
            _check_value(key, self.inputs[key], given[key])
        in_card = {key: each.get("value") for key, each in self.inputs.items()}
        values = {key: value for key, value in in_card.items() if value is not None}
        return {**self.data, **values, **given}


def submitted(
    cards: Sequence[object], given: Mapping[str, Any], press: str | None
) -> dict[str, Any]:
    """Return the submission of a message's cards for some inputs and the title of a button.

    The other inputs keep their values in the card. Without a title, it is the only button's; a card
    without a button submits its inputs.

    Raises:
        ValueError: The card doesn't have the button, has several, or doesn't submit an input.
    """
    return _pressed(cards, press).submitted(given)


def _pressed(cards: Sequence[object], press: str | None) -> Button:
    found = list(buttons(cards))
    titles = ", ".join(repr(each.title) for each in found if each.title is not None) or "none"
    matching = [each for each in found if press is None or each.title == press]
    if len(matching) > 1 and press is None:
        raise ValueError(f"the card has several buttons, so press must name one of them: {titles}")
    if len(matching) > 1:
        raise ValueError(f"the card has {len(matching)} buttons {press!r}")
    if matching:
        return matching[0]
    if press is not None:
        raise ValueError(f"the card has no button {press!r} that submits; it has: {titles}")
    inputs = {key: value for _, inner in _scopes(cards) for key, value in inner.items()}
    return Button(title=None, data={}, inputs=inputs)


def buttons(cards: object) -> Iterator[Button]:
    """The buttons of cards, the inner cards' last; one of those submits what is around it, too."""
    for card, inputs in _scopes(cards):
        for part in _parts(card):
            if part.get("type") == "Action.Submit":
                title = part.get("title")
                yield Button(
                    title=title if isinstance(title, str) else None, data=_data(part), inputs=inputs
                )


def submitted_ids(cards: object) -> Iterator[str]:
    """Return all that cards can submit: the ids of inputs, and the keys of the actions' data."""
    for card, _ in _scopes(cards):
        yield from _inputs(card)
    for card, _ in _scopes(cards):
        for part in _parts(card):
            if str(part.get("type")).startswith("Action."):
                yield from _data(part)


def unknown_inputs(unknown: AbstractSet[str], known: AbstractSet[str]) -> str:
    """Says which inputs a card doesn't have, and which it has."""
    return (
        f"the card submits no {', '.join(sorted(map(repr, unknown)))}; it submits: "
        f"{', '.join(sorted(map(repr, known))) or 'nothing'}"
    )


def _scopes(cards: object) -> Iterator[tuple[object, dict[str, Mapping[str, Any]]]]:
    """Each card, outer ones first, with the inputs that it and the cards around it have."""
    scopes: list[tuple[object, dict[str, Mapping[str, Any]]]] = [(cards, {})]
    for card, around in scopes:  # it grows
        inputs = {**around, **_inputs(card)}
        yield card, inputs
        scopes.extend(
            (part.get("card"), inputs) for part in _parts(card) if part.get("type") == _SHOW_CARD
        )


def _inputs(card: object) -> dict[str, Mapping[str, Any]]:
    return {
        str(part["id"]): part
        for part in _parts(card)
        if str(part.get("type")).startswith("Input.") and "id" in part
    }


def _check_value(key: str, part: Mapping[str, Any], value: object) -> None:
    if value == "":  # nothing is filled in
        return
    if part.get("type") == "Input.Date" and not _is_date(value):
        raise ValueError(f"{key!r} must be a date such as '2026-12-31', got {value!r}")
    if part.get("type") == "Input.ChoiceSet":
        known = [each.get("value") for each in _parts(part.get("choices"))]
        chosen: list[object] = [*str(value).split(",")] if part.get("isMultiSelect") else [value]
        if unknown := [each for each in chosen if each not in known]:
            shown = ", ".join(map(repr, known)) or "none"
            raise ValueError(f"{key!r} has no choice {unknown[0]!r}; it has: {shown}")


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _data(action: Mapping[str, Any]) -> Mapping[str, Any]:
    data = action.get("data")
    return cast("Mapping[str, Any]", data) if isinstance(data, dict) else {}


def _parts(card: object) -> Iterator[Mapping[str, Any]]:
    """Every object in a card, in its order, except those of the cards in it."""
    rest = [card]
    while rest:
        node = rest.pop()
        if isinstance(node, list | tuple):
            rest.extend(reversed(cast("Sequence[object]", node)))
        elif isinstance(node, dict):
            part = cast("dict[str, Any]", node)
            yield part
            skipped = {"data", "card"} if part.get("type") == _SHOW_CARD else {"data"}
            rest.extend(part[key] for key in reversed(part) if key not in skipped)
