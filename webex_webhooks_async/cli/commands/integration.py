"""The command integration schema."""

from webex_webhooks_async.cli.commands.inbox import SCHEMA
from webex_webhooks_async.cli.console import stdout
from webex_webhooks_async.cli.options import NotEmpty
from webex_webhooks_async.cli.running import usage_errors
from webex_webhooks_async.inbox.postgres.inbox import check_schema
from webex_webhooks_async.integration.postgres_store import creation


def print_schema(*, schema: NotEmpty = SCHEMA) -> None:
    """Print the SQL that makes the tables of a PostgresUserStore, for a role that may.

    $ webex-webhooks integration schema > tables.sql

    Args:
        schema: The schema of the tables.
    """
    with usage_errors():
        check_schema(schema)
    stdout().out(creation(schema) + ";", highlight=False)
