"""What type checkers know about the desired state. They check this file; nothing runs it.

Each ignored error here must occur: both checkers complain about one that doesn't.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from collections.abc import AsyncGenerator, Mapping
from typing import assert_never, assert_type

from webex_webhooks_async import (
    Action,
    Change,
    Client,
    NewWebhook,
    Plan,
    Result,
    Webhook,
    WebhookPlanWarning,
    plan,
)


async def each_way_ends_with_a_result(client: Client, wanted: list[NewWebhook]) -> None:
    """`ensure`, `apply` and `watch` return what was changed and what exists now."""
    result = await client.webhooks.ensure(wanted, prune="bot:")
    assert_type(result, Result)
    assert_type(result.changes, tuple[Change, ...])
    assert_type(result.webhooks, Mapping[str, Webhook])
    planned = await client.webhooks.plan(wanted, "bot:")
    assert_type(planned, Plan)
    assert_type(await planned.apply(), Result)
    watched = client.webhooks.watch(wanted, every=60, prune="bot:")
    assert_type(watched, AsyncGenerator[Result])
    async for each in watched:
        assert_type(each, Result)
    await watched.aclose()


def a_plan_takes_any_iterables(wanted: tuple[NewWebhook, ...], existing: set[Webhook]) -> None:
    """The function `plan` needs no client, and its plan has typed changes."""
    planned = plan((each for each in wanted), existing)
    assert_type(planned, Plan)
    assert_type(planned.changes, tuple[Change, ...])
    assert_type(planned.pending, tuple[Change, ...])
    for change in planned.changes:
        assert_type(change.action, Action)
        assert_type((change.name, change.reason), tuple[str, str])
        assert_type(change.wanted, NewWebhook | None)
        assert_type(change.existing, Webhook | None)


def actions_are_complete(change: Change) -> str:
    """A type checker knows all actions."""
    match change.action:
        case Action.KEEP:
            return "nothing to do"
        case Action.CREATE | Action.REPLACE:
            return "another id"
        case Action.UPDATE | Action.REACTIVATE:
            return "the same id"
        case Action.DELETE:
            return "gone"
        case _ as unknown:
            assert_never(unknown)


async def wrong_arguments_are_errors(client: Client, wanted: NewWebhook, existing: Webhook) -> None:
    """Wanted webhooks come in an iterable, and aren't existing ones."""
    warning: type[UserWarning] = WebhookPlanWarning
    await client.webhooks.ensure(wanted)  # type: ignore[arg-type] # in a list
    await client.webhooks.ensure([existing])  # type: ignore[list-item] # not a NewWebhook
    await client.webhooks.ensure([wanted], prune=True)  # type: ignore[arg-type] # a prefix
    client.webhooks.watch([wanted], 60)  # type: ignore[call-arg] # by name
    plan([wanted])  # type: ignore[call-arg] # needs the existing ones
    plan([existing], [wanted])  # type: ignore[list-item] # the wrong order
    await client.webhooks.watch([wanted])  # type: ignore[misc] # async for
    raise warning
