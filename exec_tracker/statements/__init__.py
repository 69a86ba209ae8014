"""Every statement of the protocol, named and described in one place, as the SQL that runs.

The two that every execution needs call functions of the schema, which hold the rest of their SQL.
Each is one statement that stands alone in autocommit: it needs no transaction around it and leaves
nothing in the session. Writers compare and set: the WHERE names the state that was decided upon,
so that a row which has changed meanwhile is left alone and no row is returned. Times are the
database's `clock_timestamp()`, since `now()` stands still within a transaction. Values go
in as text and a row comes out as an array of texts, so that all drivers agree.
"""

from exec_tracker.statements.batches import (
    CLAIM_MANY,
    COMPLETE_MANY,
    COMPLETE_MANY_UNLOCKED,
    FAIL_MANY,
    FAIL_MANY_UNLOCKED,
    READ_MANY,
)
from exec_tracker.statements.claims import (
    CLAIM_EXECUTION,
    CONTINUE_CLAIM,
    INSERT_EXECUTION,
    READ_EXECUTION,
    RENEW_LEASES,
    TAKE_OVER,
)
from exec_tracker.statements.endings import (
    COMPLETE_CLAIM,
    COMPLETE_UNCLAIMED,
    FAIL_CLAIM,
    FAIL_UNCLAIMED,
    RESET_EXECUTION,
)
from exec_tracker.statements.rendering import Rendered, Statement, render
from exec_tracker.statements.upkeep import (
    DELETE_EXECUTION,
    ENSURE_USER,
    ERASE_EXECUTION,
    PURGE_BATCH,
    READ_ATTEMPTS,
    READ_SCHEMA_NOTE,
)

__all__ = [
    "CLAIM_EXECUTION",
    "CLAIM_MANY",
    "COMPLETE_CLAIM",
    "COMPLETE_MANY",
    "COMPLETE_MANY_UNLOCKED",
    "COMPLETE_UNCLAIMED",
    "CONTINUE_CLAIM",
    "DELETE_EXECUTION",
    "ENSURE_USER",
    "ERASE_EXECUTION",
    "FAIL_CLAIM",
    "FAIL_MANY",
    "FAIL_MANY_UNLOCKED",
    "FAIL_UNCLAIMED",
    "INSERT_EXECUTION",
    "PURGE_BATCH",
    "READ_ATTEMPTS",
    "READ_EXECUTION",
    "READ_MANY",
    "READ_SCHEMA_NOTE",
    "RENEW_LEASES",
    "RESET_EXECUTION",
    "TAKE_OVER",
    "Rendered",
    "Statement",
    "render",
]
