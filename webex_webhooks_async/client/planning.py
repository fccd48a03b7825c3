"""From the webhooks you want and the ones that exist to a plan; no I/O."""

import warnings
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from typing import Any, Self, cast

from attrs import evolve, field, frozen

from webex_webhooks_async.catalog import CATALOG, INTERESTS_PATH, Watchable
from webex_webhooks_async.errors import DecodeError, WebexWarning
from webex_webhooks_async.formatting import on_one_line, short_id
from webex_webhooks_async.models.vocabulary import OwnedBy, Resource, WebhookStatus
from webex_webhooks_async.models.webhooks import (
    NewWebhook,
    UnreadableWebhook,
    Webhook,
    conditions_of,
)
from webex_webhooks_async.validation import check_type


def plan_webhooks(
    wanted: Iterable[NewWebhook], existing: Iterable[Webhook], *, prune: str | None = None
) -> "WebhookPlan":
    """Plan what makes exactly one webhook of each wanted name exist, as wanted.

    The plan keeps one of several webhooks of one name: the one that needs the least change, the
    oldest among equals, and then the one with the lowest id. So every run that sees the same
    webhooks makes the same plan.

    Args:
        wanted: The webhooks you want.
        existing: The webhooks that exist.
        prune: As for `Webhooks.ensure`.

    Raises:
        ValueError: A name is wanted twice, or `prune` is empty.
        TypeError: An argument has a wrong type.
        DecodeError: A webhook of a wanted name has a filter, owner, status or secret that didn't
            fit, so that it can't be compared.

    Warns:
        WebhookPlanWarning: As for `Webhooks.ensure`.
    """
    desired, existing = DesiredState.of(wanted, prune), tuple(existing)
    changes = desired.changes(existing)
    for each in desired.double_deliveries(existing, changes):
        warnings.warn(each, WebhookPlanWarning, stacklevel=2)
    return WebhookPlan(changes=changes)


class WebhookAction(StrEnum):
    """The kinds of steps that a plan has for one webhook."""

    KEEP = "keep"
    """Nothing is sent."""

    CREATE = "create"
    """No webhook has the name yet."""

    UPDATE = "update"
    """It is changed in place: the target URL or the secret differs."""

    REACTIVATE = "reactivate"
    """Webex switched it off; other differences are corrected with it."""

    REPLACE = "replace"
    """What differs can't be changed: a new one is created, then the old one is deleted."""

    DELETE = "delete"
    """It is a duplicate, or one that is pruned."""


@frozen(kw_only=True)
class WebhookChange:
    """A step that a plan has, or has executed, for one webhook.

    Attributes:
        wanted: The webhook you want; `None` where one is deleted.
        existing: The webhook that exists; `None` where one is created.
        reason: Why, in words that show no secret.
    """

    action: WebhookAction
    name: str
    wanted: NewWebhook | None = None
    existing: Webhook | None = None
    reason: str


@frozen(kw_only=True)
class WebhookPlanResult:
    """The outcome of a plan.

    Attributes:
        changes: The executed changes, in this order. Webhooks that were kept aren't among them.
        webhooks: The webhook that exists now, by each wanted name.
    """

    changes: tuple[WebhookChange, ...]
    webhooks: Mapping[str, Webhook]


@frozen(kw_only=True)
class WebhookPlan:
    """The changes to make; ``print(plan)`` shows them as a table, without secrets.

    Attributes:
        changes: One change for each wanted webhook, in your order, then the deletions. Webhooks
            that are kept are among it.
    """

    changes: tuple[WebhookChange, ...]
    _apply: "Callable[[WebhookPlan], Awaitable[WebhookPlanResult]] | None" = field(
        default=None, alias="executor", eq=False, repr=False
    )

    @property
    def pending(self) -> tuple[WebhookChange, ...]:
        """The changes that send a request: all but those that keep a webhook."""
        return tuple(change for change in self.changes if change.action is not WebhookAction.KEEP)

    async def apply(self) -> WebhookPlanResult:
        """Create and update what is wanted, then delete the rest.

        Apply a plan once and soon: it knows what existed when it was made. After an error, make a
        new plan.

        Raises:
            RuntimeError: The plan comes from the function `plan_webhooks`, which has no client.
            WebexError: As for `Webhooks.ensure`.
        """
        if self._apply is None:
            raise RuntimeError("this plan has no client; make it with client.webhooks.plan()")
        return await self._apply(self)

    def __str__(self) -> str:
        header = ("action", "name", "reason")
        rows = [
            header,
            *((change.action, on_one_line(change.name), change.reason) for change in self.changes),
        ]
        action_width, name_width = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(
            f"{action:{action_width}}  {name:{name_width}}  {reason}"
            for action, name, reason in rows
        )


class WebhookPlanWarning(WebexWarning):
    """The webhooks you want probably don't do what you want."""


