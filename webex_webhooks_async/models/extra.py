"""The field of a model that keeps what Webex sent and the model does not know."""

from typing import Any

from attrs import field


def extra_field() -> Any:  # noqa: ANN401 - as attrs.field itself, so that it fits every annotation
    """The attrs field for what the service sent and we don't know, by its name on the wire.

    A repr shows the names alone, for a value may be a secret.
    """
    return field(factory=dict[str, Any], hash=False, repr=lambda extra: f"<{', '.join(extra)}>")
