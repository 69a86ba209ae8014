"""A host project with an Alembic folder of its own, in which our revisions are beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS: Final = """
[alembic]
script_location = %(here)s/migrations
path_separator = newline
version_locations =
    %(here)s/migrations/versions
    {ours}
"""

_ENVIRONMENT: Final = """
import os

from alembic import context
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Text, create_engine

from exec_tracker import migrations, normalise_url
from exec_tracker.models import WorkflowExecution

theirs = MetaData()
Table(
    "orders",
    theirs,
    Column("id", Integer, primary_key=True),
    Column("execution_id", Text, ForeignKey(WorkflowExecution.__table__.c.id)),
)

with create_engine(normalise_url(os.environ["HOST_DATABASE_URL"])).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=theirs,
        include_object=migrations.include_object,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
"""

_TEMPLATE: Final = """
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
"""

_ORDERS: Final = """
from alembic import op
import sqlalchemy as sa

revision = "0001_orders"
down_revision = None
branch_labels = ("orders",)
depends_on = "0007_exec_tracker_functions"


def upgrade():
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("execution_id", sa.Text, sa.ForeignKey("workflow_executions.id")),
    )


def downgrade():
    op.drop_table("orders")
"""


def alembic_host(folder: Path, ours: str) -> Path:
    """Write the project, with our revisions at `ours`, and return its alembic.ini."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_orders.py").write_text(_ORDERS)
    (folder / "migrations" / "env.py").write_text(_ENVIRONMENT)
    (folder / "migrations" / "script.py.mako").write_text(_TEMPLATE)
    settings = folder / "alembic.ini"
    settings.write_text(_SETTINGS.format(ours=ours))
    return settings