@frozen
class DesiredState:
    """The webhooks that should exist."""

    wanted: tuple[NewWebhook, ...]
    prune: str | None = None  # the prefix of the names of those that are deleted unless wanted

    @classmethod
    def of(cls, wanted: Iterable[NewWebhook], prune: str | None, *, stacklevel: int = 3) -> Self:
        """Check the arguments, as `plan_webhooks` says."""
        if isinstance(wanted, Coroutine):
            cast("Coroutine[Any, Any, object]", wanted).close()
            raise TypeError(
                "wanted is a coroutine, as of wanted_webhooks(...): write await before it"
            )
        check_type("wanted", wanted, Iterable)
        check_type("prune", prune, str, NoneType)
        desired = cls(tuple(wanted), prune)
        if prune == "":
            raise ValueError(
                "prune is empty, which would delete every webhook that isn't wanted; use a prefix "
                "of your own, such as 'bot:', or leave it out"
            )
        names: set[str] = set()
        for each in desired.wanted:
            check_type("what is wanted", each, NewWebhook)
            if each.name in names:
                raise ValueError(
                    f"{each.name!r} is wanted twice; webhooks are matched by name, so give each "
                    "one a name of its own"
                )
            names.add(each.name)
        for hint in _hints(desired.wanted):
            warnings.warn(hint, WebhookPlanWarning, stacklevel=stacklevel)
        return desired

    @property
    def names(self) -> frozenset[str]:
        """The wanted names."""
        return frozenset(each.name for each in self.wanted)

    @property
    def wants_org(self) -> bool:
        """Whether one of the wanted webhooks watches the whole organization."""
        return any(each.owned_by == OwnedBy.ORG for each in self.wanted)

    def changes(
        self, existing: Iterable[Webhook | UnreadableWebhook], *, agree: bool = False
    ) -> tuple[WebhookChange, ...]:
        """Return the steps from the existing webhooks to the wanted ones.

        A webhook that can't be read is never changed. One whose name can't be read isn't a wanted
        one, because a wanted one has a name. With `agree`, the oldest webhook of each wanted name
        is kept, and none replaced, so that also runs that want different things keep the same one.

        Raises:
            DecodeError: A webhook of a wanted name can't be read.
        """
        existing = tuple(existing)
        # By id, because a page that shifts while it is read shows a webhook twice.
        others = {each.id: each for each in existing if isinstance(each, Webhook)}
        namesakes = defaultdict[str, list[Webhook]](list)
        for webhook in others.values():
            namesakes[webhook.name].append(webhook)
        choose = _oldest if agree else _least_change
        changes = [choose(each, namesakes[each.name]) for each in self.wanted]
        if problems := tuple(self._problems(existing)):
            error = DecodeError(problems)
            error.add_note("no webhook that can't be read is changed; delete it by its id")
            raise error
        for change in changes:
            if change.existing is not None:
                del others[change.existing.id]
        return (*changes, *self._deletions(others.values()))

    def double_deliveries(
        self, existing: Iterable[Webhook | UnreadableWebhook], changes: Iterable[WebhookChange]
    ) -> Iterator[str]:
        """Warnings of other webhooks that bring the same events to the same URL."""
        deleted = {each.existing.id for each in changes if each.existing and each.wanted is None}
        wanted = {_delivery(each): each.name for each in self.wanted}
        others = {each.id: each for each in existing if isinstance(each, Webhook)}
        for other in others.values():
            name = wanted.get(_delivery(other))
            if (
                name is not None
                and other.name not in self.names
                and other.id not in deleted
                and other.status != WebhookStatus.INACTIVE
            ):
                yield (
                    f"every event of {name!r} arrives twice: the webhook "
                    f"{short_id(other.name)!r} with the id {short_id(other.id)!r} has the same "
                    "target URL, resource, event and filter; delete it"
                )

    def _problems(self, existing: Iterable[Webhook | UnreadableWebhook]) -> Iterator[str]:
        names = self.names
        for each in existing:
            if each.name not in names:
                continue
            if isinstance(each, UnreadableWebhook):
                yield str(each)
            else:
                for key in sorted(_COMPARED.intersection(each.extra)):
                    yield f"{key}: does not fit (in the webhook with the id {short_id(each.id)!r})"

    def _deletions(self, others: Iterable[Webhook]) -> Iterator[WebhookChange]:
        names = self.names
        for webhook in others:
            if webhook.name in names:
                yield _deletion(webhook, "a duplicate")
            elif (
                self.prune is not None
                and webhook.name.startswith(self.prune)
                and _COMPARED.isdisjoint(webhook.extra)  # what can't be read isn't deleted
            ):
                yield _deletion(webhook, f"not wanted, and its name starts with {self.prune!r}")


_COMPARED = frozenset({"filter", "ownedBy", "status", "secret"})
"""What is compared and may be absent. What doesn't fit is in ``extra`` under these names."""


def _least_change(wanted: NewWebhook, namesakes: list[Webhook]) -> WebhookChange:
    candidates = [_change(wanted, each) for each in sorted(namesakes, key=_age)]
    return min(
        candidates,
        key=lambda change: _LEAST_CHANGE_FIRST.index(change.action),
        default=_creation(wanted),
    )


