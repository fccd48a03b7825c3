"""What runs in the process of a program of `dev`: imports it and serves it, away from Webex.

A real token and real people are out of the program's reach, also if it changes its settings.
"""

import importlib
import importlib.util
import inspect
import json
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import traceback
import unicodedata
from asyncio import CancelledError
from collections.abc import Callable
from functools import wraps
from types import FrameType, TracebackType
from typing import Any, TypeVar

from uvicorn import Config, Server

from webex_webhooks_async.cli.dev.reporting import Reporter
from webex_webhooks_async.cli.dev.waiting import Waiting
from webex_webhooks_async.client import environment
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.handling import sandbox_reports
from webex_webhooks_async.models.vocabulary import BASE_URL
from webex_webhooks_async.testing import target
from webex_webhooks_async.testing.program import find_mounts
from webex_webhooks_async.testing.target import Target, TargetError
from webex_webhooks_async.testing.variables import is_proxy, variables_for_bot

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("webex_webhooks_async")

KEPT = (*variables_for_bot("", ""), environment.WEBEX_INBOX, environment.WEBEX_PUBLIC_URL)
"""The variables that `dev` sets."""

_PATIENCE = 2  # seconds that handlers have to finish at the end
_MOST_SHOWN = 20_000  # characters of an error on the page
_WEBEX = ("webexapis.com", "webex.com", "ciscospark.com", "wbx2.com")


def main() -> None:
    """Run the program that the arguments name, from the request of `dev` until SIGTERM."""
    target, listener, channel = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for descriptor in (listener, channel):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no name
    dev = Dev(socket.socket(fileno=channel))
    sys.argv[1:] = []
    look_up_in_threads()
    dev.wait()
    keep_from_webex()
    parsed = Target.parse(target)
    sandbox_reports.observer = Reporter(dev.report, parsed.folder)
    try:
        name, application = parsed.load()
        # All that `dev` knew before it had the program.
        connect = find_mounts(application, os.environ[environment.WEBEX_TARGET_URL])
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is shown
        summary, text = explanation(error)
        dev.report(failed=text, summary=summary)
        sys.exit(1)
    # asyncio switches Nagle's algorithm off where it sees that a socket speaks TCP.
    kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    serve(name, application, socket.socket(*kind, fileno=listener), dev, connect)


class Dev:
    """The process of `dev`, at the other end of a channel."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._begin = threading.Event()
        self.waiting: Waiting = Waiting(self.report)
        self._lock = threading.Lock()  # handlers may run in several threads
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self) -> None:
        """Wait until it asks for the program."""
        self._begin.wait()

    def report(self, **what: object) -> None:
        """Report what has happened."""
        with self._lock:
            self._channel.sendall(json.dumps(what).encode() + b"\n")

    def _listen(self) -> None:
        try:
            with self._channel.makefile("rb") as lines:
                for each in lines:  # pragma: no branch - the end of `dev` ends this process
                    if self._begin.is_set():
                        self.waiting.make_due(json.loads(each))
                    self._begin.set()
        finally:  # also of a `dev` that was killed before it read a report: the channel is reset
            os.killpg(0, signal.SIGKILL)  # pragma: no cover - and what it has forked


def look_up_in_threads() -> None:
    """Let aiohttp look up addresses in threads: beside aiodns, the hook would see none of it."""
    if all(map(importlib.util.find_spec, ("aiodns", "aiohttp"))):
        from aiohttp import connector, resolver  # noqa: PLC0415 - it takes its time

        setattr(connector, "DefaultResolver", resolver.ThreadedResolver)  # noqa: B010 - for mypy


def keep_from_webex() -> None:
    """Keep the variables that `dev` has set, and every request away from Webex."""
    os.environ.__class__ = _KeptEnvironment
    _keep_clients(os.environ[environment.WEBEX_BASE_URL])
    sys.addaudithook(_refuse_lookup)
    for name in ("wrap_socket", "wrap_bio"):
        setattr(ssl.SSLContext, name, _without_webex(getattr(ssl.SSLContext, name)))


class _KeptEnvironment(os._Environ[str]):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    """The environment variables: a `.env` that the program loads doesn't change what is kept."""

    def __setitem__(self, name: str, value: str) -> None:
        if name not in KEPT and not is_proxy(name):
            super().__setitem__(name, value)
        elif self.get(name) != value:
            logger.warning("the program sets %s; `dev` keeps its own setting", name)

    def __delitem__(self, name: str) -> None:
        if name not in KEPT:
            super().__delitem__(name)

    def clear(self) -> None:
        """Delete what isn't kept; as it is inherited, it would go on until nothing is left."""
        for name in [*self]:
            del self[name]


