"""An interrupted function: nobody knows whether its effect happened, and the row says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecutionAbandonedError
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.subjects import Subject


class SelfMadeInterrupt(BaseException):
    """Such as trio's or gevent's."""


INTERRUPTS = [
    KeyboardInterrupt("^C"),
    SystemExit(3),
    SelfMadeInterrupt(),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda one: type(one).__name__)
def test_an_interrupt_is_recorded_as_outcome_unknown_and_goes_on(
    subject: Subject, user_id: UUID, database: Database, interrupt: BaseException
) -> None:
    with pytest.raises(type(interrupt)):
        subject.execute(options("k", user_id), Calls(raises=interrupt))
    row = database.row("k")
    assert (row["status"], row["lease_expires_at"]) == ("failed", None)
    assert row["error"]["outcome_unknown"] is True
    assert row["error"]["retryable"] is False
    (attempt,) = database.attempts("k")
    assert attempt["outcome"] == "abandoned"


@pytest.mark.parametrize("interrupt", INTERRUPTS[:2], ids=lambda one: type(one).__name__)
def test_an_interrupted_execution_is_not_run_again_until_somebody_decides(
    subject: Subject, user_id: UUID, interrupt: BaseException
) -> None:
    with pytest.raises(type(interrupt)):
        subject.execute(options("k", user_id), Calls(raises=interrupt))
    calls = Calls("now")
    with pytest.raises(ExecutionAbandonedError):
        subject.execute(options("k", user_id), calls)
    assert [one.id for one in subject.find_abandoned()] == ["k"]
    assert calls.count == 0
    subject.reset("k")
    assert subject.execute_idempotent(options("k", user_id), calls) == "now"
