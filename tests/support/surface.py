"""The public surface as text: what users may write, and so what a release promises.

The package is read, not run, so that the text is the same on every Python and with every release
of the dependencies. `python -m tests.support.surface` writes it beside this file.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import griffe

import webex_webhooks_async
from webex_webhooks_async import testing
from webex_webhooks_async.cli.app import app

SNAPSHOT = Path(__file__).with_suffix(".txt")
NAME = webex_webhooks_async.__name__
INDENT = "    "


def surface() -> str:
    """Describe the public names, the aliases in their signatures, and the commands."""
    package = griffe.load(NAME, search_paths=[Path(webex_webhooks_async.__file__).parent.parent])
    importable = _public(package, dir(webex_webhooks_async))
    for_tests = _public(package["testing"], testing.__all__)
    fixtures = [each for each in package["testing.plugin"].functions.values() if each.is_public]
    return "\n".join(
        [
            *_section(f"from {NAME} import", importable),
            *_section(f"from {NAME}.testing import", for_tests),
            *_section("the fixtures of pytest", fixtures),
            *_section("what these speak of", _used_in([*importable, *for_tests, *fixtures])),
            "# the command webex-webhooks",
            *_commands(),
            "",
        ]
    )


def _public(module: griffe.Object | griffe.Alias, names: list[str]) -> list[griffe.Object]:
    return [_resolved(module[name]) for name in sorted(names)]


def _resolved(found: griffe.Object | griffe.Alias) -> griffe.Object:
    return found.final_target if isinstance(found, griffe.Alias) else found


def _used_in(things: list[griffe.Object]) -> Iterable[griffe.Object]:
    """Find the aliases, constants and shapes that other lines use."""
    seen = {thing.name for thing in things}
    for thing in (queue := list(things)):
        for name in re.findall(r"\w+", "\n".join(_lines(thing))):
            member = thing.module.members.get(name)
            if isinstance(member, griffe.Alias) and not member.target_path.startswith(NAME):
                continue  # of another library
            if member and name not in seen and _is_shape(shape := _resolved(member)):
                seen.add(name)
                queue.append(shape)
    return sorted(queue[len(things) :], key=lambda thing: thing.name)


def _is_shape(thing: griffe.Object) -> bool:
    """Return whether a name stands for a type that users write out."""
    if isinstance(thing, griffe.Class):
        return not {"Protocol", "TypedDict"}.isdisjoint(map(str, thing.bases))
    return isinstance(thing, griffe.Attribute)


def _section(title: str, things: Iterable[griffe.Object]) -> Iterator[str]:
    yield f"# {title}"
    for thing in things:
        yield from ("", *_lines(thing))
    yield ""


def _lines(thing: griffe.Object) -> Iterator[str]:
    """Describe a class and its members, a function with its overloads, or a value."""
    if isinstance(thing, griffe.Class):
        yield from (f"@{decorator.value}" for decorator in thing.decorators)
        bases = f"({', '.join(map(str, thing.bases))})" * bool(thing.bases)
        yield f"class {thing.name}{bases}"
        for member in _members(thing):
            yield from (INDENT + line for line in _lines(member))
    elif isinstance(thing, griffe.Function):
        yield from (f"@{decorator.value}" for decorator in thing.decorators)
        for function in thing.overloads or [thing]:
            yield f"{'async ' * ('async' in thing.labels)}def {function.signature()}"
    elif isinstance(thing, griffe.Attribute):
        kind = "@property " * ("property" in thing.labels)
        typed = f": {thing.annotation}" * bool(thing.annotation)
        yield f"{kind}{thing.name}{typed}{_default(thing)}"


def _members(thing: griffe.Class) -> Iterator[griffe.Object]:
    """Find the members of a class that aren't private or inherited."""
    for name, member in thing.members.items():
        if not name.startswith("_") or name.endswith("__"):
            yield _resolved(member)


def _default(attribute: griffe.Attribute) -> str:
    """Describe the value of a constant or the default of a field, but nothing that is computed."""
    value = attribute.value
    if value is None or attribute.labels == {"instance-attribute"}:
        return ""
    if isinstance(value, griffe.ExprCall) and str(value.function) == "field":
        named = [each for each in value.arguments if isinstance(each, griffe.ExprKeyword)]
        return "".join(f" = {each.value}" for each in named if each.name in {"default", "factory"})
    return f" = {value}"


def _commands() -> Iterator[str]:
    """Describe each command with its arguments and options."""
    for name, command in app.resolved_commands().items():
        yield from ("", name)
        if name.startswith("-"):
            continue
        arguments = command.assemble_argument_collection(default_parameter=app.default_parameter)
        for argument in arguments.filter_by(show=True, parse=True):
            choices = "|".join(argument.get_choices() or ())
            required = "(required)" * argument.required
            yield INDENT + " ".join(filter(None, [*argument.names, choices, required]))


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
