"""What is kept of an exception: little on the row, all of it in the history."""

from __future__ import annotations

import pytest

from exec_tracker.errors import (
    IllegalTransitionError,
    MigrationRequiredError,
    StorageError,
    TransientStorageError,
    UnknownUserError,
)
from exec_tracker.failures import MAX_TEXT, failure_from_text, failure_of, storable_text
from exec_tracker.sqlstates import is_unstorable, translate, translate_connect


class BrokenError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def raised(error: Exception) -> Exception:
    try:
        raise error  # noqa: TRY301 # it needs a traceback
    except Exception as exc:  # noqa: BLE001 # any
        return exc


def test_the_row_names_the_error_and_the_history_tells_where_it_came_from() -> None:
    error = raised(ValueError("outer"))
    error.__cause__ = KeyError("inner")
    failure = failure_of(error, retryable=True)
    assert failure.message == "outer"
    assert failure.error == {"type": "ValueError", "retryable": True, "outcome_unknown": False}
    assert "test_failures.py" in failure.history["traceback"]
    assert failure.history["causes"] == [{"type": "KeyError", "message": "'inner'"}]
    assert "traceback" not in failure.error


def test_an_error_without_a_message_is_named_by_its_type() -> None:
    assert failure_of(raised(ValueError()), retryable=True).message == "ValueError"


def test_an_error_that_cannot_be_printed_is_recorded_all_the_same() -> None:
    failure = failure_of(raised(BrokenError()), retryable=False)
    assert "RuntimeError" in failure.message
    assert failure.error["type"].endswith("BrokenError")


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "é", ""])
def test_any_text_becomes_storable(text: str) -> None:
    clean = storable_text(text)
    assert "\0" not in clean
    clean.encode()


def test_long_texts_are_cut_with_a_mark() -> None:
    clean = storable_text("x" * (MAX_TEXT + 5))
    assert clean.endswith("[5 more characters]")
    assert len(clean) < MAX_TEXT + 50


def test_chains_that_go_in_circles_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert len(failure_of(one, retryable=True).history["causes"]) < 20


@pytest.mark.parametrize(("unknown", "outcome"), [(True, "abandoned"), (False, "failed")])
def test_an_unknown_outcome_is_an_abandoned_attempt(*, unknown: bool, outcome: str) -> None:
    failure = failure_of(ValueError(), retryable=False, outcome_unknown=unknown)
    assert failure.outcome == outcome


def test_a_callers_text_is_a_failure_too() -> None:
    failure = failure_from_text("bank\0closed", retryable=False)
    assert failure.message == r"bank\x00closed"
    assert failure.error["retryable"] is False


class DriverError(Exception):
    def __init__(self, sqlstate: str | None, constraint: str | None = None) -> None:
        super().__init__("what the driver said\nand more")
        self.sqlstate = sqlstate
        self.constraint_name = constraint


@pytest.mark.parametrize(
    ("sqlstate", "kind", "in_doubt"),
    [
        (None, TransientStorageError, True),
        ("08006", TransientStorageError, True),
        ("57P01", TransientStorageError, True),
        ("25P03", TransientStorageError, True),
        ("25P04", TransientStorageError, True),
        ("57014", TransientStorageError, False),
        ("53300", TransientStorageError, False),
        ("40001", TransientStorageError, False),
        ("40P01", TransientStorageError, False),
        ("55P03", TransientStorageError, False),
        ("25006", StorageError, False),
        ("42501", StorageError, False),
        ("22P05", StorageError, False),
        ("42P01", MigrationRequiredError, None),
        ("42703", MigrationRequiredError, None),
        ("ET001", IllegalTransitionError, None),
        ("23503", StorageError, False),
    ],
)
def test_a_servers_answer_is_translated_by_its_state(
    sqlstate: str | None, kind: type[Exception], *, in_doubt: bool | None
) -> None:
    error = translate(DriverError(sqlstate))
    assert type(error) is kind
    if isinstance(error, StorageError):
        assert (error.in_doubt, error.sqlstate) == (in_doubt, sqlstate)
    assert "and more" not in str(error)


def test_a_missing_user_is_known_by_the_constraints_name() -> None:
    error = translate(DriverError("23503", "workflow_executions_user_id_fkey"))
    assert isinstance(error, UnknownUserError)
    assert not isinstance(translate(DriverError("23503", "other")), UnknownUserError)


@pytest.mark.parametrize(
    ("sqlstate", "refused"), [("22P05", True), ("54000", True), ("23514", False)]
)
def test_a_value_that_the_server_refuses_would_be_refused_again(
    sqlstate: str, *, refused: bool
) -> None:
    assert is_unstorable(StorageError(sqlstate=sqlstate)) is refused


@pytest.mark.parametrize(
    ("words", "sqlstate"),
    [
        ('connection to server failed: FATAL:  password authentication failed for "me"', "28P01"),
        ("connection failed: fe_sendauth: no password supplied", "28P01"),
        ('FATAL:  Peer authentication failed for user "me"', "28000"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "me"', "28000"),
        ('FATAL:  role "me" does not exist', "28000"),
        ('FATAL:  role "me" is not permitted to log in', "28000"),
        ('FATAL:  database "mine" does not exist', "3D000"),
        ('FATAL:  permission denied for database "mine"', "42501"),
    ],
)
def test_a_refused_connection_is_known_by_its_words_where_there_is_no_state(
    words: str, sqlstate: str
) -> None:
    error = translate_connect(RuntimeError(words))
    assert (type(error), error.sqlstate, error.in_doubt) == (StorageError, sqlstate, False)


@pytest.mark.parametrize("state", ["28000", "28P01", "3D000", "42501"])
def test_a_refused_connection_is_known_by_its_state_whatever_the_words(state: str) -> None:
    assert type(translate_connect(DriverError(state))) is StorageError


@pytest.mark.parametrize(
    "words",
    [
        "connection to server failed: Connection refused",
        "FATAL:  sorry, too many clients already",
        "FATAL:  the database system is starting up",
        "FATAL:  Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen",
    ],
)
def test_any_other_failure_to_connect_may_pass(words: str) -> None:
    assert type(translate_connect(RuntimeError(words))) is TransientStorageError


def test_what_is_missing_is_said_with_where_it_was_looked_for() -> None:
    error = translate(DriverError("42P01"), "app")
    assert "In schema 'app'" in str(error)
    assert "exec-tracker db upgrade --schema app" in str(error)
    assert "give schema=" in str(translate(DriverError("42P01")))
