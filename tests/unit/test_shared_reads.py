"""What waiters share is an answer, never the lack of one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from exec_tracker import TransientStorageError
from exec_tracker.aio.polling import AsyncSharedReads
from exec_tracker.polling import SharedReads


def test_a_read_that_failed_is_no_answer_for_others() -> None:
    answers: list[Any] = [TransientStorageError(), "seen"]

    def read(_key: str) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    reads = SharedReads(read)
    with pytest.raises(TransientStorageError):
        reads.read("k", 60.0)
    answer: Any = reads.read("k", 60.0)
    assert answer == "seen"


async def test_a_waiter_that_is_cancelled_leaves_no_answer_behind() -> None:
    stuck = asyncio.Event()
    calls = 0

    async def read(_key: str) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            await stuck.wait()
        return "seen"

    reads = AsyncSharedReads(read)
    first = asyncio.create_task(reads.read("k", 60.0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(reads.read("k", 60.0)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    answers: list[Any] = await asyncio.gather(*others)
    assert answers == ["seen"] * 3
    assert calls == 2
