"""Imports the names of a module with the first use of each."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

PACKAGE = __name__.rpartition(".")[0]


def on_first_use(
    module: str, names: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a module."""
    modules = {name: each for each, several in names.items() for name in several.split()}

    def find(name: str) -> object:
        """Import a public name from its module."""
        if name not in modules:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        found = getattr(import_module(f"{PACKAGE}.{modules[name]}"), name)
        setattr(sys.modules[module], name, found)
        return found

    def public() -> list[str]:
        """All public names, imported or not."""
        return [name for name in modules if not name.startswith("_")]

    return find, public
