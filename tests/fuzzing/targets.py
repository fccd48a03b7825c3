"""What must be true of any bytes: a target takes bytes, and raises if it isn't.

``%WORD%`` stands for a value that only the target knows. So the corpus is readable, and a fuzzer
doesn't have to guess a digest.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote

import httpx

from webex_webhooks_async.client.bodies import file_name
from webex_webhooks_async.client.pagination import absolute_link, next_link, target_on
from webex_webhooks_async.client.responses import Response
from webex_webhooks_async.errors import DecodeError, PaginationError, PayloadError, SignatureError
from webex_webhooks_async.formatting import Redactor
from webex_webhooks_async.models.files import File
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.webhooks import Webhook
from webex_webhooks_async.notifications.parsing import parse_unverified_notification
from webex_webhooks_async.notifications.signatures import (
    SIGNATURE_HEADERS,
    SignatureAlgorithm,
    sign,
    verify,
)
from webex_webhooks_async.serialization.converter import from_json, to_json

SECRET = "correct horse battery staple"
ORIGIN = "https://webexapis.com"


def signatures(data: bytes) -> None:
    """A request, as header lines and a body, is accepted only with a digest of its body."""
    head, _, body = data.partition(b"\n\n")
    digests = {
        each.name: hmac.digest(SECRET.encode(), body, each.name).hex().encode()
        for each in SignatureAlgorithm
    }
    head = filled(head, digests)
    pairs = [line.partition(b":")[::2] for line in head.split(b"\n")]
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    genuine = sign(body, SECRET)
    strong_but_wrong = (b"X-Webex-Signature", b"SHA-512=" + b"0" * 128)
    passes = proves(body, pairs)

    assert passes == proves(body, texts)
    assert not passes or any(digest in head.lower() for digest in digests.values())
    if digests["SHA512"] not in head.lower():
        assert not proves(body, [*pairs, strong_but_wrong])
    # Beyond the limit of all signature headers, a genuine one proves nothing.
    with_genuine = [*texts, *genuine.items()]
    assert proves(body, with_genuine) or is_too_long(with_genuine)
    assert not proves(body + b"\0", genuine)


def proves(body: bytes, headers: Any) -> bool:  # noqa: ANN401 - whatever a framework may have
    """Whether a request is accepted; a refusal is a `SignatureError`, and nothing else."""
    try:
        verify(body, headers, secrets=SECRET)
    except SignatureError:
        return False
    return True


def is_too_long(headers: list[tuple[str, str]]) -> bool:
    """Whether the signature headers have more bytes or parts than are read."""
    names = {name.lower() for name in SIGNATURE_HEADERS}
    values = [value for name, value in headers if name.lower() in names]
    return sum(map(len, values)) > 4096 or ",".join(values).count(",") + 1 > 16


def parsing(data: bytes) -> None:
    """JSON that is a notification is the same one after it was written and read again.

    The same is true of a webhook. Nothing else is raised, except that Python can't write all nested
    JSON that it reads.
    """
    with suppress(PayloadError, TooDeepError):
        notification = parse_unverified_notification(data)
        assert from_json(written(notification), Notification) == notification
    with suppress(DecodeError, TooDeepError):
        webhook = from_json(data, Webhook)
        assert from_json(written(webhook), Webhook) == webhook


class TooDeepError(Exception):
    """It is nested too deeply to be written."""


def written(model: object) -> bytes:
    """Write a model as JSON."""
    try:
        return to_json(model)
    except ValueError as error:
        if "nested too deeply" not in str(error):
            raise
        raise TooDeepError from error


def links(data: bytes) -> None:
    """Link headers, one a line, and each line as a link, lead to the origin of the base URL."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for link in {next_link(lines), *lines} - {None}:
        url = absolute_link(link or "", f"{ORIGIN}/v1/webhooks?ownedBy=org")
        with suppress(PaginationError):
            target = target_on(f"{ORIGIN}/v1", url)
            assert target.startswith("/")
            # A URL that httpx can't read is never requested.
            with suppress(httpx.InvalidURL, UnicodeEncodeError):
                assert httpx.URL(url).host == "webexapis.com"
                assert httpx.URL(ORIGIN + target).netloc == b"webexapis.com"


def errors(data: bytes) -> None:
    """The error of a response doesn't show the secret in the line before the response."""
    first_line, _, body = data.partition(b"\n")
    secret = first_line.decode("utf-8", "surrogateescape").replace("*", "")
    secret = secret if len(secret) >= 8 else SECRET  # a shorter one isn't redacted
    as_json = json.dumps(secret)[1:-1]
    as_url = quote(secret, safe="", errors="replace")
    response = Response(
        method="POST",
        path="/v1/webhooks",
        status_code=400,
        headers=httpx.Headers(),
        body=filled(body, {"JSON": as_json.encode(), "URL": as_url.encode()}),
        sent_tracking_id=f"ROUTER_{secret}",
        redact=Redactor((secret,)),
    )
    error = response.error(None)
    shown = [error.message, *error.errors, str(error.tracking_id)]

    assert [text for text in shown if secret in text or as_json in text or as_url in text] == []


def disposition(data: bytes) -> None:
    """The name in a Content-Disposition header is a file's in its folder, whatever it holds."""
    header = data.decode("utf-8", "surrogateescape")
    name = file_name(header)
    assert name.isprintable()
    assert 0 < len(name.encode()) <= 200
    assert name == name.strip(" .")
    for path in (PurePosixPath("downloads", name), PureWindowsPath("C:/downloads", name)):
        assert path.name == name
        assert path.parent.name == "downloads"
        assert path.drive in {"", "C:"}
    File(name, b"")


def filled(text: bytes, words: Mapping[str, bytes]) -> bytes:
    """Replace each ``%WORD%`` by its value."""
    for word, meaning in words.items():
        text = text.replace(f"%{word}%".encode(), meaning)
    return text


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (signatures, parsing, links, errors, disposition)
}
