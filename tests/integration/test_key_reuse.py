"""A key belongs to one request; another request under it is refused and learns nothing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine import make_url

from exec_tracker import ExecutionExistsError, IdempotencyKeyReusedError, KeyScope
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import NewSubject, Running
    from tests.support.subjects import Subject

SECRET = "4242-4242"


def refusal(subject: Subject, asked: Any, **settings: Any) -> IdempotencyKeyReusedError:
    calls = Calls()
    with pytest.raises(IdempotencyKeyReusedError) as caught:
        subject.execute(asked, calls, **settings)
    assert calls.count == 0
    return caught.value


def test_another_user_is_refused_and_shown_nothing(
    subject: Subject, user_id: UUID, other_user_id: UUID
) -> None:
    first = options("k", user_id, workflow_id="hidden-flow", parameters={"card": SECRET})
    subject.execute(first, Calls(SECRET))
    error = refusal(subject, options("k", other_user_id))
    shown = f"{error} {vars(error)} {error.__cause__} {error.__context__}"
    assert error.differs is None
    for secret in (SECRET, str(user_id), "hidden-flow", "completed"):
        assert secret not in shown


def test_another_workflow_is_refused(subject: Subject, user_id: UUID) -> None:
    subject.execute(options("k", user_id), Calls())
    assert refusal(subject, options("k", user_id, workflow_id="other")).differs == "workflow_id"


def test_other_parameters_are_refused(subject: Subject, user_id: UUID) -> None:
    subject.execute(options("k", user_id, parameters={"amount": 1}), Calls())
    error = refusal(subject, options("k", user_id, parameters={"amount": 2}))
    assert error.differs == "parameters"


def test_other_parameters_are_refused_while_the_first_is_running(
    subject: Subject, user_id: UUID, running: Running
) -> None:
    running(subject, options("k", user_id, parameters={"amount": 1}))
    other = options("k", user_id, parameters={"amount": 2})
    assert refusal(subject, other, on_running="wait").differs == "parameters"


def test_other_parameters_are_refused_on_a_retry_after_a_failure(
    subject: Subject, user_id: UUID
) -> None:
    with pytest.raises(ValueError, match="no"):
        subject.execute(
            options("k", user_id, parameters={"amount": 1}), Calls(raises=ValueError("no"))
        )
    other = options("k", user_id, parameters={"amount": 2})
    assert refusal(subject, other).differs == "parameters"


def test_other_parameters_are_refused_when_an_abandoned_execution_is_taken_over(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "running", fingerprint="v1:else", lease_expires_at="2020-01-01")
    assert refusal(subject, options("k", user_id), on_abandoned="retry").differs == "parameters"


def test_other_parameters_are_refused_after_a_reset(subject: Subject, user_id: UUID) -> None:
    first = options("k", user_id, parameters={"amount": 1})
    with pytest.raises(ValueError, match="no"):
        subject.execute(first, Calls(raises=ValueError("no")))
    subject.reset("k")
    other = options("k", user_id, parameters={"amount": 2})
    assert refusal(subject, other).differs == "parameters"


def test_parameters_that_do_not_identify_the_request_may_change(
    subject: Subject, user_id: UUID
) -> None:
    def at(sent: int) -> Any:
        parameters = {"order": 7, "sent": sent}
        return options("k", user_id, parameters=parameters, fingerprint_fields={"order"})

    subject.execute(at(1), Calls("first"))
    assert subject.execute_idempotent(at(2), Calls("second")) == "first"


def test_redacted_parameters_are_not_stored_and_still_count(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    def pay(card: str) -> Any:
        parameters = {"card": card, "amount": 1}
        return options("k", user_id, parameters=parameters, redacted_fields={"card"})

    subject.execute(pay(SECRET), Calls())
    assert database.row("k")["parameters"] == {"amount": 1}
    assert SECRET not in str(database.row("k"))
    assert refusal(subject, pay("4000-0000")).differs == "parameters"


def test_a_fingerprint_key_makes_another_digest(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    new_subject().execute(options("plain", user_id, parameters={"card": SECRET}), Calls())
    keyed = new_subject(fingerprint_key=b"pepper")
    keyed.execute(options("keyed", user_id, parameters={"card": SECRET}), Calls())
    plain = database.row("plain")["fingerprint"]
    assert database.row("keyed")["fingerprint"] != plain
    assert keyed.execute(options("keyed", user_id, parameters={"card": SECRET}), Calls()).cached


def test_keys_in_user_scope_do_not_meet(
    subject: Subject, user_id: UUID, other_user_id: UUID
) -> None:
    for user in (user_id, other_user_id):
        asked = options("k", user, key_scope=KeyScope.USER)
        assert subject.execute(asked, Calls(str(user))).cached is False
        assert subject.execute_idempotent(asked, Calls()) == str(user)


def test_creating_an_execution_twice_shows_it_to_its_own_user_only(
    subject: Subject, user_id: UUID, other_user_id: UUID
) -> None:
    subject.create_execution(options("k", user_id))
    with pytest.raises(ExecutionExistsError) as mine:
        subject.create_execution(options("k", user_id))
    with pytest.raises(ExecutionExistsError) as theirs:
        subject.create_execution(options("k", other_user_id))
    assert mine.value.execution is not None
    assert mine.value.execution.id == "k"
    assert theirs.value.execution is None


@pytest.fixture
def tenant(database: Database, other_user_id: UUID) -> Iterator[str]:
    """Make a role that may do everything with one user's rows, and return its URL."""
    name = f"exec_tracker_tenant_{secrets.token_hex(4)}"
    database.run(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    for what in ("ALL ON ALL TABLES", "EXECUTE ON ALL FUNCTIONS", "ALL ON ALL SEQUENCES"):
        database.run(f"GRANT {what} IN SCHEMA public TO {name}")
    for action, clause in (("INSERT", "WITH CHECK"), ("SELECT", "USING"), ("UPDATE", "USING")):
        database.run(
            f"CREATE POLICY own_{action} ON workflow_executions FOR {action} "
            f"TO {name} {clause} (user_id = '{other_user_id}')"
        )
    url = make_url(database.url).set(username=name, password=name)
    yield url.render_as_string(hide_password=False)
    # Roles belong to the server, which may be somebody's.
    database.run(f"DROP OWNED BY {name}")
    database.run(f"DROP ROLE {name}")


def test_a_row_hidden_by_row_security_is_an_opaque_conflict(
    new_subject: NewSubject, tenant: str, user_id: UUID, other_user_id: UUID
) -> None:
    new_subject().execute(options("k", user_id), Calls(SECRET))
    subject = new_subject(tenant)
    assert subject.execute(options("free", other_user_id), Calls()).cached is False
    error = refusal(subject, options("k", other_user_id))
    assert SECRET not in f"{error} {vars(error)}"
