"""An integration that writes down what it does, for processes that are killed.

It runs as `uvicorn --app-dir tests/chaos meeting_integration:integration`. The header x-account
says who is logged in.
"""

import logging
import os
from pathlib import Path
from typing import Any

from webex_webhooks_async import (
    Event,
    Integration,
    MeetingData,
    Resource,
    UserContext,
    UserJobContext,
)
from webex_webhooks_async.receiving.asgi import Scope
from webex_webhooks_async.types import ConnectedUser

logging.basicConfig(level=logging.WARNING)
os.environ["WEBEX_ENCRYPTION_KEYS"] = os.environ["KEYS"].replace(",", " ")

WRITTEN = Path(os.environ["WRITTEN"])


def account_of(scope: Scope) -> str | None:
    """Return who is logged in."""
    return next((value.decode() for name, value in scope["headers"] if name == b"x-account"), None)


integration = Integration.from_env(current_account=account_of, watch_every=1.0)


def write(*words: object) -> None:
    """Write a line, which a SIGKILL doesn't lose."""
    with WRITTEN.open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


@integration.on(Resource.MEETINGS, Event.ENDED, attempts=20)
async def ended(context: UserContext[MeetingData]) -> None:
    """Read a meeting, which its host alone may, and whose title is the host's address."""
    meeting: Any = await context.fetch()
    me: Any = await context.client.get("people/me")
    is_right = [meeting["title"]] == me["emails"] == [context.user.email]
    write("handled" if is_right else "wrong", meeting["id"])


@integration.on_connect
async def connected(context: UserJobContext) -> None:
    """Say who has connected."""
    write("connected", context.user.email)


@integration.on_lost
async def lost(user: ConnectedUser) -> None:
    """Say who is lost."""
    write("lost", user.email)


@integration.on_disconnect
async def left(user: ConnectedUser) -> None:
    """Say who has left."""
    write("left", user.email)
