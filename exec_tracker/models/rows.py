"""How a statement returns an execution: as one array of texts, the same from every driver.

One value and not a column each: drivers pay for every column of an answer (psycopg2 with a call of
a Python function), and a function of the schema that returns rows pays for a table to keep them in.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COLUMN_NAMES", "EXECUTION_ROW", "TIME_COLUMNS"]

COLUMN_NAMES: Final = (
    "id",
    "workflow_id",
    "workflow_name",
    "user_id",
    "status",
    "result",
    "error_message",
    "parameters",
    "actor",
    "created_at",
    "updated_at",
    "started_at",
    "completed_at",
    "attempt",
    "claim_token",
    "claimed_by",
    "lease_expires_at",
    "fingerprint",
    "retry_at",
    "erased_at",
    "error",
    "trace_context",
    "observed_at",
)
"""What the elements are, in their order; the last is the database's clock as the row was read."""

TIME_COLUMNS: Final = tuple(name for name in COLUMN_NAMES if name.endswith("_at"))


def _as_text(name: str) -> str:
    value = "clock_timestamp()" if name == "observed_at" else f"e.{name}"
    # Seconds, which mean the same whatever the session's zone and style of dates.
    value = f"EXTRACT(epoch FROM {value})" if name in TIME_COLUMNS else value
    return f"CAST({value} AS text)"


_ELEMENTS = ",\n        ".join(_as_text(name) for name in COLUMN_NAMES)
EXECUTION_ROW: Final = f"ARRAY[\n        {_ELEMENTS}]"
"""The array, of a row that goes by the name `e`."""
