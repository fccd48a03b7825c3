"""What starts and ends with a receiver, and what its handlers get of that."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any


class State:
    """What the lifespan of a receiver yields, as attributes: ``context.state.sessions``.

    Each message or submission gets a copy, so that what a middleware sets there is seen by that
    handler alone.
    """

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        vars(self).update(values or {})

    def copy(self) -> "State":
        """Return a state with the same attributes."""
        return State(vars(self))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever was yielded
        names = ", ".join(vars(self)) or "nothing"
        raise AttributeError(
            f"the state has no {name!r}, only {names}: yield {{{name!r}: ...}} in the lifespan, or "
            f"set it in a context_middleware"
        )

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None: ...
