"""Many executions with a few statements: for queue and webhook consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from exec_tracker.batching import Batch
from exec_tracker.executors import refuse_asynchronous
from exec_tracker.flow import complete_many, execute_many, obtain_many
from exec_tracker.tracker.claim import Claim
from exec_tracker.tracker.verbs import ExecutionVerbs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exec_tracker.keywords import ExecuteSettings
    from exec_tracker.types import ExecuteOptions, ExecutionOutcome

T = TypeVar("T")


class ExecutionBatches(ExecutionVerbs):
    """What runs hundreds of keys for the price of a few statements."""

    def execute_many(
        self,
        options_list: Iterable[ExecuteOptions],
        executor: Callable[..., T],
        **settings: Unpack[ExecuteSettings],
    ) -> list[ExecutionOutcome[T]]:
        """Do for many requests what `execute` does for one, and tell what became of each.

        Up to 200 keys are claimed in one statement when it is soon their turn, and their results
        stored in another; each key keeps its own outcome, fence and history. The function is called
        for one after the other, in their order, and `context.parameters` tells it which. What one
        key raises is in its outcome and harms no other. A key that comes twice is run once, and its
        second request adopts what came of that, also a failure. What needs more than a free key or
        a stored result (a retry, a take-over, `verify`, a wait) is done singly after all others;
        `wait_timeout` bounds all waiting of the call.

        A result waits up to 0.2 seconds, and until the function that runs meanwhile returns, to be
        stored together with others. A crash leaves abandoned what waits, and what was claimed and
        has not begun: at most 200 keys. An interrupt stores what has run, gives back what has not
        begun, and goes on. Raises ConfigurationError for what is no request.
        """
        self.check_open()
        refuse_asynchronous(executor)
        batch = Batch.of(
            self._settings,
            "execute_many",
            options_list,
            lambda options, watch: self._settings.plan(
                options, executor, self._heartbeat, settings, watch
            ),
        )
        self.drive(execute_many(batch.items))
        return batch.outcomes

    def claim_many(
        self, options_list: Iterable[ExecuteOptions], **settings: Unpack[ExecuteSettings]
    ) -> list[Claim | Exception]:
        """Claim many keys in one statement; the handles are those of `claim`, in order.

        What `claim` would raise for a key stands in its place, as with
        `asyncio.gather(return_exceptions=True)`; a key that comes twice is held once. Finish what
        is held with `complete_many`, or each by itself. Raises ConfigurationError for what is no
        request.
        """
        self.check_open()
        batch = Batch.of(
            self._settings,
            "claim_many",
            options_list,
            lambda options, watch: self._settings.plan_claim(
                options, self._heartbeat, settings, watch
            ),
        )
        self.drive(obtain_many(batch.items))
        return batch.claims(lambda plan, got: Claim(self, plan, got))

    def complete_many(self, results: Iterable[tuple[Claim, Any]]) -> list[ExecutionOutcome[Any]]:
        """Store the results of many claims in one statement, each under its own token.

        What `Claim.complete` would raise is in the outcome of that claim alone. An interrupt goes
        on after a last try to store. Raises ConfigurationError for what is no claim of this
        tracker, before anything is stored.
        """
        batch = Batch.of_claims(results, self._made)
        self.drive(complete_many(batch.items))
        return batch.outcomes

    def _made(self, claim: object) -> bool:
        return isinstance(claim, Claim) and claim._driver is self  # noqa: SLF001 # the two halves
