"""The processes of a round: started, stopped for a while, killed and replaced, and let go."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING

from proof.clients import DRIVERS
from proof.soak.board import Board
from proof.soak.worker import CALLERS, Assignment, work

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path
    from uuid import UUID

# Workers are forked from a process that has imported everything and done nothing else.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["proof.soak.worker"])
_THROUGH_THE_STORM = 0.4
# Longer than any call may take: a result is saved for 20 seconds.
_PATIENCE = 90.0


class Crew:
    """All workers of one round; each place is filled again when its process is killed."""

    def __init__(
        self,
        urls: Sequence[str],
        user_id: UUID,
        folder: Path,
        *,
        places: int,
        chance: random.Random,
        seed: str,
    ) -> None:
        """Prepare; the first of `urls` leads to the server, the second through the storm."""
        self._urls, self._user_id, self._folder = urls, user_id, folder
        self._chance, self._seed = chance, seed
        self._rows = places * CALLERS
        self._path = folder.parent / f"{folder.name}.board"
        self._board = Board.create(self._path, self._rows)
        self._started = 0
        self._workers: list[BaseProcess] = []
        for place in range(places):
            self._workers.append(self._start(place))

    def _start(self, place: int) -> BaseProcess:
        self._started += 1
        driver = self._chance.choice(DRIVERS)
        url = self._urls[self._chance.random() < _THROUGH_THE_STORM]
        assignment = Assignment(
            place=place,
            name=f"w{self._started}",
            driver=driver,
            url=url,
            user_id=self._user_id,
            folder=self._folder,
            board=self._path,
            rows=self._rows,
            seed=self._seed,
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

    def dead(self) -> list[str]:
        """Say which workers have ended that were not told to."""
        return [
            f"a worker ended with {worker.exitcode}"
            for worker in self._workers
            if worker.exitcode is not None
        ]

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
