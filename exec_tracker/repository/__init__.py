"""Run the protocol's statements on one connection and return snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from exec_tracker import statements as sql
from exec_tracker.repository.arguments import (
    Claim,
    Failure,
    NewExecution,
    claim_arguments,
    displaced_arguments,
    failure_arguments,
    new_arguments,
    seen_arguments,
)
from exec_tracker.repository.running import StatementRunner
from exec_tracker.snapshots import attempt_snapshot
from exec_tracker.tokens import new_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from exec_tracker.snapshots import StoredRow
    from exec_tracker.statements import Statement
    from exec_tracker.types import Execution, ExecutionAttempt

__all__ = ["Claim", "ExecutionRepository", "Failure", "NewExecution"]


class ExecutionRepository(StatementRunner):
    """The executions as one connection sees them; commits nothing by itself.

    On a connection in autocommit each method is durable when it returns; inside a transaction it
    is part of it. Methods that write return None where the row is no longer what the caller
    decided upon. Raises the errors of `sqlstates.translate`.
    """

    def insert(self, new: NewExecution) -> Execution | None:
        """Insert the row as `pending`; None where the key exists."""
        return self._one(sql.INSERT_EXECUTION, **new_arguments(new))

    def claim(self, new: NewExecution, claim: Claim) -> Execution | None:
        """Insert the row as `running` under the claim, or read the row that stands there.

        Whose it is tells the claim token. None where the row may not be seen, or was purged
        between the two.
        """
        return _whole(self.claim_row(new, claim))

    def claim_row(self, new: NewExecution, claim: Claim) -> StoredRow | None:
        """Do the same; the snapshot is made when the row's `execution()` is called."""
        return self._row(sql.CLAIM_EXECUTION, **new_arguments(new), **claim_arguments(claim))

    def claim_many(self, asked: Sequence[tuple[NewExecution, Claim]]) -> dict[str, Execution]:
        """Do the same for many keys in two statements at most; what may not be seen is missing.

        One key that cannot be claimed (a user that does not exist, a lock that does not come free)
        fails them all: nothing was claimed then.
        """
        return _all_whole(self.claim_rows(asked))

    def claim_rows(self, asked: Sequence[tuple[NewExecution, Claim]]) -> dict[str, StoredRow]:
        """Do the same; a snapshot is made when a row's `execution()` is called."""
        rows = [{**new_arguments(new), **claim_arguments(claim)} for new, claim in asked]
        standing = self._by_id(sql.CLAIM_MANY, rows=json.dumps(rows))
        others = [new.id for new, _ in asked if new.id not in standing]
        if others:
            standing |= self._by_id(sql.READ_MANY, ids=json.dumps(others))
        return standing

    def read(self, execution_id: str) -> Execution | None:
        """Read one execution without a lock."""
        return self._one(sql.READ_EXECUTION, id=execution_id)

    def take_over(
        self, seen: Execution, claim: Claim, new: NewExecution | None = None, *, counts: bool = True
    ) -> Execution | None:
        """Claim the row for its next attempt, if it is still as `seen` and no lease is live.

        The row gets the fingerprint of the request where it has none, and its trace. A claim that
        does not count (for verification) keeps the attempt's number.
        """
        return self._one(
            sql.TAKE_OVER,
            increment=int(counts),
            fingerprint=None if new is None else new.fingerprint,
            trace_context=None if new is None else new.trace_context,
            **claim_arguments(claim),
            **seen_arguments(seen),
            **displaced_arguments(seen, "its lease expired and the execution was taken over"),
        )

    def go_on(self, execution_id: str, claim: Claim, attempt: int) -> Execution | None:
        """Renew one's own claim, as this attempt: the next one where work begins only now."""
        return self._one(
            sql.CONTINUE_CLAIM, id=execution_id, attempt=attempt, **claim_arguments(claim)
        )

    def complete(self, execution_id: str, token: UUID, result_json: str) -> Execution | None:
        """Store the result under the claim's token."""
        return _whole(self.complete_row(execution_id, token, result_json))

    def complete_row(self, execution_id: str, token: UUID, result_json: str) -> StoredRow | None:
        """Do the same; the snapshot is made when the row's `execution()` is called."""
        return self._row(sql.COMPLETE_CLAIM, id=execution_id, token=str(token), result=result_json)

    def complete_many(
        self, results: Sequence[tuple[str, UUID, str]], skip_locked: bool = False
    ) -> dict[str, Execution]:
        """Store many results, each under its claim's token; whose claim is gone is missing.

        With `skip_locked` a row that another transaction has locked is missing too, and the others
        need not wait for it.
        """
        return _all_whole(self.complete_rows(results, skip_locked))

    def complete_rows(
        self, results: Sequence[tuple[str, UUID, str]], skip_locked: bool = False
    ) -> dict[str, StoredRow]:
        """Do the same; a snapshot is made when a row's `execution()` is called."""
        rows = [
            {"id": execution_id, "token": str(token), "result": result}
            for execution_id, token, result in results
        ]
        statement = sql.COMPLETE_MANY_UNLOCKED if skip_locked else sql.COMPLETE_MANY
        return self._by_id(statement, rows=json.dumps(rows))

    def fail_many(
        self, claims: Sequence[tuple[str, UUID]], failure: Failure, skip_locked: bool = False
    ) -> dict[str, Execution]:
        """Store the same failure under the tokens of many claims; missing is as above."""
        rows = [{"id": execution_id, "token": str(token)} for execution_id, token in claims]
        statement = sql.FAIL_MANY_UNLOCKED if skip_locked else sql.FAIL_MANY
        found = self._by_id(
            statement,
            rows=json.dumps(rows),
            seen_status="running",
            **failure_arguments(failure),
        )
        return _all_whole(found)

    def complete_unclaimed(self, seen: Execution, result_json: str) -> Execution | None:
        """Store a result if the row is still as `seen` and no lease is live."""
        return self._one(
            sql.COMPLETE_UNCLAIMED,
            token=str(new_token()),
            result=result_json,
            **seen_arguments(seen),
        )

    def fail(self, execution_id: str, token: UUID, failure: Failure) -> Execution | None:
        """Store a failure and the ended attempt under the claim's token."""
        return self._one(
            sql.FAIL_CLAIM,
            id=execution_id,
            token=str(token),
            seen_status="running",
            **failure_arguments(failure),
        )

    def fail_unclaimed(self, seen: Execution, failure: Failure) -> Execution | None:
        """Store a failure if the row is still as `seen` and no lease is live."""
        return self._one(
            sql.FAIL_UNCLAIMED,
            token=str(new_token()),
            **seen_arguments(seen),
            **failure_arguments(failure),
        )

    def reset(self, seen: Execution) -> Execution | None:
        """Make the row pending again if it is still as `seen` and no lease is live."""
        return self._one(
            sql.RESET_EXECUTION,
            **seen_arguments(seen),
            **displaced_arguments(seen, "its outcome was unknown and the execution was reset"),
        )

    def renew(self, claims: Sequence[tuple[str, UUID, timedelta]]) -> dict[UUID, bool]:
        """Renew leases whose tokens stand; True per token that was renewed, False where it is lost.

        A token that is missing from the answer stands on a row that another transaction has
        locked: it was skipped, and is neither renewed nor lost.
        """
        rows = self.fetch(
            sql.RENEW_LEASES,
            ids=[execution_id for execution_id, _, _ in claims],
            tokens=[str(token) for _, token, _ in claims],
            leases=[str(lease.total_seconds()) for _, _, lease in claims],
        )
        return {UUID(str(token)): renewed for token, renewed, lost in rows if renewed or lost}

    def attempts(self, execution_id: str) -> list[ExecutionAttempt]:
        """Read the ended, unsuccessful attempts, oldest first."""
        return [attempt_snapshot(row) for row in self.fetch(sql.READ_ATTEMPTS, id=execution_id)]

    def erase(self, execution_id: str) -> Execution | None:
        """Blank result, parameters and errors; None where it is missing or running."""
        return self._one(sql.ERASE_EXECUTION, id=execution_id)

    def delete(self, execution_id: str) -> bool:
        """Delete the row and its history; False where it is missing or its lease is live."""
        return bool(self.fetch(sql.DELETE_EXECUTION, id=execution_id))

    def purge(self, older_than: timedelta, statuses: Sequence[str], batch_size: int) -> int:
        """Delete one batch of ended executions past retention and tell how many went."""
        rows = self.fetch(
            sql.PURGE_BATCH,
            older_than=older_than.total_seconds(),
            statuses=list(statuses),
            batch_size=batch_size,
        )
        return len(rows)

    def ensure_user(self, user_id: UUID) -> None:
        """Insert a user into a standalone database's `auth.users`, unless it is there."""
        self.fetch(sql.ENSURE_USER, user_id=str(user_id))

    def schema_note(self) -> tuple[bool, str | None]:
        """Tell whether the tables are there, and what the schema says of the library it needs."""
        present, note = self.fetch(sql.READ_SCHEMA_NOTE)[0]
        return present, note

    def _one(self, statement: Statement, **parameters: Any) -> Execution | None:
        return _whole(self._row(statement, **parameters))


def _whole(stored: StoredRow | None) -> Execution | None:
    return None if stored is None else stored.execution()


def _all_whole(stored: dict[str, StoredRow]) -> dict[str, Execution]:
    return {execution_id: row.execution() for execution_id, row in stored.items()}
