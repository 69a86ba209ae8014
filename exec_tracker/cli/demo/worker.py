"""One process of the demo: a webhook receiver that is sent everything again and again."""

from __future__ import annotations

import heapq
import os
import random
import sys
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from exec_tracker.cli.connecting import tracking
from exec_tracker.cli.demo.deliveries import Delivery, equal_json, read_deliveries
from exec_tracker.cli.demo.effects import EffectsFile
from exec_tracker.cli.demo.messages import Assignment, Message, Moment, News
from exec_tracker.cli.faults import explain
from exec_tracker.errors import ExecutionInProgressError, LeaseLostError
from exec_tracker.policies import DidNotHappen, Happened
from exec_tracker.types import ExecuteOptions, ExecutionActor

if TYPE_CHECKING:
    from exec_tracker.context import ExecutionContext
    from exec_tracker.policies import Verification
    from exec_tracker.tracker import ExecutionTracker

WORKFLOW: Final = "exec-tracker demo"
_WORK_SECONDS: Final = 0.01
"""The longest that an effect takes to prepare, so that processes meet on a key."""
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5


class Worker:
    """Delivers everything to itself, out of order, and reports what came of each delivery."""

    def __init__(self, assignment: Assignment, tracker: ExecutionTracker) -> None:
        self._assignment = assignment
        self._tracker = tracker
        self._effects = EffectsFile(Path(assignment.effects))
        self._random = random.Random(assignment.seed)  # noqa: S311 - an order, not a secret
        self._own_effects = 0
        self._verified = False

    def work(self, deliveries: list[Delivery]) -> None:
        """Send every delivery as often as assigned; a refused one is sent again later."""
        times = self._assignment.times
        order = self._nearly_in_order(deliveries * times)
        queue = [(0.0, place, delivery, _FIRST_PAUSE) for place, delivery in enumerate(order)]
        while queue:
            due, place, delivery, pause = heapq.heappop(queue)
            time.sleep(max(due - time.monotonic(), 0.0))
            if not self._deliver(delivery):
                later = time.monotonic() + pause * self._random.uniform(0.5, 1.0)
                heapq.heappush(queue, (later, place, delivery, min(pause * 2, _LONGEST_PAUSE)))

    def _nearly_in_order(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Shuffle over short distances, so that processes often have the same one at a time."""
        indexed = enumerate(deliveries)
        placed = sorted((place + self._random.uniform(0, 8), place) for place, _ in indexed)
        return [deliveries[place] for _, place in placed]

    def _deliver(self, delivery: Delivery) -> bool:
        """Process one delivery; False where another process is at it."""
        options = self._options(delivery)
        self._verified = False
        try:
            result = self._tracker.execute(
                options,
                partial(self._process, delivery),
                result_type=dict[str, Any],
                verify=partial(self._look_outside, delivery),
            )
        except ExecutionInProgressError:
            tell(News.REFUSED, options.idempotency_key)
            return False
        except LeaseLostError:
            tell(News.LOST, options.idempotency_key)
            return False
        if not equal_json(result.data, delivery.outcome()):
            tell(News.UNEQUAL, options.idempotency_key)
        if not result.cached:
            tell(News.EXECUTED, options.idempotency_key)
        elif not self._verified:
            tell(News.REPLAYED, options.idempotency_key)
        return True

    def _options(self, delivery: Delivery) -> ExecuteOptions:
        return ExecuteOptions(
            idempotency_key=f"{self._assignment.run}:{delivery.name}",
            workflow_id=WORKFLOW,
            user_id=UUID(self._assignment.user_id),
            actor=ExecutionActor.WEBHOOK,
            parameters=delivery.parameters,
        )

    def _process(self, delivery: Delivery, context: ExecutionContext) -> dict[str, Any]:
        """Have the effect: what must happen once for each delivery."""
        self._own_effects += 1
        time.sleep(self._random.uniform(0, _WORK_SECONDS))
        # Ask just before the effect: a process that was stalled must not act on a lost claim.
        context.heartbeat()
        if context.lease_lost:
            raise LeaseLostError(
                f"The claim on {context.execution_id!r} was lost before its effect."
            )
        self._stop_at(Moment.BEFORE, context)
        self._effects.append(context.idempotency_key)
        self._stop_at(Moment.AFTER, context)
        return delivery.outcome()

    def _look_outside(self, delivery: Delivery, context: ExecutionContext) -> Verification:
        """Find out what became of an effect whose process is gone."""
        self._verified = True
        if self._effects.holds(context.idempotency_key):
            tell(News.FOUND, context.idempotency_key)
            return Happened(delivery.outcome())
        tell(News.NOT_FOUND, context.idempotency_key)
        return DidNotHappen()

    def _stop_at(self, moment: Moment, context: ExecutionContext) -> None:
        """Report that this is the middle of an effect, and wait there to be killed."""
        assigned = self._assignment
        if assigned.moment is moment and assigned.stops_at == self._own_effects:
            tell(News.STOPPED, context.idempotency_key)
            sys.stdin.read()  # ends only where the demo itself has died
            os._exit(1)


def tell(report: News | Message, key: str = "") -> None:
    """Report to the demo."""
    message = report if isinstance(report, Message) else Message(news=report, key=key)
    sys.stdout.write(message.model_dump_json() + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do what standard input assigns, after a line that says when."""
    assignment = Assignment.model_validate_json(sys.stdin.readline())
    try:
        deliveries = read_deliveries(Path(assignment.input))
        lease = timedelta(seconds=assignment.lease_seconds)
        with tracking(assignment.url, assignment.schema_name, lease=lease) as tracker:
            tell(News.READY)
            if sys.stdin.readline():
                Worker(assignment, tracker).work(deliveries)
        tell(News.DONE)
    except BrokenPipeError:
        os._exit(1)  # the demo has died: nobody is left to tell
    except Exception as error:  # noqa: BLE001 - the demo tells it
        with suppress(BrokenPipeError):
            text, status = explain(error)
            tell(Message(news=News.FAULT, text=text, status=status))
        sys.exit(1)


if __name__ == "__main__":
    main()
