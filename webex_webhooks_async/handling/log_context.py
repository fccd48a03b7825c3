"""Puts on each log record what is being handled."""

import logging

from webex_webhooks_async.handling.dispatch import active_execution

_FIELDS = ("webex_route", "webex_resource", "webex_event", "webex_data_id")


class LogContext(logging.Filter):
    """Puts what is being handled on each log record: of the program, of libraries, and of ours.

    ::

        handler = logging.StreamHandler()
        handler.addFilter(LogContext())
        handler.setFormatter(logging.Formatter("%(message)s [%(webex_route)s]"))

    A record that is made while a handler or a middleware runs, also in a task or a thread that it
    has begun, has ``webex_route``, ``webex_resource``, ``webex_event`` and ``webex_data_id``: such
    as ``command order``, ``messages``, ``created`` and the id of the message. Any other record has
    empty text there. Add it to a handler of `logging`, because a filter of a logger doesn't see
    what other loggers pass on.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields that the record doesn't have; return True."""
        execution = active_execution()
        fields = {} if execution is None else execution.fields()
        for name in _FIELDS:
            if not hasattr(record, name):
                setattr(record, name, fields.get(name, ""))
        return True
