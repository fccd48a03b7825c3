"""An inbox in a PostgreSQL database."""
