"""The end of a round: everybody has gone, every key is brought to its end, every key is judged."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from exec_tracker import DidNotHappen, ExecutionTracker, Happened
from exec_tracker.errors import ExecutionAbandonedError
from exec_tracker.testing import DatabaseClock
from proof.auditing import audit
from proof.ledger import eventually
from proof.soak.doing import HOSTS, RETRYING, TRANSACTIONAL, options_for, write
from proof.soak.journal import Read, read

if TYPE_CHECKING:
    import random
    from pathlib import Path
    from uuid import UUID

    from exec_tracker import ExecuteOptions
    from exec_tracker.policies import Verification
    from proof.auditing import Audit, Story
    from proof.ledger import Ledger

_LONGER_THAN_A_LEASE = timedelta(minutes=2)
_OUTCOMES = "SELECT id, status, result ->> 'run' AS run FROM workflow_executions"
_COMPLETED = "completed"


class Settlement:
    """What an operator does after a bad day, who sees the effects and has to clear the rest up."""

    def __init__(self, ledger: Ledger, user_id: UUID, chance: random.Random) -> None:
        """Work past every proxy."""
        self._ledger, self._user_id, self._chance = ledger, user_id, chance
        self.settled = 0

    def settle(self, folder: Path) -> tuple[Audit, Read]:
        """Settle every key that is open, and judge them all."""
        eventually(lambda: not self._ledger.backends(), "all connections are closed")
        seen = self._read(folder)
        DatabaseClock(self._ledger.url).advance(_LONGER_THAN_A_LEASE)
        before = self._outcomes()
        with ExecutionTracker(self._ledger.url) as tracker:
            for key, story in seen.stories.items():
                if before.get(key, ("absent", None))[0] != _COMPLETED:
                    self._settle(tracker, key, story)
        return audit(seen.stories, self._outcomes()), seen

    def _read(self, folder: Path) -> Read:
        seen = read(folder)
        for row in self._ledger.query("SELECT key, run FROM soak_writes"):
            seen.story(row["key"]).runs.append(row["run"])
        for key in self._outcomes():
            seen.story(key)
        for key, story in seen.stories.items():
            story.may_repeat = key.startswith(RETRYING)
        return seen

    def _outcomes(self) -> dict[str, tuple[str, Any]]:
        rows = self._ledger.query(_OUTCOMES)
        return {row["id"]: (row["status"], row["run"]) for row in rows}

    def _settle(self, tracker: ExecutionTracker, key: str, story: Story) -> None:
        """Call once more; where nobody knows what happened, say what is seen outside."""
        self.settled += 1
        run = f"settled.{self.settled}"
        options = options_for(key, self._user_id)
        if key.startswith((TRANSACTIONAL, HOSTS)):
            result = tracker.execute_in_transaction(options, partial(write, key, run))
            if result["run"] == run:
                story.runs.append(run)
        else:
            result = self._settle_external(tracker, options, story, run)
        story.told.append(result["run"])

    def _settle_external(
        self, tracker: ExecutionTracker, options: ExecuteOptions, story: Story, run: str
    ) -> dict[str, str]:
        def act() -> dict[str, str]:
            story.runs.append(run)
            return {"run": run}

        def verify() -> Verification:
            return Happened({"run": story.runs[-1]}) if story.runs else DidNotHappen()

        def call(**settings: Any) -> dict[str, str]:
            return tracker.execute_idempotent(options, act, result_type=dict[str, str], **settings)

        if options.idempotency_key.startswith(RETRYING):
            return call(on_abandoned="retry")
        if self._chance.random() < 0.5:  # noqa: PLR2004 # half of them
            return call(verify=verify)
        try:
            return call()
        except ExecutionAbandonedError:
            if story.runs:
                tracker.resolve(options.execution_id, result={"run": story.runs[-1]})
            else:
                tracker.reset(options.execution_id)
        return call()
