"""What an executor is told about its own run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from exec_tracker.leases import HeldLease


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """Handed to an executor that takes one argument.

    Pass `idempotency_key` downstream, so that a repeated effect is recognised there as well.
    `parameters` are the request's, with what is redacted in the row.
    """

    idempotency_key: str
    execution_id: str
    attempt: int
    claim_token: UUID
    parameters: dict[str, Any] | None = field(repr=False)
    _lease: HeldLease | None = field(repr=False)
    _beat: Callable[[HeldLease], None] = field(repr=False)

    @property
    def lease_lost(self) -> bool:
        """Whether the claim was seen to be gone: stop, since the result will not be stored."""
        return self._lease is not None and self._lease.lost

    def heartbeat(self) -> None:
        """Renew the lease now, without waiting for the tracker's own heartbeat.

        On the sync tracker it returns when the lease is renewed, and raises what the database
        raises; on the async tracker it asks the heartbeat task and returns at once.
        """
        if self._lease is not None:
            self._beat(self._lease)
