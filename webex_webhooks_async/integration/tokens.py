"""The tokens of users: sent as long as they last, and refreshed once for all processes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple, cast
from uuid import uuid4

from attrs import define, evolve, field

from webex_webhooks_async import errors
from webex_webhooks_async.client.limiter import Clock
from webex_webhooks_async.client.oauth import Tokens
from webex_webhooks_async.formatting import describe_exception, short_id
from webex_webhooks_async.integration.users import Change, Details, User, Users, in_state

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

CLAIM_SECONDS = 90.0
_REFRESH_SECONDS = 45.0  # with what follows, less than a claim lasts
_STORE_SECONDS = 35.0
_STORE_PAUSE = 0.5
_WAIT_SECONDS = 100.0  # longer than a claim
_WAIT_PAUSE = 0.5
_NEXT_TRY_SECONDS = 60.0
_LONGEST_MARGIN = 3600.0

Refresh = Callable[[str], Awaitable[Tokens]]
"""Asks Webex for new tokens, with a refresh token."""


class _Renewal(NamedTuple):
    """A refresh in progress; one that is needed waits for others, and its error counts."""

    task: "asyncio.Task[User | None]"
    is_needed: bool


@define
class TokenKeeper:
    """Keeps the tokens of all users of this process."""

    users: Users
    refresh: Refresh
    lose: Callable[[Details], Awaitable[None]]
    clock: Clock
    holder: str = field(factory=lambda: uuid4().hex, init=False)  # of claims
    _renewals: dict[str, _Renewal] = field(factory=dict[str, _Renewal], init=False)  # by the person
    _next_tries: dict[str, float] = field(factory=dict[str, float], init=False)  # the same

    async def renewed(self, person: str, rejected: str | None) -> User | None:
        """Return a user with newer tokens, refreshed once for all who ask at the same time.

        It is `None` if another process is at it, and that isn't waited for.
        """
        while (renewal := self._renewals.get(person)) is not None:
            await asyncio.wait([renewal.task])
            if rejected is None or renewal.is_needed:
                return renewal.task.result()
        task = asyncio.create_task(self._renew(person, rejected))
        self._renewals[person] = _Renewal(task, rejected is not None)
        task.add_done_callback(lambda ended: self._forget(person, ended))
        await asyncio.wait([task])  # which isn't cancelled with who waits
        return task.result()

    def may_try(self, person: str) -> bool:
        """Whether to refresh early; a try that fails is repeated a minute later."""
        return self._next_tries.get(person, 0.0) <= self.clock.monotonic()

    def note_failure(self, person: str) -> None:
        """Note that an early refresh has failed."""
        self._next_tries[person] = self.clock.monotonic() + _NEXT_TRY_SECONDS

    async def aclose(self) -> None:
        """Wait for the refreshes in progress: their tokens have to be stored."""
        while self._renewals:
            await asyncio.wait([each.task for each in self._renewals.values()])
        self._next_tries.clear()

    def _forget(self, person: str, ended: "asyncio.Task[User | None]") -> None:
        self._renewals.pop(person, None)
        _ = ended.cancelled() or ended.exception()  # retrieved, even if nobody waits any more

    async def _renew(self, person: str, rejected: str | None) -> User | None:
        until = self.clock.monotonic() + _WAIT_SECONDS
        while True:
            user = await self._with_tokens(person)
            if self._is_newer(user.details, rejected):
                return user
            if await self.users.store.claim(person, self.holder, CLAIM_SECONDS):
                try:
                    return await self._renew_alone(person, rejected)
                finally:
                    await self._unclaim(person)
            if rejected is None:
                return None
            if self.clock.monotonic() >= until:
                raise errors.RequestTimeoutError(
                    f"another process has been refreshing this token for {_WAIT_SECONDS:g} s"
                )
            await self.clock.sleep(_WAIT_PAUSE)

    async def _renew_alone(self, person: str, rejected: str | None) -> User:
        user = await self._with_tokens(person)
        while not self._is_newer(user.details, rejected):
            before = user.details
            try:
                async with asyncio.timeout(_REFRESH_SECONDS):
                    tokens = await self.refresh(before.tokens.refresh_token)
            except TimeoutError:
                raise errors.RequestTimeoutError(
                    f"no response to a refresh within {_REFRESH_SECONDS:g} s"
                ) from None
            except errors.WebexError as error:
                if is_app_refused(error):
                    logger.error("Webex refuses the client id or secret: %s", error)  # noqa: TRY400 - it says all
                if not is_grant_gone(error):
                    raise
                user = await self._with_tokens(person)
                if user.details.tokens.refresh_token == before.tokens.refresh_token:
                    if user.row.state == "connected":
                        await self._mark_lost(before)
                    raise errors.NotConnectedError(before.user.person_id, "lost") from None
            else:
                return await self._stored(before, tokens)
        return user

    async def _with_tokens(self, person: str) -> User:
        user = await self.users.get(person)
        if user is None or user.row.state == "lost":
            person_id = person if user is None else user.public.person_id
            raise errors.NotConnectedError(person_id, "unknown" if user is None else "lost")
        return user

    def _is_newer(self, details: Details, rejected: str | None) -> bool:
        if rejected is None:
            return not is_early(details.tokens, self.clock.now())
        is_other = details.tokens.access_token not in {"", rejected}
        return is_other and not is_expired(details.tokens, self.clock.now())

    async def _stored(self, before: Details, tokens: Tokens) -> User:
        """Store the tokens of a refresh, and return the user, whose tokens may be others by now."""

        def renew(user: User | None) -> Change | None:
            if user is None or user.details.connection != before.connection:
                return None  # who has left, or a newer permission
            details = evolve(user.details, tokens=tokens, grant=uuid4().hex)
            if user.row.state == "lost":
                details = in_state(details, "connected", self.clock.now())
            return Change(details)

        until = self.clock.monotonic() + _STORE_SECONDS
        while True:
            try:
                user = await self.users.change(before.user.person_id, renew)
                break
            except (ConnectionError, TimeoutError) as error:
                if self.clock.monotonic() >= until:
                    why = describe_exception(error)
                    logger.error("the tokens of a refresh can't be stored: %s", why)  # noqa: TRY400 - it says all
                    raise
                await self.clock.sleep(_STORE_PAUSE)
        if user is None:
            raise errors.NotConnectedError(before.user.person_id, "unknown")
        return user

    async def _mark_lost(self, before: Details) -> None:
        await self.lose(before)

        def lose(user: User | None) -> Change | None:
            if user is None or user.details.grant != before.grant or user.row.state != "connected":
                return None
            return Change(in_state(user.details, "lost", self.clock.now()))

        await self.users.change(before.user.person_id, lose)
        logger.info("the permission of %s is gone", short_id(before.user.person_id))

    async def _unclaim(self, person: str) -> None:
        try:
            await self.users.store.unclaim(person, self.holder)
        except OSError as error:  # it ends by itself
            logger.warning("a claim can't be given back: %s", describe_exception(error))


class UserToken:
    """The token of a user for one client. It is a `TokenProvider`."""

    def __init__(self, keeper: TokenKeeper, user: User, *, may_leave: bool = False) -> None:
        self._keeper = keeper
        self._user = user
        self._may_leave = may_leave
        self._secrets: dict[str, None] = {}
        self._note(user)

    async def get(self) -> str:
        """Return the access token, refreshed if it ends soon; empty if it has to be refreshed."""
        now = self._keeper.clock.now()
        tokens = self._user.details.tokens
        if not tokens.access_token or is_expired(tokens, now):
            return ""
        if is_early(tokens, now) and self._keeper.may_try(self._user.row.person):
            await self._refresh_early()
        return self._user.details.tokens.access_token

    async def refresh(self, rejected: str) -> str:
        """Return a token that isn't the rejected one."""
        tokens = self._user.details.tokens
        person = self._user.row.person
        renewed = await self._keeper.renewed(person, rejected or tokens.access_token)
        return self._use(cast("User", renewed))  # somebody else at it was waited for

    def secrets(self) -> tuple[str, ...]:
        """Return the tokens that it has had, for what hides them."""
        return tuple(self._secrets)

    async def _refresh_early(self) -> None:
        person = self._user.row.person
        try:
            user = await self._keeper.renewed(person, None)
        except errors.NotConnectedError:
            raise
        except (errors.WebexError, OSError) as error:
            logger.info("an early refresh failed: %s", describe_exception(error))
            user = None
        if user is None:
            self._keeper.note_failure(person)
        else:
            self._use(user)

    def _use(self, user: User) -> str:
        if user.row.state == "leaving" and not self._may_leave:
            raise errors.NotConnectedError(user.public.person_id, "leaving")
        self._user = user
        self._note(user)
        return user.details.tokens.access_token

    def _note(self, user: User) -> None:
        tokens = user.details.tokens
        self._secrets |= dict.fromkeys((tokens.access_token, tokens.refresh_token))


def is_early(tokens: Tokens, now: datetime) -> bool:
    """Whether less than a tenth of the life of a token is left, or than an hour."""
    if tokens.expires_at is None or tokens.expires_in is None:
        return False
    margin = min(tokens.expires_in / 10, _LONGEST_MARGIN)
    return tokens.expires_at - now < timedelta(seconds=margin)


def is_expired(tokens: Tokens, now: datetime) -> bool:
    """Whether a token has expired."""
    return tokens.expires_at is not None and tokens.expires_at <= now


def is_grant_gone(error: errors.WebexError) -> bool:
    """Whether Webex says that a refresh token, or a code, isn't valid any more.

    RFC 6749, 5.2. How Webex words it is second-hand.
    """
    return _says(error, "invalid_grant")


def is_app_refused(error: errors.WebexError) -> bool:
    """Whether Webex refuses the application itself, which says nothing about a user."""
    return _says(error, "invalid_client")


def _says(error: errors.WebexError, word: str) -> bool:
    return isinstance(error, errors.BadRequestError | errors.AuthenticationError) and any(
        word in each for each in (error.message, *error.errors)
    )
