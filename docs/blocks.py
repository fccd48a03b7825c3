"""Writes the Python of the documents as modules for mypy: `python -m docs.blocks FOLDER`.

The blocks of a document that share a namespace are one module, in which each line has its number;
a block that is shown and is a file, or defines tests, is another one. What a page takes from
`docs/examples`, or skips, is left out.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"(?<!<!-- skip: next -->\n)(?<!<!-- skip: next -->\n\n)"
    r"^(?P<mark>```|<!-- invisible-code-block: )python\n(?!>>>)(?P<code>.*?)^(?:```|-->)$",
    re.DOTALL | re.MULTILINE,
)
OWN_FILE = re.compile(r"\A# \w+\.py\n|^(?:async )?def test_", re.MULTILINE)
GIVEN = "from typing import Any; sandbox: Any; __stage__: Any\n"
"""What each document finds, in its first line, which is its title."""


def modules(page: Path) -> dict[str, str]:
    """Return the modules of a document by their names."""
    text = page.read_text(encoding="utf-8")
    name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
    found: dict[str, str] = {}
    shared = [""] * text.count("\n")
    for block in BLOCK.finditer(text):
        line = text[: block.start("code")].count("\n")
        if OWN_FILE.search(block["code"]):
            if block["mark"] != "```":
                continue  # a test of the page, which nobody reads
            found[f"{name}_{line}"] = "\n" * line + block["code"]
        else:
            lines = block["code"].splitlines()
            shared[line : line + len(lines)] = lines
    found[name] = GIVEN + "\n".join(shared[1:]) + "\n"
    return found


if __name__ == "__main__":
    for page in (ROOT / "docs").glob("[!_]*/**/*.md"):
        if page.parent.name == "reference":  # its blocks are docstrings
            continue
        for name, module in modules(page).items():
            Path(sys.argv[1], f"{name}.py").write_text(module, encoding="utf-8")
