"""SIGKILL to a real process at every point of a call, then two real callers after it."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exec_tracker import ExecutionTracker
from exec_tracker.errors import ExecTrackerError
from exec_tracker.statements import CLAIM_EXECUTION, COMPLETE_CLAIM
from exec_tracker.testing.clock import DatabaseClock
from proof.stage import LEASE_SECONDS, Stage, add_user

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLAIM = tuple(f"{when} {CLAIM_EXECUTION.name}" for when in ("before", "after"))
_RUN = ("before the effect", "after the effect")
_END = (f"before {COMPLETE_CLAIM.name}", f"after {COMPLETE_CLAIM.name}", "after the call")
POINTS = (*_CLAIM, *_RUN, *_END)
KILLED_MODES = ("external", "at least once", "transactional")
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Killed:
    """A process killed at a point: what stood then, and what the next callers got."""

    mode: str
    point: str
    left: str
    effects: int
    next_caller: str
    after_the_lease: str
    effects_at_the_end: int


def kill_everywhere(
    url: str, modes: tuple[str, ...] = KILLED_MODES, points: tuple[str, ...] = POINTS
) -> Iterator[Killed]:
    """Kill one process per mode and point."""
    stage = Stage(url, add_user(url))
    try:
        for mode in modes:
            for point in points:
                yield _kill(stage, mode, point)
    finally:
        stage.close()


def _kill(stage: Stage, mode: str, point: str) -> Killed:
    stage.set("absent")
    command = [sys.executable, "-m", "proof.victim", stage.url, str(stage.user_id), mode, point]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)  # noqa: S603 # our own program
    if ended.returncode != -signal.SIGKILL:
        raise AssertionError(f"{mode}, {point}: the process was not killed: {ended.stderr}")
    seen = stage.look()
    left = seen.status if seen.row else "no row"
    if seen.status == "running":
        left += ", lease live" if seen.is_live else ", no live lease"
    at_once = _call(stage, mode)
    DatabaseClock(stage.url).advance(timedelta(seconds=LEASE_SECONDS + 1))
    later = _call(stage, mode)
    at_the_end = len(stage.look().effects)
    return Killed(mode, point, left, len(seen.effects), at_once, later, at_the_end)


def _call(stage: Stage, mode: str) -> str:
    def effect(session: Any) -> str:
        stage.add_effect(session)
        return "done"

    def outside() -> str:
        return effect(None)

    with ExecutionTracker(stage.url) as tracker:
        try:
            if mode == "transactional":
                before = len(stage.look().effects)
                tracker.execute_in_transaction(stage.options(), effect)
                ran = len(stage.look().effects) > before
                return "runs it: result" if ran else "the stored result"
            retry = {"on_abandoned": "retry"} if mode == "at least once" else {}
            result = tracker.execute(stage.options(), outside, **retry)  # type: ignore[arg-type] # one literal
        except ExecTrackerError as refused:
            return f"`{type(refused).__name__}`"
    return "the stored result" if result.cached else "runs it: result"


def killed_is_kept(killed: Killed) -> str | None:
    """Say which promise a killed process broke, if any."""
    if killed.mode != "at least once" and killed.effects_at_the_end > 1:
        return "the effect happened twice"
    if killed.left == "completed" and "result" not in killed.next_caller:
        return "a stored result was not replayed"
    return None
