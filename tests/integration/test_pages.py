import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.stage import ANN, BOB, SECRET, Browser, Shift, Stage
from webex_webhooks_async.integration.pages import _PLACE
from webex_webhooks_async.integration.postgres_store import PostgresUserStore

SAFE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


async def test_a_login_goes_through_webex_and_back(stage: Stage) -> None:
    """A browser gets a state, S256 and the scopes, one cookie, and comes back to its place."""
    async with stage.running(stage.integration()) as integration, Browser(integration) as browser:
        begun = await browser.get("/connect?next=/minutes%3Fa%3D1")
        query = httpx.URL(begun.headers["location"]).params
        cookie = begun.headers["set-cookie"]
        done = await stage.come_back(browser, begun)

        assert begun.status_code == done.status_code == 303
        assert query["code_challenge_method"] == "S256"
        assert query["scope"] == "meeting:schedules_read"
        assert done.headers["location"] == "/minutes?a=1"
        for part in ("__Host-webex-login=", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=600"):
            assert part in cookie
        assert query["state"] not in cookie
        assert "Max-Age=0" in done.headers["set-cookie"]
        assert (await integration.counts()).connected == 1
        for each in (begun, done):
            assert SAFE.items() <= each.headers.items()
            assert each.headers["x-content-type-options"] == "nosniff"


async def test_on_loopback_the_cookie_goes_over_http(stage: Stage) -> None:
    """On http there is neither the prefix nor `Secure`."""
    url = "http://127.0.0.1:8000"
    integration = stage.integration(public_url=f"{url}/")
    async with stage.running(integration), Browser(integration, url) as browser:
        begun = await browser.get("/connect")

        assert begun.headers["set-cookie"].startswith("webex-login=")
        assert "Secure" not in begun.headers["set-cookie"]
        assert (await stage.come_back(browser, begun)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/notifications", 404, None),
        ("PUT", "/notifications", 405, "POST"),
        ("POST", "/connect", 405, "GET"),
        ("HEAD", "/callback", 405, "GET"),
        ("GET", "/disconnect", 404, None),
        ("POST", "/disconnect", 404, None),
        ("POST", "/notifications", 401, None),
    ],
)
async def test_other_requests(
    stage: Stage, method: str, path: str, status: int, allow: str | None
) -> None:
    """Anything but the pages and notifications is refused."""
    async with stage.running(stage.integration()) as integration, Browser(integration) as browser:
        response = await browser.request(method, path)

        assert (response.status_code, response.headers.get("allow")) == (status, allow)


@pytest.mark.parametrize(
    "bad",
    [
        *("no cookie", "two cookies", "old", "another purpose"),
        *("torn", "state", "no code", "two states"),
    ],
)
async def test_a_callback_that_is_not_this_browsers(stage: Stage, time: Shift, bad: str) -> None:
    """A callback without this browser's own fresh login is refused, and stores nobody."""
    async with stage.running(stage.integration()) as integration, Browser(integration) as browser:
        begun = await browser.get("/connect")
        (cookie,) = browser.cookies.jar
        url = httpx.URL(begun.headers["location"]).copy_merge_params({"login_hint": ANN})
        back = httpx.URL((await stage.http_client.get(url)).headers["location"])
        headers: dict[str, str] = {}
        match bad:
            case "no cookie":
                browser.cookies.clear()
            case "two cookies":
                headers["cookie"] = f"{cookie.name}={cookie.value}; {cookie.name}={cookie.value}"
            case "old":
                time.advance(601)
                headers["cookie"] = f"{cookie.name}={cookie.value}"
            case "another purpose":
                sealed = integration._keyring.seal(
                    integration._keyring.open(
                        urlsafe_b64decode(cookie.value or ""), name="cookie of a login"
                    ),
                    name="user 1",
                )
                headers["cookie"] = f"{cookie.name}={urlsafe_b64encode(sealed).decode()}"
            case "torn":
                headers["cookie"] = f"{cookie.name}=a"
            case "state":
                back = back.copy_set_param("state", "other")
            case "two states":
                back = back.copy_add_param("state", "other")
            case _:
                back = back.copy_remove_param("code")
        if headers:
            browser.cookies.clear()
        response = await browser.get(back, headers=headers)

        assert response.status_code == 400
        assert (await integration.counts()).connected == 0


async def test_who_does_not_allow_it(stage: Stage) -> None:
    """A refusal at Webex is a 403."""
    async with stage.running(stage.integration()) as integration, Browser(integration) as browser:
        begun = await browser.get("/connect")
        state = httpx.URL(begun.headers["location"]).params["state"]
        denied = await browser.get(f"/callback?error=access_denied&state={state}")

        assert denied.status_code == 403
        assert "allow" in denied.text


