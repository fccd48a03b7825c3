"""Builds the documentation with Sphinx and MyST: every page is plain Markdown."""

from importlib.metadata import version as installed_version

project = "webex-webhooks-async"
author = "The webex-webhooks-async contributors"
copyright = author  # noqa: A001 - Sphinx's own name for it
version = release = installed_version(project)

extensions = ["myst_parser"]
exclude_patterns = ["_build", "examples"]
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["widths.css"]

myst_heading_anchors = 4
myst_links_external_new_tab = True
