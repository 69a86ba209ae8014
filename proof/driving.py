"""Drive a flow as the tracker's own shells do, one turn at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exec_tracker import sessions
from exec_tracker.flow import Ask, EscapedStopError, Invoke, Lend, Poll, Sleep, Within
from exec_tracker.repository import ExecutionRepository
from proof.cooperation import Turn, Turns, VanishedError
from proof.labels import COMMITS, RUNS
from proof.seats import lost_answer

if TYPE_CHECKING:
    from collections.abc import Generator

    from proof.seats import Seat


def drive(
    turns: Turns, seat: Seat, flow: Generator[Any, Any, Any], session: Any = None
) -> tuple[Any, ...] | Any:
    """Give a flow what it asks for, one turn at a time; time is never slept."""
    answer: Any = None
    step: Any = flow.send
    while True:
        try:
            command = step(answer)
        except StopIteration as done:
            return done.value
        except EscapedStopError as escaped:
            raise escaped.error from None
        try:
            answer, step = _answer(turns, seat, command, session), flow.send
        except BaseException as exc:  # noqa: BLE001 # the flow decides about all but the end of all
            if turns.has_vanished:
                flow.close()
                raise VanishedError from None
            answer, step = exc, flow.throw


def _answer(  # noqa: PLR0911 # one return per command, as in the tracker's own shells
    turns: Turns, seat: Seat, command: Any, session: Any
) -> Any:
    match command:
        case Ask(method, arguments):
            return method(seat.repository(), *arguments)
        case Poll(execution_id, _):
            return ExecutionRepository.read(seat.repository(), execution_id)
        case Sleep():
            return None
        case Invoke(function, context):
            _gate(turns, RUNS)
            command.started = True
            return function(context)
        case Lend(function) if function is not None:
            _gate(turns, RUNS)
            return function(session)
        case Within(core, arguments) if core is sessions.commit:
            return _commit(turns, seat, session)
        case Within(core, arguments):
            return core(session, *arguments)
    raise AssertionError(command)


def _gate(turns: Turns, label: str) -> Turn:
    """Stop here, and go on unless somebody presses Ctrl-C meanwhile."""
    turn = turns.gate(label)
    if turn == "interrupt":
        raise KeyboardInterrupt
    return turn


def _commit(turns: Turns, seat: Seat, session: Any) -> None:
    turn = _gate(turns, COMMITS)
    if turn == "drop":
        seat.kill_session(session)
        raise lost_answer()
    sessions.commit(session)
    turns.history.append("committed")
    if turn == "cut":
        raise lost_answer()
