"""The options that several commands share."""

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, cast

from attrs import frozen
from cyclopts import Parameter, Token

from webex_webhooks_async.cli.files import InputFile, name_of, read_text, read_token
from webex_webhooks_async.cli.running import UsageError, run, usage_errors
from webex_webhooks_async.client.environment import WEBEX_ACCESS_TOKEN, WEBEX_BASE_URL
from webex_webhooks_async.models.vocabulary import BASE_URL, Event, Resource
from webex_webhooks_async.validation import HIGHEST_PORT, check_text

if TYPE_CHECKING:
    import httpx

    from webex_webhooks_async.client.auth import TokenProvider
    from webex_webhooks_async.client.client import Client

T = TypeVar("T")

BOT_PORT = 8000  # uvicorn's own
SANDBOX_PORT = 8900
SANDBOX_URL = f"http://127.0.0.1:{SANDBOX_PORT}/v1"


def _not_empty(_: object, given: str | tuple[str, ...] | None) -> None:
    for text in (given,) if isinstance(given, str) else given or ():
        if not text:
            raise ValueError("it is empty")
        check_text("it", text)


def _suggest(words: Iterable[str]) -> Parameter:
    """Let the shell complete these words; every other word is allowed too."""
    suggestions = [str(word) for word in words]
    return Parameter(completer=lambda _: suggestions, validator=_not_empty)


AnyResource = Annotated[str, _suggest(Resource)]
AnyEvent = Annotated[str, _suggest(Event)]
Owner = Literal["creator", "org"]

NotEmpty = Annotated[str, Parameter(validator=_not_empty)]


def _absolute(_: object, text: str | None) -> None:
    from webex_webhooks_async.client.requester import http_url  # noqa: PLC0415 - no help text needs it

    if text is not None and http_url(text) is None:
        raise ValueError("it must be an absolute http(s) URL")


HttpUrl = Annotated[str, Parameter(validator=_absolute)]


def _is_address(_: object, text: str) -> None:
    if not re.fullmatch("[!-?A-~]+@[!-~]+", text):
        raise ValueError("it must be an address, such as ann@example.com")


Address = Annotated[str, Parameter(validator=_is_address)]


def _is_port(_: object, number: int | None) -> None:
    if number is not None and not 0 <= number <= HIGHEST_PORT:
        raise ValueError(f"it must be from 0 (any free one) to {HIGHEST_PORT}")


Port = Annotated[int, Parameter(validator=_is_port)]


def _base_url(default: str) -> Parameter:
    """A variable that is empty counts as unset, as in the library."""

    def convert(_: object, tokens: Sequence[Token]) -> str:
        return tokens[0].value or default

    return Parameter(env_var=WEBEX_BASE_URL, converter=convert)


WebexUrl = Annotated[str, _base_url(BASE_URL)]
SandboxUrl = Annotated[str, _base_url(SANDBOX_URL)]


def is_url_given(base_url: str, default: str) -> bool:
    """Whether --base-url is given, and isn't just what counts without it."""
    return base_url not in {default, os.environ.get(WEBEX_BASE_URL)}


AsJson = Annotated[bool, Parameter(name="--json", show_default=False)]
ShowSecret = Annotated[bool, Parameter(name="--show-secret", show_default=False)]


@Parameter(name="*", group="Webex")
@frozen(kw_only=True)
class Connection:
    """The address of Webex, and the account that calls it.

    Attributes:
        token_file: A file with the token, or what login wrote; the default is WEBEX_ACCESS_TOKEN.
        base_url: The URL of the API; https, or http on loopback.
    """

    token_file: InputFile | None = None
    base_url: WebexUrl = BASE_URL

    @property
    def is_given(self) -> bool:
        """Whether an option names the token or the URL, rather than the environment alone."""
        return self.token_file is not None or is_url_given(self.base_url, BASE_URL)

    def client(self, http_client: "httpx.AsyncClient | None" = None) -> "Client":
        """A client to call Webex with, through `http_client` if it is given."""
        from webex_webhooks_async.client.client import Client  # noqa: PLC0415 - no help text needs it

        token = self._token()
        with usage_errors():
            return Client(token, base_url=self.base_url, http_client=http_client)

    def call(self, operation: "Callable[[Client], Awaitable[T]]") -> T:
        """Run an operation with a client and an event loop of its own."""

        async def operate() -> T:
            async with self.client() as client:
                return await operation(client)

        return run(operate())

    def _token(self) -> "TokenProvider":
        from webex_webhooks_async.client.auth import StaticToken  # noqa: PLC0415 - no help text needs it

        if self.token_file is not None:
            return read_token(self.token_file)
        token = os.environ.get(WEBEX_ACCESS_TOKEN)
        if not token:
            raise UsageError(
                f"there is no access token: set {WEBEX_ACCESS_TOKEN}, or pass a file with "
                "--token-file"
            )
        with usage_errors(WEBEX_ACCESS_TOKEN):
            return StaticToken(token)


@Parameter(name="*", group="Secret")
@frozen(kw_only=True)
class SecretSource:
    """The place of the secret that signs notifications; it is never an argument.

    Attributes:
        secret_env: Read the secret from this environment variable.
        secret_file: Read the secret from this file, without the newline at its end.
    """

    secret_env: str | None = None
    secret_file: InputFile | None = None

    @property
    def is_given(self) -> bool:
        """Whether one of the options is given."""
        return self.secret_env is not None or self.secret_file is not None

    def read(self) -> str | None:
        """The secret, or `None` if neither option is given."""
        if self.secret_env is not None and self.secret_file is not None:
            raise UsageError("--secret-env and --secret-file exclude each other")
        if self.secret_env is not None:
            secret = os.environ.get(self.secret_env, "")
            place = f"the environment variable {self.secret_env}"
        elif self.secret_file is not None:
            secret = read_text(self.secret_file).rstrip("\r\n")
            place = name_of(self.secret_file)
        else:
            return None
        if not secret:
            raise UsageError(f"there is no secret in {place}")
        with usage_errors():
            check_text(f"the secret in {place}", secret)
        return secret

    def require(self) -> str:
        """The secret, in a command that isn't called without one."""
        return cast("str", self.read())


FROM_ENVIRONMENT = Connection()
NO_SECRET = SecretSource()
