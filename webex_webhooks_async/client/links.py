"""From a Link header to the URL of the next page, and whether it may be followed.

Facts: RFC 8288, and "Pagination" on https://developer.webex.com/docs/basics
"""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urljoin, urlsplit

from webex_webhooks_async.errors import PaginationError

_TARGET = re.compile(r"<([^<>]*)>")
_PARAMETER = re.compile(
    r"""
    \s*+;\s*+ (?P<name>[^\s=;,<>"]*+) \s*+
    (?:=\s*+ (?: "(?P<quoted>(?:[^"\\]|\\.)*+)" | (?P<token>[^\s;,"]*+) ))?+
    """,
    re.VERBOSE | re.DOTALL,
)

_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def next_link(headers: Iterable[str]) -> str | None:
    """The target of the first link with the relation ``next`` in these Link header lines.

    It is as it stands there, perhaps relative. What is no link is passed over.
    """
    for header in headers:
        position = 0
        while target := _TARGET.search(header, position):
            relations, position = _relations(header, target.end())
            if "next" in relations:
                return target[1]
    return None


def _relations(header: str, position: int) -> tuple[list[str], int]:
    """The relations of the link whose parameters start here, and where they end."""
    relations: list[str] | None = None
    while parameter := _PARAMETER.match(header, position):
        position = parameter.end()
        if parameter["name"].lower() == "rel" and relations is None:  # only the first one counts
            relations = (parameter["quoted"] or parameter["token"] or "").lower().split()
    return relations or [], position


def absolute_link(link: str, request_url: str) -> str:
    """The next link in the answer to a request, absolute, mended where it was seen to be broken.

    Such a link has lost the request's ``ownedBy``, or has a ``max=null`` that the service then
    refuses. All else stays as it is, parameters without a value too.
    """
    try:
        parts = urlsplit(urljoin(request_url, link))
    except ValueError:
        return link  # `target_on` refuses it, should anyone follow it
    parameters = [each for each in _parameters(parts) if each != "max=null"]
    if not any(map(_is_owner, parameters)):
        parameters.extend(filter(_is_owner, _parameters(urlsplit(request_url))))
    return parts._replace(query="&".join(parameters), fragment="").geturl()


def _parameters(parts: SplitResult) -> list[str]:
    return parts.query.split("&") if parts.query else []


def _is_owner(parameter: str) -> bool:
    return parameter.startswith("ownedBy=")


def target_on(base_url: str, url: str, name: str = "the next link") -> str:
    """The path and query of a URL that has the origin of `base_url`.

    Whoever sends a request puts them behind `base_url`'s own origin, so that a token goes nowhere
    else, however a URL is read. `name` is what an error calls the URL.

    Raises:
        PaginationError: It has another origin, or credentials of its own, or is no URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise PaginationError(f"{name} is no URL") from None
    if _UNSENDABLE.search(url):
        raise PaginationError(f"{name} has a character that no URL can have")
    if _origin(parts) != _origin(urlsplit(base_url)):
        raise PaginationError(
            f"{name} is no URL of the origin of {base_url}, or carries credentials; "
            "nothing was sent to it"
        )
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _origin(parts: SplitResult) -> tuple[str, str]:
    # The authority as it stands, with whatever credentials and odd port: these differ, too.
    return parts.scheme, parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
