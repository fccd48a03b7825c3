"""Finds what a target means: a file or a module, and the application in it."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from webex_webhooks_async.integration.integration import Integration


class TargetError(Exception):
    """A reason for which a file or a module can't be served, such as ``has no bot``."""


@frozen(kw_only=True)
class Target:
    """The place of an application.

    Attributes:
        file: The file, if it is in no package.
        root: The folder that modules are imported from.
        folder: The folder whose files are watched.
    """

    place: str
    name: str
    file: Path | None
    module: str
    root: Path
    folder: Path

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read a target as it was typed; a `ValueError` says why it is none."""
        drive, rest = os.path.splitdrive(text)  # that of Windows has a colon, too
        place, _, name = rest.partition(":")
        place = drive + place
        path = Path(place)
        if path.is_dir() and not (path / "__init__.py").is_file():
            raise ValueError(f"{path} is a folder: pass a file in it, such as {path / 'bot.py'}")
        if path.suffix == ".py" or (path.exists() and not path.is_dir()):
            return cls._of_file(place, name, path)
        if not all(part.isidentifier() for part in place.split(".")):
            raise ValueError(f"{place!r} is neither a file nor a module, such as bot.py or bot")
        here = Path.cwd()
        return cls(place=place, name=name, file=None, module=place, root=here, folder=here)

    @classmethod
    def _of_file(cls, place: str, name: str, path: Path) -> "Target":
        if not path.is_file():
            raise ValueError(f"there is no file {path.absolute()}")
        if path.suffix != ".py":
            raise ValueError(f"{place} isn't a file of Python: its name has to end with .py")
        file = path.resolve()
        root, names = file.parent, [] if file.stem == "__init__" else [file.stem]
        folder = root
        while (root / "__init__.py").is_file():  # relative imports need the packages
            names.insert(0, root.name)
            root, folder = root.parent, root
        alone = None if folder != root else file
        module = ".".join(names)
        return cls(place=place, name=name, file=alone, module=module, root=root, folder=folder)

    def load(self) -> tuple[str, object]:
        """Import it, and return the application with its name."""
        sys.path.insert(0, str(self.root))
        module = self._import()
        if self.name:
            return self.name, self._named(module)
        return self._only(vars(module))

    def _import(self) -> ModuleType:
        if self.file is None:
            return importlib.import_module(self.module)
        # Not by its name: another module may have the same one.
        spec = importlib.util.spec_from_file_location(self.module, self.file)
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - it ends with .py
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(self.module, module)
        spec.loader.exec_module(module)
        return module

    def _named(self, module: ModuleType) -> object:
        try:
            named: object = getattr(module, self.name)
        except AttributeError:
            raise TargetError(f"has no {self.name}") from None
        if not is_application(named) and callable(named):
            named = named()
        if not is_application(named):
            raise TargetError(
                f"has {self.name}, which is neither an ASGI application, such as a Bot, nor a "
                "function without arguments that makes one"
            )
        return named

    def _only(self, names: Mapping[str, object]) -> tuple[str, object]:
        for is_wanted in _preferences():
            found: dict[int, tuple[str, object]] = {}  # by its identity: it may have two names
            for name, each in names.items():
                if is_wanted(each):
                    found.setdefault(id(each), (name, each))
            if len(found) == 1:
                return found.popitem()[1]
            if found:
                among = [name for name, _ in found.values()]
                raise TargetError(
                    f"has {len(among)} applications, {', '.join(among)}: choose one, such as "
                    f"{self.place}:{among[0]}"
                )
        raise TargetError(
            "has no Bot, no Integration, no Receiver and no other ASGI application; if a function "
            f"makes it, name that: {self.place}:NAME"
        )


def is_application(each: object) -> bool:
    """Whether it takes a scope, a function that receives and one that sends."""
    # Of its class: a proxy, as in Flask, would look for what it stands for.
    function: object = each
    if not isinstance(each, FunctionType):
        function = getattr(type(each), "__call__", None)  # noqa: B004 - and not for being callable
    return isinstance(function, FunctionType) and [*signature(function).parameters][-3:] == [
        "scope",
        "receive",
        "send",
    ]


def integration_classes() -> "tuple[type[Integration], ...]":
    """Return the class of integrations, if the program has imported it."""
    module = sys.modules.get("webex_webhooks_async.integration.integration")
    return () if module is None else (module.Integration,)


def _preferences() -> tuple[Callable[[object], bool], ...]:
    from starlette.routing import BaseRoute, Router  # noqa: PLC0415 - only dev's program finds it

    from webex_webhooks_async.bot.bot import Bot  # noqa: PLC0415 - the same
    from webex_webhooks_async.receiving.receiver import Receiver  # noqa: PLC0415 - the same

    # What an application is made of looks like one, such as FastAPI's APIRouter.
    parts = (Receiver, Router, BaseRoute, *integration_classes())
    return (
        lambda each: is_application(each) and not issubclass(type(each), parts),
        lambda each: issubclass(type(each), Bot),
        lambda each: issubclass(type(each), integration_classes()),
        lambda each: issubclass(type(each), Receiver),
    )
