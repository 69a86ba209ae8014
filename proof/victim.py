"""A process that runs one call and is killed, by itself and for good, at the point it is told."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg2
from sqlalchemy import text

from exec_tracker import ExecuteOptions, ExecutionTracker
from exec_tracker.repository import ExecutionRepository
from proof.stage import KEY, PARAMETERS, WORKFLOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exec_tracker.statements import Statement

_FETCH = ExecutionRepository.fetch


def main() -> None:
    """Take url, user, mode and point from the command line; `-` is no point: live on."""
    url, user, mode, point = sys.argv[1:]

    def reach(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def fetch(
        self: ExecutionRepository, statement: Statement, **parameters: Any
    ) -> list[Sequence[Any]]:
        reach(f"before {statement.name}")
        rows = _FETCH(self, statement, **parameters)
        reach(f"after {statement.name}")
        return rows

    ExecutionRepository.fetch = fetch  # type: ignore[method-assign] # this process is for it
    options = ExecuteOptions(
        idempotency_key=KEY,
        workflow_id=WORKFLOW,
        user_id=UUID(user),
        parameters=dict(PARAMETERS),
    )
    with ExecutionTracker(url) as tracker:
        result = _call(tracker, options, mode, url, reach)
    reach("after the call")
    print(result)


def _call(
    tracker: ExecutionTracker, options: ExecuteOptions, mode: str, url: str, reach: Any
) -> Any:
    def in_session(session: Any) -> str:
        reach("before the effect")
        session.execute(text("INSERT INTO proof_effects (who) VALUES ('process')"))
        reach("after the effect")
        return "done"

    def outside() -> str:
        reach("before the effect")
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO proof_effects (who) VALUES ('process')")
        reach("after the effect")
        return "done"

    if mode == "transactional":
        return tracker.execute_in_transaction(options, in_session)
    if mode == "external":
        return tracker.execute_idempotent(options, outside)
    return tracker.execute_idempotent(options, outside, on_abandoned="retry")


if __name__ == "__main__":
    main()
