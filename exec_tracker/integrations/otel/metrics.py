"""What is measured: executions, run and wait times, renewals of leases, the abandoned."""

from __future__ import annotations

from dataclasses import asdict
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from opentelemetry import metrics
from opentelemetry.metrics import Observation

from exec_tracker import __version__
from exec_tracker.integrations import telemetry
from exec_tracker.policies import EventName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

    from exec_tracker.integrations.otel.abandoned import AbandonedCount
    from exec_tracker.observing import Renewals
    from exec_tracker.policies import ExecutionEvent

# From a local call to what runs for hours.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 14400)
_RUNS = frozenset({EventName.COMPLETED, EventName.FAILED, EventName.ABANDONED, EventName.LOST})


class Instruments:
    """One set of instruments per meter provider, shared by all trackers."""

    def __init__(self, meter: Meter) -> None:
        """Create the instruments."""
        self._meter = meter
        self._executions = meter.create_counter(
            "exec_tracker.executions", "{execution}", "Calls of a tracker, by how they ended"
        )
        self._runs = meter.create_histogram(
            "exec_tracker.run.duration",
            "s",
            "How long functions ran",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._waits = meter.create_histogram(
            "exec_tracker.wait.duration",
            "s",
            "How long callers waited for another's run",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._renewals = meter.create_counter(
            "exec_tracker.lease.renewals", "{lease}", "Renewals of leases, by what came of them"
        )
        self._counts: WeakSet[AbandonedCount] = WeakSet()
        self._lock = Lock()
        self._shows_abandoned = False

    def decided(self, event: ExecutionEvent) -> None:
        """Measure what has just ended."""
        if event.duration is None:
            return
        about = {telemetry.WORKFLOW_ID: event.workflow_id}
        if event.name is EventName.WAITED:
            self._waits.record(event.duration.total_seconds(), about)
        elif event.name in _RUNS:
            about[telemetry.OUTCOME] = event.name.value
            self._runs.record(event.duration.total_seconds(), about)

    def ended(
        self, method: str, workflow_id: str | None, outcome: str, error: BaseException | None
    ) -> None:
        """Count a call."""
        about = {telemetry.METHOD: method, telemetry.OUTCOME: outcome}
        if workflow_id is not None:
            about[telemetry.WORKFLOW_ID] = workflow_id
        if error is not None:
            about[telemetry.ERROR_TYPE] = telemetry.type_of(error)
        self._executions.add(1, about)

    def renewed(self, renewals: Renewals) -> None:
        """Count leases by what came of their renewal."""
        for outcome, leases in asdict(renewals).items():
            if leases:
                self._renewals.add(leases, {telemetry.OUTCOME: outcome})

    def show_abandoned(self, count: AbandonedCount) -> None:
        """Show a tracker's count for as long as the tracker lives; the gauge is made once."""
        with self._lock:
            self._counts.add(count)
            if self._shows_abandoned:
                return
            self._shows_abandoned = True
        self._meter.create_observable_gauge(
            "exec_tracker.abandoned",
            [self._observe_abandoned],
            "{execution}",
            "Executions whose outcome is unknown",
        )

    def _observe_abandoned(self, _options: CallbackOptions) -> Iterator[Observation]:
        for count in list(self._counts):
            latest = count.latest()
            if latest is not None:
                yield Observation(latest, count.attributes)


class _Global:
    """Stands for the global provider, which may be set later than a tracker is instrumented."""


_GLOBAL = _Global()
_lock = Lock()
_made: WeakKeyDictionary[MeterProvider | _Global, Instruments] = WeakKeyDictionary()


def instruments_of(provider: MeterProvider | None) -> Instruments:
    """Return the instruments of a provider, or of the global one.

    Made once: of two gauges with one name an SDK keeps the first and never asks the second.
    """
    key = _GLOBAL if provider is None else provider
    with _lock:
        made = _made.get(key)
        if made is None:
            meter = metrics.get_meter(telemetry.SCOPE, __version__, meter_provider=provider)
            made = _made[key] = Instruments(meter)
        return made
