"""Takes the pictures of the sandbox's page, with the bots of README.md, in a real browser.

$ nox -s pictures
"""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Generator
from contextlib import chdir, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from webex_webhooks_async.testing.page_server.web_app import RENDERER

FOLDER = Path(__file__).parent
EXAMPLES = FOLDER.parent / "examples"
PORT, BOT_PORT = 8900, 8000
URL = f"http://127.0.0.1:{PORT}"
SETTINGS = {
    "WEBEX_BASE_URL": f"{URL}/v1",
    "WEBEX_ACCESS_TOKEN": "anything",
    "WEBEX_WEBHOOK_SECRET": "a-secret-of-the-bot",
    "WEBEX_TARGET_URL": f"http://127.0.0.1:{BOT_PORT}",
}
PATIENCE = 20_000  # milliseconds
SAID = """`iterdir` yields what is in a folder:

```python
from pathlib import Path

for path in Path("photos").iterdir():
    print(path.name, path.stat().st_size)
```

The order is that of the file system, so """


@contextmanager
def running(until: str, *command: str, **settings: str) -> Generator[None]:
    """Run a program as long as the block runs, from the line that has this text on."""
    with subprocess.Popen(  # noqa: S603 - it is this package's own command, and uvicorn
        command,
        env=os.environ | SETTINGS | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        next(line for line in process.stdout if until in line)
        try:
            yield
        finally:
            process.terminate()


def renderer() -> bytes:
    """What renders cards, from the npm package."""
    (archive,) = Path(os.environ["NPM_ARCHIVES"]).glob("adaptivecards-*.tgz")
    with tarfile.open(archive) as opened:
        file = opened.extractfile("package/dist/adaptivecards.min.js")
        assert file  # noqa: S101 - the package has it
        return file.read()


@contextmanager
def page_of(browser: Browser, width: int, height: int) -> Generator[Page]:
    """Open the page of the sandbox."""
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        file = renderer()

        def respond(route: Route) -> None:
            headers = {"Access-Control-Allow-Origin": "*"}
            route.fulfill(body=file, content_type="text/javascript", headers=headers)

        context.route(RENDERER, respond)
        page = context.new_page()
        page.goto(URL)
        yield page


def order(page: Page) -> None:
    """Order lunch, and take a picture on a screen and on a phone."""
    message = page.get_by_role("textbox", name="Message", exact=True)
    message.fill("What can you do?")
    page.get_by_role("button", name="Send", exact=True).click()
    messages = page.get_by_role("list", name="Messages", exact=True)
    expect(messages.get_by_text("Order lunch.")).to_be_visible()
    message.fill("lunch")
    message.press("Enter")
    page.get_by_placeholder("Pasta").fill("Soup")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(messages.get_by_text("One Soup, please!")).to_be_visible()
    messages.get_by_text("lunch", exact=True).last.click()  # its requests and deliveries
    page.get_by_role("heading", name="Deliveries").click()  # nothing has the focus
    page.screenshot(path=FOLDER / "sandbox.png")
    page.set_viewport_size({"width": 360, "height": 640})
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=FOLDER / "sandbox-narrow.png")


def answer(page: Page) -> None:
    """Answer the questions of a bot; take a picture before a button is pressed, and one after."""
    message = page.get_by_role("textbox", name="Message", exact=True)
    messages = page.get_by_role("list", name="Messages", exact=True)
    message.fill("leave")
    message.press("Enter")
    messages.get_by_text("Which day?").hover()
    messages.get_by_role("button", name="Reply").last.click()  # into the thread
    message.fill("Monday")
    message.press("Enter")
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    take(page, messages, "conversation")
    page.get_by_role("button", name="Approve").click()
    expect(messages.get_by_text("Monday: approved")).to_be_visible()
    take(page, messages, "answered", after="Monday")


def grow(page: Page) -> None:
    """Ask an assistant, and take a picture while its model still writes."""
    page.get_by_role("textbox", name="Message", exact=True).fill("How do I list a folder?")
    page.get_by_role("button", name="Send", exact=True).click()
    messages = page.get_by_role("list", name="Messages", exact=True)
    expect(messages.get_by_text("▌")).to_be_visible()
    take(page, messages, "growing")


class Model(BaseHTTPRequestHandler):
    """A model that says half of something."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        choice = {"index": 0, "delta": {"role": "assistant", "content": SAID}}
        about = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "a model"}
        self.wfile.write(f"data: {json.dumps({**about, 'choices': [choice]})}\n\n".encode())
        Event().wait()


def take(page: Page, messages: Locator, name: str, *, after: str = "") -> None:
    """Take a picture of the messages, or of those after one."""
    page.get_by_text("Sandbox Bot").first.hover()  # nothing of the conversation
    box = messages.bounding_box()
    assert box  # noqa: S101 - it is visible
    top = box["y"]
    if after:
        before = messages.get_by_text(after, exact=True).bounding_box()
        assert before  # noqa: S101 - the same
        top = before["y"] + before["height"] + 16
    page.screenshot(
        path=FOLDER / f"{name}.png",
        clip={
            "x": box["x"] - 16,
            "y": top - 16,
            "width": box["width"] + 32,
            "height": box["y"] + box["height"] - top + 32,
        },
    )


def photograph(browser: Browser, program: str, width: int, height: int) -> None:
    """Talk to a bot in a sandbox of its own."""
    command = str(Path(sys.executable).with_name("webex-webhooks"))
    bot = (
        sys.executable,
        "-m",
        "uvicorn",
        f"{program}:bot",
        f"--app-dir={EXAMPLES}",
        f"--port={BOT_PORT}",
    )
    with (
        TemporaryDirectory() as folder,
        chdir(folder),
        running("export", command, "sandbox", f"--port={PORT}"),
        running("Uvicorn running", *bot, WEBEX_INBOX=f"{folder}/inbox.db"),
        page_of(browser, width, height) as page,
    ):
        PROGRAMS[program](page)


PROGRAMS = {"bot": order, "leave_bot": answer, "model_bot": grow}


if __name__ == "__main__":
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        options = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium refuses root otherwise
        path = os.environ["CHROMIUM"]
        browser = playwright.chromium.launch(executable_path=path, args=options)
        photograph(browser, "bot", 1240, 720)
        photograph(browser, "leave_bot", 1240, 720)
        with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            SETTINGS["OPENAI_BASE_URL"] = f"http://127.0.0.1:{server.server_port}/v1"
            SETTINGS["OPENAI_API_KEY"] = "anything"
            photograph(browser, "model_bot", 1240, 720)
            server.shutdown()
        browser.close()
