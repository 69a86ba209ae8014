"""The two workflows in a real n8n, where there is one; tried with n8n 1.123.0.

Import examples/n8n/*.json, give their nodes a Header Auth credential `X-N8N-Secret: open-sesame`,
activate them, and set EXEC_TRACKER_N8N_URL to what n8n calls itself (`http://localhost:5678/`). The
workflows call port 8000 of this machine.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from examples.n8n_answers import OFFICE, start
from examples.n8n_asks import make_what_is_asked_for
from tests.examples.serving import lines, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exec_tracker import ExecutionTracker

URL = os.environ.get("EXEC_TRACKER_N8N_URL", "")
PORT = 8000

pytestmark = pytest.mark.skipif(not URL, reason="EXEC_TRACKER_N8N_URL names no n8n")


def eventually(holds: Callable[[], object]) -> None:
    """Wait until something holds, or fail."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(autouse=True)
def url(monkeypatch: pytest.MonkeyPatch, settings: None) -> None:
    monkeypatch.setenv("N8N_URL", URL)


def test_a_workflow_of_n8n_asks_waits_is_woken_and_asks_again(
    tracker: ExecutionTracker, effects: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving("n8n_asks", log, PORT):
        body, headers = json.dumps({"report": "may"}).encode(), {"X-N8N-Secret": "open-sesame"}
        headers["Content-Type"] = "application/json"
        request = urllib.request.Request(URL + "webhook/ask", body, headers)  # noqa: S310 # n8n
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 # as above
        eventually(tracker.list_executions)
        (asked,) = tracker.list_executions()
        time.sleep(2)  # n8n answers before it waits; it is woken once
        make_what_is_asked_for(tracker)
        eventually(lambda: "200 OK" in log.read_text(encoding="utf-8"))
    assert lines(effects) == ["may"]
    assert status_of(tracker, asked.id) == "completed"


def test_a_workflow_of_n8n_is_started_and_calls_back(
    tracker: ExecutionTracker, tmp_path: Path
) -> None:
    tracker.ensure_user(OFFICE)
    with serving("n8n_answers", tmp_path / "log", PORT):
        assert start(tracker, "june") is None
        eventually(lambda: status_of(tracker, "report:june") == "completed")
    assert start(tracker, "june") == {"pages": 12, "report": "june"}


def status_of(tracker: ExecutionTracker, key: str) -> str:
    execution = tracker.get_execution(key)
    assert execution is not None
    return execution.status
