"""Desired state: from the webhooks that are wanted and those that are there to a plan; no I/O."""

import warnings
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from typing import Self

from attrs import field, frozen

from webex_webhooks_async.catalog import CATALOG, INTERESTS_PATH
from webex_webhooks_async.models.vocabulary import OwnedBy, Resource, Status
from webex_webhooks_async.models.webhooks import NewWebhook, Webhook
from webex_webhooks_async.validation import check_type


def plan(
    wanted: Iterable[NewWebhook], existing: Iterable[Webhook], prune: str | None = None
) -> "Plan":
    """What is to be done so that of each wanted webhook there is exactly one, as it is wanted.

    Webhooks are matched by name. Of several with one name, that one stays which takes the least
    change, the oldest among equals. Every run that sees the same decides the same.

    Args:
        wanted: The webhooks that shall be there.
        existing: The webhooks that are there.
        prune: A prefix: webhooks whose name starts with it, and that aren't wanted, shall go.
            Without it, what isn't wanted isn't touched.

    Raises:
        ValueError: One name is wanted twice, or `prune` is empty.
        TypeError: An argument is of a wrong type.

    Warns:
        WebhookPlanWarning: What is wanted can't work as it seems to be meant.
    """
    return DesiredState.of(wanted, prune).plan(existing)


class Action(StrEnum):
    """What a plan does about one webhook."""

    KEEP = "keep"  # nothing is sent
    CREATE = "create"
    UPDATE = "update"  # in place: the target URL or the secret differs
    REACTIVATE = "reactivate"  # it was switched off; what else differs is mended with it
    REPLACE = "replace"  # what differs is fixed for life: a new one is made, then the old one goes
    DELETE = "delete"  # a second one of its name, or one that is pruned


@frozen(kw_only=True)
class Change:
    """What is to be done, or was done, about one webhook.

    Attributes:
        action: What.
        name: The name of the webhook.
        wanted: What it shall become; `None` where it shall go.
        existing: What is there; `None` where nothing is.
        reason: Why, in words that show no secret.
    """

    action: Action
    name: str
    wanted: NewWebhook | None = None
    existing: Webhook | None = None
    reason: str


@frozen(kw_only=True)
class Result:
    """What a plan has led to.

    Attributes:
        changes: What was carried out, in this order. A kept webhook isn't among it.
        webhooks: The webhook that is there now, by each wanted name.
    """

    changes: tuple[Change, ...]
    webhooks: Mapping[str, Webhook]


@frozen(kw_only=True)
class Plan:
    """What is to be done; ``print(plan)`` shows it as a table, without secrets.

    Attributes:
        changes: What about each webhook: first what is wanted, in the order in which it is, then
            what goes. Those that are kept are among it.
        carry_out: What `apply` calls; a plan of ``client.webhooks.plan()`` knows its client by it.
    """

    changes: tuple[Change, ...]
    carry_out: "Callable[[Plan], Awaitable[Result]] | None" = field(
        default=None, eq=False, repr=False
    )

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that take a request: all but those that keep a webhook."""
        return tuple(change for change in self.changes if change.action is not Action.KEEP)

    async def apply(self) -> Result:
        """Carry it out: make what is wanted, then delete what goes.

        Apply a plan once, and soon: it knows what was there when it was made. After an error make
        a new one, which goes on where this one stopped.

        Raises:
            RuntimeError: The plan knows no client, for it is of the function `plan`.
            APIError: Webex refused something.
            TransportError: No answer came.
            DecodeError: An answer didn't fit.
        """
        if self.carry_out is None:
            raise RuntimeError("this plan knows no client; make it with client.webhooks.plan()")
        return await self.carry_out(self)

    def __str__(self) -> str:
        header = ("action", "name", "reason")
        rows = [
            header,
            *((change.action, _on_one_line(change.name), change.reason) for change in self.changes),
        ]
        action_width, name_width = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(
            f"{action:{action_width}}  {name:{name_width}}  {reason}"
            for action, name, reason in rows
        )


class WebhookPlanWarning(UserWarning):
    """What is wanted can't work as it seems to be meant."""


@frozen
class DesiredState:
    """What shall be there, checked.

    Attributes:
        wanted: The webhooks that shall be there, no name twice.
        prune: The prefix of the names of those that shall go unless they are wanted.
    """

    wanted: tuple[NewWebhook, ...]
    prune: str | None

    @classmethod
    def of(cls, wanted: Iterable[NewWebhook], prune: str | None) -> Self:
        """Check what is wanted; warnings point to where the caller of this was called.

        Raises:
            ValueError: One name is wanted twice, or `prune` is empty.
            TypeError: An argument is of a wrong type.
        """
        check_type("wanted", wanted, Iterable)
        check_type("prune", prune, str, NoneType)
        state = cls(tuple(wanted), prune)
        if prune == "":
            raise ValueError(
                "prune is empty, which would delete every webhook that isn't wanted; name the "
                "prefix of your own, such as 'bot:', or leave it out"
            )
        names: set[str] = set()
        for each in state.wanted:
            check_type("what is wanted", each, NewWebhook)
            if each.name in names:
                raise ValueError(f"{each.name!r} is wanted twice; webhooks are told by their name")
            names.add(each.name)
        for hint in _hints(state.wanted):
            warnings.warn(hint, WebhookPlanWarning, stacklevel=3)
        return state

    @property
    def wants_org(self) -> bool:
        """Whether one of the wanted webhooks watches the whole organization."""
        return any(each.owned_by == OwnedBy.ORG for each in self.wanted)

    def plan(self, existing: Iterable[Webhook]) -> Plan:
        """What is to be done about what is there."""
        # By id, for a page that shifts while it is read shows a webhook twice.
        others = {webhook.id: webhook for webhook in existing}
        namesakes = defaultdict[str, list[Webhook]](list)
        for webhook in others.values():
            namesakes[webhook.name].append(webhook)
        changes = [settle(each, namesakes[each.name]) for each in self.wanted]
        for change in changes:
            if change.existing is not None:
                del others[change.existing.id]
        return Plan(changes=(*changes, *self._deletions(others.values())))

    def _deletions(self, others: Iterable[Webhook]) -> Iterator[Change]:
        names = {each.name for each in self.wanted}
        for webhook in others:
            if webhook.name in names:
                yield _deletion(webhook, "another one has its name")
            elif self.prune is not None and webhook.name.startswith(self.prune):
                yield _deletion(webhook, f"not wanted, and its name begins with {self.prune!r}")


