"""The async twin of batches: the same names, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from exec_tracker.aio.claim import AsyncClaim
from exec_tracker.aio.verbs import AsyncExecutionVerbs
from exec_tracker.batching import Batch
from exec_tracker.flow import complete_many, execute_many, obtain_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exec_tracker.keywords import ExecuteSettings
    from exec_tracker.types import ExecuteOptions, ExecutionOutcome


class AsyncExecutionBatches(AsyncExecutionVerbs):
    """What runs hundreds of keys for the price of a few statements."""

    async def execute_many(
        self,
        options_list: Iterable[ExecuteOptions],
        executor: Callable[..., Any],
        **settings: Unpack[ExecuteSettings],
    ) -> list[ExecutionOutcome[Any]]:
        """Await `ExecutionTracker.execute_many`; one function is awaited after the other."""
        self.check_open()
        batch = Batch.of(
            self._settings,
            "execute_many",
            options_list,
            lambda options, watch: self._settings.plan(
                options, executor, self._heartbeat, settings, watch
            ),
        )
        await self.drive(execute_many(batch.items))
        return batch.outcomes

    async def claim_many(
        self, options_list: Iterable[ExecuteOptions], **settings: Unpack[ExecuteSettings]
    ) -> list[AsyncClaim | Exception]:
        """Await `ExecutionTracker.claim_many`."""
        self.check_open()
        batch = Batch.of(
            self._settings,
            "claim_many",
            options_list,
            lambda options, watch: self._settings.plan_claim(
                options, self._heartbeat, settings, watch
            ),
        )
        await self.drive(obtain_many(batch.items))
        return batch.claims(lambda plan, got: AsyncClaim(self, plan, got))

    async def complete_many(
        self, results: Iterable[tuple[AsyncClaim, Any]]
    ) -> list[ExecutionOutcome[Any]]:
        """Await `ExecutionTracker.complete_many`."""
        batch = Batch.of_claims(results, self._made)
        await self.drive(complete_many(batch.items))
        return batch.outcomes

    def _made(self, claim: object) -> bool:
        return isinstance(claim, AsyncClaim) and claim._driver is self  # noqa: SLF001 # the two halves