async def test_a_used_code(stage: Stage) -> None:
    """A code that was used is a 400, which says to begin again."""
    async with stage.running(stage.integration()) as integration, Browser(integration) as browser:
        begun = await browser.get("/connect")
        (cookie,) = browser.cookies.jar
        url = httpx.URL(begun.headers["location"]).copy_merge_params({"login_hint": ANN})
        back = (await stage.http_client.get(url)).headers["location"]
        assert (await browser.get(back)).status_code == 200
        again = await browser.get(back, headers={"cookie": f"{cookie.name}={cookie.value}"})

        assert again.status_code == 400
        assert "Begin again" in again.text


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"status": 502}, 503), ({"status": 429}, 503), ({"status": 403}, 500), (None, 500)],
)
async def test_webex_that_refuses(
    stage: Stage, fault: dict[str, Any] | None, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is a 503; an application that Webex refuses is a 500 and an ERROR."""
    integration = stage.integration(client_secret="wrong" if fault is None else SECRET)
    async with stage.running(integration), Browser(integration) as browser:
        begun = await browser.get("/connect")
        if fault is not None:
            stage.sandbox.fail(path="/access_token", times=9, **fault)
        response = await stage.come_back(browser, begun)

        assert response.status_code == status
        assert ("refuses the client id" in caplog.text) is (fault is None)
        assert "wrong" not in caplog.text


async def test_a_store_that_is_away(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """While the store is away, a callback is a 503."""
    store = PostgresUserStore("host=127.0.0.1 port=1 user=ann", timeout=0.1)
    integration = stage.integration(store=store)
    async with stage.running(integration), Browser(integration) as browser:
        response = await stage.come_back(browser, await browser.get("/connect"))

        assert response.status_code == 503
        assert "can't be served" in caplog.text


async def test_allow_lets_in(stage: Stage) -> None:
    """`allow` is asked before anything is stored, and its refusal is a 403 with the words."""
    asked: list[str | None] = []

    async def allow(user: Any) -> bool:
        asked.append(user.email)
        return bool(user.email == BOB)

    integration = stage.integration(allow=allow, refusal="Colleagues only.")
    async with stage.running(integration):
        refused = await stage.connect(integration, ANN)
        accepted = await stage.connect(integration, BOB)

        assert (refused.status_code, refused.text) == (403, "Colleagues only.\n")
        assert accepted.status_code == 200
        assert asked == [ANN, BOB]
        assert [each.email for each in await integration.list()] == [BOB]
        assert not stage.webhooks(ANN)


class Account:
    """Who is logged in to an application."""

    def __init__(self) -> None:
        self.name: Any = None

    def __call__(self, scope: Any) -> Any:
        return self.name


async def test_accounts_of_the_application(stage: Stage) -> None:
    """Who is logged in connects, and a Webex account belongs to the last one who connected it."""
    account = Account()
    integration = stage.integration(current_account=account)
    async with stage.running(integration), Browser(integration) as browser:
        assert (await browser.get("/connect")).status_code == 401
        account.name = "a-1"
        begun = await browser.get("/connect")
        account.name = "a-2"
        assert (await stage.come_back(browser, begun)).status_code == 400
        begun = await browser.get("/connect")
        account.name = None
        assert (await stage.come_back(browser, begun)).status_code == 400
        for account.name, email in (("a-1", ANN), ("a-2", ANN), ("a-2", BOB)):
            assert (await stage.connect(integration, email)).status_code == 200

        assert await integration.list("a-1") == ()
        assert {each.email async for each in integration.list("a-2")} == {ANN, BOB}
        account.name = 5
        with pytest.raises(TypeError, match="current_account must return text"):
            await browser.get("/connect")


async def test_who_is_logged_in_disconnects(stage: Stage) -> None:
    """`POST /disconnect` of this site lets all users of the account leave."""
    account = Account()

    async def current(scope: Any) -> Any:
        return account(scope)

    integration = stage.integration(current_account=current)
    async with stage.running(integration), Browser(integration) as browser:
        account.name = "a-1"
        await stage.connect(integration, ANN)
        foreign = await browser.post("/disconnect", headers={"origin": "https://evil.example"})
        wrong = await browser.post("/disconnect?next=//evil.example")
        account.name = None
        nobody = await browser.post("/disconnect")
        account.name = "a-1"
        assert (await integration.counts()).connected == 1
        own = {"origin": "https://minutes.example.com"}
        done = await browser.post("/disconnect?next=/bye", headers=own)
        again = await browser.post("/disconnect", headers=own)

        statuses = [each.status_code for each in (foreign, wrong, nobody, done, again)]
        assert statuses == [403, 400, 401, 303, 200]
        assert done.headers["location"] == "/bye"
        assert SAFE.items() <= done.headers.items()
        assert (await browser.get("/disconnect")).headers["allow"] == "POST"


@given(st.text(st.characters(codec="utf-8"), max_size=12).map(lambda text: f"/{text}"))
def test_next_never_leaves_the_site(place: str) -> None:
    """A place that passes is a path of this site, for any browser."""
    if _PLACE.fullmatch(place):
        joined = httpx.URL("https://minutes.example.com/webex/callback").join(place)
        assert joined.host == "minutes.example.com"
        assert not re.match(r"/[/\\]", place)
        assert place.isascii()
        assert " " not in place
        assert "\\" not in place


@pytest.mark.parametrize(
    "place", ["", "minutes", "//evil.example", "/\\evil.example", "/a\\b", "/a b", "/é", "/\n"]
)
async def test_places_that_leave_the_site(stage: Stage, place: str) -> None:
    """A `next` that may lead elsewhere is a 400."""
    async with stage.running(stage.integration()) as integration, Browser(integration) as browser:
        wrong = await browser.get(f"/connect?next={quote(place)}")
        twice = await browser.get("/connect?next=/a&next=/b")
        long = await browser.get(f"/connect?next=/{'a' * 2000}")

        assert [each.status_code for each in (wrong, twice, long)] == [400, 400, 400]
        assert (await browser.get("/connect?next=/")).status_code == 303


async def test_before_the_start(stage: Stage) -> None:
    """Before the start, a page is a 503."""
    integration = stage.integration()
    async with Browser(integration) as browser:
        assert (await browser.get("/connect")).status_code == 503
