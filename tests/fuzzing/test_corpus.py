from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzzing import targets
from tests.fuzzing.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def seeds(target: str) -> Iterator[Path]:
    """The files that a target has in the corpus."""
    yield from sorted((CORPUS / target).iterdir())


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param(target, path, id=f"{target}-{path.name}")
        for target in TARGETS
        for path in seeds(target)
    ],
)
def test_what_was_found_once_holds(target: str, path: Path) -> None:
    """No file in the corpus makes its target fail, without the fuzzer."""
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize(
    ("target", "function", "result"),
    [
        ("signatures", "verify", None),
        ("parsing", "to_json", b'{"id":"","name":"","resource":"","event":"","data":{}}'),
        ("links", "target_on", "@evil.example"),
        ("errors", "Redactor", str),
        ("disposition", "file_name", "../passwd"),
    ],
)
def test_a_target_fails_if_what_it_tests_is_broken(
    target: str, function: str, result: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The corpus alone makes a target fail if what it tests is broken."""

    def broken(*_: object, **__: object) -> object:
        return result

    monkeypatch.setattr(targets, function, broken)

    with pytest.raises(AssertionError):
        replay(target)


def replay(target: str) -> None:
    """Run a target on all its files in the corpus."""
    for path in seeds(target):
        TARGETS[target](path.read_bytes())
