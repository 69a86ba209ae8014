"""Run the function under a claim: verify first where asked, run once, store what came of it."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ConfigurationError, LeaseLostError, OutcomeUnknownError
from exec_tracker.flow import refusals
from exec_tracker.flow.commands import EscapedStopError, Invoke
from exec_tracker.flow.patience import ask_patiently
from exec_tracker.flow.saving import save_failure, save_result
from exec_tracker.policies import DidNotHappen, EventName, Happened, Unknown
from exec_tracker.repository import ExecutionRepository

if TYPE_CHECKING:
    from collections.abc import Generator

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Held, Plan
    from exec_tracker.leases import HeldLease
    from exec_tracker.types import ExecutionResult

    Running = Generator[Command, Any, ExecutionResult[Any]]


def run(plan: Plan, held: Held) -> Running:
    """Run under the claim; its lease is kept alive until the outcome is stored."""
    lease = keep_alive(plan, held)
    try:
        if held.must_verify:
            return (yield from _verify(plan, held, lease))
        return (yield from _invoke(plan, held, lease))
    finally:
        if lease is not None:
            plan.leases.release(lease)


def keep_alive(plan: Plan, held: Held) -> HeldLease | None:
    """Begin to keep the lease of a claim, where it has one."""
    if plan.lease is None:
        return None
    return plan.leases.hold(held.found.id, held.claim.token, plan.lease, held.sent_at)


def _invoke(plan: Plan, held: Held, lease: HeldLease | None) -> Running:
    held, value = yield from call(plan, held, lease)
    saved: ExecutionResult[Any] = yield from save_result(plan, held, value)
    return saved


def call(
    plan: Plan, held: Held, lease: HeldLease | None
) -> Generator[Command, Any, tuple[Held, Any]]:
    """Call the function under the claim; what it raises is stored, and is the caller's."""
    if _is_late(held):
        # The claim took longer than its lease: someone may have taken over. Ask under the token.
        held = yield from _go_on(held, counts=False)
    invoke = Invoke(plan.executor, plan.context(held, lease))
    try:
        value = yield invoke
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from save_failure(plan, held, exc, started=invoke.started)
        if isinstance(exc, StopIteration):
            raise EscapedStopError(exc) from None
        raise
    return held, value


def _verify(plan: Plan, held: Held, lease: HeldLease | None) -> Running:
    """Ask the caller's verifier what happened, while the claim keeps other verifiers away."""
    assert plan.verify is not None  # noqa: S101 # the rules verify only where there is a verifier
    invoke = Invoke(plan.verify, plan.context(held, lease))
    try:
        answer = yield invoke
        _check_answer(answer)
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from _give_up(plan, held, exc)
        raise
    plan.tell(EventName.VERIFIED, held.found.attempt, type(answer).__name__)
    match answer:
        case Happened(result):
            saved = yield from save_result(plan, held, result)
            return replace(saved, cached=True)
        case DidNotHappen():
            counted = yield from _go_on(held, counts=True)
            known = replace(counted, over_unknown=False)
            return (yield from _invoke(plan, known, lease))
    unknown = refusals.abandoned(held.execution)
    yield from _give_up(plan, held, unknown)
    raise unknown


def _check_answer(answer: object) -> None:
    if not isinstance(answer, Happened | DidNotHappen | Unknown):
        raise ConfigurationError(
            f"verify= must answer Happened(result), DidNotHappen() or Unknown(), not {answer!r}."
        )


def _give_up(plan: Plan, held: Held, why: BaseException) -> Generator[Command, Any, None]:
    """Leave the execution abandoned, as it was found."""
    left = OutcomeUnknownError(f"verification could not tell: {why}")
    left.__cause__ = why
    yield from save_failure(plan, held, left, started=True)


def _is_late(held: Held) -> bool:
    lease = held.claim.lease
    return lease is not None and monotonic() >= held.sent_at + lease.total_seconds()


def _go_on(held: Held, *, counts: bool) -> Generator[Command, Any, Held]:
    sent_at = monotonic()
    attempt = held.found.attempt + int(counts)
    standing = yield from ask_patiently(
        ExecutionRepository.go_on, held.found.id, held.claim, attempt
    )
    if standing is None:
        raise LeaseLostError(
            f"The claim on execution {held.found.id!r} was taken over before its function "
            "began; nothing was run here.",
            execution=held.execution,
        )
    return replace(held, found=standing, sent_at=sent_at, began_at=monotonic())
