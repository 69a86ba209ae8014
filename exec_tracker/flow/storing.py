"""Store many outcomes with a few statements, and whatever that does not store one by one."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import (
    ExecTrackerError,
    ResultNotStorableError,
    SchemaError,
    StorageError,
)
from exec_tracker.failures import failure_of
from exec_tracker.flow.commands import Ask
from exec_tracker.flow.items import asked_size, chunks, settle, stored_size
from exec_tracker.flow.saving import (
    INTERRUPTED_PATIENCE,
    insist,
    may_pass,
    not_in_time,
    save_result,
)
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.snapshots import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.items import Item, Steps
    from exec_tracker.snapshots import StoredRow
    from exec_tracker.types import ExecutionResult

    Stored = Generator[Command, Any, dict[str, StoredRow]]


def complete_many(items: Sequence[Item]) -> Steps:
    """Store the values of claims that somebody holds; an interrupt goes on after a last try."""
    try:
        for item in items:
            yield from settle(item, encode(item))
        yield from store_many([item for item in items if not item.is_settled])
        for item in items:
            if not item.is_settled:
                yield from settle(item, store_singly(item))
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from give_up(items, exc)
        raise
    finally:
        for item in items:
            item.release()


def encode(item: Item) -> Steps:
    """Write an item's value as what is to be stored; record that it cannot be, and raise."""
    assert item.held is not None  # noqa: S101 # only held items have a value
    try:
        item.text = item.plan.codec.encode(item.value)
    except ResultNotStorableError:
        yield from save_result(item.plan, item.held, item.value)  # which raises


def store_many(items: Sequence[Item]) -> Steps:
    """Store what waits, as long as `save_timeout` allows.

    What was not stored because its row is locked or its claim is gone stays unsettled.
    """
    for chunk in chunks(items, stored_size):
        patience = max(item.plan.save_timeout for item in chunk)
        try:
            stored = yield from _complete(chunk, patience)
        except (StorageError, SchemaError) as exc:
            yield from _store_without_the_others(chunk, exc)
            continue
        _settle_stored(chunk, stored)


def store_singly(item: Item) -> Generator[Command, Any, ExecutionResult[Any]]:
    """Store one result by itself, which waits for a lock, or hears that the claim is gone."""
    assert item.held is not None  # noqa: S101 # as above
    saved: ExecutionResult[Any] = yield from save_result(item.plan, item.held, item.value)
    return saved


def _store_without_the_others(chunk: Sequence[Item], error: StorageError | SchemaError) -> Steps:
    for item in chunk:
        if may_pass(error):
            # As long as a single result is tried for: the database is away for all of them.
            late = not_in_time(item.id, error)
            late.result, late.__cause__ = item.value, error
            item.settle(error=late)
        else:
            yield from settle(item, store_singly(item))


def _complete(chunk: Sequence[Item], patience: timedelta) -> Stored:
    results = [(item.id, item.pursuit.claim.token, item.text) for item in chunk]
    return (
        yield from _with_or_without_locked(ExecutionRepository.complete_rows, patience, results)
    )


def _with_or_without_locked(
    method: Callable[..., Any], patience: timedelta, *arguments: Any
) -> Stored:
    """Write what is told; where the first try fails, leave alone what others have locked."""
    try:
        answer: dict[str, StoredRow] = yield Ask(method, arguments)
    except (StorageError, SchemaError) as exc:
        if not may_pass(exc):
            raise
        answer = yield from insist(Ask(method, (*arguments, True)), patience)
    return answer


def _settle_stored(chunk: Sequence[Item], stored: dict[str, StoredRow]) -> None:
    for item in chunk:
        if item.id in stored:
            _settle_as(item, stored[item.id])


def _settle_as(item: Item, stored: StoredRow) -> None:
    assert item.held is not None  # noqa: S101 # as above
    ran = monotonic() - item.held.began_at if item.ran is None else item.ran
    item.plan.tell(EventName.COMPLETED, stored.attempt, seconds=ran)
    try:
        data = item.plan.codec.decode(stored.result_json)
    except ExecTrackerError as exc:
        item.settle(error=exc)
    else:
        item.settle(result_of(data, stored, cached=False))


def give_up(items: Sequence[Item], interrupt: BaseException) -> Steps:
    """After an interrupt: store what has run, give back what has not begun, as time allows.

    What could not be stored or given back is left to its lease, which nobody keeps any more.
    """
    until = monotonic() + INTERRUPTED_PATIENCE.total_seconds()
    try:
        yield from _store_in_time(
            [one for one in items if one.waits_to_be_stored], interrupt, until
        )
        unused = [one for one in items if one.may_hold_unused_claim]
        yield from withdraw_many(unused, interrupt, until)
    finally:
        for item in items:
            if not item.is_settled:
                item.let_go(interrupt)


def _store_in_time(items: Sequence[Item], interrupt: BaseException, until: float) -> Steps:
    for chunk in chunks(items, stored_size):
        try:
            _settle_stored(chunk, (yield from _complete(chunk, _until(until))))
        except ExecTrackerError:
            for item in chunk:
                yield from _store_one_in_time(item, interrupt, until)


def _store_one_in_time(item: Item, interrupt: BaseException, until: float) -> Steps:
    arguments = (item.id, item.pursuit.claim.token, item.text)
    try:
        stored = yield from insist(Ask(ExecutionRepository.complete_row, arguments), _until(until))
    except ExecTrackerError as exc:
        interrupt.add_note(f"exec_tracker could not store the result of {item.id!r}: {exc}")
    else:
        if stored is not None:
            _settle_as(item, stored)


def withdraw_many(items: Sequence[Item], interrupt: BaseException, until: float) -> Steps:
    """Give up claims under which nothing has begun; what they displaced stays as it was found."""
    for over_unknown in (False, True):
        alike = [one for one in items if one.pursuit.over_unknown is over_unknown]
        failure = failure_of(interrupt, retryable=not over_unknown, outcome_unknown=over_unknown)
        for chunk in chunks(alike, asked_size):
            claims = [(item.id, item.pursuit.claim.token) for item in chunk]
            method = ExecutionRepository.fail_many
            try:
                yield from _with_or_without_locked(method, _until(until), claims, failure)
            except ExecTrackerError as exc:
                interrupt.add_note(f"exec_tracker could not withdraw {len(chunk)} claims: {exc}")


def _until(moment: float) -> timedelta:
    return timedelta(seconds=max(moment - monotonic(), 0.0))
