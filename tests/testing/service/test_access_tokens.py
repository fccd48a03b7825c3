import base64
import html
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.support.clocks import StoppedClock
from tests.testing.doubles import Api
from webex_webhooks_async.testing import Sandbox, SandboxPerson

pytestmark = pytest.mark.once

REFRESH = {
    "grant_type": "refresh_token",
    "client_id": "C1",
    "client_secret": "S1",
    "refresh_token": "R1",
}
CALLBACK = "http://localhost:8765/callback?tenant=1"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""The pair of RFC 7636, appendix B."""

ASKING = {
    "response_type": "code",
    "client_id": "C1",
    "redirect_uri": CALLBACK,
    "scope": "spark:messages_read spark:rooms_read",
    "state": "a state & more",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "prompt": "select_account",  # unknown parameters are ignored, as RFC 6749 wants
}
EXCHANGE = {
    "grant_type": "authorization_code",
    "client_id": "C1",
    "client_secret": "S1",
    "redirect_uri": CALLBACK,
    "code_verifier": VERIFIER,
}


@pytest.fixture(autouse=True)
def without_token(api: Api) -> None:
    """These operations take no access token."""
    del api.headers["Authorization"]


def present(members: Mapping[str, str | None]) -> dict[str, str]:
    """The members that aren't None."""
    return {key: value for key, value in members.items() if value is not None}


async def redirected_with(api: Api, **changes: str | None) -> dict[str, str]:
    """Authorize, and return the query of the redirect."""
    response = await api.get("/authorize", params=present({**ASKING, **changes}))
    assert response.status_code == 302
    location = urlsplit(response.headers["Location"])
    assert location._replace(query="").geturl() == CALLBACK.partition("?")[0]
    members = dict(parse_qsl(location.query))
    assert members.pop("tenant") == "1"
    return members


async def exchange(api: Api, **changes: str | None) -> httpx.Response:
    """Exchange a code for tokens."""
    return await api.post("/access_token", data=present({**EXCHANGE, **changes}))


@pytest.mark.parametrize(
    ("form", "left_out", "error"),
    [
        (REFRESH, "grant_type", "invalid_request"),
        (REFRESH, "client_id", "invalid_request"),
        (REFRESH, "client_secret", "invalid_client"),
        (REFRESH, "refresh_token", "invalid_request"),
        (EXCHANGE, "code", "invalid_request"),
        ({**EXCHANGE, "code": "x"}, "redirect_uri", "invalid_request"),
    ],
)
async def test_a_grant_needs_every_field(
    api: Api, form: dict[str, str], left_out: str, error: str
) -> None:
    """A form without a field is refused with the code of RFC 6749, and names the field."""
    fields = {name: value for name, value in form.items() if name != left_out}

    response = await api.post("/access_token", data=fields)

    assert response.status_code == 400
    assert response.json() == {
        "error": error,
        "error_description": f"{left_out} is required and must not be empty",
        "trackingId": response.headers["trackingid"],
    }


async def test_a_code(api: Api) -> None:
    """An authorization redirects with a code and the state; it gives tokens, and these new ones."""
    redirected = await redirected_with(api)
    granted = (await exchange(api, code=redirected["code"])).json()
    refresh = {**REFRESH, "refresh_token": granted["refresh_token"]}
    refreshed = (await api.post("/access_token", data=refresh)).json()
    optional = ("code_challenge", "code_challenge_method", "state", "scope")
    plain = await redirected_with(api, **dict.fromkeys(optional))
    without = await exchange(api, code=plain["code"], code_verifier=None)

    assert redirected == {"code": redirected["code"], "state": "a state & more"}
    assert granted["scope"] == "spark:messages_read spark:rooms_read"
    assert refreshed["access_token"] not in {"", granted["access_token"]}
    assert refreshed == {
        "access_token": refreshed["access_token"],
        "expires_in": 14 * 24 * 3600,
        "refresh_token": granted["refresh_token"],
        "refresh_token_expires_in": 90 * 24 * 3600,
        "token_type": "Bearer",
        "scope": granted["scope"],
    }
    assert plain.keys() == {"code"}
    assert without.json()["scope"]


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"code_verifier": "wrong"}, "code_verifier"),
        ({"code_verifier": None}, "code_verifier"),
        ({"redirect_uri": "http://localhost:8765/"}, "redirect_uri"),
        ({"client_id": "C2"}, "client_id"),
        ({"code": "unknown"}, "code"),
    ],
)
async def test_a_code_that_does_not_fit(
    api: Api, changes: dict[str, str | None], description: str
) -> None:
    """A code is bound to its client, redirect URI and challenge."""
    code = (await redirected_with(api))["code"]

    response = await exchange(api, **{"code": code, **changes})

    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert description in response.json()["error_description"]


