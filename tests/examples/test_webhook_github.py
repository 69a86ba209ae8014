"""GitHub's deliveries reach the receiver, and each has one effect."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from examples.webhook_github import build_one, is_genuine
from exec_tracker import ExecutionTracker
from tests.examples.serving import Answer, Server, lines, run, serving
from tests.support.deliveries import chosen_file, read_deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.database import Database

SECRET = "It's a Secret to Everybody"
PUSH = {"repository": {"full_name": "ada/engine"}, "after": "c0ffee"}


def deliver(
    receiver: Server,
    payload: Any,
    delivery: object = None,
    kind: str = "push",
    secret: str = SECRET,
) -> Answer:
    """Deliver as GitHub does; openssl signs, so that no code of ours judges itself."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    sign = ["openssl", "dgst", "-sha256", "-hmac", secret, "-hex"]
    signature = subprocess.run(sign, input=body, capture_output=True, check=True).stdout.split()[-1]
    headers = {
        "X-GitHub-Event": kind,
        "X-GitHub-Delivery": str(delivery or uuid4()),
        "X-Hub-Signature-256": f"sha256={signature.decode()}",
    }
    return receiver.post("/github", body, headers)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Server]:
    with serving("webhook_github", tmp_path / "log") as server:
        yield server


def test_the_signature_in_githubs_documentation_is_genuine() -> None:
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert is_genuine(b"Hello, World!", f"sha256={digest}", SECRET)
    for header in (digest, f"sha1={digest}", f"sha256={digest[:-1]}", "sha256=", "é", ""):
        assert not is_genuine(b"Hello, World!", header, SECRET)
    assert not is_genuine(b"Hello, World.", f"sha256={digest}", SECRET)
    assert not is_genuine(b"Hello, World!", f"sha256={digest}", "another")


def test_a_delivery_delivered_again_builds_once(
    receiver: Server, effects: Path, database: Database
) -> None:
    delivery = uuid4()
    key = f"github:{delivery}"
    answers = [deliver(receiver, PUSH, delivery) for _ in range(3)]
    assert [answer.status for answer in answers] == [202] * 3
    assert [answer.body["delivery"] for answer in answers] == ["noted", "known", "known"]
    assert run("webhook_github") == f"{key} {{'built': 'c0ffee'}}\n"
    assert deliver(receiver, PUSH, delivery).body == {"delivery": "known"}
    assert run("webhook_github") == ""
    assert lines(effects) == ["ada/engine c0ffee"]
    row = database.row(key)
    assert (row["status"], row["result"]) == ("completed", {"built": "c0ffee"})


def test_builders_that_run_at_once_build_each_push_once(
    receiver: Server, effects: Path, database: Database
) -> None:
    for number in range(3):
        deliver(receiver, {**PUSH, "after": f"commit-{number}"})

    def build_another() -> None:
        with ExecutionTracker(database.url) as tracker:
            build_one(tracker)

    with ThreadPoolExecutor(4) as threads:
        for started in [threads.submit(build_another) for _ in range(4)]:
            started.result()
    assert sorted(lines(effects)) == [f"ada/engine commit-{number}" for number in range(3)]
    assert database.all("SELECT DISTINCT status, attempt FROM workflow_executions") == [
        {"status": "completed", "attempt": 1}
    ]


def test_a_build_that_fails_is_told_and_waits_for_somebody_to_decide(
    receiver: Server, effects: Path, database: Database, tracker: ExecutionTracker
) -> None:
    delivery = uuid4()
    deliver(receiver, PUSH, delivery)
    effects.mkdir()
    with pytest.raises(IsADirectoryError):
        build_one(tracker)
    effects.rmdir()
    row = database.row(f"github:{delivery}")
    assert (row["status"], "Is a directory" in row["error_message"]) == ("failed", True)
    build_one(tracker)
    assert lines(effects) == []
    tracker.reset(row["id"])
    build_one(tracker)
    assert lines(effects) == ["ada/engine c0ffee"]


def test_a_delivery_that_is_not_genuine_leaves_nothing(
    receiver: Server, database: Database
) -> None:
    assert deliver(receiver, PUSH, secret="another").status == 401
    unsigned = {"X-GitHub-Event": "push", "X-GitHub-Delivery": str(uuid4())}
    assert receiver.post("/github", json.dumps(PUSH).encode(), unsigned).status == 401
    assert database.value("SELECT count(*) FROM workflow_executions") == 0


def test_all_deliveries_of_a_file_are_answered_and_pushes_noted_under_their_ids(
    receiver: Server, database: Database
) -> None:
    kept = []
    deliveries = read_deliveries(chosen_file())
    for one in deliveries if chosen_file() else deliveries[:40]:
        payload = {**PUSH, **one["payload"]}
        answer = deliver(receiver, payload, one["delivery"], one["event"])
        noted = one["event"] == "push"
        assert answer == Answer(202, {"delivery": "noted" if noted else "ignored"})
        kept += [f"github:{UUID(one['delivery'])}"] if noted else []
    rows = database.all("SELECT id FROM workflow_executions")
    assert sorted(row["id"] for row in rows) == sorted(kept)