def _oldest(wanted: NewWebhook, namesakes: list[Webhook]) -> WebhookChange:
    """The change that keeps the oldest of these, also where it should be replaced."""
    if not namesakes:
        return _creation(wanted)
    change = _change(wanted, min(namesakes, key=_age))
    if change.action is not WebhookAction.REPLACE:
        return change
    return evolve(
        change, action=WebhookAction.KEEP, reason=f"{change.reason}: another run wants it so"
    )


def _age(webhook: Webhook) -> tuple[datetime, str]:
    """Sorts webhooks from the oldest on, in the same order wherever they are sorted."""
    return webhook.created or _NEVER, webhook.id


_LEAST_CHANGE_FIRST = (
    WebhookAction.KEEP,
    WebhookAction.UPDATE,
    WebhookAction.REACTIVATE,
    WebhookAction.REPLACE,
)
_NEVER = datetime.max.replace(tzinfo=UTC)


def _change(wanted: NewWebhook, existing: Webhook) -> WebhookChange:
    fixed = _differ(_fixed_differences(wanted, existing))
    changeable = _differ(_changeable_differences(wanted, existing))
    if fixed:
        action, reason = WebhookAction.REPLACE, f"{fixed} and can't be changed"
    elif existing.status == WebhookStatus.INACTIVE:
        action = WebhookAction.REACTIVATE
        reason = f"switched off, and {changeable}" if changeable else "switched off"
    elif changeable:
        action, reason = WebhookAction.UPDATE, changeable
    else:
        action, reason = WebhookAction.KEEP, "as wanted"
    return WebhookChange(
        action=action, name=wanted.name, wanted=wanted, existing=existing, reason=reason
    )


def _fixed_differences(wanted: NewWebhook, existing: Webhook) -> Iterator[str]:
    if wanted.resource != existing.resource:
        yield "resource"
    if wanted.event != existing.event:
        yield "event"
    if {*conditions_of(wanted.filter)} != {*conditions_of(existing.filter)}:
        yield "filter"
    if _owner(wanted.owned_by) != _owner(existing.owned_by):
        yield "owner"


def _changeable_differences(wanted: NewWebhook, existing: Webhook) -> Iterator[str]:
    if wanted.target_url != existing.target_url:
        yield "target URL"
    # An existing secret stays where none is wanted. Webex returns a secret that is set, so one
    # that it doesn't return isn't set.
    if wanted.secret and wanted.secret != existing.secret:
        yield "secret"


def _delivery(webhook: NewWebhook | Webhook) -> tuple[object, ...]:
    """Return the key that two webhooks share if they bring the same events to the same URL."""
    conditions = frozenset(conditions_of(webhook.filter))
    return webhook.target_url, webhook.resource, webhook.event, conditions


def _owner(owned_by: str | None) -> str:
    return owned_by or OwnedBy.CREATOR  # the service's default


def _differ(fields: Iterable[str]) -> str:
    names = tuple(fields)
    return f"{' and '.join(names)} {'differ' if len(names) > 1 else 'differs'}" if names else ""


def _creation(wanted: NewWebhook) -> WebhookChange:
    return WebhookChange(
        action=WebhookAction.CREATE, name=wanted.name, wanted=wanted, reason="missing"
    )


def _deletion(webhook: Webhook, reason: str) -> WebhookChange:
    return WebhookChange(
        action=WebhookAction.DELETE, name=webhook.name, existing=webhook, reason=reason
    )


def _hints(wanted: tuple[NewWebhook, ...]) -> Iterator[str]:
    for each in wanted:
        if (watchable := CATALOG.get(each.resource)) is not None:
            yield from _hints_about(each, watchable)
    firehoses = [each.name for each in wanted if each.resource == Resource.ALL]
    if firehoses and all(each.resource != Resource.ATTACHMENT_ACTIONS for each in wanted):
        yield (
            f"{firehoses[0]!r} brings memberships, messages and rooms, but no card submissions; "
            "add a webhook for attachmentActions, or ignore this if you have no cards"
        )


def _hints_about(wanted: NewWebhook, watchable: Watchable) -> Iterator[str]:
    if wanted.owned_by != OwnedBy.ORG:
        if watchable.org_only:
            yield f"{wanted.name!r} watches {wanted.resource}, which needs owned_by='org'"
        keys = {key for key, _ in conditions_of(wanted.filter)}
        for key in sorted(keys & watchable.org_filters):
            yield f"{wanted.name!r} filters by {key}, which needs owned_by='org'"
    if watchable.interest is not None:
        yield (
            f"{wanted.name!r} watches {wanted.resource}, which sends nothing unless an interest is "
            f"registered: await client.post({INTERESTS_PATH!r}, "
            f"json={{'interests': [{{'resource': {watchable.interest!r}}}]}}); it expires after "
            "60 days; ignore this if one is registered"
        )
