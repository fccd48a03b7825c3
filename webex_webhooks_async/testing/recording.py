"""What a sandbox was asked."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class RecordedRequest:
    """A request that came, and how it was answered.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, percent-encoded.
        query: The query as it was sent, without the question mark.
        headers: The headers, their names in lower case; of one that came twice, the last. The
            token is among them, so a repr doesn't show them.
        body: The body. A secret may be in it, so a repr doesn't show it.
        status_code: The status of the answer; None if there was none.
        tracking_id: The id of the request in the answer.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(hash=False, repr=False)
    body: bytes = field(repr=False)
    status_code: int | None
    tracking_id: str
