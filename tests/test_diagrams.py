"""The diagrams in docs/diagrams."""

import re
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]


def test_every_module_has_its_place() -> None:
    """The diagram of the two wings names each module in the layers of the package and its wings."""
    diagram = (ROOT / "docs" / "diagrams" / "two-wings.svg").read_text(encoding="utf-8")
    named = set(re.findall(r"\w+", " ".join(re.findall(r"<text.*>(.+)</text>", diagram))))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    lines = [
        line
        for contract in contracts
        if "testing" not in str(contract.get("containers"))
        for line in contract.get("layers", [])
    ]
    layers = {layer for line in lines for layer in line.split(" | ")}
    assert layers - {"notifications"} <= named
