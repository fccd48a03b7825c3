"""What type checkers know of the desired state. They check this file; nothing runs it.

An ignored error here is an error that has to be: both checkers complain about one that isn't.
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


async def what_is_wanted_leads_to_results(client: Client, wanted: list[NewWebhook]) -> None:
    """Each of the three ways ends with what was changed, and what is there now."""
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


def a_plan_can_be_made_of_anything_iterable(
    wanted: tuple[NewWebhook, ...], existing: set[Webhook]
) -> None:
    """A plan needs no client, and its changes can be read."""
    planned = plan((each for each in wanted), existing)
    assert_type(planned, Plan)
    assert_type(planned.changes, tuple[Change, ...])
    assert_type(planned.pending, tuple[Change, ...])
    for change in planned.changes:
        assert_type(change.action, Action)
        assert_type((change.name, change.reason), tuple[str, str])
        assert_type(change.wanted, NewWebhook | None)
        assert_type(change.existing, Webhook | None)


def actions_can_be_told_apart(change: Change) -> str:
    """A checker knows all actions that there are."""
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


async def what_cannot_be_is_an_error(client: Client, wanted: NewWebhook, is_there: Webhook) -> None:
    """What is wanted comes as several, and isn't what is there."""
    warning: type[UserWarning] = WebhookPlanWarning
    await client.webhooks.ensure(wanted)  # type: ignore[arg-type] # in a list
    await client.webhooks.ensure([is_there])  # type: ignore[list-item] # wants nothing
    await client.webhooks.ensure([wanted], prune=True)  # type: ignore[arg-type] # a prefix
    client.webhooks.watch([wanted], 60)  # type: ignore[call-arg] # by name
    plan([wanted])  # type: ignore[call-arg] # and what is there
    plan([is_there], [wanted])  # type: ignore[list-item] # the other way round
    await client.webhooks.watch([wanted])  # type: ignore[misc] # async for
    raise warning
