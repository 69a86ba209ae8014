"""The facts that head has, in PostgreSQL's own spelling, which is the same from 14 to 18."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from exec_tracker.migrations.options import (
    DEFAULT_USERS_TABLE,
    NO_USERS_TABLE,
    USERS_TABLE_NOTE,
    VERSION_TABLE,
)
from exec_tracker.migrations.placement import quoted
from exec_tracker.models import (
    ATTEMPTS_EXECUTION_FKEY,
    ATTEMPTS_OUTCOME_CHECK,
    ATTEMPTS_PKEY,
    ATTEMPTS_TABLE,
    EXECUTIONS_ACTOR_CHECK,
    EXECUTIONS_PKEY,
    EXECUTIONS_STATUS_CHECK,
    EXECUTIONS_TABLE,
    EXECUTIONS_USER_FKEY,
    Base,
)
from exec_tracker.models.ddl import UPDATED_AT_FUNCTION
from exec_tracker.models.functions import (
    CLAIM_FUNCTION,
    CLAIM_PARAMETERS,
    CLAIM_SIGNATURE,
    COMPLETE_FUNCTION,
    COMPLETE_PARAMETERS,
    COMPLETE_SIGNATURE,
    CREATE_FUNCTIONS,
)
from exec_tracker.models.guard import CREATE_GUARD_FUNCTION, GUARD_TRIGGER

if TYPE_CHECKING:
    from exec_tracker.migrations.catalog import Facts

__all__ = ["NAMES", "expected_facts"]

_UPDATED_AT_TRIGGER: Final = "workflow_executions_updated_at"

_DML: Final = "DELETE, INSERT, SELECT, UPDATE"
_SERVICE_POLICY: Final = "FOR ALL TO service_role USING (true) WITH CHECK (true)"

_STATUSES: Final = "'pending'::text, 'running'::text, 'completed'::text, 'failed'::text"
_ACTORS: Final = "'user'::text, 'ai_assistant'::text, 'system'::text, 'webhook'::text"

_GUARD: Final = (
    "CREATE TRIGGER workflow_executions_guard AFTER UPDATE ON workflow_executions "
    "FOR EACH ROW WHEN (old.status = 'completed'::text OR new.attempt < old.attempt "
    "OR old.status = 'running'::text AND (new.status = 'pending'::text "
    "OR new.claim_token IS DISTINCT FROM old.claim_token) "
    "OR old.status <> 'running'::text AND new.status = 'running'::text "
    "AND new.claim_token = old.claim_token "
    "OR old.status = 'failed'::text AND new.status = 'completed'::text) "
    "EXECUTE FUNCTION guard_workflow_execution()"
)


def _body(function: str) -> str:
    return " ".join(re.sub("--.*", "", function.split("$$")[1]).split())


def _spelled(columns: str) -> str:
    """Write columns or parameters as the catalogs do."""
    return (
        " ".join(columns.split())
        .replace("TIMESTAMPTZ", "timestamp with time zone")
        .replace("DOUBLE PRECISION", "double precision")
        .replace("TEXT", "text")
        .replace("UUID", "uuid")
        .replace("INTEGER", "integer")
    )


def _of_the_protocol(parameters: str, created: str) -> str:
    return (
        f"plpgsql ({_spelled(parameters)}) RETURNS text[] "
        f'SET search_path="", enable_seqscan=off: {_body(created)}'
    )


_CONSTRAINTS: Final = {
    (EXECUTIONS_TABLE, EXECUTIONS_PKEY): "PRIMARY KEY (id)",
    (EXECUTIONS_TABLE, EXECUTIONS_STATUS_CHECK): f"CHECK ((status = ANY (ARRAY[{_STATUSES}])))",
    (EXECUTIONS_TABLE, EXECUTIONS_ACTOR_CHECK): f"CHECK ((actor = ANY (ARRAY[{_ACTORS}])))",
    (ATTEMPTS_TABLE, ATTEMPTS_PKEY): "PRIMARY KEY (id)",
    (ATTEMPTS_TABLE, ATTEMPTS_OUTCOME_CHECK): (
        "CHECK ((outcome = ANY (ARRAY['failed'::text, 'abandoned'::text])))"
    ),
    (ATTEMPTS_TABLE, ATTEMPTS_EXECUTION_FKEY): (
        "FOREIGN KEY (execution_id) REFERENCES workflow_executions(id) ON DELETE CASCADE"
    ),
}

_INDEXES: Final = {
    EXECUTIONS_PKEY: "UNIQUE btree (id)",
    ATTEMPTS_PKEY: "UNIQUE btree (id)",
    "idx_workflow_executions_user_id": "btree (user_id, created_at DESC, id DESC)",
    "idx_workflow_executions_workflow_id": (
        "btree (workflow_id, user_id, created_at DESC, id DESC)"
    ),
    "idx_workflow_executions_status": (
        "btree (status, user_id, created_at DESC, id DESC) WHERE (status <> 'completed'::text)"
    ),
    "idx_workflow_executions_created_at": "btree (created_at DESC)",
    "idx_workflow_executions_unknown": (
        "btree (created_at DESC, id DESC) WHERE ((status = 'failed'::text) "
        """AND (error @> '{"outcome_unknown": true}'::jsonb))"""
    ),
    "idx_workflow_execution_attempts_execution_id": "btree (execution_id, attempt)",
}

_OTHERS: Final = {
    ("policy", 'workflow_executions "Users can view own executions"'): (
        "FOR SELECT TO authenticated USING ((( SELECT auth.uid() AS uid) = user_id))"
    ),
    ("policy", 'workflow_executions "Service role full access"'): _SERVICE_POLICY,
    ("policy", 'workflow_execution_attempts "Service role full access"'): _SERVICE_POLICY,
    ("trigger", f"{EXECUTIONS_TABLE} {_UPDATED_AT_TRIGGER}"): (
        "CREATE TRIGGER workflow_executions_updated_at BEFORE UPDATE ON workflow_executions "
        "FOR EACH ROW EXECUTE FUNCTION update_workflow_execution_updated_at()"
    ),
    ("trigger", f"{EXECUTIONS_TABLE} {GUARD_TRIGGER}"): _GUARD,
    ("function", "update_workflow_execution_updated_at()"): (
        f'plpgsql () RETURNS trigger SET search_path="": {_body(UPDATED_AT_FUNCTION)}'
    ),
    ("function", "guard_workflow_execution()"): (
        f'plpgsql () RETURNS trigger SET search_path="": {_body(CREATE_GUARD_FUNCTION)}'
    ),
    ("function", CLAIM_SIGNATURE): _of_the_protocol(CLAIM_PARAMETERS, CREATE_FUNCTIONS[0]),
    ("function", COMPLETE_SIGNATURE): _of_the_protocol(COMPLETE_PARAMETERS, CREATE_FUNCTIONS[1]),
    ("grant", f"function {CLAIM_SIGNATURE} to service_role"): "EXECUTE",
    ("grant", f"function {COMPLETE_SIGNATURE} to service_role"): "EXECUTE",
    ("grant", "table workflow_executions to service_role"): _DML,
    ("grant", "table workflow_executions to authenticated"): "SELECT",
    ("grant", "table workflow_execution_attempts to service_role"): _DML,
    ("row security", VERSION_TABLE): "enabled",
}

NAMES: Final = {
    "triggers": [_UPDATED_AT_TRIGGER, GUARD_TRIGGER],
    "functions": [
        "update_workflow_execution_updated_at",
        "guard_workflow_execution",
        CLAIM_FUNCTION,
        COMPLETE_FUNCTION,
    ],
    "indexes": list(_INDEXES),
    "constraints": [*(name for _, name in _CONSTRAINTS), EXECUTIONS_USER_FKEY],
}
"""What of the catalogs is ours, by name."""


def expected_facts(found: Facts) -> Facts:
    """Return the facts of head for the users table that the database says it was made for."""
    users_table = _users_table(found)
    facts = {
        **_OTHERS,
        **{("constraint", " ".join(name)): spelled for name, spelled in _CONSTRAINTS.items()},
        **{("index", name): spelled for name, spelled in _INDEXES.items()},
        **_per_table(),
    }
    if users_table != NO_USERS_TABLE:
        facts["constraint", f"{EXECUTIONS_TABLE} {EXECUTIONS_USER_FKEY}"] = (
            f"FOREIGN KEY (user_id) REFERENCES {quoted(users_table)}(id) ON DELETE CASCADE"
        )
    if users_table != DEFAULT_USERS_TABLE:
        facts["comment", f"{EXECUTIONS_TABLE}.user_id"] = USERS_TABLE_NOTE.format(users_table)
    if ("row security", VERSION_TABLE) not in found:
        # A host may record our revisions elsewhere.
        del facts["row security", VERSION_TABLE]
    return facts


def _users_table(found: Facts) -> str:
    before, after = USERS_TABLE_NOTE.split("{}")
    comment = found.get(("comment", f"{EXECUTIONS_TABLE}.user_id"), "")
    if comment.startswith(before) and comment.endswith(after):
        return comment.removeprefix(before).removesuffix(after)
    return DEFAULT_USERS_TABLE


def _per_table() -> Facts:
    facts: Facts = {}
    for name, table in Base.metadata.tables.items():
        facts["row security", name] = "enabled"
        facts["storage", name] = "logged"
        facts["foreign key triggers", name] = "enabled"
        facts["comment", name] = table.comment or ""
        for column in table.columns:
            if column.comment:
                facts["comment", f"{name}.{column.name}"] = column.comment
    return facts
