"""The users table that executions refer to, which is not ours to create or to change."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, Table, Uuid

__all__ = ["IDENTITY_METADATA", "auth_users"]

IDENTITY_METADATA = MetaData()
"""Apart from `Base.metadata`, so that `create_all` never writes into the `auth` schema."""

auth_users = Table(
    "users",
    IDENTITY_METADATA,
    Column("id", Uuid(), primary_key=True),
    schema="auth",
)
