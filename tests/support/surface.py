"""The public surface as text: what users may write, and so what a release promises.

The package is read, not run, so that the text is the same on every Python and with every release
of the dependencies; only the commands are asked of the program.
"""

import ast
import re
import tomllib
from collections.abc import Container, Iterable, Iterator
from functools import cache
from pathlib import Path

import griffe
from cyclopts import App

import webex_webhooks_async
from webex_webhooks_async import testing, types
from webex_webhooks_async.cli.app import app

SOURCES = Path(webex_webhooks_async.__file__).parents[1]
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
NAME = webex_webhooks_async.__name__
INDENT = "    "

TOP = f"from {NAME} import"
COMMANDS = "the command webex-webhooks"
FIELDS = "with the fields"
"""What stands above fields that are parameters too: those of attrs classes and of `TypedDict`s."""

VARIABLES = re.compile(r"WEBEX_[A-Z_]+")
HEADERS = re.compile(
    r"x-(webex|spark)-[a-z-]+|webex-sandbox[a-z-]*|trackingid|user-agent", re.IGNORECASE
)
LOGGED = re.compile(r"webex_webhooks_async|webex_(?!webhooks)[a-z_]+")

Line = tuple[griffe.Object, str]
"""A line, and the module in which its names mean something."""


@cache
def surface(sources: Path = SOURCES) -> str:
    """Describe all that users may write of the package in this folder."""
    package = griffe.load(NAME, search_paths=[sources], try_relative_path=False)
    importable = _public(package, dir(webex_webhooks_async))
    for_tests = _public(package["testing"], testing.__all__)
    fixtures = [each for each in package["testing.plugin"].functions.values() if each.is_public]
    written = _public(package["types"], dir(types))
    public = [*importable, *written, *for_tests, *fixtures]
    texts = sorted(_texts(sources / NAME))
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    return "\n".join(
        [
            *_section(TOP, importable, public),
            "__version__: str",
            "",
            *_section(f"from {NAME}.types import", written, public),
            *_section(f"from {NAME}.testing import", for_tests, public),
            *_section("the fixtures of pytest", fixtures, public),
            *_section("what these speak of", shapes(public), public),
            *_list("environment variables", filter(VARIABLES.fullmatch, texts)),
            *_list("headers", sorted({each.lower() for each in filter(HEADERS.fullmatch, texts)})),
            *_list("the logger, and the fields of its records", filter(LOGGED.fullmatch, texts)),
            *_list("extras", project["optional-dependencies"]),
            f"# {COMMANDS}",
            *_commands(app),
            "",
        ]
    )


def _public(module: griffe.Object | griffe.Alias, names: list[str]) -> list[griffe.Object]:
    return [resolved(module[name]) for name in sorted(names)]


