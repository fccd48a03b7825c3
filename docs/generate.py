"""Writes the parts of the pages that come from the code: `python -m docs.generate`.

A page marks such a part with `<!-- from code: WHAT -->` and `<!-- end -->`, and everything between
the two marks is replaced. WHAT is `errors`, `resources`, `commands`, `operations`,
`assumptions`, a program in `docs/examples`, or public names to describe.
"""

import inspect
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from textwrap import dedent

import griffe
from cyclopts.help import DefaultFormatter, PanelSpec
from rich.box import Box
from rich.console import Console

import webex_webhooks_async
from tests.conformance.assumptions import GRADES, Checked, Row, accepted_results, all_rows
from tests.support.surface import fields, resolved, shapes
from webex_webhooks_async import errors
from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.cli.app import all_commands
from webex_webhooks_async.cli.app import app as command_line
from webex_webhooks_async.models.notification_data import DATA_CLASSES
from webex_webhooks_async.testing.service.application import ROUTES

DOCS = Path(__file__).parent
PAGES = tuple(
    page
    for page in (DOCS.parent / "README.md", *sorted(DOCS.glob("[!_]*/**/*.md")))
    if "<!-- from code: " in page.read_text(encoding="utf-8")
)
WIDTH = 88  # characters, which a page shows without scrolling
SOURCES = Path(webex_webhooks_async.__file__).parents[1]

