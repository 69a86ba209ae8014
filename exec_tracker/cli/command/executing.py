"""Run a command through the tracker, and turn what came of it into output and a status."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from exec_tracker.cli.command.child import (
    CommandEndedError,
    CommandFailedError,
    CommandInterruptedError,
    run_command,
)
from exec_tracker.cli.command.outcome import CommandOutcome
from exec_tracker.cli.output import say
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.errors import LeaseLostError, StorageError

if TYPE_CHECKING:
    from exec_tracker.cli.command.signals import SignalRelay
    from exec_tracker.context import ExecutionContext
    from exec_tracker.tracker import ExecutionTracker
    from exec_tracker.types import ExecuteOptions

__all__ = ["Request", "execute"]

_ERROR_TAIL: Final = 2000
"""Of what a failed attempt wrote on standard error, the end is kept in its history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One command to run under a key, and how."""

    options: ExecuteOptions
    command: list[str]
    wait_timeout: timedelta | None = None
    on_abandoned: Literal["raise", "retry"] = "raise"
    retry_on_failure: bool
    max_output: int

    def run(self, context: ExecutionContext, signals: SignalRelay) -> dict[str, Any]:
        """Run the command now; it finds its key in the environment, to pass it on."""
        outcome = run_command(
            self.command,
            signals=signals,
            environment={
                "EXEC_TRACKER_IDEMPOTENCY_KEY": context.idempotency_key,
                "EXEC_TRACKER_ATTEMPT": str(context.attempt),
            },
            max_output=self.max_output,
        )
        if self.retry_on_failure and outcome.exit_status != 0:
            raise CommandFailedError(_failure(outcome), outcome.exit_status)
        return outcome.model_dump()


def execute(tracker: ExecutionTracker, request: Request, signals: SignalRelay) -> int:
    """Run or replay, and return the status to exit with.

    Raises what the tracker raises where the command was not run.
    """
    try:
        result = tracker.execute(
            request.options,
            lambda context: request.run(context, signals),
            result_type=Any,
            on_running="raise" if request.wait_timeout is None else "wait",
            wait_timeout=request.wait_timeout or timedelta(0),
            on_abandoned=request.on_abandoned,
            unknown_on=(CommandInterruptedError,),
        )
    except CommandEndedError as ended:
        return _without_outcome(ended, request.options.execution_id)
    except KeyboardInterrupt:
        say("interrupted before the command was started; nothing was run here")
        return ExitStatus.of_signal(signals.received or 2)
    except (StorageError, LeaseLostError) as unsaved:
        if unsaved.result is None:
            raise
        say(f"the command ran, but its outcome could not be stored: {unsaved}")
        lost = isinstance(unsaved, LeaseLostError)
        return ExitStatus.ABANDONED if lost else ExitStatus.UNAVAILABLE
    return _show(result.data, replayed=result.cached)


def _show(stored: Any, *, replayed: bool) -> int:
    outcome = CommandOutcome.read(stored)
    if outcome is None:
        # Decided by `resolve --result`, or stored by another program under the same workflow.
        sys.stdout.write(json.dumps(stored, ensure_ascii=False) + "\n")
        return ExitStatus.OK
    return outcome.replay() if replayed else outcome.exit_status


def _without_outcome(ended: CommandEndedError, execution_id: str) -> int:
    if isinstance(ended, CommandInterruptedError):
        say(
            f"{ended}; execution {execution_id!r} is abandoned until `resolve`, `reset` or "
            "`retry` decides"
        )
    elif not isinstance(ended, CommandFailedError):
        say(str(ended))
    for note in getattr(ended, "__notes__", ()):
        say(note)
    return ended.status


def _failure(outcome: CommandOutcome) -> str:
    tail = outcome.stderr.content.decode(errors="backslashreplace").strip()[-_ERROR_TAIL:]
    said = f"; standard error ends: {tail}" if tail else ""
    return f"the command ended with exit status {outcome.exit_status}{said}"
