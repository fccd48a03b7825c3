"""Looks for bytes on which a target fails, guided by the branches that they reach.

``python -m tests.fuzzing.fuzz TARGET ...`` takes libFuzzer's arguments.
"""

import importlib
import json
import random
import sys
from collections.abc import Iterator
from typing import Any

# Only the session `fuzz` has it: it has no types, and no wheels but for Linux.
atheris: Any = importlib.import_module("atheris")

ODD_VALUES: list[Any] = [None, True, 0, -1.5, 10**30, "", "a\ud800\0", [], {}, "2024-05-17T09:30Z"]


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Change a member of the JSON in the bytes; if they aren't JSON, change the bytes."""
    chance = random.Random(seed)  # noqa: S311 - it guards nothing
    start = max(data.find(b"{"), 0)
    try:
        document = json.loads(data[start:])
        change_a_member(document, chance)
        made = data[:start] + json.dumps(document).encode()
    except (ValueError, IndexError, RecursionError):
        # It isn't JSON, or without a member, or nested in itself.
        made = b""
    if made and len(made) <= max_size and chance.random() < 0.8:
        return made
    return bytes(atheris.Mutate(data, max_size))


def change_a_member(document: Any, chance: random.Random) -> None:  # noqa: ANN401 - any JSON
    """Remove a member, change its text, or replace it by an odd value or another member."""
    holders = list(holders_in(document))
    holder, another = chance.choice(holders), chance.choice(holders)
    key, value = chance.choice(members(holder))
    match chance.randrange(4):
        case 0:
            del holder[key]
        case 1:
            text = str(value).encode(errors="replace")
            holder[key] = atheris.Mutate(text, len(text) + 8).decode(errors="surrogateescape")
        case 2:
            holder[key] = chance.choice(ODD_VALUES)
        case _:
            _, holder[key] = chance.choice(members(another))


def holders_in(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Find all objects and arrays in a document that aren't empty."""
    if type(value) in {dict, list} and value:
        yield value
        for _, inner in members(value):
            yield from holders_in(inner)


def members(holder: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - an object or an array
    """List the keys or the indexes, with their values."""
    pairs: Any = holder.items() if hasattr(holder, "items") else enumerate(holder)
    return list(pairs)


if __name__ == "__main__":
    name = sys.argv.pop(1)
    with atheris.instrument_imports():
        from tests.fuzzing.targets import TARGETS
    atheris.Setup(sys.argv, TARGETS[name], custom_mutator=mutated)
    atheris.Fuzz()
