"""One world per test, on a database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with World(database_url).open() as world:
        yield world