async def test_what_pkce_can_not_replace(api: Api) -> None:
    """PKCE isn't left out by a code without a challenge, nor the secret; a code is used once."""
    plain = (await redirected_with(api, code_challenge=None, code_challenge_method=None))["code"]
    code = (await redirected_with(api))["code"]

    refused = await exchange(api, code=code, client_secret=None)

    for verifier in (VERIFIER, None):  # the first fails, and uses the code
        again = await exchange(api, code=plain, code_verifier=verifier)
        assert again.json()["error"] == "invalid_grant"
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")
    assert (await exchange(api, code=code)).status_code == 200
    assert (await exchange(api, code=code)).json()["error"] == "invalid_grant"


async def test_a_code_expires() -> None:
    """A code lives for five minutes."""
    clock = StoppedClock()
    async with Sandbox(clock=clock.now).http_client() as api:
        one, other = [(await redirected_with(api))["code"] for _ in range(2)]
        clock.advance(300)
        in_time = await exchange(api, code=one)
        clock.advance(1)
        late = await exchange(api, code=other)

    assert (in_time.status_code, late.json()["error"]) == (200, "invalid_grant")


async def test_errors_of_an_authorization(api: Api) -> None:
    """An error comes back with the redirect and the state; without a place for that it is a 400."""
    for name, value, error in (
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", None, "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
    ):
        redirected = await redirected_with(api, **{name: value})
        assert (redirected["error"], redirected["state"]) == (error, "a state & more")
        assert "code" not in redirected
        assert redirected["error_description"]
    for name, value in (
        *(("client_id", None), ("redirect_uri", None)),
        *(("redirect_uri", "http://localhost/#fragment"), ("redirect_uri", "https://xn--/")),
    ):
        response = await api.get("/authorize", params=present({**ASKING, name: value}))
        assert (response.status_code, "Location" in response.headers) == (400, False)


@pytest.mark.parametrize(
    ("credentials", "form", "status"),
    [
        ("C1:S1", {}, 200),
        ("C1:S1", {"client_id": "C1"}, 200),
        ("a%3Ab+c:S%201", {"client_id": "a:b c"}, 200),
        ("C1:S1", {"client_id": "C2"}, 401),
        ("C1:", {}, 401),
        (":S1", {}, 401),
        ("C1", {}, 401),
        (None, {}, 401),
    ],
)
async def test_http_basic(
    api: Api, credentials: str | None, form: dict[str, str], status: int
) -> None:
    """A client may authenticate with HTTP Basic, form-encoded as RFC 6749 wants."""
    encoded = "*" if credentials is None else base64.b64encode(credentials.encode()).decode()
    fields = {"grant_type": "refresh_token", "refresh_token": "R1", **form}

    response = await api.post(
        "/access_token", data=fields, headers={"Authorization": f"Basic {encoded}"}
    )

    assert response.status_code == status
    if status == 401:
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        assert response.json()["error"] == "invalid_client"


BROWSER = {"Accept": "text/html,application/xhtml+xml"}


async def granted(api: Api, person: str = "", client: str = "C1") -> dict[str, Any]:
    """Let a person, or by default the bot, authorize, and return the tokens."""
    code = (await redirected_with(api, login_hint=person or None, client_id=client))["code"]
    response = await exchange(api, code=code, client_id=client)
    tokens: dict[str, Any] = response.json()
    assert response.status_code == 200
    return tokens


