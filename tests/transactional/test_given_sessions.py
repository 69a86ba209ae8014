"""What may be passed as session=."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from exec_tracker import (
    ConfigurationError,
    ExecutionTracker,
    TransactionControlError,
    normalise_url,
)
from tests.support.executors import options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(normalise_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE writes (n integer)"))
    yield engine
    engine.dispose()


def write(session: Session) -> int:
    session.execute(text("INSERT INTO writes VALUES (1)"))
    return 1


def written(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM writes")).scalar_one())


def test_a_scoped_session_is_the_session_behind_it(
    tracker: ExecutionTracker, engine: Engine, user_id: UUID
) -> None:
    scoped = scoped_session(sessionmaker(engine))
    given: Any = scoped
    assert tracker.execute_in_transaction(options("k", user_id), write, session=given) == 1
    scoped.commit()
    with tracker.transaction(options("k2", user_id), session=given) as block:
        write(block.session)
    scoped.commit()
    scoped.remove()
    assert written(engine) == 2
    execution = tracker.get_execution("k")
    assert execution is not None
    assert execution.status == "completed"


def test_what_is_no_session_is_refused_before_anything_is_sent(
    tracker: ExecutionTracker, engine: Engine, user_id: UUID
) -> None:
    with engine.connect() as connection:
        wrong: list[Any] = ["x", sessionmaker(engine), connection, engine, Session()]
        wrong.append(Session(create_engine("sqlite://")))
        for session in wrong:
            with pytest.raises(ConfigurationError, match="session"):
                tracker.execute_in_transaction(options("k", user_id), write, session=session)
    assert tracker.get_execution("k") is None
    assert written(engine) == 0


def test_a_commit_below_the_session_is_refused(
    tracker: ExecutionTracker, engine: Engine, user_id: UUID
) -> None:
    def sneak(session: Session) -> None:
        write(session)
        session.connection().commit()

    with pytest.raises(TransactionControlError):
        tracker.execute_in_transaction(options("k", user_id), sneak)
    assert written(engine) == 0


def test_a_commit_sent_as_text_leaves_a_claim_that_is_found_abandoned(
    tracker: ExecutionTracker, engine: Engine, user_id: UUID
) -> None:
    def sneak(session: Session) -> None:
        write(session)
        session.execute(text("COMMIT"))

    with pytest.raises(Exception, match=r"(?i)savepoint|transaction"):
        tracker.execute_in_transaction(options("k", user_id), sneak)
    execution = tracker.get_execution("k")
    assert execution is not None
    assert execution.lease_expires_at is not None
