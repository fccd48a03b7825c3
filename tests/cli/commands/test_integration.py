import psycopg

from tests.cli.harness import Invoke
from tests.support.postgres_inboxes import execute
from tests.support.postgres_server import PostgresServer


def test_the_tables_of_a_store(postgres: PostgresServer, schema: str, invoke: Invoke) -> None:
    """They are made by the SQL that is printed, which can be run again."""
    printed = invoke("integration", "schema", "--schema", schema)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(printed.out.encode())

    assert execute(postgres, f"SELECT number FROM {schema}.users_version") == [(1,)]  # noqa: S608 - a name of our own


def test_a_schema_without_a_name(invoke: Invoke) -> None:
    """A schema that can't have its name is an error that says so."""
    wrong = invoke("integration", "schema", "--schema", "pg_users")

    assert wrong.exit_code == 2
    assert "schema can't be the name of one" in wrong.err
