"""Builds the documentation with Sphinx: MyST for the pages, autodoc for the reference."""

import io
from collections.abc import Iterator
from importlib.metadata import version as installed_version

from docutils.nodes import Element, Node, TextElement
from rich.console import Console
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from webex_webhooks_async.catalog import CATALOG
from webex_webhooks_async.cli.app import app as command_line
from webex_webhooks_async.models.notifications import data_classes

PACKAGE = "webex_webhooks_async"

project = "webex-webhooks-async"
author = "The webex-webhooks-async contributors"
copyright = author  # noqa: A001 - Sphinx's own name for it
version = release = installed_version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "examples"]
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["widths.css"]

myst_heading_anchors = 3
myst_links_external_new_tab = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
napoleon_use_rtype = False

# Docstrings write `name` for what is linked if it can be, arguments among them.
default_role = "py:obj"
nitpick_ignore_regex = [
    ("py:.*", rf"(?!{PACKAGE}\b).*\..*"),  # other projects' pages aren't at hand: built offline
    ("py:(class|data|exc)", r"\w+"),  # builtins, type variables and what they abbreviate
    ("py:class", rf"{PACKAGE}\..*\.[A-Z](_co)?"),  # type variables
    ("py:obj", r"[a-z_]+"),  # arguments and attributes
    ("py:class", rf"{PACKAGE}\..*\.(ClientOptions|RedisClient|WebhookChanges)"),  # for checkers
]


def resolve_to_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: TextElement
) -> Element | None:
    """Find a class under the name that users import, not under the module that defines it."""
    target = str(node["reftarget"])
    if not target.startswith(f"{PACKAGE}."):
        return None
    public = f"{PACKAGE}.{target.rpartition('.')[2]}"
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, contnode)


def shield_property(
    _app: Sphinx, _what: str, _name: str, obj: object, _options: object, lines: list[str]
) -> None:
    """Keep napoleon from taking what stands before a colon in the first line for a type."""
    if isinstance(obj, property):
        lines[:0] = ["..", ""]  # an empty comment


def resources() -> Iterator[str]:
    """Tell in a table what can be watched."""
    yield "| resource | events | filter keys | data |"
    yield "|---|---|---|---|"
    for resource, watchable in CATALOG.items():
        name = f"{resource} (org)" if watchable.org_only else str(resource)
        starred = (
            f"`{key}`*" if key in watchable.org_filters else f"`{key}`"
            for key in sorted(watchable.filters)
        )
        data = (
            f"{{py:obj}}`~{PACKAGE}.{data_classes[resource].__name__}`"
            if resource in data_classes
            else ""
        )
        yield f"| {name} | {' '.join(sorted(watchable.events))} | {' '.join(starred)} | {data} |"


def commands() -> Iterator[str]:
    """Tell of each command what its `--help` tells."""
    for name in command_line.resolved_commands():
        if not name.startswith("-"):
            page = io.StringIO()
            command_line.help_print([name], console=Console(file=page, width=80))
            yield f"## {name}\n```text\n{page.getvalue().strip()}\n```\n"


class FromCode(SphinxDirective):
    """Makes a part of a page from the code, so that it can't say anything else."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Give what one of the functions above tells."""
        tell = {"commands": commands, "resources": resources}[self.arguments[0]]
        return self.parse_text_to_nodes("\n".join(tell()), allow_section_headings=True)


def setup(app: Sphinx) -> None:
    """Extend Sphinx."""
    app.add_directive("from-code", FromCode)
    app.connect("missing-reference", resolve_to_public_name)
    app.connect("autodoc-process-docstring", shield_property, priority=400)  # napoleon's is 500
