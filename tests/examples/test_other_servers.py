"""The programs docs/examples/{flask,django,lunch,lambda,azure}_bot, in their servers."""

import asyncio
import base64
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from asgiref.wsgi import WsgiToAsgi

from tests.examples.serving import EXAMPLES, SECRET, TARGET_URL, Import, Program, settings_of
from tests.support.programs import read_until, running
from tests.support.wire import PATIENCE, unused_port
from webex_webhooks_async.testing import Sandbox, sample_notification, signed_request

pytestmark = pytest.mark.once


async def talk(sandbox: Sandbox) -> None:
    """Each of two messages gets one reply."""
    deliveries = [await sandbox.say(text) for text in ("Hello", "Hello again")]
    replies = [message.text for message in sandbox.messages[1::2]]

    assert replies == ["You said: Hello", "You said: Hello again"]
    assert [delivery.status_code for (delivery,) in deliveries] == [204, 204]


async def test_flask(webex_sandbox: Sandbox, import_example: Import) -> None:
    """The bot starts with the first request, makes its webhook, and replies."""
    program = import_example("flask_bot.py")
    application = WsgiToAsgi(program.app)  # type: ignore[no-untyped-call]  # asgiref's
    webex_sandbox.deliver_to(application)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as http_client:
        response = await http_client.get("http://bot/health")
    await talk(webex_sandbox)
    await asyncio.to_thread(program.bot_thread.close)

    assert (response.status_code, response.text) == (200, webex_sandbox.bot.display_name)


@pytest.mark.usefixtures("base_url")
async def test_django(webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot starts and ends with the server, makes its webhook, and replies."""
    monkeypatch.setenv("SECRET_KEY", "django's own")
    program = Program.load(EXAMPLES / "django_bot.py", monkeypatch)
    webex_sandbox.deliver_to(program.application)
    async with program.serving() as url:
        async with httpx.AsyncClient(trust_env=False) as http_client:  # until it is up
            assert (await http_client.get(url)).status_code == 405
        await talk(webex_sandbox)

    assert not program.module.bot.is_ready


HOOK = "gunicorn --preload --config gunicorn_settings.py flask_bot:app --bind"


async def test_gunicorn(base_url: str, webex_sandbox: Sandbox) -> None:
    """In a forked worker, which the hook starts, the bot makes its webhook, and replies."""
    address = f"127.0.0.1:{unused_port()}"
    settings = settings_of(base_url, WEBEX_TARGET_URL=f"http://{address}/webex")
    async with running(*HOOK.split(), address, settings=settings, folder=EXAMPLES) as server:
        await read_until(server, "Listening at")
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http_client:
            assert (await http_client.get(f"http://{address}/health")).status_code == 200
        await talk(webex_sandbox)


async def test_a_worker_does_not_serve_a_bot_that_cannot_start(
    base_url: str, webex_sandbox: Sandbox
) -> None:
    """With the hook, gunicorn ends then, and its log says why."""
    webex_sandbox.revoke("a-token-of-nobody")
    address = f"127.0.0.1:{unused_port()}"
    settings = settings_of(base_url)
    async with running(*HOOK.split(), address, settings=settings, folder=EXAMPLES) as server:
        output, _ = await server.communicate()

    assert server.returncode != 0
    assert b"GET /v1/people/me: 401 Unauthorized" in output


async def test_every_line_of_a_log_is_json(
    base_url: str, webex_sandbox: Sandbox, tmp_path: Path
) -> None:
    """The command that lunch_bot names makes uvicorn and the bot log in one format."""
    program = (EXAMPLES / "lunch_bot" / "main.py").read_text(encoding="utf-8")
    command = re.findall(r"^\$ (.+)", program, re.MULTILINE)[0].split()
    port = unused_port()
    (tmp_path / "secrets").write_text(SECRET, encoding="utf-8")
    settings = settings_of(
        base_url,
        DOMAIN="example.com",
        WEBEX_TARGET_URL=f"http://127.0.0.1:{port}/webex/",
        SECRETS_FILE=str(tmp_path / "secrets"),
        STATE_DIRECTORY=str(tmp_path),
    )
    async with running(*command, f"--port={port}", settings=settings, folder=EXAMPLES) as server:
        started = await read_until(server, "Uvicorn running")
        await webex_sandbox.say("Hello", person="ann@example.com")
        assert (await webex_sandbox.next_reply(PATIENCE)).text == "What would you like?"
        server.terminate()
        output, _ = await server.communicate()
    records = [json.loads(line) for line in (started.encode() + output).splitlines()]

    assert {each["name"] for each in records} >= {"uvicorn.access", "webex_webhooks_async"}


async def test_a_warm_function_replies(
    webex_sandbox: Sandbox, import_example: Import, caplog: pytest.LogCaptureFixture
) -> None:
    """A function handles a text and a base64 body in one process, and refuses a forged one."""
    texts = ["Hello", "Hello again", "Hello, load balancer"]
    for number, text in enumerate(texts):
        await webex_sandbox.emit("messages", "created", data={"id": f"M{number}", "text": text})
    of_a_load_balancer = event_of("M2", SECRET)
    headers = of_a_load_balancer.pop("headers")
    of_a_load_balancer["multiValueHeaders"] = {name: [each] for name, each in headers.items()}
    events = [
        event_of("M0", SECRET),
        event_of("M1", SECRET, is_base64=True),
        of_a_load_balancer,
        event_of("M0", "a guess"),
        {"key1": "a test event of the console"},
        ["not an object"],
    ]
    program = import_example("lambda_bot.py")
    responses = [await asyncio.to_thread(program.handler, event, None) for event in events]
    await asyncio.to_thread(program.bot_thread.close)

    assert [each["statusCode"] for each in responses] == [204, 204, 204, 401, 400, 400]
    assert caplog.text.count("the event isn't a request") == 2
    assert "Traceback" not in caplog.text
    written = [each.text for each in webex_sandbox.messages]
    assert written[3:] == [f"You said: {text}" for text in texts]


async def test_azure_functions(webex_sandbox: Sandbox, import_example: Import) -> None:
    """The function starts the bot, which replies, and responds 204."""
    functions = pytest.importorskip("azure.functions")
    await webex_sandbox.emit("messages", "created", data={"id": "M1", "text": "Hello"})
    event = event_of("M1", SECRET)
    request = functions.HttpRequest(
        "POST", TARGET_URL, headers=event["headers"], body=str(event["body"]).encode()
    )
    context = SimpleNamespace(function_directory="", function_name="", invocation_id="")
    program = import_example("azure_bot/function_app.py")
    (function,) = program.app.get_functions()
    response = await function.get_user_function()(request, context)
    await program.app.middleware.notify_shutdown()
    program.app.startup_task_done = False  # or it runs an event loop when it is collected

    assert response.status_code == 204
    assert webex_sandbox.messages[-1].text == "You said: Hello"


def event_of(message_id: str, secret: str, *, is_base64: bool = False) -> dict[str, Any]:
    """A request as API Gateway passes it to a function."""
    body = sample_notification("messages", "created", data={"id": message_id})
    request = signed_request(TARGET_URL, body, secret)
    return {
        "headers": dict(request.headers),
        "body": base64.b64encode(body).decode() if is_base64 else body.decode(),
        "isBase64Encoded": is_base64,
    }
