"""The contexts that handlers of an integration get: what happened, and to whom."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack, overload

from attrs import field, frozen

from webex_webhooks_async.applications.jobs import JobOptions
from webex_webhooks_async.client.client import Client
from webex_webhooks_async.integration.users import ConnectedUser
from webex_webhooks_async.models.messages import AttachmentAction, Message
from webex_webhooks_async.models.notifications import Notification
from webex_webhooks_async.receiving.lifespan import State

if TYPE_CHECKING:
    from webex_webhooks_async.models.notification_data import AttachmentActionData, MessageData

D_co = TypeVar("D_co", covariant=True)
T = TypeVar("T")


class Jobs(Protocol):
    """Stores and removes the jobs of users: an `Integration`."""

    async def enqueue(
        self, name: str, value: object, *, person_id: str, **options: Unpack[JobOptions]
    ) -> bool:
        """Store a job."""
        ...

    async def cancel(
        self, name: str, *, person_id: str, key: str, transaction: object = None
    ) -> bool:
        """Remove a job."""
        ...


@frozen(kw_only=True)
class OfUser:
    """The base of both contexts.

    Attributes:
        user: The user whose webhook, or whose job, it is.
        client: Calls Webex as this user, while the handler runs.
        state: The mapping that the integration's lifespan yields.
        route: The registration, as a label of metrics: ``on ended``, or ``job remind``. The second
            of the same, in the order of registration, is ``on ended 2``.
    """

    user: ConnectedUser
    client: Client = field(repr=False)
    state: State = field(factory=State, repr=False, eq=False)
    route: str = ""
    _jobs: Jobs | None = field(default=None, alias="jobs", repr=False, eq=False)

    async def enqueue(self, name: str, value: object, **options: Unpack[JobOptions]) -> bool:
        """Enqueue a job of this user, as `Integration.enqueue` does.

        The other arguments, the result and the errors are those of `Integration.enqueue`.

        Raises:
            RuntimeError: As there, or the context isn't of an integration.
        """
        return await self._of_integration().enqueue(
            name, value, person_id=self.user.person_id, **options
        )

    async def cancel(self, name: str, *, key: str, transaction: object = None) -> bool:
        """Remove a job of this user, as `Integration.cancel` does.

        Raises:
            RuntimeError: As there, or the context isn't of an integration.
        """
        return await self._of_integration().cancel(
            name, person_id=self.user.person_id, key=key, transaction=transaction
        )

    def _of_integration(self) -> Jobs:
        if self._jobs is None:
            raise RuntimeError("this context isn't of an integration, so it has no inbox for jobs")
        return self._jobs


@frozen(kw_only=True)
class UserContext(OfUser, Generic[D_co]):
    """A notification, for a handler of `Integration.on`.

    Attributes:
        notification: The notification that Webex sent.
    """

    notification: Notification[D_co]

    @property
    def data(self) -> D_co:
        """The data of the notification: ids, not content."""
        return self.notification.data

    @overload
    async def fetch(self: "UserContext[MessageData]") -> Message: ...

    @overload
    async def fetch(self: "UserContext[AttachmentActionData]") -> AttachmentAction: ...

    @overload
    async def fetch(self, *, into: type[T] | Callable[[Any], T] | None = None) -> T: ...

    async def fetch(self, *, into: type[T] | Callable[[Any], T] | None = None) -> object:
        """GET what the notification is about, as its user.

        The arguments, the result and the errors are those of `Client.fetch`.
        """
        return await self.client.fetch(self.notification, into=into)


@frozen(kw_only=True)
class UserJobContext(OfUser):
    """A job, for a handler of `Integration.job` or `Integration.on_connect`.

    Attributes:
        value: The value that was enqueued, as JSON gives it back.
        key: The key with which it was enqueued; `None` without one.
    """

    value: Any = None
    key: str | None = None
