"""The types in the signatures of this package, for annotations in your own code.

::

    def make_bot(secrets: Secrets, **options: Unpack[BotOptions]) -> Bot:
        return Bot("token", secrets, name="lunch", **options)

As with the package itself, a module is imported with the first use of a name of it.
"""

from typing import TYPE_CHECKING

from webex_webhooks_async.lazy_names import on_first_use

if TYPE_CHECKING:
    from webex_webhooks_async.applications.jobs import JobOptions as JobOptions
    from webex_webhooks_async.bot.access import Allow as Allow
    from webex_webhooks_async.bot.bot import BotOptions as BotOptions
    from webex_webhooks_async.bot.contexts.contexts import AskOptions as AskOptions
    from webex_webhooks_async.bot.contexts.stream import Stream as Stream
    from webex_webhooks_async.bot.contexts.writing import MessageOptions as MessageOptions
    from webex_webhooks_async.bot.contexts.writing import SendOptions as SendOptions
    from webex_webhooks_async.bot.router import ContextHandler as ContextHandler
    from webex_webhooks_async.bot.router import ContextMiddleware as ContextMiddleware
    from webex_webhooks_async.bot.router import Where as Where
    from webex_webhooks_async.client.client import ClientOptions as ClientOptions
    from webex_webhooks_async.client.pagination import AsyncPaginator as AsyncPaginator
    from webex_webhooks_async.client.pagination import Page as Page
    from webex_webhooks_async.client.planning import WebhookAction as WebhookAction
    from webex_webhooks_async.client.planning import WebhookChange as WebhookChange
    from webex_webhooks_async.client.planning import WebhookPlan as WebhookPlan
    from webex_webhooks_async.client.planning import WebhookPlanResult as WebhookPlanResult
    from webex_webhooks_async.client.resource import Params as Params
    from webex_webhooks_async.handling.dispatch import Attempt as Attempt
    from webex_webhooks_async.handling.dispatch import CallNext as CallNext
    from webex_webhooks_async.handling.dispatch import Handler as Handler
    from webex_webhooks_async.handling.dispatch import Middleware as Middleware
    from webex_webhooks_async.handling.in_flight import ErrorHandler as ErrorHandler
    from webex_webhooks_async.inbox.base import TransactionalInbox as TransactionalInbox
    from webex_webhooks_async.inbox.entries import InboxCounts as InboxCounts
    from webex_webhooks_async.inbox.entries import InboxEntry as InboxEntry
    from webex_webhooks_async.inbox.entries import Question as Question
    from webex_webhooks_async.inbox.entries import StoredNotification as StoredNotification
    from webex_webhooks_async.integration.integration import AllowUser as AllowUser
    from webex_webhooks_async.integration.integration import (
        IntegrationOptions as IntegrationOptions,
    )
    from webex_webhooks_async.integration.integration import UserList as UserList
    from webex_webhooks_async.integration.pages import CurrentAccount as CurrentAccount
    from webex_webhooks_async.integration.store import UserCounts as UserCounts
    from webex_webhooks_async.integration.store import UserStore as UserStore
    from webex_webhooks_async.integration.users import ConnectedUser as ConnectedUser
    from webex_webhooks_async.models.messages import PhoneNumber as PhoneNumber
    from webex_webhooks_async.models.notification_data import NotificationData as NotificationData
    from webex_webhooks_async.models.notification_data import RemoteParty as RemoteParty
    from webex_webhooks_async.notifications.signatures import Headers as Headers
    from webex_webhooks_async.notifications.signing_secrets import Secrets as Secrets
    from webex_webhooks_async.receiving.lifespan import Lifespan as Lifespan
    from webex_webhooks_async.receiving.lifespan import State as State
    from webex_webhooks_async.receiving.receiver import ReceiverOptions as ReceiverOptions
else:
    _NAMES = {
        "applications.jobs": "JobOptions",
        "bot.access": "Allow",
        "bot.bot": "BotOptions",
        "bot.contexts.contexts": "AskOptions",
        "bot.contexts.stream": "Stream",
        "bot.contexts.writing": "MessageOptions SendOptions",
        "bot.router": "ContextHandler ContextMiddleware Where",
        "client.client": "ClientOptions",
        "client.pagination": "AsyncPaginator Page",
        "client.planning": "WebhookAction WebhookChange WebhookPlan WebhookPlanResult",
        "client.resource": "Params",
        "handling.dispatch": "Attempt CallNext Handler Middleware",
        "handling.in_flight": "ErrorHandler",
        "inbox.base": "TransactionalInbox",
        "inbox.entries": "InboxCounts InboxEntry Question StoredNotification",
        "integration.integration": "AllowUser IntegrationOptions UserList",
        "integration.pages": "CurrentAccount",
        "integration.store": "UserCounts UserStore",
        "integration.users": "ConnectedUser",
        "models.messages": "PhoneNumber",
        "models.notification_data": "NotificationData RemoteParty",
        "notifications.signatures": "Headers",
        "notifications.signing_secrets": "Secrets",
        "receiving.lifespan": "Lifespan State",
        "receiving.receiver": "ReceiverOptions",
    }
    __getattr__, __dir__ = on_first_use(__name__, _NAMES)
    __all__ = list(__dir__())
