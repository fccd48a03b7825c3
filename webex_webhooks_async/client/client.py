"""The entry point for calling Webex."""

import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack, cast, overload

from webex_webhooks_async.client.auth import StaticToken, TokenProvider
from webex_webhooks_async.client.bodies import file_name
from webex_webhooks_async.client.requester import Request, Requester
from webex_webhooks_async.client.resource import APIResource, Params, T
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.client.retries import RetryPolicy
from webex_webhooks_async.models import wire_name
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import BASE_URL, Resource
from webex_webhooks_async.serialization.converter import check_into
from webex_webhooks_async.validation import check_count, check_text, check_type

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import httpx

    from webex_webhooks_async.catalog import Watchable
    from webex_webhooks_async.client.pagination import AsyncPaginator
    from webex_webhooks_async.client.webhooks import Webhooks
    from webex_webhooks_async.models.files import File
    from webex_webhooks_async.models.messages import AttachmentAction, Message
    from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData


_MOST_IN_MEMORY = 104_857_600  # bytes of a file


class ClientOptions(TypedDict, total=False):
    """The arguments of a `Client` besides the token."""

    base_url: str
    http_client: "httpx.AsyncClient | httpx.AsyncBaseTransport | None"
    timeout: float | timedelta
    retry: RetryPolicy
    max_concurrency: int
    max_body: int


