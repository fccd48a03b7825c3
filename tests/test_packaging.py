"""What an installer, a type checker, pytest and CI find."""

import os
import re
import shutil
import subprocess
import tokenize
from importlib.metadata import distribution, metadata, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import webex_webhooks_async

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
NAME = "webex-webhooks-async"
PACKAGE = Path(webex_webhooks_async.__file__).parent

README_OF_ANOTHER_PROJECT = """
```bash
echo not this
```

<!-- test command -->
```bash
echo "this one, in $PWD" && exit {status}
```

```bash
echo nor this
```
"""


def test_what_is_required() -> None:
    """A plain install brings four packages, each with a lower bound, and httpx below 1.0."""
    required = [Requirement(line) for line in requires(NAME) or []]
    others = [each for each in required if each.name != NAME]
    bounds = {each.name: {bound.operator for bound in each.specifier} for each in others}
    (httpx,) = (each for each in others if each.name == "httpx")

    assert {each.name for each in others if each.marker is None} == {
        *("attrs", "cattrs", "httpx", "sniffio")
    }
    assert {name for name, operators in bounds.items() if ">=" not in operators} == set()
    assert {name for name, operators in bounds.items() if operators != {">="}} == {"httpx"}
    assert not httpx.specifier.contains("1.0.dev3", prereleases=True)


def test_what_is_installed(pytestconfig: pytest.Config) -> None:
    """The command webex-webhooks, a plugin that pytest loads, and py.typed."""
    entry_points = distribution(NAME).entry_points
    (command,) = entry_points.select(group="console_scripts")
    (plugin,) = entry_points.select(group="pytest11")

    assert command.name == "webex-webhooks"
    assert callable(command.load())
    assert pytestconfig.pluginmanager.get_plugin(plugin.name) is plugin.load()
    assert (PACKAGE / "py.typed").is_file()


def test_the_description_has_no_link_to_a_file() -> None:
    """The package index gets no link of README.md to a file of the repository."""
    description = metadata(NAME)["Description"]
    targets = re.findall(r"""(?:\]\(|(?:href|src|srcset)=["'])([^)"'\s]+)""", description)

    assert description.startswith(f"# {NAME}\n")
    assert [each for each in targets if not each.startswith(("https:", "#"))] == []


def test_the_changelog_begins_with_what_is_next() -> None:
    """The first section is `Unreleased` or this version; each version has its date."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall("^## (.+)$", changelog, re.MULTILINE)
    dated = [each for each in sections if re.fullmatch(r"[\d.]+ - \d{4}-\d\d-\d\d", each)]

    assert sections in (["Unreleased", *dated], dated)
    assert sections[0].startswith(("Unreleased", f"{version(NAME)} - "))


def test_ci_has_every_python_that_is_promised() -> None:
    """The workflow installs each Python of the classifiers, so no session is skipped."""
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    classifiers = "\n".join(metadata(NAME).get_all("Classifier") or [])

    assert re.findall(r"^ +(3\.\d+)$", workflow, re.MULTILINE) == re.findall(
        r":: (3\.\d+)$", classifiers, re.MULTILINE
    )


LISTED = "* tests-3.13 -> ...\\n- tests-3.12 -> ...\\n- bare-3.12 -> ...\\n- audit -> ...\\n"


@pytest.mark.parametrize(
    ("status", "of_newer_pythons", "expected", "printed"),
    [
        (7, 0, 7, ["this one, in {folder}"]),
        (0, 8, 8, ["this one, in {folder}", "nox -s tests-3.12 bare-3.12", "newer Pythons"]),
        (
            *(0, 0, 0),
            [
                *("this one, in {folder}", "nox -s tests-3.12 bare-3.12"),
                *("newer Pythons", "nox -s chaos"),
            ],
        ),
    ],
)
def test_ci_runs_the_test_command_of_the_readme(
    tmp_path: Path, status: int, of_newer_pythons: int, expected: int, printed: list[str]
) -> None:
    """`.ci/run` runs README.md's command, the other Pythons, and chaos; if one fails, it fails."""
    readme = README_OF_ANOTHER_PROJECT.replace("{status}", str(status))

    done = run_ci(tmp_path, readme, of_newer_pythons)

    assert done.returncode == expected
    assert done.stdout.splitlines()[1:] == [each.format(folder=tmp_path) for each in printed]


def test_ci_fails_when_the_readme_has_no_test_command(tmp_path: Path) -> None:
    """`.ci/run` fails if README.md has no test command."""
    assert run_ci(tmp_path, "# A project\n").returncode == 1


def run_ci(
    folder: Path, readme: str, of_newer_pythons: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a copy of `.ci/run` in a folder with this README.md."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci")
    newer = f"echo newer Pythons\nexit {of_newer_pythons}\n"
    for tool, does in (("chromium", ""), ("pgbouncer", ""), ("newer-pythons", newer)):
        (folder / ".ci" / tool).write_text(f"#!/bin/sh\n{does}")
        (folder / ".ci" / tool).chmod(0o755)
    nox = folder / ".venv" / "bin" / "nox"
    nox.parent.mkdir(parents=True)
    nox.write_text(f"#!/bin/sh\n[ $1 != --list ] && echo nox $* || printf '{LISTED}'\n")
    nox.chmod(0o755)
    (folder / "README.md").write_text(readme)
    script = folder / ".ci" / "run"
    return subprocess.run([script], capture_output=True, text=True, check=False, timeout=60)


def test_newer_pythons_that_can_not_be_tested_are_reported(tmp_path: Path) -> None:
    """If `.ci/newer-pythons` can't make a chroot, it reports what isn't tested, and succeeds."""
    for tool in ("python3.14", "python3.15", "grep"):
        (tmp_path / tool).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / tool).chmod(0o755)

    done = subprocess.run(
        [ROOT / ".ci" / "newer-pythons"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0
    assert done.stderr.startswith("!!! NOT TESTED on Python 3.14 3.15: ")


def test_every_ignored_rule_has_a_reason() -> None:
    """In pyproject.toml each disabled rule of ruff has a comment."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ruff = pyproject.partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.pydocstyle]")[0]
    ignored = [line for line in ruff.splitlines() if re.match(r'  "[A-Z]+\d*",', line)]

    assert ignored
    assert [line for line in ignored if not re.search(r",\s+# \w", line)] == []


def test_every_suppression_has_a_reason() -> None:
    """Each `noqa` and `type: ignore` names a code and a reason."""
    suppression = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore|pragma:)")
    what = r"noqa: [A-Z0-9, ]+|(type|pyright): ignore\[[\w, -]+\]|pragma: no \w+"
    reasoned = re.compile(rf"# ({what}) +(-|#) \w")
    folders = (PACKAGE, ROOT / "tests", ROOT / "docs")
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    bare: list[str] = []
    for path in paths:
        with path.open("rb") as file:
            bare += [
                f"{path}:{token.start[0]}: {token.string}"
                for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.COMMENT
                and suppression.search(token.string)
                and not reasoned.search(token.string)
            ]

    assert not bare, "\n".join(["no reason stands behind", *bare])
