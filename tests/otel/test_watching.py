"""What watches a tracker hears everything, and disturbs nothing."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecutionEvent,
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    Instrumentation,
    Observation,
    ResultErasedError,
)
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker import ObservedCall
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject, Running
    from tests.support.subjects import Subject


class Notes(Instrumentation):
    """Writes down what it is told, in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def begin(self, call: ObservedCall) -> Observation:
        self.heard.append(f"begin {call.method} {call.execution_id}")
        return NotesOfOne(self.heard)


class NotesOfOne(Observation):
    def __init__(self, heard: list[str]) -> None:
        self._heard = heard

    @contextmanager
    def current(self) -> Iterator[None]:
        self._heard.append("enter")
        yield
        self._heard.append("leave")

    def observe(self, event: ExecutionEvent) -> None:
        self._heard.append(event.name)

    def end(self, error: BaseException | None) -> None:
        self._heard.append(f"end {error!r}")


class Broken(Instrumentation):
    """Raises wherever it is called."""

    def __init__(self, *, late: bool) -> None:
        self._late = late

    def begin(self, call: ObservedCall) -> Observation:  # noqa: ARG002 # it raises
        if self._late:
            return BrokenOfOne()
        raise RuntimeError("begin")

    def trace_context(self) -> str | None:
        raise RuntimeError("trace_context")


class BrokenOfOne(Observation):
    def current(self) -> Any:
        raise RuntimeError("current")

    def observe(self, event: ExecutionEvent) -> None:
        raise RuntimeError(f"observe {event.name}")

    def end(self, error: BaseException | None) -> None:
        raise RuntimeError(f"end {error!r}")


def test_a_watcher_hears_of_a_call_from_beginning_to_end(subject: Subject, user_id: UUID) -> None:
    notes = Notes()
    subject.tracker.instrument(notes)

    def work() -> None:
        notes.heard.append("work")

    subject.execute(options("k", user_id), work)
    assert notes.heard == [
        "begin execute k",
        "enter",
        "claimed",
        "work",
        "completed",
        "end None",
        "leave",
    ]


def test_on_event_goes_on_beside_any_number_of_watchers(
    new_subject: NewSubject, user_id: UUID
) -> None:
    heard: list[ExecutionEvent] = []
    subject = new_subject(on_event=heard.append)
    one, two = Notes(), Notes()
    subject.tracker.instrument(one).instrument(two)
    subject.execute(options("k", user_id), Calls())
    assert [event.name for event in heard] == ["claimed", "completed"]
    assert one.heard == two.heard
    claimed, completed = heard
    assert claimed.duration is None
    assert completed.duration is not None
    assert completed.duration.total_seconds() >= 0


@pytest.mark.parametrize("late", [False, True])
def test_a_watcher_that_raises_disturbs_neither_the_call_nor_the_others(
    subject: Subject, user_id: UUID, caplog: pytest.LogCaptureFixture, late: bool
) -> None:
    notes = Notes()
    subject.tracker.instrument(Broken(late=late), notes)
    assert subject.execute_idempotent(options("k", user_id), Calls()) == "done"
    assert notes.heard == ["begin execute k", "enter", "claimed", "completed", "end None", "leave"]
    assert "an instrumentation raised" in caplog.text


def test_an_exception_reaches_the_watcher_and_the_caller(subject: Subject, user_id: UUID) -> None:
    notes = Notes()
    subject.tracker.instrument(notes)
    with pytest.raises(ValueError, match="declined"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("declined")))
    assert notes.heard[-3:] == ["failed", "end ValueError('declined')", "leave"]


def test_decisions_by_id_are_heard_too(subject: Subject, user_id: UUID) -> None:
    notes = Notes()
    subject.tracker.instrument(notes)
    subject.create_execution(options("k", user_id))
    subject.mark_running("k")
    subject.mark_failed("k", "declined")
    subject.reset("k")
    subject.mark_completed("k", "done")
    heard = [one for one in notes.heard if one not in {"enter", "leave", "end None"}]
    assert heard == [
        "begin create_execution k",
        "created",
        "begin mark_running k",
        "claimed",
        "begin mark_failed k",
        "failed",
        "begin reset k",
        "reset",
        "begin mark_completed k",
        "completed",
    ]


def test_every_refusal_is_heard(
    new_subject: NewSubject, user_id: UUID, other_user_id: UUID, running: Running
) -> None:
    heard: list[tuple[str, str | None]] = []
    subject = new_subject(on_event=lambda event: heard.append((event.name, event.detail)))
    subject.execute(options("k", user_id), Calls())
    subject.erase("k")
    executor, _ = running(subject, options("held", user_id))
    heard.clear()
    refused: list[tuple[type[Exception], Any]] = [
        (ResultErasedError, lambda: subject.execute(options("k", user_id), Calls())),
        (IdempotencyKeyReusedError, lambda: subject.execute(options("k", other_user_id), Calls())),
        (ExecutionInProgressError, lambda: subject.execute(options("held", user_id), Calls())),
    ]
    for error, call in refused:
        with pytest.raises(error):
            call()
    executor.release()
    assert heard[:3] == [("refused", "Erased"), ("refused", "Conflict"), ("refused", "InProgress")]


def test_a_refusal_because_of_a_lock_is_heard(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    heard: list[tuple[str, str | None]] = []
    subject = new_subject(on_event=lambda event: heard.append((event.name, event.detail)))
    insert = (
        "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
        f"VALUES ('k', 'w', '{user_id}', 'pending')"
    )
    with database.locked(insert), pytest.raises(ExecutionInProgressError):
        subject.execute_in_transaction(
            options("k", user_id), lambda _session: None, wait_timeout=timedelta(milliseconds=50)
        )
    assert heard == [("refused", "Locked")]


def test_what_is_no_instrumentation_is_refused(subject: Subject) -> None:
    with pytest.raises(ConfigurationError, match="is no exec_tracker"):
        subject.tracker.instrument(print)
