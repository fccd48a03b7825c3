"""A request that a sandbox received."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class RecordedRequest:
    """A request, and the status of its response.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, percent-encoded.
        query: The query as it was sent, without the question mark.
        headers: The headers, with names in lower case; of repeated ones, the last. They contain
            the token, so a repr doesn't show them.
        body: The body. It may contain a secret, so a repr doesn't show it.
        status_code: The status of the response; None without one.
        tracking_id: The tracking id in the response.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(hash=False, repr=False)
    body: bytes = field(repr=False)
    status_code: int | None
    tracking_id: str
