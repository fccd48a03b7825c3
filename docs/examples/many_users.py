"""An integration for many users: each one connects an account, and hears of their own meetings.

$ uvicorn many_users:app

People open https://bot.example.com/connect, and Webex posts to https://bot.example.com/webex
"""

import base64
import hashlib
import os
import secrets
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from webex_webhooks_async import (
    Client,
    Event,
    MeetingData,
    Notification,
    Person,
    Receiver,
    RefreshingToken,
    Resource,
    Tokens,
    WebexError,
    authorization_url,
    from_json,
    to_json,
)

ORIGIN = os.environ["ORIGIN"]  # such as https://bot.example.com
CLIENT_ID, CLIENT_SECRET = os.environ["WEBEX_CLIENT_ID"], os.environ["WEBEX_CLIENT_SECRET"]
BASE_URL = os.environ.get("WEBEX_BASE_URL", "https://webexapis.com/v1")
SCOPES = ["spark:people_read", "meeting:schedules_read"]
REDIRECT_URI = f"{ORIGIN}/callback"
USERS = Path(os.environ.get("USERS", "users.db"))
MOST = 1_000  # people at a time on their way through Webex

receiver = Receiver(os.environ["WEBEX_WEBHOOK_SECRET"])
verifiers: dict[str, str] = {}  # of those who are on their way through Webex, by their state
clients: dict[str, Client] = {}  # of each user, by the id of the person
stack = AsyncExitStack()  # what is open


@receiver.on(Resource.MEETINGS, Event.STARTED)
async def started(notification: Notification[MeetingData]) -> None:
    """Read the meeting with the token of the user whose webhook this is."""
    user = notification.created_by or ""
    if user in clients:  # or else somebody who has left
        meeting = await clients[user].get("meetings", notification.data.id or "")
        print(user, "has started", meeting["title"], flush=True)


async def connect(_: Request) -> Response:
    """Send a user to Webex."""
    state, verifier = secrets.token_urlsafe(), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    verifiers[state] = verifier
    if len(verifiers) > MOST:  # many don't come back
        del verifiers[next(iter(verifiers))]
    url = authorization_url(
        client_id=CLIENT_ID,
        redirect_uri=REDIRECT_URI,
        scopes=SCOPES,
        state=state,
        code_challenge=base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        base_url=BASE_URL,
    )
    response = RedirectResponse(url)
    response.set_cookie("state", state, max_age=600, secure=True, httponly=True, samesite="lax")
    return response


async def callback(request: Request) -> Response:
    """Exchange the code, store the tokens, and make the user's webhooks."""
    state = request.query_params.get("state", "")
    verifier = verifiers.pop(state, None)
    if verifier is None or state != request.cookies.get("state"):
        return PlainTextResponse("Begin at /connect, in this browser.\n", status_code=400)
    if "code" not in request.query_params:
        return PlainTextResponse("You didn't allow it.\n", status_code=403)
    granted: list[Tokens] = []
    token = RefreshingToken.from_code(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        code=request.query_params["code"],
        redirect_uri=REDIRECT_URI,
        code_verifier=verifier,
        on_refresh=granted.append,
    )
    async with Client(token, base_url=BASE_URL) as client:
        me = await client.get("people/me", into=Person)
    store(me.id, granted[-1])
    await watch_for(me.id, granted[-1])
    return PlainTextResponse(f"Hello, {me.display_name}: connected.\n")


async def watch_for(user: str, tokens: Tokens) -> None:
    """Open a user's client, and make the user's webhooks match the handlers."""
    if user in clients:
        await clients.pop(user).aclose()
    token = RefreshingToken.from_tokens(
        tokens,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        on_refresh=partial(store, user),
    )
    clients[user] = client = await stack.enter_async_context(Client(token, base_url=BASE_URL))
    wanted = await receiver.wanted_webhooks(name="meetings", target_url=f"{ORIGIN}/webex")
    await client.webhooks.ensure(wanted, prune="meetings:")


def store(user: str, tokens: Tokens) -> None:
    """Store the tokens of a user; a refresh brings new ones."""
    with closing(database()) as users, users:
        users.execute("REPLACE INTO users VALUES (?, ?)", (user, to_json(tokens)))


def database() -> sqlite3.Connection:
    """Open the file with the tokens, which nobody else may read: they are as good as passwords."""
    USERS.touch(mode=0o600)
    users = sqlite3.connect(USERS)
    users.execute("CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, tokens BLOB NOT NULL)")
    return users


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncGenerator[None]:
    """Open everyone's client, and close them in the end."""
    with closing(database()) as users:
        known: list[tuple[str, bytes]] = users.execute("SELECT id, tokens FROM users").fetchall()
    async with stack, receiver:
        for user, tokens in known:
            try:
                await watch_for(user, from_json(tokens, Tokens))
            except WebexError as error:  # of one user; the others are served
                print(user, "is not watched:", error, flush=True)
        yield
    clients.clear()


app = Starlette(
    routes=[
        Route("/connect", connect),
        Route("/callback", callback),
        Route("/webex", receiver),
    ],
    lifespan=lifespan,
)
