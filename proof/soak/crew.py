"""The processes of a round: started, stopped for a while, killed and replaced, and let go."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proof.clients import DRIVERS
from proof.soak.board import Board
from proof.soak.worker import CALLERS, Assignment, work

if TYPE_CHECKING:
    import random
    from multiprocessing.process import BaseProcess
    from pathlib import Path
    from uuid import UUID

# Workers are forked from a process that has imported everything and done nothing else.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["proof.soak.worker"])
_THROUGH_THE_STORM = 0.4
# Of ten workers, in the order of DRIVERS: more of those that do more in the same time.
_SHARES = (2, 1, 2, 2, 1, 2)
assert len(_SHARES) == len(DRIVERS)
# Longer than any call may take: a result is saved for 20 seconds.
_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What every worker of a round is told; the second of `urls` leads through the storm."""

    urls: tuple[str, str]
    user_id: UUID
    folder: Path
    seed: str


class Crew:
    """All workers of one round; each place is filled again when its process is killed."""

    def __init__(self, orders: Orders, places: int, chance: random.Random) -> None:
        """Start them all."""
        self._orders, self._chance = orders, chance
        self._rows = places * CALLERS
        self._path = orders.folder.parent / f"{orders.folder.name}.board"
        self._board = Board.create(self._path, self._rows)
        self._started = 0
        self._workers: list[BaseProcess] = []
        for place in range(places):
            self._workers.append(self._start(place))

    def _start(self, place: int) -> BaseProcess:
        self._started += 1
        (driver,) = self._chance.choices(DRIVERS, _SHARES)
        assignment = Assignment(
            place=place,
            name=f"w{self._started}",
            driver=driver,
            url=self._orders.urls[self._chance.random() < _THROUGH_THE_STORM],
            user_id=self._orders.user_id,
            folder=self._orders.folder,
            board=self._path,
            rows=self._rows,
            seed=self._orders.seed,
        )
        worker = _CONTEXT.Process(target=work, args=(assignment,), daemon=True)
        worker.start()
        return worker

    def kill_one(self) -> None:
        """Kill a worker at whatever it does, and have another one in its place."""
        place = self._chance.randrange(len(self._workers))
        self._workers[place].kill()
        self._workers[place].join()
        self._workers[place] = self._start(place)

    def stop_one(self, seconds: float) -> None:
        """Stop a worker for a while, as a machine that is paused does; it does not notice."""
        worker = self._chance.choice(self._workers)
        if worker.pid is None or worker.exitcode is not None:
            return
        os.kill(worker.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(worker.pid, signal.SIGCONT)

    def end(self) -> list[str]:
        """Let everybody finish what they are at; say who did not."""
        self._board.end()
        problems = []
        deadline = time.monotonic() + _PATIENCE
        for worker in self._workers:
            worker.join(max(deadline - time.monotonic(), 0.0))
            if worker.exitcode != 0:
                problems.append(f"a worker did not come to its end: {worker.exitcode}")
                worker.kill()
                worker.join()
        self._path.unlink()
        return problems
