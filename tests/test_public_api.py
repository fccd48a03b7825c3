import ast
import inspect
import pkgutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_overloads

import pytest

import webex_webhooks_async
from tests.support.surface import SOURCES, surface
from webex_webhooks_async import (
    NewWebhook,
    Receiver,
    WebexWarning,
    WebhookPlanWarning,
    errors,
    types,
)
from webex_webhooks_async.models.notification_data import DATA_CLASSES, NotificationData

pytestmark = pytest.mark.once


def test_what_users_write_cannot_be_renamed_unseen(tmp_path: Path) -> None:
    """A test of the reference sees another method, key, header, log field or kind of argument."""
    renamed = {
        "async def person(": "async def human(",
        "    *,\n    client_id": "    client_id",  # no keyword-only arguments
        "max_concurrency": "at_most",
        "WEBEX_CLIENT_ID": "WEBEX_CLIENT",
        "X-Spark-Signature": "X-Webex-Spark",
        "webex_data_id": "webex_id",
        "def webex_client(": "def client_of_webex(",
    }
    for path in (SOURCES / "webex_webhooks_async").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for old, new in renamed.items():
            text = text.replace(old, new)
        copy = tmp_path / path.relative_to(SOURCES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")

    changed = Counter(surface().splitlines()) - Counter(surface(tmp_path).splitlines())

    assert {
        "    async def person -> Person": 2,  # of messages and of submissions
        "    scopes: str | Iterable[str] (keyword)": 1,
        "        max_concurrency: int = ... (keyword)": 1,
        "WEBEX_CLIENT_ID": 1,
        "x-spark-signature": 1,
        "webex_data_id": 1,
        "def webex_client -> Iterator[Client]": 1,
    }.items() <= changed.items()


@pytest.mark.parametrize("module", [webex_webhooks_async, types])
def test_a_module_offers_its_public_names_and_no_more(module: ModuleType) -> None:
    """`dir` lists exactly the public names."""
    assert sorted(vars(module)["__all__"]) == dir(module)


@pytest.mark.parametrize("module", [webex_webhooks_async, types])
def test_a_name_is_what_type_checkers_take_it_for(module: ModuleType) -> None:
    """Each lazily imported name is the object that type checkers see."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    imports = [each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.ImportFrom)]
    promised = {
        alias.name: getattr(import_module(str(each.module)), alias.name)
        for each in imports
        if str(each.module).startswith("webex_webhooks_async.")
        for alias in each.names
        if alias.asname
    }

    assert promised == {name: getattr(module, name) for name in dir(module)}


def test_a_public_method_has_a_docstring_or_inherits_one() -> None:
    """Each public method and property of a public class says what it promises, or its base does."""
    modules = [
        import_module(found.name)
        for found in pkgutil.walk_packages(webex_webhooks_async.__path__, "webex_webhooks_async.")
    ]
    without = [
        f"{cls.__module__}.{cls.__qualname__}.{name}"
        for module in modules
        for cls in vars(module).values()
        if inspect.isclass(cls) and cls.__module__ == module.__name__
        if not cls.__name__.startswith("_")
        for name, member in vars(cls).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
        if not inspect.getdoc(getattr(cls, name))
    ]

    assert not without


def test_no_signature_has_a_private_parameter() -> None:
    """What `help` shows of a public class, of its methods, or of a function, is for users."""
    found: list[str] = []
    for module in (webex_webhooks_async, types):
        for name in dir(module):
            thing = getattr(module, name)
            members = vars(thing) if inspect.isclass(thing) else {}
            shown = [thing, *(each for key, each in members.items() if not key.startswith("_"))]
            for each in filter(callable, shown):
                try:
                    signature = inspect.signature(each)
                except ValueError:  # of a class without one
                    continue
                found += [f"{name}: {key}" for key in signature.parameters if key.startswith("_")]
    assert not found


def test_another_name_is_an_error() -> None:
    """Asking for a name that isn't public is an error, as with every module."""
    name = "import_all"

    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(webex_webhooks_async, name)


@pytest.mark.parametrize(
    ("names", "modules"),
    [
        ("Receiver, Event, parse_notification, MessageData, verify", {"httpx"}),
        (
            "Router; from webex_webhooks_async.types import Handler, Headers, ReceiverOptions",
            {"httpx", "webex_webhooks_async.bot", "webex_webhooks_async.client"},
        ),
        (
            "Client, Receiver, Notification",
            {
                f"webex_webhooks_async.{name}"
                for name in (
                    *("catalog", "client.environment", "client.pagination"),
                    *("models.files", "models.notification_data", "type_hooks"),
                )
            },
        ),
    ],
)
def test_a_program_waits_only_for_what_it_imports(names: str, modules: set[str]) -> None:
    """What receives is imported without httpx, and what isn't used yet comes with its first use."""
    found = f"{modules!r} & {{*sys.modules}}"
    program = f"import sys; from webex_webhooks_async import {names}; print({found})"

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"


def test_every_error_is_public() -> None:
    """Each error class is a public name."""
    raised = {name for name in vars(errors) if name.endswith("Error")}

    assert raised - set(dir(webex_webhooks_async)) == set()


def test_every_data_class_is_known_everywhere() -> None:
    """Each data class is public, in `NotificationData`, and has an overload of `on`."""
    public = {getattr(webex_webhooks_async, name) for name in dir(webex_webhooks_async)}
    matched = set(get_args(NotificationData)) - {Mapping[str, Any]}
    typed = {
        word
        for overload in get_overloads(Receiver.on)
        for word in get_args(overload.__annotations__["resource"])
    }

    assert set(DATA_CLASSES.values()) - public == set()
    assert set(DATA_CLASSES.values()) == matched
    assert set(DATA_CLASSES) - typed == set()


def test_all_warnings_have_one_base() -> None:
    """A program filters those of this package by their class."""
    with pytest.warns(WebexWarning, match="did you mean 'messages'"):
        NewWebhook(name="n", target_url="https://a.example", resource="mesages", event="created")
    assert issubclass(WebhookPlanWarning, WebexWarning)
