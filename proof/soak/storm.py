"""A proxy in a process of its own, on whose lines every message may be struck."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from typing import TYPE_CHECKING, Self

from proof.wire.line import KINDS, Strike
from proof.wire.proxy import Proxy

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from types import TracebackType

    from proof.wire.messages import Message

_LONGEST_SECONDS = 0.3
_CONTEXT = multiprocessing.get_context("forkserver")


class Storm:
    """Use as a context manager; `url` leads through it."""

    def __init__(self, url: str, seed: str, likelihood: float) -> None:
        """Strike each message with this likelihood."""
        self._ours, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=_rage, args=(theirs, url, seed, likelihood), daemon=True
        )
        self._process.start()
        self.url: str = self._ours.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    def strikes(self) -> Counter[str]:
        """Count what was struck since it was last asked."""
        self._ours.send(None)
        counted: Counter[str] = self._ours.recv()
        return counted


def _rage(theirs: Connection, url: str, seed: str, likelihood: float) -> None:
    chance = random.Random(seed)  # noqa: S311 # an order, not a secret
    counted: Counter[str] = Counter()

    def judge(_message: Message) -> Strike | None:
        if chance.random() >= likelihood:
            return None
        kind = chance.choice(list(KINDS))
        counted[kind] += 1
        return Strike(kind, chance.uniform(0, _LONGEST_SECONDS))

    with Proxy(url) as proxy:
        proxy.judge = judge
        theirs.send(proxy.url)
        while True:
            theirs.recv()
            theirs.send(Counter(counted))
            counted.clear()
