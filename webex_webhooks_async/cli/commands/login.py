"""The command login."""

import asyncio
import base64
import hashlib
import os
import secrets
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path

import httpx
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from webex_webhooks_async.cli.browser import open_browser
from webex_webhooks_async.cli.console import print_approval, print_refusal, progress, stderr, stdout
from webex_webhooks_async.cli.files import (
    check_that_tokens_can_be_written,
    client_credentials,
    write_tokens,
)
from webex_webhooks_async.cli.listen.tunnels import is_here
from webex_webhooks_async.cli.options import HttpUrl, NotEmpty, WebexUrl
from webex_webhooks_async.cli.running import CommandError, UsageError, run, usage_errors
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.client.oauth import RefreshingToken, authorization_url
from webex_webhooks_async.formatting import on_one_line
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.testing.loopback_server import HOST, serve_on_loopback


def command(
    *,
    scope: tuple[NotEmpty, ...],
    token_file: Path,
    redirect_uri: HttpUrl = "http://localhost:8765/callback",
    base_url: WebexUrl = BASE_URL,
) -> None:
    r"""Get the first tokens of an integration, and store them in a file.

    $ export WEBEX_CLIENT_ID=C1234 WEBEX_CLIENT_SECRET=...
    $ webex-webhooks login --token-file tokens.json \
        --scope spark:messages_read --scope spark:messages_write
    $ webex-webhooks list --token-file tokens.json

    It prints the URL at which you authorize the integration, and opens it in a
    browser if there is one. Webex then redirects the browser to this machine. Every
    command takes the file with --token-file, and renews the tokens in it.

    Args:
        scope: A scope of the integration; once for each.
        token_file: Where to store the access token and the refresh token.
        redirect_uri: One of the integration's redirect URIs, on this machine.
        base_url: The URL of the API; https, or http on loopback.
    """
    client_id, client_secret = client_credentials()
    redirect = httpx.URL(redirect_uri)  # HttpUrl has checked it
    if redirect.scheme != "http" or not is_here(redirect.host) or redirect.port == 0:
        raise UsageError(
            "--redirect-uri must be http on this machine, with a port that isn't 0, such as "
            "http://localhost:8765/callback"
        )
    check_that_tokens_can_be_written(token_file)
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe()
    with usage_errors():
        Client("unused", base_url=base_url)  # checks it before the user does anything
        url = authorization_url(
            client_id=client_id,
            redirect_uri=redirect_uri,
            scopes=scope,
            state=state,
            code_challenge=_challenge(verifier),
            base_url=base_url,
        )
    code = run(_authorize(url, redirect, state))
    token = RefreshingToken.from_code(
        client_id=client_id,
        client_secret=client_secret,
        code=code,
        redirect_uri=redirect_uri,
        code_verifier=verifier,
        on_refresh=partial(write_tokens, token_file),
    )
    run(_exchange(Client(token, base_url=base_url), token))
    print_approval(stdout(), f"stored the tokens in {token_file}")


def _challenge(verifier: str) -> str:
    """The PKCE challenge S256 of a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def _authorize(url: str, redirect: httpx.URL, state: str) -> str:
    """Let the user authorize the integration, and return the code that Webex redirects with."""
    callback = _Callback(redirect.path, state)
    port = redirect.port or 80
    host = "::1" if redirect.host == "::1" else HOST
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(serve_on_loopback(callback, port, host=host))
        except OSError as error:
            raise CommandError(
                f"can't wait for the redirect on port {port} ({os.strerror(error.errno or 0)}): "
                "end the program that uses the port, or register a redirect URI with another port "
                "and pass it with --redirect-uri"
            ) from error
        stderr().print("Authorize the integration at:", style="dim")
        stdout().print(url)
        open_browser(url)
        with progress("Waiting for Webex to redirect your browser to this machine"):
            return await callback.code


_MOST_SHOWN = 200  # characters of an error that anyone may have sent


class _Callback:
    """An ASGI application that waits for the redirect."""

    def __init__(self, path: str, state: str) -> None:
        self.code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._path = path
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to the browser, and then end the wait: the end breaks off its connection."""
        query = Request(scope).query_params
        response = self._response(scope["path"], query)
        await response(scope, receive, send)
        if response.status_code != HTTPStatus.OK or self.code.done():
            return
        if "error" in query:
            text = " ".join(filter(None, (query["error"], query.get("error_description"))))
            self.code.set_exception(CommandError(f"the authorization failed: {on_one_line(text)}"))
        else:
            self.code.set_result(query["code"])

    def _response(self, path: str, query: QueryParams) -> Response:
        code, error = query.get("code"), query.get("error")
        if path != self._path or not (code or error):
            return PlainTextResponse("Nothing to see here: Webex redirects your browser.", 404)
        if query.get("state") != self._state:  # any page can lead the browser here
            what = f"the error {error[:_MOST_SHOWN]!r}" if error else "a code"
            print_refusal(stderr(), f"ignored {what} without the state of this login")
            return PlainTextResponse("This redirect isn't from the login that is running.", 400)
        outcome = "The authorization failed." if error else "Authorized."
        return PlainTextResponse(f"{outcome} Return to your terminal.")


async def _exchange(client: Client, token: RefreshingToken) -> None:
    async with client:
        await token.refresh("")
