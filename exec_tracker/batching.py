"""Many requests at once: what each was asked to do, and what became of it, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ConfigurationError, ExecTrackerError, IllegalTransitionError
from exec_tracker.flow import Held, Item
from exec_tracker.keywords import check_options
from exec_tracker.nesting import refuse_nested
from exec_tracker.types import ExecutionOutcome, ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exec_tracker.flow import Plan
    from exec_tracker.handles import ClaimState
    from exec_tracker.observing import Watch
    from exec_tracker.planning import TrackerSettings
    from exec_tracker.types import ExecuteOptions


@dataclass(slots=True)
class _Entry:
    """One request, or one claim to complete: an item of the flow, unless it is refused before."""

    execution_id: str
    item: Item | None = None
    refused: Exception | None = None

    @property
    def outcome(self) -> ExecutionOutcome[Any]:
        if self.item is None:
            return ExecutionOutcome(self.execution_id, error=self.refused)
        return ExecutionOutcome(self.execution_id, self.item.result, self.item.error)

    @property
    def got(self) -> Held | ExecutionResult[Any] | Exception | None:
        if self.item is None:
            return self.refused
        return self.item.error or self.item.result or self.item.held


def _entry_of(claim: ClaimState, value: Any, *, comes_again: bool) -> _Entry:
    entry = _Entry(claim.execution.id)
    try:
        if comes_again:
            raise IllegalTransitionError(
                f"The claim on execution {entry.execution_id!r} comes twice; its first result is "
                "stored.",
                execution=claim.execution,
            )
        entry.item = claim._as_item(value)  # noqa: SLF001 # for batches alone
    except ExecTrackerError as exc:
        entry.refused = exc
    return entry


class Batch:
    """The requests of one call, checked one by one: a bad one is refused alone."""

    def __init__(self) -> None:
        """Begin with none."""
        self._entries: list[_Entry] = []

    @classmethod
    def of(
        cls,
        settings: TrackerSettings,
        method: str,
        requests: Iterable[ExecuteOptions],
        plan: Callable[[ExecuteOptions, Watch], Plan],
    ) -> Batch:
        """Plan every request. Raises ConfigurationError for what is not a request at all."""
        batch = cls()
        for options in requests:
            check_options(options)
            entry = _Entry(options.execution_id)
            try:
                refuse_nested(options.execution_id)
                with settings.watch(method, options) as watch:
                    entry.item = Item.of(plan(options, watch))
            except ExecTrackerError as exc:
                entry.refused = exc
            batch._entries.append(entry)
        return batch

    @classmethod
    def of_claims(
        cls, results: Iterable[tuple[ClaimState, Any]], is_mine: Callable[[object], bool]
    ) -> Batch:
        """Gather the values of open claims; one that is not open, or comes again, is refused.

        Raises ConfigurationError for what is no claim of the tracker that is asked.
        """
        batch = cls()
        given = list(results)
        for claim, _ in given:
            if not is_mine(claim):
                raise ConfigurationError(
                    f"complete_many takes claims of this tracker, and {claim!r} is none. Nothing "
                    "was stored."
                )
        claims: set[ClaimState] = set()
        for claim, value in given:
            batch._entries.append(_entry_of(claim, value, comes_again=claim in claims))
            claims.add(claim)
        return batch

    @property
    def items(self) -> list[Item]:
        """What the flow is to settle."""
        return [entry.item for entry in self._entries if entry.item is not None]

    @property
    def outcomes(self) -> list[ExecutionOutcome[Any]]:
        """What became of each request, in their order."""
        return [entry.outcome for entry in self._entries]

    def claims(self, claim: Callable[[Plan, Held | ExecutionResult[Any]], Any]) -> list[Any]:
        """Make the handles of what was obtained, with the exceptions in their places."""
        handles: list[Any] = []
        for entry in self._entries:
            got = entry.got
            if entry.item is None or not isinstance(got, Held | ExecutionResult):
                handles.append(got)
                continue
            entry.item.release()  # the handle keeps its claim alive by itself
            handles.append(claim(entry.item.plan, got))
        return handles
