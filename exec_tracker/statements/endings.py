"""The statements that end a claim: completed, failed, or pending again."""

from exec_tracker.statements.rendering import Statement

# Store the result under the claim's token, which stays on the row for good: a function of the
# schema, as the claim is.
COMPLETE_CLAIM = Statement(
    "complete_claim",
    """
SELECT {complete_function}(
       CAST(:id AS text), CAST(:token AS uuid), CAST(:result AS text),
       CAST(:lock_timeout AS text))""",
)

# Store a result without the claim's token: a new token fences whoever held the old one.
COMPLETE_UNCLAIMED = Statement(
    "complete_unclaimed",
    """
WITH {setting}
     UPDATE {executions} AS e
        SET {completed}, claim_token = CAST(:token AS uuid)
       FROM setting
      WHERE {unchanged}
  RETURNING {row}""",
)

# Store a failure under the claim's token, and the ended attempt with it.
FAIL_CLAIM = Statement(
    "fail_claim",
    """
WITH {setting}, e AS (
     UPDATE {executions} AS e
        SET {failed}
       FROM setting
      WHERE {mine}
  RETURNING e.*
), {failed_history}
SELECT {row}
  FROM e""",
)

# Store a failure without the claim's token: a new token fences whoever held the old one.
FAIL_UNCLAIMED = Statement(
    "fail_unclaimed",
    """
WITH {setting}, e AS (
     UPDATE {executions} AS e
        SET {failed}, claim_token = CAST(:token AS uuid)
       FROM setting
      WHERE {unchanged}
  RETURNING e.*
), {failed_history}
SELECT {row}
  FROM e""",
)

# Make a failed or abandoned execution pending again; attempts go on counting.
RESET_EXECUTION = Statement(
    "reset_execution",
    """
WITH {setting}, e AS (
     UPDATE {executions} AS e
        SET status = 'pending', claim_token = NULL, claimed_by = NULL, lease_expires_at = NULL,
            started_at = NULL, completed_at = NULL, error = NULL, error_message = NULL,
            result = NULL, retry_at = NULL
       FROM setting
      WHERE {unchanged}
  RETURNING e.*
), {abandoned_history}
SELECT {row}
  FROM e""",
)
