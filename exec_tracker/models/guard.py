"""The state machine in the database: what no UPDATE may do, whoever writes."""

from __future__ import annotations

from typing import Final

__all__ = [
    "CREATE_GUARD_FUNCTION",
    "CREATE_GUARD_TRIGGER",
    "DROP_GUARD_FUNCTION",
    "GUARD_RULES",
    "GUARD_SQLSTATE",
    "GUARD_TRIGGER",
]

GUARD_SQLSTATE: Final = "ET001"
"""The SQLSTATE of every refusal; the rule is the error's constraint name."""

GUARD_TRIGGER: Final = "workflow_executions_guard"

GUARD_RULES: Final = (
    "completed_is_final",
    "outcome_is_immutable",
    "erasure_is_final",
    "attempts_only_grow",
    "live_claims_are_not_taken",
    "claim_tokens_are_not_reused",
    "failures_complete_by_a_claim",
)

# Results are compared as text, since jsonb equality lets 1 become 1.00.
CREATE_GUARD_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION guard_workflow_execution()
RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path = ''
AS $$
DECLARE
    rule TEXT;
    message TEXT;
BEGIN
    IF NEW.attempt < OLD.attempt THEN
        rule = 'attempts_only_grow';
        message = 'the attempt number of an execution is never lowered';
    ELSIF OLD.status = 'completed' THEN
        IF NEW.status <> 'completed' THEN
            rule = 'completed_is_final';
            message = 'a completed execution does not change its status';
        ELSIF (NEW.id, NEW.user_id, NEW.workflow_id, NEW.fingerprint, NEW.attempt,
               NEW.created_at, NEW.started_at, NEW.completed_at)
            IS DISTINCT FROM
              (OLD.id, OLD.user_id, OLD.workflow_id, OLD.fingerprint, OLD.attempt,
               OLD.created_at, OLD.started_at, OLD.completed_at)
            OR NEW.result::text IS DISTINCT FROM OLD.result::text
               AND (NEW.result IS NOT NULL OR NEW.erased_at IS NULL)
        THEN
            rule = 'outcome_is_immutable';
            message = 'what a completed execution is and has resulted in does not change';
        ELSIF OLD.erased_at IS NOT NULL AND NEW.erased_at IS DISTINCT FROM OLD.erased_at
            OR NEW.erased_at IS NOT NULL
               AND num_nonnulls(NEW.result, NEW.parameters, NEW.error_message, NEW.error) > 0
        THEN
            rule = 'erasure_is_final';
            message = 'an erased execution keeps nothing, and stays erased';
        END IF;
    ELSIF OLD.status = 'running' THEN
        IF OLD.lease_expires_at > clock_timestamp() THEN
            rule = 'live_claims_are_not_taken';
            message = 'a claim whose lease is live is ended by its owner alone';
        END IF;
    ELSIF NEW.status = 'running' AND NEW.claim_token = OLD.claim_token THEN
        rule = 'claim_tokens_are_not_reused';
        message = 'a new claim has a new claim token';
    ELSIF OLD.status = 'failed' AND NEW.status = 'completed'
        AND (OLD.error ->> 'outcome_unknown') IS DISTINCT FROM 'true'
    THEN
        rule = 'failures_complete_by_a_claim';
        message = 'a failed execution whose outcome is known completes by a new claim only';
    END IF;
    IF rule IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'ET001',
            MESSAGE = 'execution ' || quote_literal(OLD.id) || ': ' || message,
            DETAIL = 'status ' || OLD.status || ' to ' || NEW.status,
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = rule;
    END IF;
    RETURN NULL;
END;
$$
"""

# AFTER, since a BEFORE trigger of the host that sorts later could rewrite what a BEFORE guard saw.
# The condition holds back the calls that cannot end in a refusal, and is no longer than that: it
# is parsed anew for every statement, at about a microsecond a term.
CREATE_GUARD_TRIGGER: Final = """
CREATE TRIGGER workflow_executions_guard
    AFTER UPDATE ON workflow_executions
    FOR EACH ROW
    WHEN (
        OLD.status = 'completed'
        OR NEW.attempt < OLD.attempt
        OR OLD.status = 'running'
           AND (NEW.status = 'pending' OR NEW.claim_token IS DISTINCT FROM OLD.claim_token)
        OR OLD.status <> 'running' AND NEW.status = 'running' AND NEW.claim_token = OLD.claim_token
        OR OLD.status = 'failed' AND NEW.status = 'completed'
    )
    EXECUTE FUNCTION guard_workflow_execution()
"""

DROP_GUARD_FUNCTION: Final = "DROP FUNCTION IF EXISTS guard_workflow_execution()"