async def who(api: Api, tokens: dict[str, Any]) -> str:
    """Whose an access token is; the status if it is refused."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    response = await api.get("/people/me", headers=headers)
    return str(response.json()["emails"][0]) if response.is_success else str(response.status_code)


async def refreshed(api: Api, tokens: dict[str, Any]) -> dict[str, Any]:
    """What a refresh gives."""
    form = {**REFRESH, "refresh_token": tokens["refresh_token"]}
    answer: dict[str, Any] = (await api.post("/access_token", data=form)).json()
    return answer


async def test_a_hint(api: Api, webex_sandbox: Sandbox) -> None:
    """Who is in the hint, or else was chosen, owns the tokens, also those of later refreshes."""
    webex_sandbox.authorize_as("bob@example.com")

    tokens = [await granted(api, each) for each in ("ann@example.com", "")]
    webex_sandbox.authorize_as(SandboxPerson(emails=["eve@example.com"], display_name="Eve"))
    tokens += [await refreshed(api, each) for each in (*tokens, {"refresh_token": "another"})]
    refused = await api.get("/authorize", params={**ASKING, "login_hint": "ann"})

    assert [(await who(api, each)).partition("@")[0] for each in tokens] == [
        *("ann", "bob", "ann", "bob", "eve")
    ]
    assert refused.status_code == 400


async def test_a_browser_chooses(api: Api, webex_sandbox: Sandbox) -> None:
    """A browser gets a page with the people, whose links authorize as each; all is escaped."""
    await webex_sandbox.say("Hello", person="ann@example.com")
    await webex_sandbox.emit("memberships", "created", data={"personEmail": "fake@example.com"})
    query = {**ASKING, "login_hint": "", "client_id": "<C1>"}

    page = await api.get("/authorize", params=query, headers=BROWSER)
    links = [html.unescape(each) for each in re.findall('<a href="([^"]+)"', page.text)]
    redirect = await api.get(f"/authorize{links[0]}", headers=BROWSER)
    fields = dict(re.findall('name="([^"]+)" value="([^"]*)"', page.text))

    assert page.headers["content-type"].startswith("text/html")
    assert (page.status_code, len(links), "<C1>" in page.text) == (200, 1, False)
    assert "Ann &lt;ann@example.com&gt;" in page.text
    assert {name: html.unescape(each) for name, each in fields.items()} == {
        name: each for name, each in query.items() if name != "login_hint"
    }
    location = dict(parse_qsl(urlsplit(redirect.headers["Location"]).query))
    tokens = (await exchange(api, code=location["code"], client_id="<C1>")).json()
    assert (location["state"], await who(api, tokens)) == (ASKING["state"], "ann@example.com")


async def test_a_browser_when_somebody_is_chosen(api: Api, webex_sandbox: Sandbox) -> None:
    """A browser is redirected at once if the test has chosen a person, or if it is refused."""
    refused = await api.get("/authorize", params={**ASKING, "response_type": "x"}, headers=BROWSER)
    webex_sandbox.authorize_as("ann@example.com")
    redirect = await api.get("/authorize", params=ASKING, headers=BROWSER)

    assert [each.status_code for each in (refused, redirect)] == [302, 302]


@pytest.mark.parametrize("life", [60, timedelta(minutes=1)])
async def test_the_life_of_a_token(life: float | timedelta) -> None:
    """An access token expires after its life, which the grant says; a refresh gives a new one."""
    clock = StoppedClock()
    async with Sandbox(token_life=life, clock=clock.now).http_client() as api:
        tokens = await granted(api, "ann@example.com")
        clock.advance(59)
        before = await who(api, tokens)
        clock.advance(1)
        after = await who(api, tokens)
        again = await refreshed(api, tokens)
        assert tokens["expires_in"] == again["expires_in"] == 60
        assert (before, after) == ("ann@example.com", "401")
        assert await who(api, again) == "ann@example.com"
        api.headers["Authorization"] = "Bearer person:ann@example.com"
        assert (await api.get("/people/me")).status_code == 200


async def test_rotation() -> None:
    """With `rotate`, a refresh token is used once, and what it gives has its owner and scope."""
    async with Sandbox(rotate=True).http_client() as api:
        first = await granted(api, "ann@example.com")
        second = await refreshed(api, first)
        used = await refreshed(api, first)
        third = await refreshed(api, second)

        assert used["error"] == "invalid_grant"
        assert (third["scope"], await who(api, third)) == (ASKING["scope"], "ann@example.com")
        assert len({each["refresh_token"] for each in (first, second, third)}) == 3


@pytest.mark.parametrize(("secret", "statuses"), [("S1", (200, 200)), ("S2", (400, 401))])
async def test_the_secret_of_the_client(secret: str, statuses: tuple[int, int]) -> None:
    """Another secret than the client's is `invalid_client`, in a form and in a header."""
    async with Sandbox(client_secret="S1").http_client() as api:
        fields = {"grant_type": "refresh_token", "refresh_token": "R1"}
        responses = [
            await api.post("/access_token", data={**REFRESH, "client_secret": secret}),
            await api.post("/access_token", data=fields, auth=("C1", secret)),
        ]

    assert tuple(each.status_code for each in responses) == statuses
    assert [each.json().get("error") for each in responses if each.is_error] == [
        "invalid_client" for each in statuses if each > 200
    ]


@pytest.mark.parametrize("by", ["test", "request"])
async def test_a_person_who_revokes(api: Api, webex_sandbox: Sandbox, by: str) -> None:
    """What a person has granted ends at once, by a request that of one client; others' stays."""
    ann = await granted(api, "ann@example.com")
    elsewhere = await granted(api, "ann@example.com", "C2")
    bob = await granted(api, "bob@example.com")
    code = (await redirected_with(api, login_hint="ann@example.com"))["code"]

    if by == "test":
        webex_sandbox.revoke_user("ann@example.com")
    else:
        headers = {"Authorization": f"Bearer {ann['access_token']}"}
        missing = await api.delete("/authorizations", headers=headers)
        revoked = await api.delete("/authorizations?clientId=C1", headers=headers)
        assert (missing.status_code, revoked.status_code) == (400, 204)

    assert [await who(api, each) for each in (ann, bob)] == ["401", "bob@example.com"]
    assert await who(api, elsewhere) == ("401" if by == "test" else "ann@example.com")
    assert (await refreshed(api, ann))["error"] == "invalid_grant"
    assert (await exchange(api, code=code)).json()["error"] == "invalid_grant"
    assert await who(api, await granted(api, "ann@example.com")) == "ann@example.com"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"token_life": 0}, ValueError),
        ({"token_life": "60"}, TypeError),
        ({"client_secret": ""}, ValueError),
        ({"client_secret": 5}, TypeError),
        ({"rotate": 1}, TypeError),
        ({"private": "yes"}, TypeError),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], error: type[Exception]) -> None:
    """An option with a wrong value is an error that names it."""
    with pytest.raises(error, match=next(iter(options))):
        Sandbox(**options)
