import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.harness import Invoke, ServedWebex, served_webex
from webex_webhooks_async.inbox.sqlite_file import InboxFile

CREATE = "create --name bot --resource messages --event created --target-url"
AT_A_URL = f"{CREATE} https://example.com"
LOGIN = "login --token-file tokens.json --scope s"
TRIGGER = "trigger messages created --secret-env SECRET --to"
TO = "--to http://127.0.0.1:1"
TO_A_BOT = f"trigger messages created --secret-env SECRET {TO}"
IN_A_SANDBOX = "trigger messages created --sandbox"

ADDRESS = "--as must be an address, such as ann@example.com"
NO_PATH = "--set takes a path and a value, such as data.roomId=Y2lz"
NO_JSON = "what follows := must be JSON: $"
REDIRECT = "--redirect-uri must be http on this machine, with a port that isn't 0, such as"
NO_SCHEMA = "schema can't be the name of one: it must have 63 bytes at most"
URL = "must be an absolute http(s) URL"


@pytest.fixture(scope="module")
def unused() -> Iterator[ServedWebex]:
    """A sandbox that is never called."""
    with served_webex() as served:
        yield served


@pytest.fixture(autouse=True)
def _folder(unused: ServedWebex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with an inbox alone, as an integration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBEX_BASE_URL", unused.base_url)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "a-canary-token")
    monkeypatch.setenv("WEBEX_CLIENT_ID", "C1")
    monkeypatch.setenv("WEBEX_CLIENT_SECRET", "a-canary-client-secret")
    monkeypatch.setenv("NO_TEXT", "a-canary\udcff")
    InboxFile.open(Path("inbox.db")).close()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lisst", 'Unknown command "lisst". Did you mean "list"?'),
        ("webhooks lisst", 'Unknown command "lisst". Did you mean "list"?'),
        ("list --bogus", "Unknown option: --bogus"),
        ("--base-url x list", "unknown option --base-url: options come after the command"),
        ("get ''", "WEBHOOK_ID is empty\n"),
        ("get a b", "unexpected argument 'b'\n"),
        ("verify --secret-env", "--secret-env needs a value\n"),
        ("list --owned-by nobody", 'Invalid value "nobody" for --owned-by'),
        ("list --show-secret", "the table has no secrets: use --show-secret with --json\n"),
        ("list --base-url http://example.com/v1", "base_url must be https"),
        ("delete W1 W\udcff --yes", "MORE_IDS is not valid Unicode, probably"),
        ("delete W1 '' --yes", "MORE_IDS is empty\n"),
        ("delete some-id", "there is no terminal to ask before deleting: pass --yes\n"),
        ("update some-id", "nothing to change: pass --name"),
        (f"{CREATE} example.com", f"target_url {URL}, got 'example.com'"),
        (f"{AT_A_URL} --secret-env UNSET", "there is no secret in the environment variable UNSET"),
        (f"{AT_A_URL} --secret-file /dev/null", "there is no secret in /dev/null\n"),
        (f"{AT_A_URL} --secret-file /nowhere", "can't read /nowhere: No such file or directory\n"),
        (
            f"{AT_A_URL} --secret-env A --secret-file B",
            "--secret-env and --secret-file exclude",
        ),
        ("ensure --dry", "there is no option --dry; a file of that name is"),
        ("ensure x --prune ''", "--prune is empty\n"),
        ("sandbox --port 70000", "--port must be from 0 (any free one) to 65535\n"),
        ("sandbox --bot-email me", "--bot-email must be an address, such as ann@example.com\n"),
        ("sandbox --bot-name ''", "--bot-name is empty\n"),
        ("sandbox --org ''", "--org is empty\n"),
        ("chat Hello --as nobody", ADDRESS),
        ("chat Hello --as ''", ADDRESS),
        ("chat Hello --as \udcff@example.com", ADDRESS),
        ("chat Hello --as SANDBOX@webex.bot", "--as must be another person than the bot, sandbox@"),
        ("chat ''", "TEXT is empty"),
        ("chat Hello --room ''", "--room is empty"),
        ("chat Hello --no-mention", "--no-mention needs --room"),
        ("chat Hello --timeout 0", "--timeout must be > 0"),
        ("chat Hello --base-url http://example.com/v1", "base_url must be https"),
        ("chat /file", "/file: write the path of a file\n"),
        ("chat '/file /nowhere/at.all'", "/file: '/nowhere/at.all' isn't a file\n"),
        ('chat "/file \'/nowhere"', "/file: No closing quotation\n"),
        ("chat '/file /'", "/file: '/' isn't a file\n"),
        ("chat '/file /proc/self/mem'", "/file: '/proc/self/mem' can't be read (Input/output er"),
        ("chat --file=/nowhere/at.all", "--file: '/nowhere/at.all' isn't a file\n"),
        ("chat '/submit lunch=Pasta'", "sandbox@webex.bot has not sent a card in this"),
        ("listen --event created --sandbox", "--event needs the --resource that it happens to"),
        ("listen --resource '' --sandbox", "--resource is empty"),
        ("listen --sandbox --public-url https://e.com", "--sandbox and --public-url exclude each"),
        ("listen --public-url example.com", f"--public-url {URL}"),
        ("listen --sandbox --token-file t", "--sandbox takes neither --token-file nor --base-url"),
        ("listen --sandbox --secret-env UNSET", "there is no secret in"),
        (f"{TO_A_BOT} --set data.roomId", NO_PATH),
        (f"{TO_A_BOT} --set data..x=1", NO_PATH),
        (f"{TO_A_BOT} --set name.x=1", "--set name.x=1: name isn't an object"),
        (f"{TO_A_BOT} --set name:=x", f"--set name: {NO_JSON}: not JSON ("),
        (f"{TO_A_BOT} --set x:=NaN", f"--set x: {NO_JSON}: a number is not finite\n"),
        (f"{TO_A_BOT} --set x:={'[' * 90_000}", f"--set x: {NO_JSON}: nested too"),
        (f"{TO_A_BOT} --owner P1", "--owner needs --sandbox\n"),
        (f"{TO_A_BOT} --base-url http://localhost/v1", "--base-url needs --sandbox\n"),
        (f"{TRIGGER} localhost:80", f"--to {URL}"),
        (f"{TRIGGER} ftp://127.0.0.1/", f"--to {URL}"),
        (f"{TRIGGER} http://xn--.com/", f"--to {URL}\n"),
        (f"trigger a b {TO} --secret-env NO_TEXT", "the secret in the environment variable NO_TEX"),
        (f"trigger all created {TO} --secret-env SECRET", "a notification is of a concrete resour"),
        (f"trigger '' created {TO} --secret-env SECRET", "RESOURCE is empty"),
        (f"{IN_A_SANDBOX} --to http://127.0.0.1:1", "--to and --sandbox exclude each other"),
        (f"{IN_A_SANDBOX} --secret-env SECRET", "the sandbox has the secrets of its webhooks"),
        (f"{IN_A_SANDBOX} --set name=x", "--set name=x: with --sandbox, set only what is in data"),
        (f"{IN_A_SANDBOX} --owner P1", "no person has the id 'P1'"),
        (f"{IN_A_SANDBOX} --base-url localhost", "base_url must be absolute"),
        ("login --token-file tokens.json --scope ''", "--scope is empty"),
        (f"{LOGIN} --redirect-uri localhost", f"--redirect-uri {URL}"),
        (f"{LOGIN} --redirect-uri http://xn--.com/", f"--redirect-uri {URL}"),
        (f"{LOGIN} --redirect-uri https://localhost:1/", REDIRECT),
        (f"{LOGIN} --redirect-uri http://example.com/", REDIRECT),
        (f"{LOGIN} --redirect-uri http://localhost:0/", REDIRECT),
        (f"{LOGIN} --base-url http://example.com/v1", "base_url must be https"),
        ("login --scope s --token-file /nowhere/t", "can't write the tokens to /nowhere/t: No"),
        ("login --scope s --token-file /", "can't write the tokens to /: it isn't a regular file"),
        ("inbox list inbox.db --schema s", "--schema is for a PostgresInbox: a file has no sche"),
        ("inbox list nowhere.db", "there is no file nowhere.db\n"),
        ("inbox list 'host=db password=canary'", "this is a conninfo: pass the file of a SQL"),
        (
            "inbox list postgresql: --schema pg_mine",
            NO_SCHEMA,
        ),
        ("inbox schema --schema pg_mine", NO_SCHEMA),
        ("integration schema --schema pg_mine", NO_SCHEMA),
        ("inbox drop postgre://u:canary@db/bot K", "this is a URL that begins with 'postgre:': p"),
    ],
)
def test_wrong_usage(unused: ServedWebex, invoke: Invoke, line: str, message: str) -> None:
    """Wrong usage is one line on standard error, and the exit code is 2; nothing else happens."""
    done = invoke(*shlex.split(line))

    assert (done.exit_code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"error: {message}")
    assert "canary" not in done.err
    assert (unused.sandbox.requests, [*Path().iterdir()]) == ((), [Path("inbox.db")])
