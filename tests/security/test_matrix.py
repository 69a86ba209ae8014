"""Who may do what, tried for every role and operation, and written into the documentation."""

from __future__ import annotations

import json
import secrets
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from exec_tracker import migrations
from exec_tracker.settings import normalise_url
from exec_tracker.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "security.md"
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->"

ALICE, BOB = uuid.UUID(int=1), uuid.UUID(int=2)

ACTORS = {
    "`anon`": "SET LOCAL ROLE anon",
    "`authenticated`, as Alice": "SET LOCAL ROLE authenticated",
    "`service_role`": "SET LOCAL ROLE service_role",
    "a login role in `service_role`": "SET LOCAL ROLE {login}",
    "the tables' owner": "SET LOCAL ROLE {owner}",
}

OPERATIONS = {
    "workflow_executions": {
        "SELECT": "SELECT user_id FROM workflow_executions",
        "INSERT": "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
        "VALUES ('new', 'w', '{alice}', 'pending') RETURNING NULL",
        "UPDATE": "UPDATE workflow_executions SET workflow_name = 'x' RETURNING user_id",
        "DELETE": "DELETE FROM workflow_executions RETURNING user_id",
        "TRUNCATE": "TRUNCATE workflow_executions CASCADE",
    },
    "workflow_execution_attempts": {
        "SELECT": "SELECT user_id FROM workflow_execution_attempts",
        "INSERT": "INSERT INTO workflow_execution_attempts "
        "(execution_id, attempt, user_id, outcome) "
        "VALUES ('{alice}', 2, '{alice}', 'failed') RETURNING NULL",
        "UPDATE": "UPDATE workflow_execution_attempts SET error = NULL RETURNING user_id",
        "DELETE": "DELETE FROM workflow_execution_attempts RETURNING user_id",
        "TRUNCATE": "TRUNCATE workflow_execution_attempts",
    },
    "exec_tracker_alembic_version": {
        "SELECT": "SELECT NULL FROM exec_tracker_alembic_version",
        "INSERT": "INSERT INTO exec_tracker_alembic_version VALUES ('x') RETURNING NULL",
        "UPDATE": "UPDATE exec_tracker_alembic_version SET version_num = 'x' RETURNING NULL",
        "DELETE": "DELETE FROM exec_tracker_alembic_version RETURNING NULL",
        "TRUNCATE": "TRUNCATE exec_tracker_alembic_version",
    },
    "EXECUTE of functions": {
        "`claim_workflow_execution_v1`": (
            "SELECT NULL FROM claim_workflow_execution_v1('new', 'w', NULL, '{alice}', NULL, NULL,"
            " NULL, NULL, '{alice}', NULL, 60, '2s')"
        ),
        # Counted: the one row, also where nothing is completed.
        "`complete_workflow_execution_v1`": (
            "SELECT NULL FROM (SELECT count(*)"
            " FROM complete_workflow_execution_v1('{alice}', '{alice}', '1', '2s')) AS done"
        ),
    },
}

ROWS = """
INSERT INTO auth.users VALUES ('{alice}'), ('{bob}');
INSERT INTO workflow_executions (id, workflow_id, user_id, status)
SELECT id, 'w', id, 'failed' FROM auth.users;
INSERT INTO workflow_execution_attempts (execution_id, attempt, user_id, outcome)
SELECT id, 1, id, 'failed' FROM auth.users;
"""


@pytest.fixture
def owner(engine: Engine) -> Iterator[str]:
    """Make a role that may log in, and nothing else."""
    name = f"exec_tracker_owner_{secrets.token_hex(4)}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'"))
    yield name
    with engine.begin() as connection:
        connection.execute(text(f"DROP ROLE {name}"))


@pytest.fixture
def owned(owner: str, throwaway_databases: Any, engine: Engine) -> Iterator[Engine]:
    """Migrate a database as its owner, who is no superuser and may not create roles."""
    with throwaway_databases.database("owned") as name:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER DATABASE {name} OWNER TO {owner}"))
        url = make_url(normalise_url(engine.url)).set(database=name)
        migrations.upgrade(url.set(username=owner, password=owner))
        administrator = create_engine(url)
        with administrator.begin() as connection:
            connection.exec_driver_sql(ROWS.format(alice=ALICE, bob=BOB))
        yield administrator
        with administrator.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {owner}"))
        administrator.dispose()


def attempt(connection: Connection, statement: str) -> str:
    """Say what came of a statement, and undo it."""
    savepoint = connection.begin_nested()
    try:
        result = connection.execute(text(statement))
        rows = [row[0] for row in result] if result.returns_rows else [None]
    except DBAPIError as error:
        if sqlstate_of(error) != "42501":
            raise
        return "refused"
    finally:
        savepoint.rollback()
    users = [row for row in rows if row is not None]
    if len(users) < len(rows):
        return "yes"
    return {(): "none", (ALICE,): "own", (ALICE, BOB): "all"}[tuple(sorted(users))]


def try_everything(owned: Engine, **names: str) -> dict[str, dict[str, dict[str, str]]]:
    matrix: dict[str, dict[str, dict[str, str]]] = {}
    for actor, role in ACTORS.items():
        with owned.connect() as connection:
            connection.execute(text(role.format(**names)))
            connection.execute(
                text("SELECT set_config('request.jwt.claims', :claims, true)"),
                {"claims": json.dumps({"sub": str(ALICE)})},
            )
            for table, operations in OPERATIONS.items():
                matrix.setdefault(table, {})[actor] = {
                    name: attempt(connection, statement.format(alice=ALICE))
                    for name, statement in operations.items()
                }
            connection.rollback()
    return matrix


def as_markdown(matrix: dict[str, dict[str, dict[str, str]]]) -> str:
    lines: list[str] = []
    for table, actors in matrix.items():
        operations = list(OPERATIONS[table])
        lines += [
            f"### {table}" if " " in table else f"### `{table}`",
            "",
            f"| | {' | '.join(operations)} |",
            f"|---|{'---|' * len(operations)}",
        ]
        for actor, outcomes in actors.items():
            cells = " | ".join(outcomes[name] for name in operations)
            lines.append(f"| {actor} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def test_the_documentation_says_who_may_do_what(
    owned: Engine, owner: str, service_login: str
) -> None:
    found = as_markdown(try_everything(owned, owner=owner, login=service_login))
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    written, tail = rest.split(END)
    if written != found:
        PAGE.write_text(f"{head}{BEGIN}{found}{END}{tail}", encoding="utf-8")
    assert written == found, f"{PAGE} has been written anew; look at the difference and commit it"


def test_a_plain_owner_of_a_database_can_migrate_it_and_has_drifted_nowhere(owned: Engine) -> None:
    assert migrations.check(owned) == []
