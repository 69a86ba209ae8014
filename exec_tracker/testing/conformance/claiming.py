"""Who runs: one of many, and nobody else while it does."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.errors import ExecutionInProgressError
from exec_tracker.testing.conformance.held import Counted, holding
from exec_tracker.testing.conformance.verdicts import demand
from exec_tracker.types import ExecutionResult

if TYPE_CHECKING:
    from exec_tracker.context import ExecutionContext
    from exec_tracker.testing.conformance.site import Site
    from exec_tracker.types import ExecutionOutcome

__all__ = [
    "one_of_many_batches_runs",
    "one_of_many_runs",
    "others_are_refused",
    "reads_are_fresh",
    "replays_are_equal",
    "waiters_adopt",
]

_ROUNDS: Final = 5
_BATCH: Final = 20
_READS: Final = 25
"""More than the repetitions after which drivers begin to prepare a statement."""

_RESULTS: Final[tuple[Any, ...]] = (
    None, False, 0, "", [], {}, 1e22, -0.5, 2**60, "naïve ✓ 数 🦊", {"b": [1, {"a": None}]},
)  # fmt: skip


def one_of_many_runs(site: Site) -> str:
    """Call from many connections at once, several times over."""
    for _ in range(_ROUNDS):
        run = Counted("done")
        answers = site.at_once(partial(site.tracker.execute, site.options(), run))
        unexpected = [one for one in answers if not _is_fair(one)]
        demand(not unexpected, f"a caller heard {unexpected[:1]!r}")
        demand(run.times == 1, f"the function ran {run.times} times")
    return f"{_ROUNDS} keys, {site.connections} callers each"


def _is_fair(answer: object) -> bool:
    if isinstance(answer, ExecutionResult):
        return bool(answer.data == "done")
    return isinstance(answer, ExecutionInProgressError)


def one_of_many_batches_runs(site: Site) -> str:
    """Give many connections the same keys, each in another order."""
    requests = [site.options() for _ in range(_BATCH)]
    ran: list[str] = []

    def run(context: ExecutionContext) -> str:
        ran.append(context.idempotency_key)
        return "done"

    def batch() -> list[ExecutionOutcome[str]]:
        order = random.sample(requests, len(requests))
        return site.tracker.execute_many(order, run)

    for outcomes in site.at_once(batch):
        if isinstance(outcomes, Exception):
            raise outcomes
        unexpected = [one for one in outcomes if not _is_fair(one.result or one.error)]
        demand(not unexpected, f"a batch heard {unexpected[:1]!r}")
    demand(len(ran) == len(set(ran)) == len(requests), f"of {len(requests)} keys, {len(ran)} ran")
    return f"{len(requests)} keys, {site.connections} batches"


def others_are_refused(site: Site) -> str:
    """Call while the function runs."""
    options = site.options()
    with holding(site, options) as owner:
        answers = site.at_once(lambda: site.tracker.execute(options, lambda: "second"))
        strangers = [one for one in answers if not isinstance(one, ExecutionInProgressError)]
        demand(not strangers, f"a caller was not refused, and got {strangers[:1]!r}")
        first = owner.end(site.patience)
    demand(isinstance(first, ExecutionResult), f"the owner was disturbed: {first!r}")
    return ""


def waiters_adopt(site: Site) -> str:
    """Wait from many connections for what one of them stores."""
    run = Counted("done")
    call = partial(site.tracker.execute, site.options(), run)
    patience = timedelta(seconds=site.patience)
    answers = site.at_once(partial(call, on_running="wait", wait_timeout=patience))
    wrong = [one for one in answers if getattr(one, "data", None) != "done"]
    demand(not wrong, f"a waiter got {wrong[:1]!r}")
    demand(run.times == 1, f"the function ran {run.times} times")
    return ""


def replays_are_equal(site: Site) -> str:
    """Store results that databases and drivers like to change, and replay them."""
    for result in _RESULTS:
        options, run = site.options(), Counted(result)
        first, again = (site.tracker.execute(options, run) for _ in range(2))
        demand(not first.cached and again.cached, f"{result!r} was not replayed but run again")
        same = first.data == again.data == result and type(first.data) is type(again.data)
        demand(same, f"{result!r} came as {first.data!r}, then as {again.data!r}")
    return f"{len(_RESULTS)} results"


def reads_are_fresh(site: Site) -> str:
    """Read on every connection what has just been stored on one."""
    for number in range(_READS):
        options = site.options()
        site.tracker.execute(options, partial(int, number))
        times = site.connections if number == 0 else 2
        for seen in site.at_once(partial(_result, site, options.execution_id), times):
            demand(seen == ("completed", number), f"{number} was stored, and {seen!r} read")
    return f"{_READS} writes"


def _result(site: Site, key: str) -> tuple[str, Any]:
    seen = site.tracker.get_execution(key)
    return ("absent", None) if seen is None else (str(seen.status), seen.result)