class Client(APIResource):
    """Calls Webex. Make one at the start of a program or worker, and close it at the end.

    ::

        async with Client("token") as client:
            webhook = await client.webhooks.get(webhook_id)

    Any number of tasks of one event loop may share it.

    Args:
        token: An access token, or a `TokenProvider` such as `RefreshingToken`. It is sent with
            each request, and to the origin of `base_url` only.
        base_url: The URL of the API; https, or http on loopback. The government cloud's is
            ``https://api-usgov.webex.com/v1``.
        http_client: An `httpx.AsyncClient`, or a transport of httpx such as `AiohttpTransport`. It
            sends the requests, and is left open. Its default headers, event hooks and mounts
            take part; its ``auth``, ``Authorization``, ``base_url``, ``cookies``, ``params``,
            ``timeout`` and ``follow_redirects`` don't. An `httpx.HTTPError` or
            `OSError` that a hook raises counts as no response; any other error is raised at once,
            unchanged.
        timeout: Seconds, or a `timedelta`, for one attempt, from its start to the last byte of the
            response.
        retry: Which transient failures are retried, and how often.
        max_concurrency: The number of requests in flight; further ones wait. Without an
            `http_client`, this is also the number of connections.
        max_body: The number of bytes that a response may have, as it is sent and decompressed.

    Attributes:
        http_client: The `httpx.AsyncClient` that sends the requests: the given one, or one around
            the given transport or the default connection pool.

    Raises:
        ValueError: The token is empty or can't be sent in a header, `base_url` isn't https, a
            number is out of its range, `http_client` has fewer connections than `max_concurrency`,
            or the proxy URL in the environment is invalid, or its certificates can't be read.
        TypeError: An argument is of a wrong type.
    """

    def __init__(  # noqa: PLR0913 - all but the token have a default
        self,
        token: str | TokenProvider,
        *,
        base_url: str = BASE_URL,
        http_client: "httpx.AsyncClient | httpx.AsyncBaseTransport | None" = None,
        timeout: float | timedelta = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        max_concurrency: int = 20,
        max_body: int = 52_428_800,
    ) -> None:
        check_type("token", token, str, TokenProvider)
        super().__init__(
            Requester(
                StaticToken(token) if isinstance(token, str) else token,
                base_url=base_url,
                http_client=http_client,
                timeout=timeout,
                retry=retry,
                max_concurrency=max_concurrency,
                max_body=max_body,
            )
        )
        self.http_client: httpx.AsyncClient = self._requester.http_client

    @cached_property
    def webhooks(self) -> "Webhooks":
        """The `Webhooks` resource."""
        from webex_webhooks_async.client.webhooks import Webhooks  # noqa: PLC0415 - attrs takes a while to make its classes

        return Webhooks(self._requester)

    @classmethod
    def from_env(cls, *, prefix: str = "", **options: Unpack[ClientOptions]) -> Self:
        """Return a client with the token that the environment variables hold.

        ``WEBEX_ACCESS_TOKEN`` alone is a token that doesn't change. With ``WEBEX_CLIENT_ID``,
        ``WEBEX_CLIENT_SECRET`` and ``WEBEX_REFRESH_TOKEN`` the token is refreshed when Webex
        rejects it, and an access token isn't needed. The new tokens are kept in memory; make a
        `RefreshingToken` with `on_refresh` to store them.

        ``WEBEX_BASE_URL`` takes the place of the default `base_url`, to call a sandbox, say.

        Args:
            prefix: The beginning of the names of all these variables, for a program that has
                several tokens: with ``LUNCH_``, the first is ``LUNCH_WEBEX_ACCESS_TOKEN``.
                Variables without it don't count then.
            options: The arguments of a `Client` besides the token.

        Raises:
            ValueError: There is no access token, and a part of what refreshes one is missing; or as
                when made directly.
            TypeError: As when made directly.
        """
        from webex_webhooks_async.client.environment import (  # noqa: PLC0415 - many a program has its token from elsewhere
            base_url_from_env,
            token_from_env,
        )

        check_text("prefix", prefix)
        if "base_url" not in options:
            options["base_url"] = base_url_from_env(prefix)
        return cls(token_from_env(prefix), **options)

    async def get(
        self,
        path: str,
        *segments: str,
        params: Params | None = None,
        into: type[T] | Callable[[Any], T] | None = None,
    ) -> T:
        """GET what is at a path.

        ::

            me = await client.get("people/me")
            room = await client.get("rooms", room_id, into=Room)

        Args:
            path: As in Webex's reference, relative to `base_url`, such as ``attachment/actions``.
            segments: Further segments of the path, such as an id. Each is percent-encoded whole.
            params: The query. `None` is left out, a boolean becomes ``true`` or ``false``, a
                sequence repeats the key, and a datetime is sent in ISO 8601.
            into: The class of the result, such as an attrs class of yours or ``list[Room]``, whose
                fields are snake_case where the response has camelCase: `from_json` says what it
                may have. Or a function that takes the parsed JSON and returns the result, such as
                pydantic's ``Room.model_validate``; what it raises is raised. Without it the result
                is parsed JSON, and `None` for an empty body.

        Raises:
            ValueError: The path, a segment or a value can't be sent; nothing was sent.
            TypeError: An argument has a wrong type, or JSON can't be read into the class; nothing
                was sent.
            APIError: Webex responded with an error status.
            TransportError: No response arrived.
            DecodeError: The response doesn't fit `into`, or isn't JSON.
        """
        return await self._send("GET", path, *segments, params=params, into=into)

    async def post(
        self,
        path: str,
        *segments: str,
        params: Params | None = None,
        json: object = None,
        file: "File | None" = None,
        into: type[T] | Callable[[Any], T] | None = None,
    ) -> T:
        """POST to a path.

        ::

            await client.post("messages", json={"roomId": room_id, "text": "Hello"})

        With a file, the members of `json` are sent as the fields of a form::

            await client.post("messages", json={"roomId": room_id}, file=File.from_path("menu.pdf"))

        It is repeated only after a 429, or a 423 with Retry-After. After a `TransportError` or a
        `ServerError` Webex may have processed it: look before you send it again.

        `json` is the body: what JSON can hold, or an instance of an attrs class or a dataclass,
        which is sent as `to_json` writes it. `file` is a file to upload; `json` then holds texts,
        numbers and booleans only.

        The other arguments and the errors are those of `get`. A `json` that JSON can't hold, and a
        nested member beside a `file`, is a `TypeError` or a `ValueError` as well, and nothing is
        sent.
        """
        return await self._send(
            "POST", path, *segments, params=params, json=json, file=file, into=into
        )

    async def put(
        self,
        path: str,
        *segments: str,
        params: Params | None = None,
        json: object = None,
        into: type[T] | Callable[[Any], T] | None = None,
    ) -> T:
        """PUT what is at a path.

        ::

            await client.put("rooms", room_id, json={"title": "New title"})

        The arguments are those of `post`, except `file`, and the errors are the same.
        """
        return await self._send("PUT", path, *segments, params=params, json=json, into=into)

    async def patch(
        self,
        path: str,
        *segments: str,
        params: Params | None = None,
        json: object = None,
        into: type[T] | Callable[[Any], T] | None = None,
    ) -> T:
        """PATCH what is at a path; it is repeated as a POST is.

        ::

            await client.patch("people", person_id, json={"displayName": "Ann"})

        The arguments are those of `post`, except `file`, and the errors are the same.
        """
        return await self._send("PATCH", path, *segments, params=params, json=json, into=into)

    async def delete(self, path: str, *segments: str, params: Params | None = None) -> None:
        """DELETE what is at a path.

        ::

            await client.delete("messages", message_id)

        The arguments and the errors are those of `get`. After an attempt that may have deleted it,
        because its response was lost, a `NotFoundError` isn't raised.
        """
        await self._delete(path, *segments, params=params)

    def list(  # noqa: PLR0913 - all but the path have a default
        self,
        path: str,
        *segments: str,
        params: Params | None = None,
        into: type[T] | Callable[[Any], T] | None = None,
        items_key: str = "items",
        start_url: str | None = None,
        prefetch: bool = False,
    ) -> "AsyncPaginator[T]":
        """Return a list that comes in pages; nothing is sent before it is iterated or awaited.

        ::

            async for member in client.list("memberships", params={"roomId": room_id}):
                print(member["personEmail"])

        Args:
            path: As in Webex's reference, relative to `base_url`.
            segments: Further segments of the path.
            params: The query of the first page. Each further page has the query that Webex names.
            into: The class of an item, or a function that takes its JSON, as for `get`; without it,
                an item is parsed JSON.
            items_key: The member of a page that holds the items.
            start_url: A kept `Page.next_url` to continue from; `params` don't apply then.
            prefetch: Request the next page while the caller works on this one.

        Raises:
            ValueError: The path, a segment or a parameter can't be sent, or `start_url` is empty.
            TypeError: An argument has a wrong type.
        """
        if into is not None:
            check_into(into)

        def read(response: Response) -> tuple[Any, ...]:
            return response.items(items_key, into)

        return self._paginate(
            read, path, *segments, params=params, start_url=start_url, prefetch=prefetch
        )

    @overload
    async def fetch(self, notification: "Notification[MessageData]") -> "Message": ...

    @overload
    async def fetch(
        self, notification: "Notification[AttachmentActionData]"
    ) -> "AttachmentAction": ...

    @overload
    async def fetch(
        self, notification: Notification[Any], *, into: type[T] | Callable[[Any], T] | None = None
    ) -> T: ...

    async def fetch(
        self, notification: Notification[Any], *, into: type[T] | Callable[[Any], T] | None = None
    ) -> object:
        """GET what a notification is about.

        ::

            @receiver.on("messages", "created")
            async def reply(notification: Notification[MessageData]) -> None:
                message = await client.fetch(notification)

        The result is a `Message` for messages, an `AttachmentAction` for attachmentActions, and
        parsed JSON for memberships, rooms, meetings, meetingParticipants, recordings,
        convergedRecordings and telephony_calls. meetingTranscripts can't be read by id.

        `into` is another class of the result, or a function, as for `get`.

        Raises:
            ValueError: The resource has no known path, or the data have no id; nothing was sent.
            TypeError: `notification` isn't a `Notification`.
            NotFoundError: It doesn't exist any more, or not yet: Webex may take minutes to offer
                what a notification of a meeting is about.
            APIError: Webex responded with another error status.
            TransportError: No response arrived.
            DecodeError: The response doesn't fit.
        """
        check_type("notification", notification, Notification)
        resource = notification.resource
        watchable = _watchable(resource)
        if watchable is None or watchable.path is None:
            raise ValueError(
                f"Webex is not known to have a GET by id for {resource}; look into its reference, "
                "and use client.get or client.list"
            )
        return await self._send(
            "GET",
            watchable.path,
            _id_of(notification, watchable),
            into=into or _fetched().get(resource),
        )

    @overload
    async def download(
        self, url: str, *segments: str, params: Params | None = None, max_bytes: int | None = None
    ) -> "File": ...

    @overload
    async def download(
        self,
        url: str,
        *segments: str,
        params: Params | None = None,
        to: "str | os.PathLike[str]",
        max_bytes: int | None = None,
    ) -> "Path": ...

    async def download(
        self,
        url: str,
        *segments: str,
        params: Params | None = None,
        to: "str | os.PathLike[str] | None" = None,
        max_bytes: int | None = None,
    ) -> "File | Path":
        """Return a file of a message, at one of the URLs in its `files`; or write any to a path.

        While Webex scans the file for malware (423), and after a 429, it is asked for again, as the
        retry policy says. An infected file is a `GoneError`. `timeout` counts until the
        response begins, and then from piece to piece, not for the whole.

        ::

            for url in message.files:
                file = await client.download(url)

        The file is in memory as a whole. With `to` it is written while it arrives, and may be at
        any host, such as a recording at its ``temporaryDirectDownloadLinks``: redirects are
        followed, and the token goes to the origin of `base_url` alone. The file is beside its place
        until it is whole, and then takes the place of one that is there. If it fails, nothing is
        left; what a killed process leaves is removed by the next download to this path.

        ::

            path = await client.download(link, to="recording.mp4")

        Args:
            url: The URL; without `to`, it has the origin of `base_url`. Or a path, as for `get`.
            segments: Further segments of a path, as for `get`.
            params: The query of a path, as for `get`.
            to: The path of a file in a folder that is there.
            max_bytes: The number of bytes that the file may have, as it is sent and decompressed:
                by default 104,857,600 in memory, and any number in a file.

        Returns:
            The file; or the path.

        Raises:
            ValueError: The URL has another origin, so the token isn't sent there, or isn't a URL;
                the path is refused, as by `get`; `max_bytes` is below 1; with `to`, the URL is
                neither https nor on loopback, or `to` is a folder or a link. Nothing was sent.
            TypeError: An argument has a wrong type; nothing was sent.
            FileNotFoundError: The folder of `to` isn't there; nothing was sent.
            OSError: The file can't be written.
            ResponseTooLargeError: The file has more bytes; the rest wasn't read.
            APIError: The server responded with another error status, or with a redirect; with `to`,
                with more than ten, or to what isn't such a URL.
            TransportError: No response arrived, or it was broken off.
            DecodeError: The response has more than one content coding.
        """
        from webex_webhooks_async.client.pagination import target_on  # noqa: PLC0415 - attrs takes a while to make its classes
        from webex_webhooks_async.models.files import File  # noqa: PLC0415 - as above

        if max_bytes is not None:
            check_count("max_bytes", max_bytes)
        check_text("url", url)
        if segments or params or "://" not in url:
            url = self._requester.origin + self._target(url, segments, params)
        if to is not None:
            from webex_webhooks_async.client.downloads import download_to  # noqa: PLC0415 - rare

            return await download_to(self._requester, url, to, max_bytes or sys.maxsize)
        target = target_on(self._requester.base_url, url, "url", ValueError)
        request = Request(method="GET", target=target, max_bytes=max_bytes or _MOST_IN_MEMORY)
        response = await self._requester.send(request)
        name = file_name(response.headers.get("content-disposition"))
        content_type = response.headers.get("content-type", "")
        sound_type = content_type if content_type.isprintable() else ""
        return File(name, response.body, sound_type or None)

    if not TYPE_CHECKING:  # pragma: no branch - for type checkers any attribute would be right

        def __getattr__(self, name: str) -> object:
            """Show how Webex is called, where a method for one of its resources is looked for."""
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_"):
                watchable = _watchable(wire_name(name))
                path = watchable.path if watchable and watchable.path else name.replace("_", "/")
                message += (
                    f": Webex is called by path, such as client.post({path!r}, json=...) or "
                    f"client.list({path!r})"
                )
            raise AttributeError(message, name=name, obj=self)

    async def aclose(self) -> None:
        """Close the connections, but not a given `http_client`.

        A request after that raises `RuntimeError`.
        """
        await self._requester.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@cache
def _fetched() -> Mapping[str, type[Any]]:
    """The class that `Client.fetch` returns for a resource, if it isn't parsed JSON."""
    from webex_webhooks_async.models.messages import AttachmentAction, Message  # noqa: PLC0415 - as in `webhooks`

    return {Resource.ATTACHMENT_ACTIONS: AttachmentAction, Resource.MESSAGES: Message}


def _watchable(resource: str) -> "Watchable | None":
    from webex_webhooks_async.catalog import CATALOG  # noqa: PLC0415 - as in `_fetched`

    return CATALOG.get(resource)


def _id_of(notification: Notification[Any], watchable: "Watchable") -> str:
    data: object = notification.data
    if isinstance(data, Mapping):
        name = wire_name(watchable.id_field)
        found = cast("Mapping[str, object]", data).get(name)
    else:
        name = watchable.id_field
        found = getattr(data, name, None)
    if not isinstance(found, str) or not found:
        raise ValueError(
            f"the data of this {notification.resource} notification have no {name}; "
            "find what it is about with client.list or client.get"
        )
    return found
