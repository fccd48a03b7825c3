"""The operations of OAuth, which grant tokens to integrations; `token_store` knows whose they are.

Facts: https://developer.webex.com/docs/integrations, RFC 6749, RFC 7636, RFC 7617
"""

import base64
import binascii
import hmac
import math
from collections.abc import Mapping
from html import escape
from urllib.parse import unquote_plus, urlencode

import httpx
from starlette.responses import HTMLResponse, RedirectResponse, Response

from webex_webhooks_async.testing.service.calls import Call
from webex_webhooks_async.testing.service.responses import (
    ClientAuthenticationError,
    OAuthError,
    RefusedCallError,
    json_response,
)
from webex_webhooks_async.testing.service.sandbox_person import SandboxPerson

_ACCESS_LIFETIME = 14 * 24 * 3600  # seconds, as for an integration
_REFRESH_LIFETIME = 90 * 24 * 3600
_SCOPES = "spark:all spark:kms"
_WRONG = "client_secret is not that of the client"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Authorize in the Webex sandbox</title>
<main>
<h1>Who authorizes {client}?</h1>
<ul>{links}</ul>
<form>{hidden}
<label>Somebody else <input name="login_hint" type="email" required
  placeholder="ann@example.com"></label>
<button>Authorize</button>
</form>
</main>
</html>
"""
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


async def authorize(call: Call) -> Response:
    """Grant what is asked for, and redirect at once, with a code and the state.

    In Webex, ``login_hint`` fills in an address; here it is who authorizes. A browser without one
    gets a page to choose a person, unless the test has chosen one.
    """
    query = call.request.query_params
    redirect_uri, client_id = query.get("redirect_uri"), query.get("client_id")
    if not client_id:
        raise RefusedCallError(400, "client_id is required and must not be empty")
    if not redirect_uri or not _is_redirect_uri(redirect_uri):
        raise RefusedCallError(400, "redirect_uri must be an absolute URL without a fragment")
    try:
        _check_authorization(query)
        hint = query.get("login_hint")
        is_browser = "text/html" in call.request.headers.get("accept", "")
        if not hint and is_browser and call.state.tokens.chosen is None:
            return _page(call)
        code = call.state.tokens.issue_code(
            call.state.named(hint) if hint else None,
            client_id=client_id,
            redirect_uri=redirect_uri,
            scope=query.get("scope", ""),
            code_challenge=query.get("code_challenge"),
        )
        result = {"code": code}
    except OAuthError as error:
        result = error.body
    if "state" in query:
        result["state"] = query["state"]
    separator = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{separator}{urlencode(result)}", status_code=302)


async def create_access_token(call: Call) -> Response:
    """An access token for a refresh token or an authorization code."""
    form = await call.form()
    grant_type = _required(form, "grant_type")
    if grant_type not in _GRANTS:
        raise OAuthError("unsupported_grant_type", f"unsupported grant_type: {grant_type}")
    client_id = _client_id(call, form)
    owner, refresh_token, scope = _GRANTS[grant_type](call, form, client_id)
    return json_response(
        {
            "access_token": call.state.tokens.access_token(owner, client_id),
            "expires_in": math.ceil(call.state.tokens.rules.life or _ACCESS_LIFETIME),
            "refresh_token": refresh_token,
            "refresh_token_expires_in": _REFRESH_LIFETIME,
            "token_type": "Bearer",
            "scope": scope or _SCOPES,
        }
    )


async def delete_authorizations(call: Call) -> Response:
    """End what the caller has granted to a client."""
    client_id = call.query("clientId")
    if client_id is None:
        raise RefusedCallError(400, "clientId is required and must not be empty")
    call.state.tokens.end_grants(call.person, client_id)
    return Response(status_code=204)


def _page(call: Call) -> Response:
    """The page on which a person chooses who to be; a choice is the same request with a hint."""
    query = [each for each in call.request.query_params.multi_items() if each[0] != "login_hint"]
    persons = [
        each
        for each in call.state.persons
        if each != call.state.bot and each.id not in call.state.fake_ids
    ]
    links = (
        f'<li><a href="?{escape(urlencode([*query, ("login_hint", each.emails[0])]))}">'
        f"{escape(each.display_name)} &lt;{escape(each.emails[0])}&gt;</a></li>"
        for each in persons
    )
    hidden = (
        f'<input type="hidden" name="{escape(name)}" value="{escape(each)}">'
        for name, each in query
    )
    content = _PAGE.format(
        client=escape(call.query("client_id") or ""), links="".join(links), hidden="".join(hidden)
    )
    return HTMLResponse(content, headers=_PAGE_HEADERS)


def _client_id(call: Call, form: Mapping[str, str]) -> str:
    """The id of the client, which authenticates with a header or in the form."""
    scheme, _, encoded = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        client_id = _required(form, "client_id")
        if "client_secret" not in form:
            raise OAuthError("invalid_client", "client_secret is required and must not be empty")
        if not _is_right(call, form["client_secret"]):
            raise OAuthError("invalid_client", _WRONG)
        return client_id
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client_id = secret = ""
    client_id = unquote_plus(client_id)  # RFC 6749, 2.3.1
    if not client_id or not secret or form.get("client_id", client_id) != client_id:
        raise ClientAuthenticationError(
            "HTTP Basic needs the client's id and secret, and the id of the form, if it has one"
        )
    if not _is_right(call, unquote_plus(secret)):
        raise ClientAuthenticationError(_WRONG)
    return client_id


def _is_right(call: Call, secret: str) -> bool:
    """Whether a secret is that of the client; without one, any is."""
    expected = call.state.tokens.rules.client_secret
    return expected is None or hmac.compare_digest(secret.encode(), expected.encode())


def _for_refresh_token(
    call: Call, form: Mapping[str, str], client_id: str
) -> tuple[SandboxPerson, str, str]:
    return call.state.tokens.refreshed(_required(form, "refresh_token"), client_id)


def _for_code(
    call: Call, form: Mapping[str, str], client_id: str
) -> tuple[SandboxPerson, str, str]:
    issued = call.state.tokens.redeem_code(
        _required(form, "code"),
        client_id=client_id,
        redirect_uri=_required(form, "redirect_uri"),
        code_verifier=form.get("code_verifier"),
    )
    token = call.state.tokens.refresh_token(issued.owner, client_id, issued.scope)
    return issued.owner, token, issued.scope


_GRANTS = {"authorization_code": _for_code, "refresh_token": _for_refresh_token}


def _required(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise OAuthError("invalid_request", f"{name} is required and must not be empty")
    return form[name]


def _check_authorization(query: Mapping[str, str]) -> None:
    if query.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    if "code_challenge" in query and query.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "code_challenge_method must be S256")


def _is_redirect_uri(text: str) -> bool:
    try:
        url = httpx.URL(text)
        is_absolute = bool(url.scheme and url.host)
    except (httpx.InvalidURL, UnicodeError):  # the second is bad punycode
        return False
    return is_absolute and not url.fragment
