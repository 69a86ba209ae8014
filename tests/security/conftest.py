"""Rows to act upon, and roles to act as."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from exec_tracker.settings import normalise_url

Insert = Callable[..., str]
ActAs = Callable[..., AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class People:
    alice: UUID
    bob: UUID


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(normalise_url(database_url))
    yield engine
    engine.dispose()


@pytest.fixture
def people(engine: Engine) -> People:
    people = People(uuid.uuid4(), uuid.uuid4())
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO auth.users (id) VALUES (:alice), (:bob)"),
            {"alice": people.alice, "bob": people.bob},
        )
    return people


@pytest.fixture
def insert(engine: Engine, people: People) -> Insert:
    """Insert an execution with any columns, as the tables' owner; return its id."""

    def run(status: str = "pending", **columns: Any) -> str:
        row = {
            "id": f"key-{secrets.token_hex(4)}",
            "workflow_id": "workflow",
            "user_id": people.alice,
            "status": status,
            **columns,
        }
        for name in ("result", "parameters", "error"):
            if row.get(name) is not None:
                row[name] = json.dumps(row[name])
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        with engine.begin() as connection:
            connection.execute(
                text(f"INSERT INTO workflow_executions ({names}) VALUES ({values})"), row
            )
        return str(row["id"])

    return run


@pytest.fixture
def act_as(engine: Engine) -> ActAs:
    """Act as a role, with the claims an API would set, in a transaction that is undone."""

    @contextmanager
    def run(role: str, user: UUID | None = None, **claims: str) -> Iterator[Connection]:
        found = {"role": role, **claims}
        if user is not None:
            found["sub"] = str(user)
        with engine.connect() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            connection.execute(
                text("SELECT set_config('request.jwt.claims', :claims, true)"),
                {"claims": json.dumps(found)},
            )
            yield connection
            connection.rollback()

    return run


@pytest.fixture
def service_login(engine: Engine) -> Iterator[str]:
    """Make a login role that is a member of service_role and nothing else."""
    name = f"exec_tracker_login_{secrets.token_hex(4)}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN INHERIT PASSWORD '{name}'"))
        connection.execute(text(f"GRANT service_role TO {name}"))
    yield name
    with engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))
