"""One process of a soak: a few callers with one tracker, until the board says that it is over."""

from __future__ import annotations

import random
import threading
import time
import traceback
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from exec_tracker import OutcomeUnknownError
from exec_tracker.errors import (
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    LeaseLostError,
    StorageError,
)
from proof.clients import open_client
from proof.soak.board import Board
from proof.soak.doing import HOSTS, MODES, RETRYING, DeclinedError, Doer, keys_of
from proof.soak.journal import Journal

if TYPE_CHECKING:
    from uuid import UUID

CALLERS = 3
_DUPLICATES = 0.3
_TRIES = 20
# A key that its own caller is refused: a claim left in doubt, for the settlement.
_REFUSALS = 3
_LONGEST_PAUSE = 0.1
_HURRIES, _LONGEST_HURRY = 0.05, 0.02
# What a caller may hear, and goes on: the call may be repeated, somebody else is at it, or it was
# cancelled and nobody knows.
_AGAIN = (StorageError, DBAPIError, DeclinedError)
_REFUSED = (ExecutionInProgressError, ExecutionAbandonedError, ExecutionFailedError)
_FINAL = (OutcomeUnknownError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process is told: all that it needs, small enough to be sent to it."""

    place: int
    name: str
    driver: str
    url: str
    user_id: UUID
    folder: Path
    board: Path
    rows: int
    seed: str


def work(assignment: Assignment) -> None:
    """Be the process: run the callers, and say so where a connection was not given back."""
    board = Board(assignment.board, assignment.rows)
    journal = Journal(assignment.folder, assignment.name)
    engine = {"pool_size": CALLERS, "max_overflow": 0}
    # What cannot be stored in this time is for the settlement.
    patience = timedelta(seconds=20)
    client = open_client(assignment.driver, assignment.url, engine=engine, save_timeout=patience)
    hurry = random.Random(f"{assignment.seed} {assignment.name}")  # noqa: S311 # an order, not a secret
    client.patience = partial(_patience, hurry)
    callers = []
    for number in range(CALLERS):
        chance = random.Random(f"{assignment.seed} {assignment.name} {number}")  # noqa: S311 # an order, not a secret
        name = f"{assignment.name}.{number}"
        doer = Doer(client, journal, assignment.user_id, name, chance)
        callers.append(Caller(doer, board, assignment.place * CALLERS + number))
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    if client.checked_out:
        journal.broken(f"{client.checked_out} connections were not given back to the pool")
    client.close()


def _patience(hurry: random.Random) -> float | None:
    """Have a call cancelled now and then, at any moment; only in an event loop that is possible."""
    return hurry.uniform(0, _LONGEST_HURRY) if hurry.random() < _HURRIES else None


class Caller(threading.Thread):
    """Calls without pause: keys of its own until they are answered, and keys of others once."""

    def __init__(self, doer: Doer, board: Board, row: int) -> None:
        """Work through `doer`, and write its keys to a row of the board."""
        super().__init__(name=doer.name, daemon=True)
        self._doer, self._board, self._row = doer, board, row
        self._chance = doer.chance
        self._count = 0

    def run(self) -> None:
        """Call until it is over."""
        while not self._board.is_over:
            key = None
            if self._chance.random() < _DUPLICATES:
                key = self._board.any_key(self._chance)
            if key is None:
                self._until_answered(self._fresh_key())
            else:
                self._once(key)

    def _fresh_key(self) -> str:
        self._count += 1
        (mode,) = self._chance.choices(list(MODES), list(MODES.values()))
        key = f"{mode}.{self._doer.name}.{self._count}"
        self._board.write(self._row, self._count, self._chance.choice(keys_of(key)))
        return key

    def _until_answered(self, key: str) -> None:
        refused = 0
        for _ in range(_TRIES):
            outcome = self._once(key)
            refused += isinstance(outcome, _REFUSED)
            is_over = outcome is None or isinstance(outcome, _FINAL) or self._board.is_over
            if is_over or refused > _REFUSALS:
                return
            time.sleep(self._chance.uniform(0, _LONGEST_PAUSE))

    def _once(self, key: str) -> Exception | None:
        """Call once, for one key or many; return what was heard instead of an answer."""
        heard: Exception | None = None
        keys = keys_of(key)
        try:
            if len(keys) > 1:
                for one, said in self._doer.call_many(keys):
                    heard = self._note(one, said) or heard
                return heard
            return self._note(key, self._doer.call(key))
        except Exception as error:  # noqa: BLE001 # the audit judges what is not expected
            return self._note(key, error)

    def _note(self, key: str, said: str | Exception) -> Exception | None:
        journal = self._doer.journal
        if isinstance(said, str):
            journal.answer(key, said)
            return None
        journal.error(_name_of(said))
        if not _is_expected(said, key):
            journal.broken(f"{key}: {said!r}, {_way_of(said)}")
        return said


def _name_of(error: Exception) -> str:
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" {state}" if state else "")


def _way_of(error: Exception) -> str:
    """Say where it came from, as far as a line can."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{Path(one.filename).stem}.{one.name}:{one.lineno}" for one in frames)


def _is_expected(error: Exception, key: str) -> bool:
    mode = key.partition(".")[0]
    if isinstance(error, DBAPIError):
        return mode == HOSTS  # where the host's own statements break
    if isinstance(error, LeaseLostError):
        return mode == RETRYING  # nobody takes anything over elsewhere
    return isinstance(error, (*_AGAIN, *_REFUSED, *_FINAL))
