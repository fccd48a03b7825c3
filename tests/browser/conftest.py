"""A real browser, and a served sandbox with a bot; `nox -s browser` says where the browser is."""

import json
import os
import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from attrs import frozen
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Route,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.cli.harness import ServedWebex, card_of, served
from tests.support.wire import PATIENCE
from webex_webhooks_async import AttachmentActionData, Client, MessageData, Notification, Receiver
from webex_webhooks_async.testing import Sandbox
from webex_webhooks_async.testing.page_server.web_app import RENDERER

CHROMIUM = os.environ["CHROMIUM"]
ARCHIVES = Path(os.environ["NPM_ARCHIVES"])

expect.set_options(timeout=PATIENCE * 1000)


def field(kind: str, name: str, label: str, **members: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    """An input of a card."""
    return {"type": f"Input.{kind}", "id": name, "label": label, **members}


def choice(name: str, label: str, *titles: str, **members: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    """An input of a card with these choices, whose values are in lower case."""
    choices = [{"title": each, "value": each.lower()} for each in titles]
    return field("ChoiceSet", name, label, choices=choices, **members)


def button(title: str, **data: object) -> Mapping[str, Any]:
    """A button that submits a card."""
    return {"type": "Action.Submit", "title": title, "data": data}


CARD = card_of(
    {"type": "TextBlock", "text": "Lunch on **Friday**", "weight": "Bolder"},
    {"type": "FactSet", "facts": [{"title": "Where", "value": "Canteen"}]},
    choice("dish", "Dish", "Soup", "Pasta", value="soup"),
    field("Text", "note", "A note for the kitchen"),
    {"type": "Input.Toggle", "id": "vegan", "title": "Vegan"},
    actions=[button("Order", action="order"), button("Not today", action="skip")],
)


def from_npm(package: str, name: str) -> bytes:
    """A file of an npm package."""
    (archive,) = ARCHIVES.glob(f"{package}-*.tgz")
    with tarfile.open(archive) as opened:
        file = opened.extractfile(f"package/{name}")
        assert file
        return file.read()


MICROSOFTS = from_npm("adaptivecards", "dist/adaptivecards.min.js")
"""The renderer of cards."""


@frozen
class Stage(ServedWebex):
    """A served sandbox with its page and a bot."""

    @property
    def url(self) -> str:
        return self.base_url.removesuffix("v1")

    def emit_message(self, **members: Any) -> None:  # noqa: ANN401 - JSON
        """Report a message to the person that the page begins with, of any form."""
        person = self.post("messages", toPersonEmail="you@example.com", text="first")
        data = {"roomId": person["roomId"], "personId": self.sandbox.bot.id, **members}
        self.portal.call(partial(self.sandbox.emit, "messages", "created", data=data))

    def report_waiting(self, *rows: dict[str, str | None]) -> list[str]:
        """Report what a program's inbox holds; return the keys that are made due, and ask then."""
        pressed: list[str] = []
        row = {"key": "K", "what": "job lunch", "about": None, "state": "scheduled", "error": None}
        row["due"] = "2026-12-10T12:00:00+00:00"

        def make_due(key: str) -> None:
            pressed.append(key)
            report([{**each, "state": "asking"} for each in shown], make_due)

        report = self.sandbox._events.report_waiting  # pyright: ignore[reportPrivateUsage] - as `dev` does
        shown = [{**row, **each} for each in rows]
        self.portal.call(report, shown, make_due)
        return pressed

    def cut_off(self) -> None:
        """Break the page's connection off, as a machine that sleeps does."""

        async def end() -> None:
            for waiting in self.sandbox._events._readers:  # pyright: ignore[reportPrivateUsage] - only a reader that is slow is ended
                waiting.put_nowait(None)

        self.portal.call(end)

    def submitted(self) -> list[object]:
        actions = self.sandbox._state.documents["attachmentActions"]  # pyright: ignore[reportPrivateUsage] - the API lists none
        return [each["inputs"] for each in actions]


@contextmanager
def staged(port: int = 0, **options: Any) -> Generator[Stage]:  # noqa: ANN401 - of a Sandbox
    """Serve a sandbox with its page as long as the block runs."""
    sandbox = Sandbox(**options)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(sandbox.serve(port=port, page=True)) as base_url,
    ):
        yield Stage(sandbox, base_url, portal)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A sandbox without a bot."""
    with staged() as stage:
        yield stage


@pytest.fixture
def bot(stage: Stage) -> Iterator[None]:
    """A bot that echoes; "card" gets a card, "thread" a reply in the thread, "fail" an error."""
    receiver = Receiver("a-secret", ignore_own_actions=True)

    def client() -> Client:
        return Client("the-bot", base_url=stage.base_url)

    @receiver.on("messages", "created")
    async def hear(notification: Notification[MessageData]) -> None:
        async with client() as webex:
            message = await webex.fetch(notification)
            text = message.text or ""
            reply: dict[str, Any] = {"roomId": message.room_id, "text": f"You said: {text}"}
            if "card" in text:
                reply["attachments"] = [CARD]
            if "thread" in text:
                reply["parentId"] = message.parent_id or message.id
            if "fail" in text:
                raise RuntimeError(text)
            await webex.post("messages", json=reply)

    @receiver.on("attachmentActions", "created")
    async def take(notification: Notification[AttachmentActionData]) -> None:
        async with client() as webex:
            action = await webex.fetch(notification)
            text = f"Submitted: {json.dumps(action.inputs, sort_keys=True)}"
            await webex.post("messages", json={"roomId": action.room_id, "text": text})

    with served(receiver) as url:
        for resource in ("messages", "attachmentActions"):
            stage.create(
                targetUrl=url, resource=resource, secret="a-secret", name=f"bot:{resource}"
            )
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a network."""
    with sync_playwright() as playwright:
        options = ["--renderer-process-limit=1"]  # no process is started for a page to come
        if os.getuid() == 0:
            options.append("--no-sandbox")  # containers have none of Chromium's for root
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser,
    *,
    renderer: bytes | None = None,
    **options: Any,  # noqa: ANN401 - of a context
) -> Generator[BrowserContext]:
    """Open a window; the CDN responds with `renderer`, or can't be reached."""
    with browser.new_context(**options) as context:
        context.set_default_timeout(PATIENCE * 1000)

        def respond(route: Route) -> None:
            if renderer is None or route.request.url != RENDERER:
                route.abort()
            else:
                headers = {"Access-Control-Allow-Origin": "*"}
                route.fulfill(body=renderer, content_type="text/javascript", headers=headers)

        context.route(lambda address: "//127.0.0.1:" not in address, respond)
        yield context


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Generator[Page]:  # noqa: ANN401 - of `window`
    """Open the page in a window of its own."""
    with window(browser, **options) as context:
        page = context.new_page()
        page.goto(url)
        yield page


@pytest.fixture(scope="module")
def large(browser: Browser) -> Iterator[BrowserContext]:
    """A large window, with Microsoft's renderer, whose first tab keeps it open."""
    size: ViewportSize = {"width": 1600, "height": 1000}
    with window(browser, renderer=MICROSOFTS, viewport=size) as context:
        context.new_page()
        yield context


@pytest.fixture
def page(large: BrowserContext, stage: Stage) -> Iterator[Page]:
    """The page in a tab of the large window: each window starts processes of its own."""
    with large.new_page() as page:
        page.goto(stage.url)
        yield page
    large.clear_permissions()
