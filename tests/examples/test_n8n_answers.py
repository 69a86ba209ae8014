"""A workflow is started once, and what it brings back is stored by another process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest

from examples.n8n_answers import OFFICE, start
from exec_tracker import ExecutionAbandonedError, ExecutionInProgressError, OutcomeUnknownError
from tests.examples.serving import Server, run, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from exec_tracker import ExecutionTracker
    from tests.examples.listening import Listener
    from tests.support.database import Database

SECRET = "open-sesame"


@pytest.fixture
def callbacks(n8n: Listener, tmp_path: Path) -> Iterator[Server]:
    with serving("n8n_answers", tmp_path / "log") as server:
        yield server


@pytest.fixture
def office(tracker: ExecutionTracker) -> ExecutionTracker:
    tracker.ensure_user(OFFICE)
    return tracker


def call_back(server: Server, told: Mapping[str, Any], secret: str = SECRET, **ended: Any) -> int:
    body = {"key": told["key"], "token": told["token"], **ended}
    return server.post("/finished", json.dumps(body).encode(), {"X-N8N-Secret": secret}).status


def test_a_workflow_is_started_once_and_its_result_stored_by_the_process_it_calls(
    callbacks: Server, n8n: Listener, office: ExecutionTracker, database: Database
) -> None:
    assert start(office, "may") is None
    (path, secret, told) = n8n.posted[0]
    assert (path, secret, told["report"]) == ("/webhook/report", SECRET, "may")
    row = database.row("report:may")
    assert (row["status"], row["claim_token"]) == ("running", told["token"])
    with pytest.raises(ExecutionInProgressError):
        start(office, "may")
    answers = [call_back(callbacks, told, result={"pages": 12}) for _ in range(3)]
    assert answers == [200, 200, 200]
    assert call_back(callbacks, told, result={"pages": 13}) == 409
    assert run("n8n_answers", "may") == "{'pages': 12}\n"
    assert len(n8n.posted) == 1


def test_a_workflow_that_calls_back_before_it_has_answered_is_believed(
    callbacks: Server, n8n: Listener, office: ExecutionTracker
) -> None:
    answers: list[int] = []

    def at_once(told: dict[str, Any]) -> int:
        answers.append(call_back(callbacks, told, result={"pages": 1}))
        return 200

    n8n.answer = at_once
    assert start(office, "may") is None
    assert answers == [200]
    assert start(office, "may") == {"pages": 1}


def test_a_workflow_that_failed_may_be_started_again_and_the_first_calls_back_in_vain(
    callbacks: Server, n8n: Listener, office: ExecutionTracker, database: Database
) -> None:
    start(office, "may")
    first = n8n.posted[0][2]
    assert call_back(callbacks, first, error="the spreadsheet is locked") == 200
    assert database.row("report:may")["error_message"] == "the spreadsheet is locked"
    start(office, "may")
    second = n8n.posted[1][2]
    assert second["token"] != first["token"]
    assert call_back(callbacks, first, result="late") == 409
    assert call_back(callbacks, second, result="in time") == 200
    assert database.row("report:may")["result"] == "in time"


@pytest.mark.parametrize("status", [0, 500, 504])
def test_where_nobody_knows_whether_n8n_began_it_is_not_told_again_but_may_call_back(
    callbacks: Server,
    n8n: Listener,
    office: ExecutionTracker,
    database: Database,
    status: int,
) -> None:
    n8n.answer = lambda _: status
    with pytest.raises((OutcomeUnknownError, ConnectionError)):
        start(office, "may")
    with pytest.raises(ExecutionAbandonedError):
        start(office, "may")
    assert len(n8n.posted) == 1
    assert call_back(callbacks, n8n.posted[0][2], result="it had") == 200
    assert database.row("report:may")["result"] == "it had"


def test_where_n8n_refuses_it_may_be_told_again(
    n8n: Listener, office: ExecutionTracker, database: Database
) -> None:
    n8n.answer = lambda _: 404
    with pytest.raises(HTTPError, match="404"):
        start(office, "may")
    n8n.answer = lambda _: 200
    assert start(office, "may") is None
    assert database.row("report:may")["attempt"] == 2


def test_whoever_does_not_know_the_secret_ends_nothing(
    callbacks: Server, n8n: Listener, office: ExecutionTracker, database: Database
) -> None:
    start(office, "may")
    told = n8n.posted[0][2]
    assert call_back(callbacks, told, "guessed", result="forged") == 401
    assert call_back(callbacks, {**told, "key": "report:june"}, result="forged") == 404
    assert database.row("report:may")["status"] == "running"
