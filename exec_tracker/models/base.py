"""The declarative base, with a MetaData of its own that a host can compare or create."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

__all__ = ["Base"]


class Base(DeclarativeBase):
    """Everything exec_tracker keeps in the database hangs off `Base.metadata`.

    `Base.metadata.create_all()` builds the same database as `alembic upgrade head`, on a
    database where the identity (`auth.users`, `auth.uid()`, the API roles) exists already.
    """

    metadata = MetaData()
