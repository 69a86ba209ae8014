"""What the pages promise and no other folder tests."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from exec_tracker import (
    ExecuteOptions,
    ExecutionAbandonedError,
    ExecutionTracker,
    StorageError,
    migrations,
)
from tests.docs.pages import ROOT, page

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.embedded import EmbeddedPostgres


def options(key: str, user_id: UUID) -> ExecuteOptions:
    return ExecuteOptions(idempotency_key=key, workflow_id="w", user_id=user_id)


@pytest.mark.slow
def test_a_result_that_cannot_be_saved_reaches_the_caller_and_is_not_run_again(
    crashable_postgres: EmbeddedPostgres,
) -> None:
    migrations.upgrade(crashable_postgres.url)
    asked = options("k", uuid4())
    lease = timedelta(seconds=0.2)
    with ExecutionTracker(crashable_postgres.url, lease=lease) as tracker:
        tracker.ensure_user(asked.user_id)

        def effect() -> str:
            crashable_postgres.kill()
            return "paid"

        with pytest.raises(StorageError) as caught:
            tracker.execute(asked, effect, save_timeout=timedelta(seconds=0.1))
        assert caught.value.result == "paid"
        crashable_postgres.start()
        with pytest.raises(ExecutionAbandonedError):
            tracker.execute(asked, effect, on_running="wait")


def test_an_effect_elsewhere_repeats_when_the_transaction_is_rolled_back(
    database_url: str, user_id: UUID
) -> None:
    sent: list[str] = []

    def mail(_session: Session) -> str:
        sent.append("mail")
        return "sent"

    engine = create_engine(make_url(database_url))
    tracker = ExecutionTracker(engine)
    for _ in range(2):
        with Session(engine) as session:
            tracker.execute_in_transaction(options("k", user_id), mail, session=session)
            session.rollback()
    assert sent == ["mail", "mail"]
    assert tracker.get_execution("k") is None
    tracker.close()
    engine.dispose()


def test_the_trackers_own_psycopg_engine_prepares_no_statement(
    database_url: str, user_id: UUID
) -> None:
    def prepared(session: Session) -> Any:
        return session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))

    url = make_url(database_url).set(drivername="postgresql+psycopg")
    with ExecutionTracker(url) as tracker:
        for _ in range(10):  # psycopg prepares what it has seen five times
            tracker.execute(options("k", user_id), lambda: 1)
            tracker.get_execution("k")
        assert tracker.execute_in_transaction(options("count", user_id), prepared) == 0


def test_the_readmes_example_is_short_and_prints_what_it_says() -> None:
    example = next(one for one in page(ROOT / "README.md").blocks if one.language == "python")
    assert len(example.text.splitlines()) <= 15
    done = subprocess.run(
        [sys.executable, "-c", example.text], capture_output=True, text=True, check=False
    )
    result = "{'charge': 'ch_1'}"
    assert done.stdout.splitlines() == ["charging the card", result, result], done.stderr
