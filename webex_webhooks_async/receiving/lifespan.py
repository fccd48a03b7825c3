"""The lifespan of a receiver, and the state that its handlers get from it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

Lifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, object] | None]]
"""A function that takes a receiver or a bot, usually made by ``@asynccontextmanager``."""


class State:
    """The mapping that a lifespan yields, as attributes: ``context.state.sessions``.

    Each message or submission gets a copy, so that what a middleware sets there is seen by that
    handler alone.
    """

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever was yielded
        names = ", ".join(map(str, vars(self)))
        only = f", only {names}" if names else ""
        raise AttributeError(
            f"the state has no {name!r}{only}: yield {{{name!r}: ...}} in the lifespan, or set it "
            "in a context_middleware"
        )

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None: ...


class Life:
    """Enters the lifespan of a receiver, if it has one, and leaves it.

    Attributes:
        state: The mapping that the lifespan has yielded.
        has_begun: Whether the lifespan is entered; always so without one.

    Raises:
        TypeError: `lifespan` isn't a function.
    """

    def __init__(self, lifespan: Lifespan | None) -> None:
        if not (lifespan is None or callable(lifespan)):
            raise TypeError(f"lifespan must be a function that takes the bot, got {lifespan!r}")
        self.state: State = State()
        self.has_begun: bool = lifespan is None
        self._lifespan = lifespan
        self._entered: AsyncExitStack | None = None

    async def begin(self, receiver: object) -> None:
        """Enter the lifespan; `end` leaves it, also after an error."""
        if self._lifespan is None:
            return
        context: Any = self._lifespan(receiver)  # it may be anything
        if not isinstance(context, AbstractAsyncContextManager):
            raise TypeError(
                f"lifespan must return an async context manager, got {type(context).__name__}: "
                "decorate the function with @asynccontextmanager"
            )
        stack = AsyncExitStack()
        yielded: Any = await stack.enter_async_context(
            cast("AbstractAsyncContextManager[Any]", context)
        )
        self._entered = stack  # which `end` leaves, also if something else is yielded
        if not isinstance(yielded, Mapping | None):
            raise TypeError(
                "lifespan must yield a mapping, whose keys are names in the state, or nothing, got "
                f'{type(yielded).__name__}: write yield {{"name": ...}}'
            )
        vars(self.state).update(cast("Mapping[str, object]", yielded or {}))
        self.has_begun = True

    async def end(self) -> None:
        """Leave the lifespan, if it is entered, and raise what it raises."""
        entered, self._entered, self.state = self._entered, None, State()
        self.has_begun = self._lifespan is None
        if entered is not None:
            await entered.aclose()
