"""Writes a function that reads one of our own models of JSON, as attrs writes its ``__init__``.

cattrs writes one as well, which calls a function for each member, and then ``__init__``. This one
compares types, and takes the members over at once. A loop over the fields, without ``exec``, saves
half as much: a list would cost more than with a reader in Rust.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs
from cattrs.dispatch import StructureHook

from webex_webhooks_async.models import EXTRA

_TAKEN: Mapping[Any, str] = {
    str: "type(value) is str",
    str | None: "type(value) is str or value is None",
    bool | None: "type(value) is bool or value is None",
    int | None: "type(value) is int or value is None",
    datetime | None: "value is None",
}
"""When a value is taken as it is, by the type of its field."""


def new_reader(
    cls: type[Any],
    keys: Mapping[str, str],
    hook_of: Callable[[Any], StructureHook],
    read: StructureHook,
) -> StructureHook:
    """Return a hook that reads a model as another one does, which gets what doesn't fit; faster.

    The fields of our classes have no validators, and no default but `None`, an empty tuple and, of
    ``extra``, an empty dict. `keys` has the names of all others, each with its key in JSON.
    """
    fields = [each for each in attrs.fields(cls) if each.name in keys]
    scope: dict[str, Any] = {
        "read": read,
        "absent": object(),
        "known": frozenset(keys.values()),
        "new": object.__new__,
        "set_attribute": object.__setattr__,
        "cls": cls,
        **{f"hook_of_{each.name}": hook_of(each) for each in fields},
        **{f"type_of_{each.name}": each.type for each in fields},
        **{f"default_of_{each.name}": each.default for each in fields},
    }
    exec("\n".join(_source(fields, keys)), scope)  # noqa: S102 - of names of our own
    made: StructureHook = scope["read_model"]
    return made


def _source(fields: Iterable[Any], keys: Mapping[str, str]) -> Iterator[str]:
    yield "def read_model(members, wanted):"
    yield "    if type(members) is not dict:"
    yield "        return read(members, wanted)"
    yield "    get, missing = members.get, 0"
    yield "    try:"
    for each in fields:
        name, member = each.name, f"m_{each.name}"
        taken = _TAKEN.get(each.type, "False").replace("value", member)
        yield f"        {member} = get({keys[name]!r}, absent)"
        yield f"        if {taken}: pass"
        yield f"        elif {member} is absent:"
        if each.default is attrs.NOTHING:
            yield "            return read(members, wanted)"
        else:
            yield f"            {member} = default_of_{name}"
            yield "            missing += 1"
        yield f"        else: {member} = hook_of_{name}({member}, type_of_{name})"
    yield "    except Exception: return read(members, wanted)"
    yield f"    extra = {{}} if len(members) + missing == {len(keys)} else {{"
    yield "        key: each for key, each in members.items() if key not in known}"
    yield "    model = new(cls)"
    state = ", ".join(f"{each.name!r}: m_{each.name}" for each in fields)
    yield f"    set_attribute(model, '__dict__', {{{state}, {EXTRA!r}: extra}})"
    yield "    return model"
