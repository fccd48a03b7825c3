"""The examples in docstrings."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from sybil import Document
from sybil.document import PythonDocStringDocument

import webex_webhooks_async
from tests.support.documents import find_doctests, set_up, tear_down

pytestmark = pytest.mark.once

PACKAGE = webex_webhooks_async.__name__
PUBLIC = {name: getattr(webex_webhooks_async, name) for name in dir(webex_webhooks_async)}
MODULES = [
    PACKAGE,
    *(
        module.name
        for module in pkgutil.walk_packages(webex_webhooks_async.__path__, f"{PACKAGE}.")
    ),
]


def docstrings() -> Iterator[Document]:
    """Find the docstrings that have examples."""
    for name in MODULES:
        module = import_module(name)
        path = str(module.__file__)
        source = Path(path).read_text(encoding="utf-8")
        for _, _, text in PythonDocStringDocument.extract_docstrings(source):
            document = Document(text, path)
            for example in find_doctests(text, path):
                document.add(example)
            if document.regions:
                document.namespace.update(PUBLIC | vars(module))
                yield document


def name_of(docstring: Document) -> str:
    """Name a docstring by its module and its summary."""
    return f"{Path(docstring.path).stem}: {docstring.text.splitlines()[0]}"


@pytest.mark.parametrize("docstring", list(docstrings()), ids=name_of)
def test_the_examples_of_a_docstring_hold(docstring: Document) -> None:
    """Each example runs, with the public names and those of its module, and shows its outcome."""
    set_up(docstring.namespace)
    try:
        for example in docstring.examples():
            example.evaluate()
    finally:
        tear_down(docstring.namespace)
