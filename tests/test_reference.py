"""The pages of the documentation as files: what GitHub and Sphinx show."""

import re
from pathlib import Path

import pytest

import webex_webhooks_async
import webex_webhooks_async.testing
from docs.generate import PAGES, documented, up_to_date

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_generated_page_says_what_the_code_says(page: Path) -> None:
    """Each part of the reference that comes from the code is up to date."""
    assert page.read_text(encoding="utf-8").splitlines() == up_to_date(page).splitlines(), (
        "run python -m docs.generate"
    )


def test_every_public_name_is_in_the_reference() -> None:
    """The reference describes each name that users import."""
    public = {*dir(webex_webhooks_async), *webex_webhooks_async.testing.__all__}

    assert public - documented().keys() == {"__version__"} & public


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
