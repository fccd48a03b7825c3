"""Makes tests of the code blocks in the documents, and loads the plugin that imports httpx.

The session `httpx2` has turned httpx into httpx2 by then.
"""

from tests.support.documents import documents

pytest_plugins = ["respx.plugin"]
pytest_collect_file = documents.pytest()
