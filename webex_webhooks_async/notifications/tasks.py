"""Keeps the `SystemExit` of a task that a handler has started from ending the event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from webex_webhooks_async.formatting import describe_exception

_CreateTask = Callable[..., asyncio.Task[Any]]


def contain_tasks(is_inside: Callable[[], object]) -> None:
    """Contain each task that is begun inside of a handler, in the running event loop, from now on.

    asyncio raises the `SystemExit` of a task out of the loop, which then ends, and with it the
    process. In such a task it becomes a `RuntimeError`, which is a failure like any other for
    whatever awaits the task: a handler, a `TaskGroup` or `asyncio.gather`. So it does in each task
    that closes an async generator, because the garbage collector begins that anywhere. Other tasks
    stay as they are.

    It isn't a task factory: with one, Python 3.12 and 3.13 name each task None, and anyio no longer
    recognizes an eager one.

    Args:
        is_inside: Whether the current context is that of a handler, or of what it has begun.
    """
    loop: Any = asyncio.get_running_loop()
    if not getattr(loop.create_task, "contains", False):
        loop.create_task = _containing(loop.create_task, is_inside)


def _containing(create_task: _CreateTask, is_inside: Callable[[], object]) -> _CreateTask:
    def contained(coro: Any, **options: Any) -> asyncio.Task[Any]:  # noqa: ANN401 - asyncio checks it
        if (is_inside() or type(coro).__name__ == _ACLOSE) and isinstance(coro, Coroutine):
            coro = _Contained(coro)
        return create_task(coro, **options)

    contained.contains = True  # type: ignore[attr-defined] # pyright: ignore[reportFunctionMemberAccess] - a mark
    return contained


_ACLOSE = "async_generator_athrow"  # the class of what `aclose` returns, which no module has


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine that raises no `SystemExit`. Its other attributes are those of the original.

    An ``async def`` around the original would leave that behind, with a warning, where a task is
    cancelled before it starts.
    """

    def __init__(self, original: Any) -> None:  # noqa: ANN401 - a coroutine
        self._original: Coroutine[Any, Any, Any] = original

    def send(self, value: Any) -> Any:  # noqa: ANN401 - whatever it is
        return self._step(self._original.send, value)

    def throw(self, *error: Any) -> Any:  # noqa: ANN401 - the same
        return self._step(self._original.throw, *error)

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - the same
        try:
            return step(*arguments)
        except SystemExit as error:
            message = f"a task raised {describe_exception(error)}"
            raise RuntimeError(message) from error

    def close(self) -> None:
        self._original.close()

    def __await__(self) -> Any:  # noqa: ANN401 - a task factory may put another coroutine around it
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - the same
        return self.send(None)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - such as cr_frame, for debuggers
        return getattr(self._original, name)
