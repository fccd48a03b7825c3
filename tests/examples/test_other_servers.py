"""The programs docs/examples/{flask,django,lunch,lambda,azure}_bot, run as processes."""

import base64
import json
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.examples.running import connectable, running
from tests.examples.serving import EXAMPLES, import_again
from tests.support.wire import PATIENCE, until, unused_port
from webex_webhooks_async.testing import Sandbox, sample_notification, signed_request

pytestmark = pytest.mark.once

SECRET = "the-webhook's-secret"

INVOKE_TWICE = """
import json, sys, lambda_bot
for event in json.load(sys.stdin):
    print(lambda_bot.handler(event, None)["statusCode"])
"""


@pytest.fixture
async def base_url(webex_sandbox: Sandbox) -> AsyncGenerator[str]:
    """Where the bots find the sandbox."""
    async with webex_sandbox.serve() as url:
        yield url


@pytest.fixture
def settings(base_url: str) -> dict[str, str]:
    """What the bots read in the environment."""
    return {
        "SECRET_KEY": "django's own",
        "WEBEX_ACCESS_TOKEN": "a-token-of-nobody",
        "WEBEX_BASE_URL": base_url,
        "WEBEX_WEBHOOK_SECRET": SECRET,
    }


FLASK = "flask --app flask_bot run --port {port}"
GUNICORN = "gunicorn --preload --workers 2 flask_bot:app --bind 127.0.0.1:{port}"
HOOK = "gunicorn --preload --config gunicorn_settings.py flask_bot:app --bind 127.0.0.1:{port}"
DJANGO = "uvicorn django_bot:application --port {port}"


@pytest.mark.parametrize(
    ("command", "path"),
    [(FLASK, "/health"), (GUNICORN, "/health"), (HOOK, None), (DJANGO, None)],
    ids=["Flask", "forked workers", "gunicorn with a hook", "Django"],
)
async def test_it_replies(
    command: str, path: str | None, settings: dict[str, str], webex_sandbox: Sandbox
) -> None:
    """The bot makes its webhook, and each message gets one reply."""
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    settings["PUBLIC_URL"] = f"{url}/webex"
    words = command.format(port=port).split()
    async with running(*words, settings=settings, folder=EXAMPLES):
        await connectable(port)
        if path:
            async with httpx.AsyncClient() as http_client:
                response = await http_client.get(url + path, timeout=PATIENCE)
                assert response.status_code == 200
        await until(lambda: bool(webex_sandbox.webhooks))
        deliveries = [
            delivery
            for text in ("Hello", "Hello again")
            for delivery in await webex_sandbox.say(text)
        ]
    replies = [message["text"] for message in webex_sandbox.messages[1::2]]

    assert replies == ["You said: Hello", "You said: Hello again"]
    assert [delivery.status_code for delivery in deliveries] == [204, 204]


async def test_a_worker_does_not_serve_a_bot_that_cannot_start(
    settings: dict[str, str], webex_sandbox: Sandbox
) -> None:
    """With the hook, gunicorn ends then, and its log says why."""
    webex_sandbox.revoke(settings["WEBEX_ACCESS_TOKEN"])
    words = HOOK.format(port=unused_port()).split()
    async with running(*words, settings=settings, folder=EXAMPLES) as server:
        output, _ = await server.communicate()

    assert server.returncode != 0
    assert b"GET /v1/people/me: 401 Unauthorized" in output


async def test_every_line_of_a_log_is_json(
    settings: dict[str, str], webex_sandbox: Sandbox, tmp_path: Path
) -> None:
    """The command that lunch_bot names makes uvicorn and the bot log in one format."""
    program = (EXAMPLES / "lunch_bot" / "main.py").read_text(encoding="utf-8")
    command = re.findall(r"^\$ (.+)", program, re.MULTILINE)[0].split()
    port = unused_port()
    (tmp_path / "secrets").write_text(SECRET, encoding="utf-8")
    settings |= {
        "DOMAIN": "example.com",
        "PUBLIC_URL": f"http://127.0.0.1:{port}/webex/",
        "SECRETS_FILE": str(tmp_path / "secrets"),
        "STATE_DIRECTORY": str(tmp_path),
    }
    async with running(*command, f"--port={port}", settings=settings, folder=EXAMPLES) as server:
        await connectable(port)
        await webex_sandbox.say("Hello", person="ann@example.com")
        assert (await webex_sandbox.reply())["text"] == "What would you like?"
        server.terminate()
        output, _ = await server.communicate()
    records = [json.loads(line) for line in output.splitlines()]

    assert {each["name"] for each in records} >= {"uvicorn.access", "webex_webhooks_async"}


async def test_a_warm_function_replies(settings: dict[str, str], webex_sandbox: Sandbox) -> None:
    """A function handles a text and a base64 body in one process, and refuses a forged one."""
    await webex_sandbox.emit("messages", "created", {"id": "M1", "text": "Hello"})
    await webex_sandbox.emit("messages", "created", {"id": "M2", "text": "Hello again"})
    await webex_sandbox.emit("messages", "created", {"id": "M3", "text": "Hello, load balancer"})
    program = [sys.executable, "-W", "error", "-c", INVOKE_TWICE]
    events = [
        event_of("M1", SECRET),
        event_of("M2", SECRET, is_base64=True),
        in_lists(event_of("M3", SECRET)),
        event_of("M1", "a guess"),
        {"key1": "a test event of the console"},
        ["not an object"],
    ]
    async with running(*program, settings=settings, folder=EXAMPLES) as function:
        assert function.stdin is not None
        output, _ = await function.communicate(json.dumps(events).encode())

    statuses = [line for line in output.decode().splitlines() if line.isdigit()]

    assert statuses == ["204", "204", "204", "401", "400", "400"]
    assert output.count(b"the event isn't a request") == 2
    assert b"Traceback" not in output
    assert [each["text"] for each in webex_sandbox.messages if each["text"].startswith("You")] == [
        "You said: Hello",
        "You said: Hello again",
        "You said: Hello, load balancer",
    ]


async def test_azure_functions(
    settings: dict[str, str], webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function starts the bot, which replies, and responds 204."""
    functions = pytest.importorskip("azure.functions")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    program = import_again(EXAMPLES / "azure_bot" / "function_app.py", monkeypatch)
    (function,) = program.app.get_functions()
    await webex_sandbox.emit("messages", "created", {"id": "M1", "text": "Hello"})
    event = event_of("M1", SECRET)
    request = functions.HttpRequest(
        "POST",
        "https://bot.example.com/api/webex",
        headers=event["headers"],
        body=str(event["body"]).encode(),
    )
    context = SimpleNamespace(function_directory="", function_name="", invocation_id="")

    response = await function.get_user_function()(request, context)
    await program.bot.aclose()

    assert response.status_code == 204
    assert webex_sandbox.messages[-1]["text"] == "You said: Hello"


def in_lists(event: dict[str, Any]) -> dict[str, Any]:
    """A request as a load balancer passes it to a function."""
    lists = {name: [value] for name, value in event.pop("headers").items()}
    return {**event, "multiValueHeaders": lists}


def event_of(message_id: str, secret: str, *, is_base64: bool = False) -> dict[str, Any]:
    """A request as API Gateway passes it to a function."""
    body = sample_notification("messages", "created", data={"id": message_id})
    request = signed_request("https://bot.example.com/webex", body, secret)
    return {
        "headers": dict(request.headers),
        "body": base64.b64encode(body).decode() if is_base64 else body.decode(),
        "isBase64Encoded": is_base64,
    }
