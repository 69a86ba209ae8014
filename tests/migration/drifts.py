"""What a database can suffer, and the kind and name of the difference that is to be seen."""

from __future__ import annotations

CLAIM = (
    "claim_workflow_execution_v1(text, text, text, uuid, text, text, text, text, uuid, text, "
    "double precision, text)"
)
COMPLETE = "complete_workflow_execution_v1(text, uuid, text, text)"


def replaced(function: str, what: str, by: str) -> str:
    """Return SQL that writes a function anew with a part of it replaced."""
    return (
        f"DO $do$ DECLARE old text = pg_get_functiondef('{function}'::regproc); BEGIN "
        f"ASSERT strpos(old, $a${what}$a$) > 0; EXECUTE replace(old, $a${what}$a$, $a${by}$a$); "
        "END $do$"
    )


DRIFTS = {
    "row security off": (
        "ALTER TABLE workflow_executions DISABLE ROW LEVEL SECURITY",
        ("row security", "workflow_executions"),
    ),
    "row security forced": (
        "ALTER TABLE workflow_execution_attempts FORCE ROW LEVEL SECURITY",
        ("row security", "workflow_execution_attempts"),
    ),
    "row security off on the version table": (
        "ALTER TABLE exec_tracker_alembic_version DISABLE ROW LEVEL SECURITY",
        ("row security", "exec_tracker_alembic_version"),
    ),
    "policy dropped": (
        'DROP POLICY "Users can view own executions" ON workflow_executions',
        ("policy", 'workflow_executions "Users can view own executions"'),
    ),
    "policy rewritten": (
        'ALTER POLICY "Users can view own executions" ON workflow_executions USING (true)',
        ("policy", 'workflow_executions "Users can view own executions"'),
    ),
    "policy for everybody": (
        'ALTER POLICY "Service role full access" ON workflow_executions TO PUBLIC',
        ("policy", 'workflow_executions "Service role full access"'),
    ),
    "policy added": (
        "CREATE POLICY everybody ON workflow_executions FOR SELECT TO anon USING (true)",
        ("policy", "workflow_executions everybody"),
    ),
    "trigger disabled": (
        "ALTER TABLE workflow_executions DISABLE TRIGGER workflow_executions_guard",
        ("trigger", "workflow_executions workflow_executions_guard"),
    ),
    "trigger dropped": (
        "DROP TRIGGER workflow_executions_updated_at ON workflow_executions",
        ("trigger", "workflow_executions workflow_executions_updated_at"),
    ),
    "trigger with another condition": (
        (
            "DROP TRIGGER workflow_executions_guard ON workflow_executions; "
            "CREATE TRIGGER workflow_executions_guard AFTER UPDATE ON workflow_executions "
            "FOR EACH ROW WHEN (OLD.status = 'completed') "
            "EXECUTE FUNCTION guard_workflow_execution()"
        ),
        ("trigger", "workflow_executions workflow_executions_guard"),
    ),
    "foreign key not enforced": (
        "ALTER TABLE workflow_execution_attempts DISABLE TRIGGER ALL",
        ("foreign key triggers", "workflow_execution_attempts"),
    ),
    "search path of a function reset": (
        "ALTER FUNCTION guard_workflow_execution() RESET search_path",
        ("function", "guard_workflow_execution()"),
    ),
    "function with another body": (
        (
            "CREATE OR REPLACE FUNCTION guard_workflow_execution() RETURNS trigger "
            "LANGUAGE plpgsql SET search_path = '' AS 'BEGIN RETURN NULL; END'"
        ),
        ("function", "guard_workflow_execution()"),
    ),
    "function as its definer": (
        "ALTER FUNCTION update_workflow_execution_updated_at() SECURITY DEFINER",
        ("function", "update_workflow_execution_updated_at()"),
    ),
    "function for everybody": (
        "GRANT EXECUTE ON FUNCTION guard_workflow_execution() TO PUBLIC",
        ("grant", "function guard_workflow_execution() to public"),
    ),
    "function of the protocol that is skipped for a NULL": (
        "ALTER FUNCTION claim_workflow_execution_v1 STRICT",
        ("function", CLAIM),
    ),
    "function of the protocol that may not write": (
        "ALTER FUNCTION complete_workflow_execution_v1 STABLE",
        ("function", COMPLETE),
    ),
    "function of the protocol with another plan": (
        "ALTER FUNCTION claim_workflow_execution_v1 RESET enable_seqscan",
        ("function", CLAIM),
    ),
    "function of the protocol with a line in its comment": (
        replaced("claim_workflow_execution_v1", "the transaction.\n", "the transaction. "),
        ("function", CLAIM),
    ),
    "function of the protocol without the schema of its table": (
        replaced("complete_workflow_execution_v1", "public.workflow_exec", "workflow_exec"),
        ("function", COMPLETE),
    ),
    "function of the protocol without its fence": (
        replaced("complete_workflow_execution_v1", "AND e.claim_token = p_token", ""),
        ("function", COMPLETE),
    ),
    "function of the protocol for everybody": (
        "GRANT EXECUTE ON FUNCTION claim_workflow_execution_v1 TO PUBLIC",
        ("grant", f"function {CLAIM} to public"),
    ),
    "function of the protocol dropped": (
        "DROP FUNCTION complete_workflow_execution_v1",
        ("function", COMPLETE),
    ),
    "grant to anon": (
        "GRANT SELECT ON workflow_executions TO anon",
        ("grant", "table workflow_executions to anon"),
    ),
    "grant of the history to users": (
        "GRANT SELECT ON workflow_execution_attempts TO authenticated",
        ("grant", "table workflow_execution_attempts to authenticated"),
    ),
    "grant of one column": (
        "GRANT UPDATE (status) ON workflow_executions TO authenticated",
        ("grant", "column workflow_executions.status to authenticated"),
    ),
    "grant to truncate": (
        "GRANT TRUNCATE ON workflow_executions TO service_role",
        ("grant", "table workflow_executions to service_role"),
    ),
    "grant revoked": (
        "REVOKE SELECT ON workflow_executions FROM authenticated",
        ("grant", "table workflow_executions to authenticated"),
    ),
    "grant on the sequence": (
        "GRANT USAGE ON SEQUENCE workflow_execution_attempts_id_seq TO anon",
        ("grant", "sequence workflow_execution_attempts_id_seq to anon"),
    ),
    "grant on the version table": (
        "GRANT ALL ON exec_tracker_alembic_version TO authenticated",
        ("grant", "table exec_tracker_alembic_version to authenticated"),
    ),
    "check with another list": (
        (
            "ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_status_check, "
            "ADD CONSTRAINT workflow_executions_status_check CHECK (status <> '')"
        ),
        ("constraint", "workflow_executions workflow_executions_status_check"),
    ),
    "check not validated": (
        (
            "ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_actor_check, "
            "ADD CONSTRAINT workflow_executions_actor_check "
            "CHECK (actor IN ('user', 'ai_assistant', 'system', 'webhook')) NOT VALID"
        ),
        ("constraint", "workflow_executions workflow_executions_actor_check"),
    ),
    "foreign key without cascade": (
        (
            "ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_user_id_fkey, "
            "ADD CONSTRAINT workflow_executions_user_id_fkey "
            "FOREIGN KEY (user_id) REFERENCES auth.users (id)"
        ),
        ("constraint", "workflow_executions workflow_executions_user_id_fkey"),
    ),
    "index dropped": (
        "DROP INDEX idx_workflow_executions_user_id",
        ("index", "idx_workflow_executions_user_id"),
    ),
    "index with another predicate": (
        (
            "DROP INDEX idx_workflow_executions_status; "
            "CREATE INDEX idx_workflow_executions_status ON workflow_executions "
            "(status, user_id, created_at DESC, id DESC) WHERE status = 'failed'"
        ),
        ("index", "idx_workflow_executions_status"),
    ),
    "index for the unknown dropped": (
        "DROP INDEX idx_workflow_executions_unknown",
        ("index", "idx_workflow_executions_unknown"),
    ),
    "index invalid": (
        (
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'idx_workflow_executions_workflow_id'::regclass"
        ),
        ("index", "idx_workflow_executions_workflow_id"),
    ),
    "rule that swallows writes": (
        "CREATE RULE quiet AS ON DELETE TO workflow_executions DO INSTEAD NOTHING",
        ("rule", "workflow_executions quiet"),
    ),
    "unlogged": (
        "ALTER TABLE workflow_execution_attempts SET UNLOGGED",
        ("storage", "workflow_execution_attempts"),
    ),
    "comment that old libraries heed": (
        "COMMENT ON TABLE workflow_execution_attempts IS 'Needs library protocol 99.'",
        ("comment", "workflow_execution_attempts"),
    ),
    "column dropped": (
        "ALTER TABLE workflow_executions DROP COLUMN retry_at",
        ("column", "workflow_executions.retry_at"),
    ),
    "column of another type": (
        "ALTER TABLE workflow_executions ALTER COLUMN claimed_by TYPE varchar(10)",
        ("column", "workflow_executions.claimed_by"),
    ),
    "column that may be null": (
        "ALTER TABLE workflow_executions ALTER COLUMN workflow_id DROP NOT NULL",
        ("column", "workflow_executions.workflow_id"),
    ),
    "default dropped": (
        "ALTER TABLE workflow_executions ALTER COLUMN created_at DROP DEFAULT",
        ("column", "workflow_executions.created_at"),
    ),
    "table dropped": (
        "DROP TABLE workflow_execution_attempts",
        ("table", "workflow_execution_attempts"),
    ),
}
