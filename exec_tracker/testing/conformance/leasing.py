"""How long a claim is believed, who may take it over, and that its owner is then too late."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import func, select

from exec_tracker.errors import ExecutionAbandonedError, ExecutionInProgressError, LeaseLostError
from exec_tracker.models import WorkflowExecution
from exec_tracker.testing.conformance.held import HOUR, Counted, holding
from exec_tracker.testing.conformance.verdicts import demand
from exec_tracker.types import AttemptOutcome, ExecutionResult

if TYPE_CHECKING:
    from datetime import datetime

    from exec_tracker.testing.conformance.site import Site
    from exec_tracker.types import ExecuteOptions

__all__ = [
    "abandoned_is_not_run",
    "clock_goes_forward",
    "fence_refuses_late_writes",
    "heartbeat_skips_locked_rows",
    "leases_end_on_the_databases_clock",
    "one_of_many_takes_over",
]

_SHORT: Final = timedelta(seconds=1)
_LEAP: Final = timedelta(seconds=1)
"""Clocks of several servers may differ; less than this changes nothing, as leases are a minute."""

_CLOCK: Final = select(func.clock_timestamp())


def leases_end_on_the_databases_clock(site: Site) -> str:
    """Claim for a moment, with nobody to renew it, and see it end."""
    options = site.options()
    site.tracker.create_execution(options)
    before = _now(site)
    claimed = site.tracker.mark_running(options.execution_id, _SHORT)
    after = _now(site)
    ends = claimed.lease_expires_at
    in_time = ends is not None and before - _LEAP <= ends - _SHORT <= after + _LEAP
    demand(in_time, f"claimed for {_SHORT} between {before} and {after}, and it ends at {ends}")

    def ended_at() -> datetime | None:
        seen = site.tracker.get_execution(options.execution_id)
        return seen.observed_at if seen is not None and seen.is_abandoned else None

    ended = site.eventually(ended_at, f"a lease of {_SHORT} did not end")
    demand(ended and ends and ended >= ends, "a lease ended before its time")
    return ""


def abandoned_is_not_run(site: Site) -> str:
    """Call where nobody knows the outcome, and nobody has said what to do."""
    run = Counted("done")
    answers = site.at_once(partial(site.tracker.execute, _abandoned(site), run))
    others = [one for one in answers if not isinstance(one, ExecutionAbandonedError)]
    demand(not others and not run.times, f"a caller got {others[:1]!r}, and {run.times} ran")
    return ""


def one_of_many_takes_over(site: Site) -> str:
    """Have many ask for an abandoned execution to be run again."""
    options, run = _abandoned(site), Counted("done")
    answers = site.at_once(partial(site.tracker.execute, options, run, on_abandoned="retry"))
    fair = (ExecutionResult, ExecutionInProgressError)
    strangers = [one for one in answers if not isinstance(one, fair)]
    demand(not strangers, f"a caller heard {strangers[:1]!r}")
    demand(run.times == 1, f"the function ran {run.times} times")
    _check_history(site, options)
    return ""


def fence_refuses_late_writes(site: Site) -> str:
    """Take over from an owner who is late and not dead, and let it finish meanwhile."""
    options = site.options()
    heard: list[Any] = []
    with holding(site, options) as owner:
        _end_lease(site, options)

        def take_over() -> str:
            heard.append(owner.end(site.patience))
            return "second"

        second = site.tracker.execute(options, take_over, on_abandoned="retry")
    demand(second.data == "second", f"who took over got {second.data!r}")
    (late,) = heard
    demand(isinstance(late, LeaseLostError), f"the late owner was not refused, and got {late!r}")
    demand(getattr(late, "result", None) == "first", "the late owner's result was lost")
    stored = site.tracker.get_execution(options.execution_id)
    demand(stored is not None and stored.result == "second", "the late owner's result was stored")
    return ""


def heartbeat_skips_locked_rows(site: Site) -> str:
    """Lock one row as a host may, and see the lease on another renewed meanwhile."""
    lease, locked, beside = 2 * _SHORT, site.options(), site.options()
    with (
        site.tracker.claim(locked, lease=lease) as one,
        site.tracker.claim(beside, lease=lease) as other,
    ):
        with site.transaction() as host:
            row = select(WorkflowExecution.id).where(WorkflowExecution.id == locked.execution_id)
            host.execute(row.with_for_update())
            _await_renewal(site, beside, "beside a locked row")
        _await_renewal(site, locked, "on a row that was locked")
        one.complete()
        other.complete()
    return ""


def clock_goes_forward(site: Site) -> str:
    """Ask every connection for the time, one after the other, and twice in one transaction."""
    last, worst = None, timedelta(0)
    with ExitStack() as opened:
        connections = [opened.enter_context(site.engine.connect()) for _ in range(site.connections)]
        for connection in connections * 3:
            now = connection.scalar(_CLOCK)
            connection.rollback()
            worst = max(worst, timedelta(0) if last is None else last - now)
            last = now
    demand(worst <= _LEAP, f"it went back by {worst} from one connection to another")
    with site.transaction() as connection:
        moments = {connection.scalar(_CLOCK) for _ in range(3)}
    demand(len(moments) > 1, "it stands still within a transaction")
    return f"back by {worst} at most" if worst else ""


def _await_renewal(site: Site, options: ExecuteOptions, where: str) -> None:
    def ends() -> Any:
        return site.column(options.execution_id, "lease_expires_at")

    before = ends()
    site.eventually(lambda: ends() > before, f"the lease {where} was not renewed")


def _abandoned(site: Site) -> ExecuteOptions:
    options = site.options()
    site.tracker.create_execution(options)
    site.tracker.mark_running(options.execution_id, HOUR)
    _end_lease(site, options)
    return options


def _end_lease(site: Site, options: ExecuteOptions) -> None:
    site.change(options.execution_id, lease_expires_at=func.clock_timestamp() - _LEAP)


def _now(site: Site) -> datetime:
    with site.transaction() as connection:
        return cast("datetime", connection.scalar(_CLOCK))


def _check_history(site: Site, options: ExecuteOptions) -> None:
    history = [
        (one.attempt, one.outcome) for one in site.tracker.get_attempts(options.execution_id)
    ]
    demand(history == [(1, AttemptOutcome.ABANDONED)], f"the history says {history}")
