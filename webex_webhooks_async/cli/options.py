"""The options that several commands share."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import httpx
from attrs import frozen
from cyclopts import Parameter, validators

from webex_webhooks_async.cli.failures import UsageError, usage_errors
from webex_webhooks_async.client.client import BASE_URL, Client
from webex_webhooks_async.models.vocabulary import Event, Resource
from webex_webhooks_async.models.webhooks import WebhookUpdate
from webex_webhooks_async.validation import check_text

TOKEN_VARIABLE = "WEBEX_ACCESS_TOKEN"  # noqa: S105 - a name
BASE_URL_VARIABLE = "WEBEX_BASE_URL"


def _not_empty(_: object, given: str | tuple[str, ...]) -> None:
    for text in (given,) if isinstance(given, str) else given:
        if not text:
            raise ValueError("it is empty")
        check_text("it", text)


def _suggest(words: Iterable[str]) -> Parameter:
    """Let the shell complete these words; any other will do too."""
    suggestions = [str(word) for word in words]
    return Parameter(completer=lambda _: suggestions, validator=_not_empty)


AnyResource = Annotated[str, _suggest(Resource)]
AnyEvent = Annotated[str, _suggest(Event)]


def _absolute(_: object, text: str | None) -> None:
    if text is None:
        return
    try:
        httpx.URL(text)
        WebhookUpdate(name="any", target_url=text)  # has the rule for a target
    except (httpx.InvalidURL, ValueError):
        raise ValueError("it is no absolute http(s) URL") from None


HttpUrl = Annotated[str, Parameter(validator=_absolute)]

WebhookId = Annotated[str, Parameter(validator=_not_empty)]

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]

AsJson = Annotated[bool, Parameter(name="--json", show_default=False)]
ShowSecret = Annotated[bool, Parameter(name="--show-secret", show_default=False)]


@Parameter(name="*", group="Webex")
@frozen(kw_only=True)
class Connection:
    """Where Webex is, and who calls it.

    Attributes:
        token_file: Read the access token from this file. Without it, WEBEX_ACCESS_TOKEN holds it.
        base_url: Where the API is; https, or http on loopback.
    """

    token_file: Path | None = None
    base_url: Annotated[str, Parameter(env_var=BASE_URL_VARIABLE)] = BASE_URL

    @property
    def url(self) -> str:
        """Where the API is: a variable that is empty counts as unset."""
        return self.base_url or BASE_URL

    def client(self, http_client: httpx.AsyncClient | None = None) -> Client:
        """A client to call Webex with, perhaps through a given HTTP client.

        Raises:
            UsageError: There is no token, or it or the base URL can't be used.
        """
        with usage_errors():
            return Client(self.token(), base_url=self.url, http_client=http_client)

    def token(self) -> str:
        """The access token.

        Raises:
            UsageError: There is none.
        """
        if self.token_file is not None:
            return read_text(self.token_file).strip()
        token = os.environ.get(TOKEN_VARIABLE)
        if not token:
            raise UsageError(
                f"there is no access token: set {TOKEN_VARIABLE}, or name a file with --token-file"
            )
        return token


@Parameter(name="*", group="Secret")
@frozen(kw_only=True)
class SecretSource:
    """Where the secret is that notifications are signed with; never an argument.

    Attributes:
        secret_env: Take the secret from the environment variable of this name.
        secret_file: Read the secret from this file; a newline at its end doesn't count.
    """

    secret_env: str | None = None
    secret_file: Path | None = None

    def read(self) -> str | None:
        """The secret, or `None` if none is asked for.

        Raises:
            UsageError: It isn't where it should be, or both places are named.
        """
        if self.secret_env is not None and self.secret_file is not None:
            raise UsageError("--secret-env and --secret-file exclude each other")
        if self.secret_env is not None:
            secret = os.environ.get(self.secret_env, "")
            place = f"the environment variable {self.secret_env}"
        elif self.secret_file is not None:
            secret = read_text(self.secret_file).rstrip("\r\n")
            place = str(self.secret_file)
        else:
            return None
        if not secret:
            raise UsageError(f"there is no secret in {place}")
        with usage_errors():
            check_text(f"the secret in {place}", secret)
        return secret

    def require(self) -> str:
        """The secret.

        Raises:
            UsageError: As in `read`, or none is asked for.
        """
        secret = self.read()
        if secret is None:
            raise UsageError("name the secret's place with --secret-env or --secret-file")
        return secret


FROM_ENVIRONMENT = Connection()
NO_SECRET = SecretSource()


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: It can't be read, or is no text.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8") from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UsageError: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
