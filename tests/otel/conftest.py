"""A tracker of each kind, and telemetry that is recorded in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.otel.recorded import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject


@pytest.fixture(params=["sync-psycopg2", "async-asyncpg"])
def driver(request: pytest.FixtureRequest) -> str:
    """One tracker of each kind: nothing here depends on the driver."""
    return str(request.param)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.close()


@pytest.fixture
def watched(new_subject: NewSubject, telemetry: Telemetry) -> Subject:
    """A tracker that is traced and measured."""
    subject = new_subject()
    telemetry.attach(subject.tracker)
    return subject