def resolved(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """Return what an import stands for."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def shapes(public: Iterable[griffe.Object]) -> list[griffe.Object]:
    """Find the aliases, type variables and shapes of ours that the lines of others name."""
    public = [*public]
    seen = {_text(thing) for thing in public}
    for thing in (queue := list(public)):
        for module, line in _lines(thing, public):
            for word in re.findall(r"\w+", line):
                member = module.members.get(word)
                if isinstance(member, griffe.Alias) and not member.target_path.startswith(NAME):
                    continue  # of another library
                if member and _is_shape(shape := resolved(member)) and _text(shape) not in seen:
                    seen.add(_text(shape))
                    queue.append(shape)
    return sorted(queue[len(public) :], key=lambda thing: (thing.name, _text(thing)))


def _is_shape(thing: griffe.Object) -> bool:
    """Return whether a name stands for a type that users write out."""
    if isinstance(thing, griffe.Class):
        bases = {str(base) for each in (thing, *thing.mro()) for base in each.bases}
        return not {"Protocol", "TypedDict"}.isdisjoint(bases)
    return isinstance(thing, griffe.Attribute)


def _text(thing: griffe.Object) -> str:
    return "\n".join(line for _, line in _lines(thing, ()))


def _section(
    title: str, things: Iterable[griffe.Object], public: Container[griffe.Object]
) -> Iterator[str]:
    yield f"# {title}"
    for thing in things:
        yield from ("", *(line for _, line in _lines(thing, public)))
    yield ""


def _list(title: str, names: Iterable[str]) -> Iterator[str]:
    yield from (f"# {title}", "", *names, "")


def _lines(thing: griffe.Object, public: Container[griffe.Object]) -> Iterator[Line]:
    """Describe a class and its members, a function with its overloads, or a value."""
    if isinstance(thing, griffe.Class | griffe.Function):
        for decorator in thing.decorators:
            if not decorator.callable_path.startswith(NAME):  # ours only check what is passed
                yield thing.module, f"@{decorator.value}"
    if isinstance(thing, griffe.Class):
        bases = f"({', '.join(map(str, thing.bases))})" * bool(thing.bases)
        yield thing.module, f"class {thing.name}{bases}"
        yield from ((module, INDENT + line) for module, line in _inside(thing, public))
    elif isinstance(thing, griffe.Function):
        yield from _signatures(thing)
    elif isinstance(thing, griffe.Attribute):
        kind = "@property " * ("property" in thing.labels)
        typed = f": {thing.annotation}" * bool(thing.annotation)
        value = None if thing.labels == {"instance-attribute"} else thing.value
        yield thing.module, f"{kind}{thing.name}{typed}" + f" = {value}" * (value is not None)


def _inside(thing: griffe.Class, public: Container[griffe.Object]) -> Iterator[Line]:
    parameters = fields(thing)
    if parameters:
        yield thing.module, FIELDS
    for name, parameter in parameters.items():
        yield resolved(thing.all_members[name]).module, INDENT + _parameter(parameter)
    for member in members(thing, public):
        if member.name not in parameters:
            yield from _lines(member, public)


def _signatures(thing: griffe.Function) -> Iterator[Line]:
    for function in thing.overloads or [thing]:
        is_async = "async " * ("async" in thing.labels)
        result = f" -> {function.returns}" * bool(function.returns)
        yield thing.module, f"{is_async}def {thing.name}{result}"
        for parameter in function.parameters:
            if parameter.name not in {"self", "cls"}:
                yield thing.module, INDENT + _parameter(parameter)


_STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
_KINDS = {
    griffe.ParameterKind.positional_only: " (positional)",
    griffe.ParameterKind.keyword_only: " (keyword)",
}


def _parameter(parameter: griffe.Parameter) -> str:
    kind = parameter.kind or griffe.ParameterKind.positional_or_keyword
    stars = _STARS.get(kind, "")
    typed = f": {parameter.annotation}" * bool(parameter.annotation)
    default = f" = {parameter.default}" * (parameter.default is not None and not stars)
    return f"{stars}{parameter.name}{typed}{default}{_KINDS.get(kind, '')}"


def members(thing: griffe.Class, public: Container[griffe.Object]) -> Iterator[griffe.Object]:
    """Find the members that aren't private, those of private bases included."""
    found = {
        name: resolved(member)
        for name, member in thing.members.items()
        if not name.startswith("_") or name.endswith("__")
    }
    yield from found.values()
    taken = {*found, "__init__"}
    for base in thing.resolved_bases:
        if isinstance(base := resolved(base), griffe.Class) and base not in public:
            for member in members(base, public):
                if member.name not in taken:
                    taken.add(member.name)
                    yield member


def fields(thing: griffe.Class) -> dict[str, griffe.Parameter]:
    """Find the fields whose parameters attrs makes, or the keys of a `TypedDict`."""
    found: dict[str, griffe.Parameter] = {}
    if "__init__" in thing.members:
        return found
    for cls in (*reversed(thing.mro()), thing):
        if (options := _options(cls)) is not None:
            for each in cls.attributes.values():
                if each.annotation and "property" not in each.labels:
                    found |= _field(each, options)
    return found


def _options(cls: griffe.Class) -> dict[str, str] | None:
    """Return how the fields of a class become parameters; `None` if they don't."""
    for decorator in cls.decorators:
        if decorator.callable_path.startswith("attrs."):
            return _keywords(decorator.value)
    bases = {str(base) for each in (cls, *cls.mro()) for base in each.bases}
    is_optional = str(cls.keywords.get("total")) == "False"
    return {"kw_only": "True", "default": "..." * is_optional} if "TypedDict" in bases else None


def _keywords(call: str | griffe.Expr | None) -> dict[str, str]:
    if not isinstance(call, griffe.ExprCall):
        return {}
    named = (each for each in call.arguments if isinstance(each, griffe.ExprKeyword))
    return {each.name: str(each.value) for each in named}


def _field(attribute: griffe.Attribute, options: dict[str, str]) -> dict[str, griffe.Parameter]:
    default = str(attribute.value or options.get("default", "")) or None
    if isinstance(attribute.value, griffe.ExprCall) and str(attribute.value.function) == "field":
        given = options | _keywords(attribute.value)
        if given.get("init") == "False" or "'_" in given.get("alias", ""):
            return {}
        made = f"{given['factory']}()" if "factory" in given else None
        options, default = given, given.get("default", made)
    is_keyword = options.get("kw_only") == "True"
    kinds = griffe.ParameterKind
    kind = kinds.keyword_only if is_keyword else kinds.positional_or_keyword
    name = attribute.name.lstrip("_")
    return {
        attribute.name: griffe.Parameter(
            name, annotation=attribute.annotation, kind=kind, default=default
        )
    }


def _texts(folder: Path) -> set[str]:
    """Find all texts that the package's own programs have, as `str` or as `bytes`."""
    constants = (
        node.value
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Constant)
    )
    texts = (each.decode("latin-1") if isinstance(each, bytes) else each for each in constants)
    return {each for each in texts if isinstance(each, str)}


def _commands(program: App, before: str = "") -> Iterator[str]:
    """Describe each command with its arguments and options."""
    for name, command in program.resolved_commands().items():
        if before and name.startswith("-"):
            continue  # as of the whole program
        yield from ("", before + name)
        if name.startswith("-"):
            continue
        if any(not each.startswith("-") for each in command.resolved_commands()):
            yield from _commands(command, f"{before}{name} ")
            continue
        arguments = command.assemble_argument_collection(
            default_parameter=program.default_parameter
        )
        for argument in arguments.filter_by(show=True, parse=True):
            choices = "|".join(argument.get_choices() or ())
            required = "(required)" * argument.required
            yield INDENT + " ".join(filter(None, [*argument.names, choices, required]))
