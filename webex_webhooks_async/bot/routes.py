"""Finds the handlers that a message, a submission or a job may be for, among all of a bot."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from webex_webhooks_async.applications.jobs import Job
from webex_webhooks_async.bot.schedules import Schedule
from webex_webhooks_async.handling.dispatch import Placed, Registration
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.models.vocabulary import Resource

Find = Callable[[Any], Mapping[str, Any] | None]
"""Returns what a context has in addition, if a text or inputs are for a handler."""


@frozen(eq=False)
class Route(Registration):
    """A handler of messages or of submitted cards, and which ones it handles."""

    call: str
    name: str | None = None
    find: Find | None = None  # recognizes what is for it; None if everything is
    names: tuple[str, ...] = ()
    # decides by the context whether it is for it; None if it always is
    where: Callable[[Any], bool | Awaitable[bool]] | None = None
    in_order: bool = True  # whether what the person says next waits for it

    @property
    def title(self) -> str:
        """How it was registered, for errors."""
        return f"{getattr(self.handler, '__name__', self.handler)} of {self.call}"

    @property
    def label(self) -> str:
        """The label for logs and metrics, such as ``command swap``."""
        kind = self.call.partition("(")[0]
        name = getattr(self.handler, "__name__", type(self.handler).__name__)
        return f"{kind} {self.name or name}"

    def details(self, said: object) -> Mapping[str, Any] | None:
        """Return what the context has in addition; `None` if the handler isn't for it."""
        return {} if self.find is None else self.find(said)


class Checks:
    """Checks that each handler may get something, in the order of registration."""

    def __init__(self) -> None:
        self._taking_all: dict[str | None, Route] = {}
        self._commands: dict[str, Route] = {}
        self._jobs: dict[str, Job] = {}

    def add(self, entry: Registration) -> None:
        """Check that the next one would get something; it costs the same however many there are."""
        if isinstance(entry, Job):
            if self._jobs.setdefault(entry.name, entry) is not entry:
                raise ValueError(f"two handlers are for the job {entry.name!r}: it runs one")
        elif isinstance(entry, Route):
            self._add_route(entry)

    def _add_route(self, route: Route) -> None:
        if other := self._taking_all.get(route.resource):
            raise ValueError(
                f"{route.title} gets nothing, because {other.title} takes everything: register "
                "that last"
            )
        names = [" ".join(name.lower().split()) for name in route.names]
        for name in names:
            for end in (*(each.start() for each in re.finditer(r"\s", name)), len(name)):
                if other := self._commands.get(name[:end]):
                    raise ValueError(
                        f"{route.title} gets no {name!r}, because {other.title} takes "
                        f"{name[:end]!r} and what follows it: give it another name, or "
                        "register it first"
                    )
        if route.where is None:
            self._commands |= dict.fromkeys(names, route)
            if route.find is None:
                self._taking_all[route.resource] = route


class Routes:
    """The handlers that get a context, found by what it is about.

    A command is found by the first word of a message, and so among the commands that begin with it
    and all other handlers of messages, in the order of registration.

    Args:
        placed: The registered handlers, in their order.

    Raises:
        ValueError: A handler would get nothing.
    """

    def __init__(self, placed: Iterable[Placed] = ()) -> None:
        # the label of each, for logs and metrics; equal ones are numbered
        self.labels: dict[Registration, str] = {}
        self.jobs: dict[str, Placed] = {}  # the handlers of jobs, by their names
        self._by_label: dict[str, Placed] = {}
        self._of_resource: dict[str | None, list[Placed]] = {}
        self._commands: dict[str, list[Placed]] = {}
        self._others: list[Placed] = []  # of messages
        checks, counts = Checks(), Counter[str]()
        for each in placed:
            entry = each.entry
            checks.add(entry)
            if isinstance(entry, Route | Job):
                counts[entry.label] += 1
                number = counts[entry.label]
                label = entry.label if number == 1 else f"{entry.label} {number}"
                self.labels[entry] = label
                self._by_label[label] = each
            if isinstance(entry, Job):
                self.jobs[entry.name] = each
            elif isinstance(entry, Route):
                self._note(each, entry)
        for commands in self._commands.values():
            commands.extend(self._others)
            commands.sort(key=lambda each: each.number)

    def _note(self, placed: Placed, route: Route) -> None:
        self._of_resource.setdefault(route.resource, []).append(placed)
        for word in {_first_word(name) for name in route.names}:
            self._commands.setdefault(word, []).append(placed)
        if route.resource == Resource.MESSAGES and not route.names:
            self._others.append(placed)

    def schedules(self) -> list[Schedule]:
        """Return the schedules among the jobs."""
        entries = (each.entry for each in self.jobs.values())
        return [each for each in entries if isinstance(each, Schedule)]

    def labelled(self, label: str) -> Placed | None:
        """Return the one with this label, if there is one here."""
        return self._by_label.get(label)

    def of(self, notification: Notification[Any]) -> Sequence[Placed]:
        """Return those of which one may be for what a notification is about."""
        found = self._of_resource.get(notification.resource, ())
        return found if found and found[0].entry.event == notification.event else ()

    def of_text(self, text: str) -> Sequence[Placed]:
        """Return those of which one may be for a message with this text."""
        return self._commands.get(_first_word(text), self._others)


def _first_word(text: str) -> str:
    """Return the first word of a text, the same for all that a command takes for the same."""
    first = text.split(None, 1)[:1]
    return "".join(first).translate(_DOTS).casefold()


_DOTS = {0x130: "i", 0x131: "i"}  # re.IGNORECASE takes both for an i, and `casefold` doesn't
