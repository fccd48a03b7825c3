"""What documents promise: pages, links, diagrams, pictures, tests in SECURITY.md, and examples."""

import ast
import html
import re
import runpy
import tomllib
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from sybil import Document
from sybil.document import PythonDocStringDocument

import webex_webhooks_async
from docs.generate import PAGES, up_to_date
from tests.support.documents import find_doctests, set_up, tear_down
from tests.support.surface import FIELDS, HEADERS, LOGGED, VARIABLES, surface

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
REFERENCE = tuple((ROOT / "docs" / "reference").glob("*.md"))
NAME = re.compile(r"(?:(?:@property|class|async def|def) )?\*{0,2}(?P<name>[\w-]+)(?:[ (:=].*)?")
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
)
BLOCK = re.DOTALL | re.MULTILINE
FENCED = re.compile(r"^```.*?^```", BLOCK)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
DIFFERENT_EACH_TIME = re.compile(
    r"\w+\.[0-9a-f]{8}(?=@)"  # who writes
    r"|(?<=127\.0\.0\.1:)\d+"
    r"|(?<=process )\d+"
    r"|[0-9a-f]{40,}…?"  # signatures
    r"|Y2lz\w+(?:\n\w+)?"  # ids, of which some are longer than a line
    r"|\d{4}-\d\d-\d\dT[\d:.]+Z"
    r"|\d\d:\d\d:\d\d"
)
_, _, WHO = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## Who can do what")
SECTIONS = dict(re.findall(r"^### ([^\n]+)\n(.+?)(?=^##)", WHO, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_generated_page_says_what_the_code_says(page: Path) -> None:
    """Each part of the reference that comes from the code is up to date."""
    assert page.read_text(encoding="utf-8").splitlines() == up_to_date(page).splitlines(), (
        "run python -m docs.generate"
    )


def test_the_reference_has_all_that_users_write() -> None:
    """The reference names all that users may write."""
    pages = {page.stem: page.read_text(encoding="utf-8") for page in REFERENCE}
    lacking = [
        (entry.partition("\n")[0], name)
        for title, entry in entries()
        for description in [described(title, entry, pages)]
        for name in names_in(entry)
        if not re.search(rf"(?i)(?<![\w-]){re.escape(name)}(?!\w)", description)
    ]

    assert lacking == []


@pytest.mark.parametrize("kind", [HEADERS, LOGGED, VARIABLES], ids=["header", "field", "variable"])
def test_the_reference_names_nothing_else(kind: re.Pattern[str]) -> None:
    """Each header, log field and environment variable in the reference is in the package."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE)
    named = {each.lower() for each in re.findall(r"`([\w-]+)`", pages) if kind.fullmatch(each)}
    known = {*re.findall(r"[\w-]+", surface().lower())}

    assert named
    assert named - known == set()


def test_a_table_says_what_to_do_about_each_error() -> None:
    """Each public error is in the first column of "What you do"."""
    text = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    table = re.split(r"^## ", text.partition("## What you do\n")[2], flags=re.MULTILINE)[0]
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("|")]
    errors = {name for name in dir(webex_webhooks_async) if name.endswith("Error")}

    assert errors - {*re.findall(r"`(\w+)`", " ".join(rows))} == set()


@pytest.mark.parametrize("page", REFERENCE, ids=lambda page: page.stem)
def test_each_member_of_an_enumeration_has_a_meaning(page: Path) -> None:
    """The reference says what it is for, beside its value."""
    assert re.findall(r"(?m)^\* `[A-Z_]+ = .+`$", page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", REFERENCE, ids=lambda page: page.stem)
def test_a_reference_to_another_description_is_a_link(page: Path) -> None:
    """What is "as for" another function, or is what that raises, says where that is described."""
    text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))

    assert re.findall(r"\b(?:as for|as of|those of|as in) `\w+`", text) == []


def entries() -> Iterator[tuple[str, str]]:
    """The entries of the public surface, such as a class with its members, below their titles."""
    for section in re.split(r"^# ", surface(), flags=re.MULTILINE)[1:]:
        title, _, rest = section.partition("\n")
        for entry in rest.strip().split("\n\n"):
            yield title, entry.splitlines()[0] if title == "what these speak of" else entry


def names_in(entry: str) -> Iterator[str]:
    """What an entry names: itself, members, fields, parameters, options."""
    depth = 99  # of what isn't public
    for line in entry.replace(FIELDS, "").splitlines():
        indent = len(line) - len(line.lstrip())
        if (found := NAME.fullmatch(line.strip())) is None or indent > depth:
            continue
        is_private = found["name"].startswith("_") and found["name"] != "__version__"
        depth = indent if is_private and found["name"] != "__init__" else 99
        if not is_private:
            yield found["name"]


def described(title: str, entry: str, pages: dict[str, str]) -> str:
    """The part of the reference that describes an entry, with the classes to which it refers."""
    if title == "the command webex-webhooks":
        return pages["command-line"]
    if not title.startswith(("from", "the fixtures")) or entry.startswith("__version__"):
        return pages["names"] + pages["environment"]
    heading = re.compile(rf"(?ms)^(#+) `{next(names_in(entry))}`\n(.*?)(?=^#+ |\Z)")
    for text in pages.values():
        if found := heading.search(text):
            end = re.compile(rf"(?m)^##{{1,{len(found[1]) - 1}}} ").search(text, found.end(1))
            own = text[found.start() : end.start() if end else None]
            others = re.findall(r"(?m)^As \[`(\w+)`\]", own)
            return own + "".join(described(title, f"class {each}", pages) for each in others)
    return ""


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Each link to a file of the repository, or to a heading, has a target."""
    dead: list[str] = []
    for target, anchor in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        path = (page.parent / target).resolve() if target else page
        exists = path.exists()
        if not exists or (anchor and path.suffix == ".md" and anchor not in headings(path)):
            dead.append(f"{target}#{anchor}" if anchor else target)

    assert dead == []


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub and MyST make of the headings of a page."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    anchors: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        same = re.compile(rf"{re.escape(slug)}(-\d+)?")
        count = sum(same.fullmatch(each) is not None for each in anchors)
        anchors.append(f"{slug}-{count}" if count else slug)
    return set(anchors)


@pytest.mark.parametrize(
    ("word", "page"), [("timeout", "conversation"), ("token expired", "integration")]
)
def test_the_search_finds_what_people_look_for(word: str, page: str) -> None:
    """The search shows the page that has a word in its index first, and one page alone has it."""
    found = [
        each.stem
        for each in (ROOT / "docs").rglob("*.md")
        for entries in re.findall("<!-- index: (.+) -->", each.read_text(encoding="utf-8"))
        if word in entries.split(", ")
    ]

    assert found == [page]


def test_a_picture_shows_a_conversation_before_anything_is_listed() -> None:
    """README, and so the index of the site, begins with a conversation, before any list."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, picture, after = readme.partition("](docs/pictures/conversation.png)")
    pitch = before.partition("<!-- pitch -->")[2]

    assert picture
    assert re.findall(r"(?m)^(?:[*#|]|\d\.|```)", pitch) == []
    assert "<!-- end of the pitch -->" in after


def programs() -> Iterator[tuple[str, ast.Module]]:
    """The Python in documents and examples, each with the name of its file."""
    for page in DOCUMENTS:
        for block in re.findall(r"^```python\n(?!>>>)(.*?)^```", page.read_text("utf-8"), BLOCK):
            yield page.name, ast.parse(block)
    for path in (ROOT / "docs" / "examples").rglob("*.py"):
        yield path.name, ast.parse(path.read_bytes())


def test_a_block_uses_what_it_imports() -> None:
    """Each name that a block or an example imports is used there."""
    unused = [
        f"{name}: {each.asname or each.name}"
        for name, program in programs()
        for node in ast.walk(program)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for each in node.names
        if (each.asname or each.name).partition(".")[0]
        not in {used.id for used in ast.walk(program) if isinstance(used, ast.Name)}
    ]

    assert unused == []


def test_a_lifespan_ends_what_it_has_begun() -> None:
    """Nothing is awaited after its yield outside of a finally, which an error would pass over."""
    skipped = [
        f"{name}: {ast.unparse(end)}"
        for name, program in programs()
        for node in ast.walk(program)
        if isinstance(node, ast.AsyncFunctionDef)
        and any("asynccontextmanager" in ast.unparse(each) for each in node.decorator_list)
        for block in ast.walk(node)
        if isinstance(block, ast.AsyncFunctionDef | ast.AsyncWith)
        for begin, end in pairwise(block.body)
        if any(isinstance(each, ast.Yield) for each in ast.walk(begin))
        and any(isinstance(each, ast.Await) for each in ast.walk(end))
    ]

    assert skipped == []


def test_a_message_chooses_no_path_elsewhere() -> None:
    """What a person has written is a parameter of a request to another service, never its path."""
    methods = {"get", "post", "put", "patch", "delete", "request", "stream"}
    calls = [
        f"{name}: {ast.unparse(node)}"
        for name, program in programs()
        for node in ast.walk(program)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in methods
        for argument in node.args
        if isinstance(argument, ast.JoinedStr)
        and re.search(r"\{context\.(text|arguments|inputs|message)", ast.unparse(argument))
    ]

    assert calls == []


def test_every_module_has_its_place() -> None:
    """The diagram of the layout names each module in the layers of the package and its rooms."""
    diagram = (ROOT / "docs" / "diagrams" / "layout.svg").read_text(encoding="utf-8")
    named = set(re.findall(r"\w+", " ".join(re.findall(r"<text.*>(.+)</text>", diagram))))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    lines = [
        line
        for contract in contracts
        if "testing" not in str(contract.get("containers"))
        for line in contract.get("layers", [])
    ]
    assert {layer for line in lines for layer in re.split(" [|:] ", line)} <= named


def text_of(svg: str) -> str:
    """The text of a picture, without the parts that differ each time."""
    shown = "".join(re.findall(r"<text [^>]*>([^<]*)</text>", svg)).replace("&#160;", " ")
    text = " ".join(DIFFERENT_EACH_TIME.sub("…", html.unescape(shown)).split())
    return re.sub("(> )+", "> ", text)  # a prompt comes again after what arrives behind it


@pytest.mark.parametrize("name", ["demo", "dev", "listen", "chat"])
def test_a_picture_shows_what_the_program_shows(name: str) -> None:
    """Each picture is as `python docs/pictures/draw.py NAME` draws it today."""
    draw = runpy.run_path(str(PICTURES / "draw.py"))["PICTURES"][name]
    assert text_of(draw()) == text_of((PICTURES / f"{name}.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_what_is_promised_is_tested(section: str) -> None:
    """Each section of SECURITY.md names tests, and they exist."""
    names = re.findall(r"`(tests/\S+\.py|test_\w+)`", section)
    missing: list[str] = []
    source = ""
    for name in names:
        if name.startswith("tests/"):
            source = (ROOT / name).read_text(encoding="utf-8")
        elif not re.search(rf"\bdef {name}\(", source):
            missing.append(name)

    assert names
    assert missing == []


def docstrings() -> Iterator[Document]:
    """Find the docstrings that have examples."""
    public = {name: getattr(webex_webhooks_async, name) for name in dir(webex_webhooks_async)}
    package = Path(webex_webhooks_async.__file__).parent
    for file in package.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        if ">>>" not in source:
            continue
        place = file.parent if file.stem == "__init__" else file.with_suffix("")
        module = import_module(".".join(place.relative_to(package.parent).parts))
        path = str(file)
        for _, _, text in PythonDocStringDocument.extract_docstrings(source):
            document = Document(text, path)
            for example in find_doctests(text, path):
                document.add(example)
            if document.regions:
                document.namespace.update(public | vars(module))
                yield document


@pytest.mark.parametrize(
    "docstring",
    list(docstrings()),
    ids=lambda each: f"{Path(each.path).stem}: {each.text.splitlines()[0]}",
)
def test_the_examples_of_a_docstring_hold(docstring: Document) -> None:
    """Each example runs, with the public names and those of its module, and shows its outcome."""
    set_up(docstring.namespace)
    try:
        for example in docstring.examples():
            example.evaluate()
    finally:
        tear_down(docstring.namespace)
