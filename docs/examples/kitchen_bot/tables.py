"""The tables of the bot. A deploy makes them: ``python -m kitchen_bot.tables``."""

import os

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What all tables have."""


class Order(Base):
    """What a person has ordered."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str]
    dish: Mapped[str]
    count: Mapped[int]


def url_of(database_url: str) -> str:
    """Return the URL as SQLAlchemy wants it, with the name of the driver."""
    return database_url.replace("postgresql:", "postgresql+psycopg:", 1)


if __name__ == "__main__":
    Base.metadata.create_all(create_engine(url_of(os.environ["DATABASE_URL"])))
