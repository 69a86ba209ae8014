"""A workflow asks, waits, and is woken by another process with what was made once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from examples.n8n_asks import make_what_is_asked_for
from tests.examples.serving import Answer, Server, lines, run, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exec_tracker import ExecutionTracker
    from tests.examples.listening import Listener
    from tests.support.database import Database

SECRET = "open-sesame"
MADE = {"text": "all is well", "report": "may"}  # in the order that JSONB keeps


@pytest.fixture
def asked(n8n: Listener, tmp_path: Path) -> Iterator[Server]:
    with serving("n8n_asks", tmp_path / "log") as server:
        yield server


def ask(server: Server, n8n: Listener, secret: str = SECRET, **changed: Any) -> Answer:
    body = {
        "execution": "7042",
        "resume": f"{n8n.url}webhook-waiting/7042?signature=5f",
        "report": "may",
        **changed,
    }
    return server.post("/reports", json.dumps(body).encode(), {"X-N8N-Secret": secret})


def test_a_workflow_that_asks_twice_gets_one_report_and_is_woken_with_it(
    asked: Server, n8n: Listener, effects: Path
) -> None:
    pending = Answer(202, {"status": "pending", "result": None})
    assert [ask(asked, n8n), ask(asked, n8n)] == [pending, pending]
    assert run("n8n_asks") == f"n8n:7042:report {MADE}\n"
    path, secret, body = n8n.posted.pop()
    assert (path, secret) == ("/webhook-waiting/7042?signature=5f", SECRET)
    assert body == {"status": "completed", "result": MADE}
    assert ask(asked, n8n) == Answer(200, {"status": "completed", "result": MADE})
    assert run("n8n_asks") == ""
    assert (lines(effects), n8n.posted) == (["may"], [])


def test_a_workflow_that_was_not_woken_asks_again_and_is_told(
    asked: Server, n8n: Listener, effects: Path, tracker: ExecutionTracker
) -> None:
    n8n.answer = lambda _: 409
    ask(asked, n8n)
    make_what_is_asked_for(tracker)
    assert ask(asked, n8n) == Answer(200, {"status": "completed", "result": MADE})
    assert (lines(effects), len(n8n.posted)) == (["may"], 1)


def test_another_execution_of_the_workflow_gets_a_report_of_its_own(
    asked: Server, n8n: Listener, effects: Path, tracker: ExecutionTracker
) -> None:
    for execution in ("7042", "7043"):
        ask(asked, n8n, execution=execution)
    make_what_is_asked_for(tracker)
    assert lines(effects) == ["may", "may"]


def test_whoever_does_not_know_the_secret_is_refused(
    asked: Server, n8n: Listener, database: Database
) -> None:
    assert [ask(asked, n8n, secret).status for secret in ("", "open", "é")] == [401] * 3
    assert database.value("SELECT count(*) FROM workflow_executions") == 0


def test_nobody_is_woken_but_n8n(asked: Server, n8n: Listener, database: Database) -> None:
    elsewhere = n8n.url.replace("127.0.0.1", "127.0.0.1.example")
    assert ask(asked, n8n, resume=f"{elsewhere}webhook-waiting/1").status == 400
    assert database.value("SELECT count(*) FROM workflow_executions") == 0
