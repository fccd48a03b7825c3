"""Makes tests of the code blocks in the documents."""

from tests.support.documents import documents

pytest_collect_file = documents.pytest()
