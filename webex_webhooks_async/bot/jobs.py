"""Names and writes down the work of a bot's own, so that each piece of it is in the inbox once."""

from collections.abc import Generator
from contextlib import contextmanager
from uuid import uuid4

from webex_webhooks_async.converters import unstructure
from webex_webhooks_async.handling.dispatch import active_handling
from webex_webhooks_async.handling.records import check_outside, numbered
from webex_webhooks_async.notifications.identity import body_of_job, key_of_job
from webex_webhooks_async.strict_json import dump_json
from webex_webhooks_async.validation import check_not_empty


@contextmanager
def new_job(name: str, value: object, key: str | None) -> Generator[tuple[str, bytes]]:
    """Make the key and the body of a job, which the block stores.

    Without a key, it is known by what is being handled, and by how many equal ones were stored for
    that before it: a handler that runs again makes the same ones again.

    Raises:
        ValueError: `key` is empty or isn't valid Unicode.
        TypeError: `key` isn't text, or JSON can't hold the value.
        RuntimeError: It is enqueued within a transaction of `once`.
    """
    check_outside("enqueue a job")
    value = _as_json(name, value)
    handling = active_handling()
    if key is not None:
        check_not_empty("key", key)
        yield key_of_job("key", name, key), body_of_job(name, value, key)
        return
    if handling is None:
        yield key_of_job("new", uuid4().hex), body_of_job(name, value, None)
        return
    # Of what comes from a task queue, there is no key but what it says.
    of = handling.key or key_of_job(unstructure(handling.notification))
    equal = key_of_job("of", of, name, value)
    with numbered(handling.enqueued.setdefault(equal, set())) as number:
        yield key_of_job("nth", equal, number), body_of_job(name, value, None)


def _as_json(name: str, value: object) -> object:
    try:
        made = unstructure(value)
        dump_json(made)
    except ValueError as error:
        raise TypeError(f"the value of job {name!r} isn't JSON: {error}") from None
    return made
