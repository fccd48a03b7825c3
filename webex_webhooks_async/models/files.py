"""Files that are sent with messages.

Facts: https://developer.webex.com/docs/basics#message-attachments
"""

import mimetypes

from attrs import field, frozen


@frozen
class File:
    """A file.

    Attributes:
        name: Its name.
        content: Its bytes, which a repr doesn't show.
        content_type: Its media type; guessed from the name if it isn't given.
    """

    name: str
    content: bytes = field(repr=False)
    content_type: str | None = field(default=None)

    def __attrs_post_init__(self) -> None:
        if self.content_type is None:
            object.__setattr__(self, "content_type", mimetypes.guess_type(self.name)[0])