def settle(wanted: NewWebhook, namesakes: Iterable[Webhook]) -> Change:
    """What makes one of these the wanted webhook: the one that takes the least change.

    The choice rests on these webhooks alone, so that runs at the same time choose the same.
    """

    def preference(existing: Webhook) -> tuple[int, datetime, str]:
        effort = _LEAST_CHANGE_FIRST.index(_change(wanted, existing).action)
        return effort, existing.created or _NEVER, existing.id

    kept = min(namesakes, key=preference, default=None)
    if kept is None:
        return Change(action=Action.CREATE, name=wanted.name, wanted=wanted, reason="there is none")
    return _change(wanted, kept)


_LEAST_CHANGE_FIRST = (Action.KEEP, Action.UPDATE, Action.REACTIVATE, Action.REPLACE)
_NEVER = datetime.max.replace(tzinfo=UTC)


def _change(wanted: NewWebhook, existing: Webhook) -> Change:
    fixed = _listed(_fixed_differences(wanted, existing))
    changeable = _listed(_changeable_differences(wanted, existing))
    if fixed:
        action, reason = Action.REPLACE, f"other {fixed}, fixed for a webhook's life"
    elif existing.status == Status.INACTIVE:
        action = Action.REACTIVATE
        reason = f"switched off, and other {changeable}" if changeable else "switched off"
    elif changeable:
        action, reason = Action.UPDATE, f"other {changeable}"
    else:
        action, reason = Action.KEEP, "as wanted"
    return Change(action=action, name=wanted.name, wanted=wanted, existing=existing, reason=reason)


def _fixed_differences(wanted: NewWebhook, existing: Webhook) -> Iterator[str]:
    if wanted.resource != existing.resource:
        yield "resource"
    if wanted.event != existing.event:
        yield "event"
    if _conditions(wanted.filter) != _conditions(existing.filter):
        yield "filter"
    if _owner(wanted.owned_by) != _owner(existing.owned_by):
        yield "owner"


def _changeable_differences(wanted: NewWebhook, existing: Webhook) -> Iterator[str]:
    if wanted.target_url != existing.target_url:
        yield "target URL"
    # One that is there while none is wanted stays. Webex returns a secret that is set, so one
    # that isn't returned isn't set.
    if wanted.secret and wanted.secret != existing.secret:
        yield "secret"


def _conditions(text: str | None) -> frozenset[str]:
    """The conditions of a filter: all must hold, so their order says nothing."""
    return frozenset(text.split("&")) if text else frozenset()


def _owner(owned_by: str | None) -> str:
    return owned_by or OwnedBy.CREATOR  # the service's default


def _deletion(webhook: Webhook, reason: str) -> Change:
    return Change(action=Action.DELETE, name=webhook.name, existing=webhook, reason=reason)


def _listed(words: Iterable[str]) -> str:
    return " and ".join(words)


def _on_one_line(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _hints(wanted: tuple[NewWebhook, ...]) -> Iterator[str]:
    for each in wanted:
        if each.owned_by != OwnedBy.ORG:
            yield from _org_only_hints(each)
        yield from _interest_hints(each)
    firehoses = [each.name for each in wanted if each.resource == Resource.ALL]
    if firehoses and all(each.resource != Resource.ATTACHMENT_ACTIONS for each in wanted):
        yield (
            f"{firehoses[0]!r} brings memberships, messages and rooms, but no card submissions; "
            "want a webhook for attachmentActions too, or ignore this if there are no cards"
        )


def _org_only_hints(wanted: NewWebhook) -> Iterator[str]:
    watchable = CATALOG.get(wanted.resource)
    if watchable is None:
        return
    if watchable.org_only:
        yield f"{wanted.name!r} watches {wanted.resource}, which needs owned_by='org'"
    keys = {condition.partition("=")[0] for condition in _conditions(wanted.filter)}
    for key in sorted(keys & watchable.org_filters):
        yield f"{wanted.name!r} filters by {key}, which needs owned_by='org'"


def _interest_hints(wanted: NewWebhook) -> Iterator[str]:
    watchable = CATALOG.get(wanted.resource)
    if watchable is not None and watchable.interest is not None:
        yield (
            f"{wanted.name!r} watches {wanted.resource}, which sends nothing unless an interest is "
            f"registered: await client.post({INTERESTS_PATH!r}, "
            f"json={{'interests': [{{'resource': {watchable.interest!r}}}]}}); it expires after "
            "60 days; ignore this if one is registered"
        )
