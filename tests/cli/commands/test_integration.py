from tests.cli.harness import Invoke
from tests.support.postgres_inboxes import Database


def test_the_tables_of_a_store(database: Database, invoke: Invoke) -> None:
    """They are made by the SQL that is printed, which can be run again."""
    printed = invoke("integration", "schema", "--schema", database.schema)
    for _ in range(2):
        database.execute(printed.out)

    assert database.execute("SELECT number FROM users_version") == [(1,)]
