"""What watches a tracker's calls from outside, and what it is told; it knows no telemetry."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from exec_tracker.policies import ExecutionEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from uuid import UUID

    from exec_tracker.policies import EventName
    from exec_tracker.types import ExecuteOptions, Execution, ExecutionActor

T = TypeVar("T")

_log = logging.getLogger("exec_tracker")


@dataclass(frozen=True, slots=True)
class ObservedCall:
    """One call of a tracker: the method's name, and what it is about as far as that is known.

    A method that finishes an execution by its id learns the workflow only from the row: its events
    name it.
    """

    method: str
    execution_id: str
    workflow_id: str | None = None
    workflow_name: str | None = None
    user_id: UUID | None = None
    actor: ExecutionActor | None = None

    @classmethod
    def of(cls, method: str, options: ExecuteOptions) -> Self:
        """Describe a call with options."""
        return cls(
            method,
            options.execution_id,
            options.workflow_id,
            options.workflow_name,
            options.user_id,
            options.actor,
        )


@dataclass(frozen=True, slots=True)
class Renewals:
    """What came of one statement that renewed leases, in leases.

    `skipped` rows were locked by somebody and are tried again soon, as `failed` ones are, whose
    statement raised. `lost` ones had been taken over or decided.
    """

    renewed: int = 0
    skipped: int = 0
    lost: int = 0
    failed: int = 0


class Observation:
    """What an Instrumentation makes of one call; this one makes nothing of it."""

    def current(self) -> AbstractContextManager[Any]:
        """Surround the work: what runs inside the block belongs to this call.

        Entered and left once where the call is one block, more often for a claim that is not.
        """
        return nullcontext()

    def observe(self, event: ExecutionEvent) -> None:
        """Hear of one decision, where it is made."""

    def end(self, error: BaseException | None) -> None:
        """Hear once that the call is over, and what it raised."""


class Instrumentation:
    """Watches a tracker's calls: the base of what `tracker.instrument` takes, which does nothing.

    Its methods are called where things happen, from any thread, so keep them short. What they raise
    is logged to `exec_tracker` and disturbs nothing.
    """

    def begin(self, call: ObservedCall) -> Observation:
        """Begin to observe a call, before anything is sent."""
        del call
        return Observation()

    def renewed(self, renewals: Renewals) -> None:
        """Hear what came of a renewal of leases."""

    def trace_context(self) -> str | None:
        """Return what is stored with a claim, as a W3C traceparent; called inside `current`."""
        return None


class Watch:
    """One call as its watchers see it; this one has an `on_event` at most, and may be shared."""

    def __init__(self, on_event: Callable[[ExecutionEvent], None] | None) -> None:
        """Tell `on_event` of decisions."""
        self._on_event = on_event
        self.listens = on_event is not None

    def __enter__(self) -> Self:
        """Surround the work, or a part of it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the call where an exception leaves the block; otherwise `end` does."""

    def observe(self, event: ExecutionEvent) -> None:
        """Pass a decision on; what an observer raises is the observer's."""
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 # whatever it is, it must not disturb what is observed
            _log.exception("on_event raised for %s", event)

    def end(self, error: BaseException | None = None) -> None:
        """Say that the call is over; said again it changes nothing."""

    def decided(
        self, name: EventName, execution: Execution, detail: str | None = None
    ) -> Execution:
        """Pass on what was decided about an execution by its id, and say that the call is over."""
        if self.listens:
            e = execution
            event = ExecutionEvent(
                name, e.id, e.workflow_id, e.attempt, detail, trace_context=e.trace_context
            )
            self.observe(event)
        return self.ended(execution)

    def ended(self, result: T) -> T:
        """Say that the call is over, and return what came of it."""
        self.end()
        return result


class CallWatch(Watch):
    """The same with instrumentations, for one call, which begins when it is first entered."""

    def __init__(
        self,
        on_event: Callable[[ExecutionEvent], None] | None,
        instrumentations: Sequence[Instrumentation],
        call: ObservedCall,
    ) -> None:
        """Prepare; nobody hears of a call that is never made."""
        super().__init__(on_event)
        self.listens = True
        self._instrumentations = instrumentations
        self._call = call
        self._observations: list[Observation] | None = None
        self._parts: list[ExitStack] = []
        self._over = False

    def __enter__(self) -> Self:
        """Begin the observations, or go on with them."""
        if self._observations is None:
            begun = [_safely(one.begin, self._call) for one in self._instrumentations]
            self._observations = [one for one in begun if one is not None]
        part = ExitStack()
        for observation in self._observations:
            _safely(_enter, part, observation)
        self._parts.append(part)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the work; an exception ends the call, still inside of it."""
        if error is not None:
            self.end(error)
        _safely(self._parts.pop().close)

    def observe(self, event: ExecutionEvent) -> None:
        """Tell the observations, then `on_event`."""
        if not self._over:
            for observation in self._observations or ():
                _safely(observation.observe, event)
        super().observe(event)

    def end(self, error: BaseException | None = None) -> None:
        """End every observation."""
        if self._over:
            return
        self._over = True
        for observation in self._observations or ():
            _safely(observation.end, error)


def tell_renewals(instrumentations: Sequence[Instrumentation], renewals: Renewals) -> None:
    """Tell everybody who watches what came of a renewal."""
    for one in instrumentations:
        _safely(one.renewed, renewals)


def known_trace(instrumentations: Sequence[Instrumentation]) -> str | None:
    """Return the first trace that one of these knows."""
    known: Iterator[str | None] = (_safely(one.trace_context) for one in instrumentations)
    return next((trace for trace in known if trace), None)


def _enter(part: ExitStack, observation: Observation) -> None:
    part.enter_context(observation.current())


def _safely(method: Callable[..., Any], *arguments: Any) -> Any:
    """Call a watcher; it must not disturb what it watches."""
    try:
        return method(*arguments)
    except Exception:  # noqa: BLE001 # as above
        _log.exception("an instrumentation raised in %r", method)
        return None
