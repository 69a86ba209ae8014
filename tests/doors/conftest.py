"""A door for each driver."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.doors.handles import DRIVERS, open_door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker import ExecutionTracker
    from tests.doors.handles import Door, Idempotent


class NewDoor(Protocol):
    """Makes a tracker with these settings, closed at the end of the test."""

    def __call__(self, **settings: Any) -> Door: ...


@pytest.fixture(params=DRIVERS)
def door_driver(request: pytest.FixtureRequest) -> str:
    """A kind of tracker and the driver below it."""
    return str(request.param)


@pytest.fixture
def new_door(door_driver: str, database_url: str) -> Iterator[NewDoor]:
    with ExitStack() as opened:

        def make(**settings: Any) -> Door:
            return opened.enter_context(open_door(door_driver, database_url, **settings))

        yield make


@pytest.fixture
def door(new_door: NewDoor) -> Door:
    return new_door()


@pytest.fixture
def idempotent(tracker: ExecutionTracker, user_id: UUID) -> Idempotent:
    return partial(tracker.idempotent, workflow_id="w", user_id=user_id)
