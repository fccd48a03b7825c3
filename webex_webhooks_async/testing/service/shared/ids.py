"""Ids in Webex's form."""

import base64
import uuid


def webex_id(kind: str) -> str:
    """A new id: opaque, though base64 decodes it to what it identifies."""
    name = f"ciscospark://us/{kind}/{uuid.uuid4()}"
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
