"""Stripe's events reach the receiver, and each has one effect."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from stripe import SignatureVerificationError, WebhookSignature

from examples.webhook_stripe import is_genuine, ship_what_is_paid
from exec_tracker import ExecuteOptions
from tests.examples.serving import Answer, Server, lines, run, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exec_tracker import ExecutionTracker
    from tests.support.database import Database

SECRET = "whsec_loopback"
NOW = 1_700_000_000


def event(number: int = 1, kind: str = "payment_intent.succeeded", **more: Any) -> dict[str, Any]:
    payment = {"id": f"pi_{number}", "amount": 4200, "metadata": {"order": f"order-{number} ü"}}
    return {"id": f"evt_{number}", "type": kind, "data": {"object": payment}, **more}


def signed(payload: str, secret: str = SECRET, stamp: int | None = None) -> str:
    """Sign as Stripe does, by Stripe's own library."""
    stamp = stamp or int(time.time())
    return str(WebhookSignature.generate_signature_header(payload, secret, stamp))


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Server]:
    with serving("webhook_stripe", tmp_path / "log") as server:
        yield server


def deliver(receiver: Server, body: dict[str, Any], **signing: Any) -> Answer:
    payload = json.dumps(body, ensure_ascii=False)
    header = signed(payload, **signing)
    return receiver.post("/stripe", payload.encode(), {"Stripe-Signature": header})


@pytest.mark.parametrize(
    "header",
    [
        signed("{}", stamp=NOW),
        signed("{}", stamp=NOW - 299),
        signed("{}", stamp=NOW - 301),
        signed("{}", stamp=NOW + 3600),
        signed("{}", "whsec_other", NOW),
        signed("{ }", stamp=NOW),
        f"{signed('{}', 'whsec_old', NOW)},{signed('{}', stamp=NOW).split(',')[1]}",
        signed("{}", stamp=NOW).replace("v1=", "v0="),
        signed("{}", stamp=NOW).replace(f"t={NOW}", f"t={NOW + 1}"),
        signed("{}", stamp=NOW).replace(f"t={NOW},", ""),
        signed("{}", stamp=NOW).upper(),
        f"t=soon,{signed('{}', stamp=NOW)}",
        f"t=,v1=,{signed('{}', stamp=NOW)}",
        f"t={NOW}",
        "v1",
        ",,=,",
        "",
    ],
)
def test_what_is_genuine_is_decided_as_stripes_own_library_decides(
    header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    try:
        theirs = WebhookSignature.verify_header("{}", header, SECRET, tolerance=300)
    except SignatureVerificationError:
        theirs = False
    assert is_genuine(b"{}", header, SECRET, NOW) is theirs


def test_a_signature_beyond_ascii_is_refused_where_stripes_library_stumbles() -> None:
    assert not is_genuine(b"{}", f"t={NOW},v1=é", SECRET, NOW)
    assert not is_genuine(b"{}", f"t=²,{signed('{}', stamp=NOW)}", SECRET, NOW)


def test_an_event_delivered_again_and_again_ships_one_parcel(
    receiver: Server, effects: Path, database: Database
) -> None:
    answers = [deliver(receiver, event(pending_webhooks=left)) for left in (3, 2, 1)]
    assert answers == [
        Answer(200, {"event": "noted"}),
        Answer(200, {"event": "known"}),
        Answer(200, {"event": "known"}),
    ]
    assert database.row("stripe:evt_1")["status"] == "pending"
    assert lines(effects) == []
    assert run("webhook_stripe") == "stripe:evt_1 {'shipped': 'order-1 ü'}\n"
    assert run("webhook_stripe") == ""
    assert deliver(receiver, event()).body == {"event": "known"}
    assert run("webhook_stripe") == ""
    assert lines(effects) == ["order-1 ü pi_1"]
    row = database.row("stripe:evt_1")
    assert (row["status"], row["actor"], row["attempt"]) == ("completed", "webhook", 1)


def test_an_event_that_is_not_genuine_leaves_nothing(receiver: Server, database: Database) -> None:
    payload = json.dumps(event())
    answers = [
        deliver(receiver, event(), secret="whsec_other"),
        deliver(receiver, event(), stamp=int(time.time()) - 3600),
        receiver.post("/stripe", payload.encode(), {}),
        receiver.post("/stripe", payload.encode() + b" ", {"Stripe-Signature": signed(payload)}),
    ]
    assert [answer.status for answer in answers] == [400] * 4
    assert database.value("SELECT count(*) FROM workflow_executions") == 0


def test_other_events_are_answered_and_not_noted(receiver: Server, database: Database) -> None:
    assert deliver(receiver, event(kind="charge.updated")) == Answer(200, {"event": "ignored"})
    assert database.value("SELECT count(*) FROM workflow_executions") == 0


def test_a_parcel_that_cannot_be_sent_is_sent_by_a_later_round_and_holds_up_no_other(
    receiver: Server, effects: Path, tracker: ExecutionTracker, database: Database
) -> None:
    for number in (1, 2):
        deliver(receiver, event(number))
    effects.mkdir()
    ship_what_is_paid(tracker)
    rows = database.all("SELECT status, attempt FROM workflow_executions")
    assert rows == [{"status": "failed", "attempt": 1}] * 2
    effects.rmdir()
    ship_what_is_paid(tracker)
    assert len(lines(effects)) == 2


def test_a_parcel_that_nobody_knows_of_is_reported_and_not_sent_again(
    receiver: Server, effects: Path, tracker: ExecutionTracker, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(receiver, event())
    noted = tracker.get_execution("stripe:evt_1")
    assert noted is not None
    options = ExecuteOptions(
        idempotency_key=noted.id,
        workflow_id=noted.workflow_id,
        user_id=noted.user_id,
        parameters=noted.parameters,
    )
    with pytest.raises(TimeoutError), tracker.claim(options, unknown_on=(TimeoutError,)):
        raise TimeoutError
    ship_what_is_paid(tracker)
    assert capsys.readouterr().out == "stripe:evt_1 ExecutionAbandonedError\n"
    assert lines(effects) == []
