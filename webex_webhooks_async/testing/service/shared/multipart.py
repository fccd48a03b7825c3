"""Uploads: the fields and the files of a ``multipart/form-data`` body.

Facts: RFC 7578
"""

from email.message import Message
from email.parser import HeaderParser

from webex_webhooks_async.models.files import File


def parse_multipart(content_type: str, body: bytes) -> tuple[dict[str, str], tuple[File, ...]]:
    """The fields of a form, the last of a repeated one, and its files.

    Raises:
        ValueError: The body doesn't fit its content type, or ends too early.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise ValueError("multipart/form-data needs a boundary")
    _, *parts = (b"\r\n" + body).split(f"\r\n--{boundary}".encode("latin-1", "replace"))
    ends = [number for number, part in enumerate(parts) if part.startswith(b"--")]
    if not ends:
        raise ValueError(
            "the multipart body ends too early: its last boundary is missing; send it again"
        )
    fields: dict[str, str] = {}
    files: list[File] = []
    for part in parts[: ends[0]]:
        name, value = _parsed(part)
        if isinstance(value, File):
            files.append(value)
        else:
            fields[name] = value
    return fields, tuple(files)


def _parsed(part: bytes) -> tuple[str, File | str]:
    head, separator, content = part.partition(b"\r\n\r\n")
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip())
    name = headers.get_param("name", header="content-disposition")
    if not separator or not isinstance(name, str):
        raise ValueError("a part of the multipart body has no name")
    filename = headers.get_filename()
    if filename is None:
        return name, content.decode("utf-8", "replace")
    for escape, character in (("%22", '"'), ("%0D", " "), ("%0A", " ")):
        filename = filename.replace(escape, character)
    return name, File(
        filename.replace("\\", "/").rpartition("/")[2] or "file",
        content,
        headers.get_content_type() if "content-type" in headers else None,
    )