def _keep_clients(sandbox: str) -> None:
    """Make each client one of the sandbox, whatever URL the program has for it."""
    init: Callable[..., None] = Client.__init__

    @wraps(init)
    def init_for_sandbox(self: Client, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as it is there
        given = options.get("base_url", BASE_URL)
        if given != sandbox:
            place = "Webex" if given == BASE_URL else given
            logger.warning("a client for %s calls the sandbox in `dev`", place)
        init(self, *args, **{**options, "base_url": sandbox})

    Client.__init__ = init_for_sandbox  # type: ignore[method-assign] # for this process alone


def _refuse_lookup(  # pragma: no cover - a hook isn't traced
    event: str, arguments: tuple[Any, ...]
) -> None:
    """Refuse to look up the address of Webex, for libraries that aren't ours."""
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        _check_host(arguments[0], socket.gaierror, socket.EAI_FAIL)


def _without_webex(wrap: Callable[..., T]) -> Callable[..., T]:
    """Refuse TLS with Webex: behind a proxy, the proxy looks up the address."""
    parameters = inspect.signature(wrap)

    @wraps(wrap)
    def wrap_or_refuse(*args: Any, **options: Any) -> T:  # noqa: ANN401 - as it is there
        host = parameters.bind(*args, **options).arguments.get("server_hostname")
        _check_host(host, ssl.SSLError, ssl.SSL_ERROR_SSL)
        return wrap(*args, **options)

    return wrap_or_refuse


def _check_host(host: object, error: type[OSError], number: int) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host)
    name = unicodedata.normalize("NFKC", name).replace("\u3002", ".").rstrip(".")  # as IDNA does
    if any(f".{name}".lower().endswith(f".{each}") for each in _WEBEX):
        refusal = f"{name} can't be called from a program in `dev`: WEBEX_BASE_URL is the sandbox"
        logger.warning("%s", refusal)
        raise error(number, refusal)


def serve(
    name: str,
    application: Any,  # noqa: ANN401 - ASGI
    listener: socket.socket,
    dev: Dev,
    connect: str = "",
) -> None:
    """Serve an application until SIGTERM."""
    errors = _Errors()
    config = Config(
        application,
        loop="asyncio",  # uvloop would look up addresses without the hook
        log_level="warning",
        access_log=False,
        use_colors=False,
        timeout_graceful_shutdown=_PATIENCE,
    )
    uvicorn_logger = logging.getLogger("uvicorn.error")
    uvicorn_logger.addHandler(errors)
    uvicorn_logger.addFilter(_is_worth_showing)
    server = _Server(config)

    def is_up() -> None:
        dev.report(started=f"{name}, a {type(application).__name__}", connect=connect)
        dev.waiting.begin()

    server.is_up = is_up
    # uvicorn raises the signal again that has ended it: the interpreter ends in order.
    signal.signal(signal.SIGTERM, _end)
    try:
        server.run(sockets=[listener])
    finally:
        if not server.started:  # pragma: no branch - what has ended it passes through
            dev.report(failed=errors.text, summary="can't be started")
            sys.exit(1)


def _is_worth_showing(record: logging.LogRecord) -> bool:
    """Whether a record is shown: that a handler is cancelled at the end isn't."""
    return not (record.exc_info and record.exc_info[0] is CancelledError)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit()


class _Server(Server):
    is_up: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:  # pragma: no branch - newer releases of uvicorn exit if it hasn't
            self.is_up()


class _Errors(logging.Handler):
    """Keeps what uvicorn says of a start that fails."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = (self.text or self.format(record))[:_MOST_SHOWN]


def explanation(error: BaseException) -> tuple[str, str]:
    """Say why a program can't be imported, in a line and in full; a traceback is also printed."""
    if isinstance(error, TargetError):
        return str(error), str(error)
    frames = error.__traceback__
    while frames is not None and _is_ours(frames):
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    sys.stderr.write(text)
    summary = "can't be imported"
    if isinstance(error, SystemExit):
        summary = (
            "has ended itself while it was imported; what it starts by itself belongs below "
            '`if __name__ == "__main__":`'
        )
    return summary, text[-_MOST_SHOWN:]


def _is_ours(frames: TracebackType) -> bool:
    file = frames.tb_frame.f_code.co_filename
    return file in {__file__, target.__file__, importlib.__file__} or file.startswith(
        "<frozen importlib"
    )


if __name__ == "__main__":
    main()
