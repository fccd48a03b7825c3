"""Turns text from elsewhere into one line that is safe in a log, a message or a terminal."""

from http import HTTPStatus

_MAX_CHARACTERS = 1_000  # of a request or a message


def describe_exception(error: BaseException) -> str:
    """The type and the text of an exception; the type alone when it has no text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def describe_status(status_code: int) -> str:
    """An HTTP status with its phrase, if it has one."""
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)


def describe_failure(
    method: str | None, path: str | None, *what: str, tracking_id: str | None
) -> str:
    """One line about a failed request: the request, what happened, and the tracking id.

    What is unknown is left out; long texts are cut.
    """
    request = " ".join(part for part in (method, path) if part)
    sentence = ": ".join(_cut(part) for part in (request, *what) if part)
    return on_one_line(f"{sentence} (tracking id {tracking_id})" if tracking_id else sentence)


def on_one_line(text: str) -> str:
    """The text on one line, with each control character escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