GENERATED = re.compile(r"(?<=<!-- from code: )(?P<what>.+?) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def write() -> None:
    """Bring every page up to date."""
    for page in PAGES:
        page.write_text(up_to_date(page), encoding="utf-8")


def up_to_date(page: Path) -> str:
    """Return the text of a page as the code wants it."""

    def regenerated(mark: re.Match[str]) -> str:
        what = mark["what"]
        if what in SPECIAL:
            lines = SPECIAL[what]()
        elif what.endswith(".py"):
            lines = program(what)
        else:
            heading = re.findall(r"^(#+) ", mark.string[: mark.start()], re.MULTILINE)[-1]
            lines = names(what, level=len(heading) + 1)
        text = f"{what} -->\n" + "\n".join(lines) + "\n"
        return text.replace(f"]({page.name}#", "](#")

    return GENERATED.sub(regenerated, page.read_text(encoding="utf-8"))


def error_tree() -> Iterator[str]:
    """Show the exceptions as a tree."""
    yield from ("", _markdown(inspect.getdoc(errors) or "").replace("```python", "```text"), "")


def resources() -> Iterator[str]:
    """Describe in a table what can be watched."""
    yield "| resource | events | filter keys | data |"
    yield "|---|---|---|---|"
    for resource, watchable in CATALOG.items():
        name = f"{resource} (org)" if watchable.org_only else str(resource)
        keys = (
            f"`{key}`*" if key in watchable.org_filters else f"`{key}`"
            for key in sorted(watchable.filters)
        )
        data = DATA_CLASSES[resource].__name__ if resource in DATA_CLASSES else ""
        link = f"[`{data}`]({anchors()[data]})" if data else ""
        yield f"| {name} | {' '.join(sorted(watchable.events))} | {' '.join(keys)} | {link} |"


WITHOUT_LINES = DefaultFormatter(panel_spec=PanelSpec(box=Box("    \n" * 8), padding=(0, 0, 0, 1)))


def commands() -> Iterator[str]:
    """Show the `--help` of each command, and options that several have with the first of them."""
    owners: dict[str, str] = {}
    for name, _ in all_commands():
        page = io.StringIO()
        with command_line.app_stack([command_line], overrides={"help_formatter": WITHOUT_LINES}):
            command_line.help_print(name.split(), console=Console(file=page, width=80))
        text = re.sub(r"(?m)^ {3}(?=\w+ *$)| +$", "", page.getvalue().strip())
        parts = text.split("\n\n")
        for number, part in enumerate(parts):
            title = part.partition("\n")[0]
            if title in {"Secret", "Webex"} and owners.setdefault(part, name) != name:
                options = ", ".join(re.findall(r"(?m)^ +(--[\w-]+ [A-Z]+)", part))
                parts[number] = f"{title}\n  {options}  As for {owners[part]}."
        yield "\n".join([f"\n## {name}\n", "```text", "\n\n".join(parts), "```"])


def operations() -> Iterator[str]:
    """Show in a table which operations the sandbox has, with the parameters of their queries."""
    yield "| operation | query parameters |"
    yield "|---|---|"
    there = {tuple(name.split()): operation.query for name, operation in ROUTES.items()}
    for (method, path), query in sorted(there.items(), key=lambda each: each[0][::-1]):
        names = " ".join(f"`{each}`" for each in query or () if each != "cursor")
        yield f"| `{method} {path}` | {names if query is not None else 'any'} |"


def assumptions() -> Iterator[str]:
    """Show in tables what we assume of Webex, and how sure that is."""
    rows, accepted = all_rows(), accepted_results()
    grades = Counter(row.grade(accepted) for row in rows)
    yield "| grade | assumptions | what it means |"
    yield "|---|---|---|"
    yield from (f"| {each} | {grades[each]} | {meaning} |" for each, meaning in GRADES.items())
    for topic in dict.fromkeys(row.topic for row in rows):
        yield f"\n## {topic}\n"
        yield "| name | what we assume | grade | seen or said in |"
        yield "|---|---|---|---|"
        for row in rows:
            if row.topic == topic:
                statement = _cell(row.statement)
                if row.sandbox:
                    statement += f" The sandbox differs: {_cell(row.sandbox)}."
                grade = _grade(row, accepted)
                yield f"| `{row.name}` | {statement} | {grade} | {_cell(row.source or '')} |"
    yield ""


def _grade(row: Row, accepted: Mapping[str, Checked]) -> str:
    checked = row.checked(accepted)
    if checked is None:
        return row.stated
    server = f" at <{checked.server}>" if checked.server else ""
    return f"live, {checked.date}{server}"


def _cell(text: str) -> str:
    """Text in a table, in which `<br>` is the text of a tag."""
    return re.sub(r"<(?!https?:)", r"\\<", text.replace("|", r"\|"))


def types_in_signatures() -> Iterator[str]:
    """Describe in a table the names in signatures that can't be imported from a public module."""
    yield "| name | stands for |"
    yield "|---|---|"
    for shape in shapes(documented().values()):
        if isinstance(shape, griffe.Attribute):
            meaning = f"`{shape.value}`"
        else:
            methods = ", ".join(f"`{each.name}`" for each in shape.members.values())
            meaning = f"anything with {methods}"
        if shape.docstring:
            meaning += ": " + _markdown(shape.docstring.value.partition("\n\n")[0])
        yield f"| `{shape.name}` | {' '.join(meaning.split()).replace('|', chr(92) + '|')} |"


SPECIAL = {
    "errors": error_tree,
    "resources": resources,
    "commands": commands,
    "operations": operations,
    "assumptions": assumptions,
    "types-in-signatures": types_in_signatures,
}


def program(name: str) -> Iterator[str]:
    """Show an example program, which has tests of its own."""
    source = (DOCS / "examples" / name).read_text(encoding="utf-8")
    yield f"<!-- skip: next -->\n```python\n{source}```"


def names(public: str, *, level: int) -> Iterator[str]:
    """Describe public names: signatures, docstrings, members."""
    for name in public.split():
        yield from described(name, documented()[name], level=level)


@cache
def documented() -> dict[str, griffe.Object]:
    """Find every documented name, `Client.get` for a method, in the order of their headings."""
    return {name: thing for page in PAGES for name, thing in _documented_in(page)}


def _documented_in(page: Path) -> Iterator[tuple[str, griffe.Object]]:
    for name, thing in _listed(page):
        yield name, thing
        if isinstance(thing, griffe.Class):
            yield from ((f"{name}.{member.name}", member) for member in _methods(thing))


@cache
def _listed(page: Path | None) -> tuple[tuple[str, griffe.Object], ...]:
    """Find the names that a page lists."""
    package = _package()
    modules = (package, *map(package.__getitem__, ("types", "testing", "testing.plugin")))
    found: list[tuple[str, griffe.Object]] = []
    for name in _public_names(page) if page else ():
        if (module := next((each for each in modules if name in each.members), None)) is None:
            raise LookupError(f"{page} lists {name}, which isn't public")
        found.append((name, resolved(module[name])))
    return tuple(found)


def _page_of(cls: griffe.Class) -> Path | None:
    """Find the page that lists a class."""
    return next((page for page in PAGES if any(cls is each for _, each in _listed(page))), None)


@cache
def _package() -> griffe.Object:
    name = webex_webhooks_async.__name__
    package = griffe.load(
        name,
        search_paths=[SOURCES],
        docstring_parser=griffe.Parser.google,
        docstring_options={"returns_multiple_items": False},
    )
    return resolved(package)


def described(name: str, thing: griffe.Object, *, level: int) -> Iterator[str]:
    """Describe one thing, and what it has, under a heading of its own."""
    yield f"\n{'#' * level} `{name}`\n"
    yield from _signature(name, thing)
    if name in _package()["types"].members and not anchors()[name].startswith("types.md"):
        yield "It is in [`webex_webhooks_async.types`](types.md).\n"
    sections = thing.docstring.parsed if thing.docstring else []
    owner = name.partition(".")[0]
    for section in sections:
        yield from (_own_linked(text, owner, thing) for text in _section(section, thing))
    if isinstance(thing, griffe.Class):
        yield from _constants(thing)
        yield from _inherited(name, thing)
        for method in _methods(thing):
            yield from described(f"{name}.{method.name}", method, level=level + 1)


def _public_names(page: Path) -> Iterator[str]:
    for mark in GENERATED.finditer(page.read_text(encoding="utf-8")):
        if mark["what"] not in SPECIAL and not mark["what"].endswith(".py"):
            yield from mark["what"].split()


def _methods(cls: griffe.Class) -> Iterator[griffe.Object]:
    """Find the public methods and properties that are described with a class."""
    yield from (member for member, owner in _members(cls) if owner == cls)


def _inherited(name: str, cls: griffe.Class) -> Iterator[str]:
    """Name the public methods and properties that are described with other classes."""
    owners: dict[griffe.Class, dict[str, str]] = {}
    for member, owner in _members(cls):
        if owner != cls:
            link = f"[`{member.name}`]({anchors()[f'{name}.{member.name}']})"
            owners.setdefault(owner, {})[member.name] = link
    for owner, links in owners.items():
        has_all = links.keys() == {each.name for each in _methods(owner)}
        what = "all that is there" if has_all else ", ".join(links.values())
        yield f"As [`{owner.name}`]({anchors()[owner.name]}), it has {what}.\n"


def _members(cls: griffe.Class) -> Iterator[tuple[griffe.Object, griffe.Class]]:
    """Find the public methods and properties, and with which class each is described.

    That is the class that defines it, if another page lists that; else the first one that has it,
    of the definer's own package if there is one, of this page if it can be.
    """
    page = _page_of(cls)
    for member in _public_members(cls):
        definer = member.parent
        if isinstance(definer, griffe.Class) and _page_of(definer) not in {None, page}:
            yield member, definer
        else:
            yield member, min(_which_have(member), key=lambda each: _distance(each, member, page))


def _which_have(member: griffe.Object) -> Iterator[griffe.Class]:
    """Find the classes that have a member, in the order of the pages."""
    for _, each in (found for page in PAGES for found in _listed(page)):
        if isinstance(each, griffe.Class) and member in _public_members(each):
            yield each


def _distance(cls: griffe.Class, member: griffe.Object, page: Path | None) -> tuple[bool, bool]:
    return cls.module.parent != member.module.parent, _page_of(cls) != page


@cache
def _public_members(cls: griffe.Class) -> list[griffe.Object]:
    """Find the public methods and properties; a single line of an override repeats its base."""
    found: dict[str, griffe.Object] = {}
    for base in (cls, *cls.mro()):
        for member in map(resolved, base.members.values()):
            is_described = member.docstring is not None and member.is_public
            is_described &= member.name != "__getattr__"  # which is for what isn't there
            if is_described and (
                isinstance(member, griffe.Function) or "property" in member.labels
            ):
                override = found.setdefault(member.name, member)
                if override.docstring and len(override.docstring.lines) == 1:
                    found[member.name] = member
    return [*found.values()]


def _signature(name: str, thing: griffe.Object) -> Iterator[str]:
    signature = ""
    if any("fixture" in str(each.value) for each in getattr(thing, "decorators", ())):
        signature = f"{name}: {_yielded(thing)}"
    elif isinstance(thing, griffe.Function):
        prefix = "async " if "async" in thing.labels else ""
        signature = prefix + _without_self(thing.signature()).replace(thing.name, name, 1)
    elif isinstance(thing, griffe.Class) and "__init__" in thing.members:
        init = resolved(thing["__init__"])
        if isinstance(init, griffe.Function):
            shown = (each for each in init.parameters if not each.name.startswith("_"))
            public = griffe.Function("__init__", parameters=griffe.Parameters(*shown))
            signature = _without_self(public.signature()).replace("__init__", name, 1)
            signature = signature.removesuffix(" -> None")
    elif isinstance(thing, griffe.Class) and fields(thing):
        signature = _constructor(name, thing)
    elif "property" in thing.labels and isinstance(thing, griffe.Attribute):
        signature = f"{name}: {thing.annotation}"
    elif isinstance(thing, griffe.Attribute):
        yield from ("```text", *_alias(name, str(thing.value)), "```\n")
    if signature:
        yield from ("```text", *_wrapped(signature), "```\n")


def _yielded(fixture: griffe.Object) -> str:
    returns = str(fixture.returns) if isinstance(fixture, griffe.Function) else ""
    return returns.removeprefix("Iterator[").removesuffix("]")


def _alias(name: str, value: str) -> Iterator[str]:
    """Show what a name stands for; a long union with a line for each of its types."""
    if len(f"{name} = {value}") <= WIDTH:
        yield f"{name} = {value}"
        return
    yield f"{name} = ("
    depth, part, mark = 0, "", "    "
    for character in value:
        depth += (character in "([") - (character in ")]")
        if character == "|" and depth == 0:
            yield f"{mark}{part.strip()}"
            part, mark = "", "    | "
        else:
            part += character
    yield f"{mark}{part.strip()}"
    yield ")"


def _constructor(name: str, cls: griffe.Class) -> str:
    """Show the constructor that attrs makes, or the arguments that a `TypedDict` is for."""
    bases = (fields(base) for base in cls.mro() if _page_of(base))
    own = fields(cls).keys() - {name for base in bases for name in base}
    parameters = griffe.Parameters(*(each for name, each in fields(cls).items() if name in own))
    signature = griffe.Function(name, parameters=parameters).signature()
    return signature.replace("extra_field()", "{}")


def _without_self(signature: str) -> str:
    return re.sub(r"\((self|cls)(, )?", "(", signature, count=1)


def _wrapped(signature: str) -> Iterator[str]:
    """Break a long signature at its arguments."""
    if len(signature) <= WIDTH:
        yield signature
        return
    head, _, rest = signature.partition("(")
    depth, argument = 0, ""
    yield f"{head}("
    for position, character in enumerate(rest):
        if character == ")" and depth == 0:
            yield f"    {argument.strip()},"
            yield rest[position:]
            return
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            yield f"    {argument.strip()},"
            argument = ""
        else:
            argument += character


def _section(section: griffe.DocstringSection, thing: griffe.Object) -> Iterator[str]:
    if section.kind is griffe.DocstringSectionKind.text:
        yield _markdown(str(section.value)) + "\n"
        return
    yield f"**{section.kind.value.capitalize().replace('Parameters', 'Arguments')}**\n"
    for item in section.value:
        label = getattr(item, "name", None) or str(item.annotation or "")
        text = " ".join(_markdown(item.description).split())
        typed = _type_of(thing, label) if section.kind.value == "attributes" else ""
        yield f"* `{label}`{typed}: {text}" if label else f"* {text}"
    yield ""


def _type_of(thing: griffe.Object, attribute: str) -> str:
    """Return the type of an attribute, unless the constructor that attrs makes shows it."""
    if isinstance(thing, griffe.Class) and attribute in fields(thing):
        return ""
    member = thing.members.get(attribute)
    annotation = getattr(member and resolved(member), "annotation", None)
    return f" (`{annotation}`)" if annotation else ""


def _constants(cls: griffe.Class) -> Iterator[str]:
    """List the members of an enumeration, with what they mean."""
    if any("Enum" in str(base) for base in cls.bases):
        for each in cls.attributes.values():
            if each.value is not None:
                meaning = f": {_markdown(each.docstring.value)}" if each.docstring else ""
                yield f"* `{each.name} = {each.value}`{' '.join(meaning.split())}"
        yield ""


def _markdown(text: str) -> str:
    """Turn the markup of docstrings into Markdown."""
    return "\n\n".join(_blocks(re.split(r"\n\s*\n", text.strip())))


def _blocks(paragraphs: Iterable[str]) -> Iterator[str]:
    is_literal = False
    literal: list[str] = []
    for paragraph in paragraphs:
        if is_literal and paragraph.startswith("    "):
            literal.append(dedent(paragraph))
            continue
        if literal:
            yield _fenced("python", "\n\n".join(literal))
            literal = []
        is_literal = paragraph.rstrip().endswith("::")
        if paragraph.startswith(">>> "):
            yield _fenced("python", paragraph)
        elif paragraph.startswith("=="):
            yield "\n".join(_table(paragraph))
        elif prose := paragraph.removesuffix("::").rstrip():
            yield _prose(prose) + ":" * (is_literal and not paragraph.endswith(" ::"))
    if literal:
        yield _fenced("python", "\n\n".join(literal))


def _table(text: str) -> Iterator[str]:
    """Turn a simple table of reStructuredText into one of Markdown."""
    rule, *lines, _ = text.splitlines()
    starts = [each.start() for each in re.finditer("=+", rule)]
    rows: list[list[str]] = []
    for line in lines:
        if line == rule:
            rows.append(["---"] * len(starts))
            continue
        ends = (*starts[1:], len(line))
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if not cells[0]:  # it goes on with the row before
            cells = [" ".join(filter(None, each)) for each in zip(rows.pop(), cells, strict=True)]
        rows.append(cells)
    for row in rows:
        yield " | ".join(_prose(each.replace("|", chr(92) + "|")) for each in row)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _prose(text: str) -> str:
    text = re.sub(r"(?<=: )https://\S+\w", r"<\g<0>>", text)  # a link of Markdown
    return re.sub(r"(?<!`)`([\w.]+)`(?!`)", _linked, text.replace("``", "\0")).replace("\0", "`")


def _linked(name: re.Match[str]) -> str:
    return f"[{name[0]}]({anchors()[name[1]]})" if name[1] in anchors() else name[0]


def _own_linked(text: str, owner: str, thing: griffe.Object) -> str:
    """Link the methods that the docstrings of a class name without the class."""
    arguments = thing.parameters if isinstance(thing, griffe.Function) else ()

    def linked(name: re.Match[str]) -> str:
        is_argument = name[1] in arguments
        anchor = None if is_argument else anchors().get(f"{owner}.{name[1]}")
        return f"[{name[0]}]({anchor})" if anchor else name[0]

    return re.sub(r"(?<![\[`])(?<!^\* )`(\w+)`(?![\]`])", linked, text)


@cache
def anchors() -> dict[str, str]:
    """Know the page and the anchor of each heading; of equal ones the later are numbered."""
    found: dict[str, str] = {}
    for page in PAGES:
        seen = Counter[str]()
        for name, _ in _documented_in(page):
            slug = re.sub(r"[^\w-]", "", name.lower())
            found[name] = (
                f"{page.name}#{slug}-{seen[slug]}" if seen[slug] else f"{page.name}#{slug}"
            )
            seen[slug] += 1
    for name, thing in documented().items():
        if isinstance(thing, griffe.Class):
            for member, owner in _members(thing):
                found.setdefault(f"{name}.{member.name}", found[f"{owner.name}.{member.name}"])
    return found


if __name__ == "__main__":
    write()
