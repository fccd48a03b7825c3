"""Builds the documentation with Sphinx and MyST: every page is plain Markdown."""

import re
from importlib.metadata import version as installed_version

from sphinx.application import Sphinx

project = "webex-webhooks-async"
author = "The webex-webhooks-async contributors"
copyright = author  # noqa: A001 - Sphinx's own name for it
version = release = installed_version(project)

extensions = ["myst_parser", "sphinx_copybutton"]
copybutton_prompt_text = r"\$ |PS> |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
exclude_patterns = ["_build", "examples"]
html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = project
html_static_path = ["static"]
html_css_files = ["widths.css"]

smartquotes = False  # so that the search finds "doesn't" in a title
myst_heading_anchors = 4
myst_links_external_new_tab = True


INDEX = re.compile(r"<!-- index: (.+) -->")


def add_index_entries(_: Sphinx, __: str, source: list[str]) -> None:
    """Turn `<!-- index: 401, edit -->` into main entries, which the search shows first.

    It leaves out numbers in a text.
    """
    source[0] = INDEX.sub(
        lambda found: f"```{{index}} !{found[1].replace(', ', ', !')}\n```", source[0]
    )


def setup(app: Sphinx) -> None:
    """Extend Sphinx, which calls this."""
    app.connect("source-read", add_index_entries)
