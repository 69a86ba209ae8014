"""What the turns are called, and what their names tell: a statement, a commit, or anything else."""

from __future__ import annotations

RUNS = "run the function"
COMMITS = "commit the transaction"
HOST_ENDS = "the host ends its transaction"
TIME_PASSES = "a lease's time passes"
SEES = "see which leases are held"
# Where a transaction ends, and what it wrote can be seen.
ENDS = frozenset({COMMITS, HOST_ENDS})

# Reads take no lock, and renewals and purges skip what somebody else has locked. All other
# statements may wait.
READS = frozenset({"read_execution", "read_many", "read_attempts"})
_NEVER_WAITING = READS | {"renew_leases", "purge_batch"}
_SKIPS = "_unlocked"


def is_statement(label: str) -> bool:
    """Tell whether the turn after this gate is a statement of the protocol's."""
    return "_" in label and not label.startswith("commit ")


def may_wait(label: str) -> bool:
    """Tell whether the turn after this gate may come to wait for another's lock."""
    if label in _NEVER_WAITING or label.endswith(_SKIPS):
        return False
    return label == TIME_PASSES or is_statement(label)
