"""The lifespan of a receiver, with the state that its handlers get, and that of an application."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
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
    """Enters the lifespan of a receiver, if it has one, and leaves it."""

    def __init__(self, lifespan: Lifespan | None) -> None:
        if not (lifespan is None or callable(lifespan)):
            raise TypeError(f"lifespan must be a function that takes the bot, got {lifespan!r}")
        self.state: State = State()
        self.has_begun: bool = lifespan is None  # without one, it always has
        self._lifespan = lifespan
        self._entered: AsyncExitStack | None = None

    async def begin(self, receiver: object) -> None:
        """Enter the lifespan; `end` leaves it, also after an error."""
        if self._lifespan is None:
            return
        stack = AsyncExitStack()
        yielded = await stack.enter_async_context(_context(self._lifespan(receiver)))
        self._entered = stack  # which `end` leaves, also if something else is yielded
        vars(self.state).update(_mapping(yielded))
        self.has_begun = True

    async def end(self) -> None:
        """Leave the lifespan, if it is entered, and raise what it raises."""
        entered, self._entered, self.state = self._entered, None, State()
        self.has_begun = self._lifespan is None
        if entered is not None:
            await entered.aclose()


def lifespan_of(
    *parts: AbstractAsyncContextManager[Any] | Lifespan,
) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
    """Return the lifespan of an application that bots and others are a part of.

    ::

        app = FastAPI(lifespan=lifespan_of(bot, database))
        app.mount("/webex", bot)

    The parts are entered in this order, and left in the opposite one. What lifespan functions yield
    is merged, and is the state of the application; the others add nothing to it.

    Args:
        parts: Each is a `Bot`, a `Receiver` or another async context manager that can be entered
            again, or a lifespan function of your own, which takes the application.

    Returns:
        A lifespan function for Starlette, FastAPI, and what else takes one of theirs.

    Raises:
        TypeError: There are no parts, or one is something else. At the start, a function returns
            no async context manager, or yields neither a mapping nor `None`.
        ValueError: At the start, a name is yielded twice.
    """
    if not parts:
        raise TypeError("lifespan_of takes what starts with the application, such as a bot")
    for part in parts:
        if not (isinstance(part, AbstractAsyncContextManager) or callable(part)):
            raise TypeError(
                "lifespan_of takes bots, receivers and functions that take the application, got "
                f"{part!r}"
            )

    @asynccontextmanager
    async def lifespan(application: object) -> AsyncGenerator[dict[str, object] | None]:
        state: dict[str, object] = {}
        async with AsyncExitStack() as stack:
            for part in parts:
                is_entered = isinstance(part, AbstractAsyncContextManager)
                given: Any = part  # either of the two
                context = _context(given if is_entered else given(application))
                result = await stack.enter_async_context(context)
                yielded = _mapping(None if is_entered else result)
                if twice := state.keys() & yielded.keys():
                    names = ", ".join(sorted(map(repr, twice)))
                    raise ValueError(f"two lifespans yield {names}: rename one")
                state |= yielded
            yield state or None  # not every server has a place for a state

    return lifespan


def _context(returned: object) -> AbstractAsyncContextManager[Any]:
    """Check what a lifespan function has returned, which may be anything."""
    if not isinstance(returned, AbstractAsyncContextManager):
        raise TypeError(
            f"lifespan must return an async context manager, got {type(returned).__name__}: "
            "decorate the function with @asynccontextmanager"
        )
    return cast("AbstractAsyncContextManager[Any]", returned)


def _mapping(yielded: object) -> Mapping[str, object]:
    if not isinstance(yielded, Mapping | None):
        raise TypeError(
            "lifespan must yield a mapping, whose keys are names in the state, or nothing, got "
            f'{type(yielded).__name__}: write yield {{"name": ...}}'
        )
    return cast("Mapping[str, object]", yielded or {})
