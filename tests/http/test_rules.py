"""The rules apart from any server: what is the same request, what is final, what is stored."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_tracker import (
    ConfigurationError,
    ExecTrackerError,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    KeyScope,
    MigrationRequiredError,
    OutcomeUnknownError,
    ResultErasedError,
    StorageError,
    TransientStorageError,
    UnknownUserError,
)
from exec_tracker.fingerprint import fingerprint
from exec_tracker.integrations.http import (
    HttpRequest,
    IdempotencyPolicy,
    StoredResponse,
    is_final,
    json_request,
)
from exec_tracker.integrations.http.deciding import (
    Completed,
    Failed,
    NotFinalError,
    ending_of,
    refusal_of,
)
from exec_tracker.integrations.http.identifying import options_of
from exec_tracker.integrations.http.problems import PROBLEMS
from exec_tracker.integrations.http.routes import PolicyTable
from exec_tracker.integrations.http.stored import replay

if TYPE_CHECKING:
    from exec_tracker.integrations.http.messages import HttpResponse

POLICY = IdempotencyPolicy()
BY_JSON = IdempotencyPolicy(identify=json_request)
USER = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")


def print_of(policy: IdempotencyPolicy = POLICY, **request: Any) -> str:
    """Return a request's fingerprint."""
    asked = HttpRequest(**{"method": "POST", "path": "/", **request})
    return fingerprint(options_of(policy, asked, "k", USER).canonical)


def told(response: HttpResponse | None) -> tuple[int, str, str | None]:
    """Return a problem's status, name and Retry-After."""
    assert response is not None
    name = json.loads(response.body)["type"].rpartition("#")[2]
    return response.status, name, dict(response.headers).get("retry-after")


def test_method_path_query_and_body_identify_a_request() -> None:
    requests: list[dict[str, Any]] = [
        {}, {"method": "PATCH"}, {"path": "/a"}, {"query": "a"}, {"body": b"a"},
    ]  # fmt: skip
    assert len({print_of(**one) for one in requests}) == len(requests)
    assert print_of() == print_of(method="post", headers={"date": "now"})


def test_json_requests_differ_by_what_they_say() -> None:
    same = [b'{"a": 1, "b": [1.0]}', b'{"b":[1],"a":1}']
    assert len({print_of(BY_JSON, body=one) for one in same}) == 1
    others = [b'{"a": 1}', b'{"a": true}', b'{"a": "1"}', b"[]", b"", b"\xff", b"{", b"nan"]
    assert len({print_of(BY_JSON, body=one) for one in others}) == len(others)


@pytest.mark.parametrize(
    "body",
    [b'"\\u0000"', b'"\\ud800"', b"1e400", b"NaN", b"[" * 100_000, b"9" * 5_000, b'{"\\u0000":1}'],
)
def test_json_that_postgresql_could_not_hold_identifies_a_request_too(body: bytes) -> None:
    assert print_of(BY_JSON, body=body) != print_of(BY_JSON, body=b"")


@given(path=st.text(), query=st.text(st.characters(max_codepoint=255)), body=st.binary())
def test_any_target_and_body_can_be_identified(path: str, query: str, body: bytes) -> None:
    for policy in (POLICY, BY_JSON):
        assert print_of(policy, path=path, query=query, body=body).startswith("v1:")


def test_fields_of_the_callers_choice_identify_a_request_and_are_not_stored() -> None:
    policy = IdempotencyPolicy(identify=lambda asked: {"cents": json.loads(asked.body)["cents"]})
    one = options_of(policy, HttpRequest("POST", "/a", body=b'{"cents": 1, "at": 2}'), "k", USER)
    assert one.parameters_json == "{}"
    assert one.execution_id == f"{USER}:k"
    assert print_of(policy, body=b'{"cents": 1}') == fingerprint(one.canonical)


def test_keys_may_be_shared_by_all_users() -> None:
    policy = IdempotencyPolicy(key_scope=KeyScope.GLOBAL)
    assert options_of(policy, HttpRequest("POST", "/"), "k", str(uuid4())).execution_id == "k"


def test_a_user_who_is_no_uuid_is_the_hosts_mistake() -> None:
    with pytest.raises(ConfigurationError, match="user_id"):
        options_of(POLICY, HttpRequest("POST", "/"), "k", "ada")


def test_successes_redirects_and_client_errors_are_final() -> None:
    final = {status for status in range(200, 600) if is_final(status)}
    assert final == set(range(200, 500)) - {408, 409, 425, 429}


def test_a_final_response_is_stored_without_the_headers_that_are_not_listed() -> None:
    headers = (("Content-Type", "text/plain"), ("Set-Cookie", "a=b"), ("Location", "/1"))
    ending = ending_of(POLICY, 201, headers, b"done")
    assert isinstance(ending, Completed)
    assert ending.result == {
        "version": 1,
        "status": 201,
        "headers": [["Content-Type", "text/plain"], ["Location", "/1"]],
        "text": "done",
    }


def test_other_statuses_are_failures_and_some_leave_the_outcome_unknown() -> None:
    doubtful = IdempotencyPolicy(unknown_statuses={502, 504})
    ending, unknown = ending_of(doubtful, 500, ()), ending_of(doubtful, 504, ())
    assert isinstance(ending, Failed)
    assert isinstance(ending.error, NotFinalError)
    assert isinstance(unknown, Failed)
    assert isinstance(unknown.error, OutcomeUnknownError)
    created_only = IdempotencyPolicy(is_final=frozenset({201}).__contains__)
    assert isinstance(ending_of(created_only, 404, ()), Failed)


@given(st.binary())
def test_every_body_is_replayed_byte_for_byte(body: bytes) -> None:
    stored = StoredResponse.of(200, body).as_result()
    assert replay(json.loads(json.dumps(stored)), POLICY).body == body


def test_text_is_stored_as_text_and_other_bytes_as_base64() -> None:
    assert StoredResponse.of(200, "naïve".encode()).text == "naïve"
    assert StoredResponse.of(200, b"\x00").base64 == "AA=="
    assert StoredResponse.of(200, b"\xff").base64 == "/w=="
    empty = StoredResponse.of(204)
    assert (empty.text, empty.base64, empty.body) == (None, None, b"")


@pytest.mark.parametrize("omitted", ["too_large", "streamed"])
def test_a_response_that_was_not_kept_is_a_conflict_that_tells_its_status(omitted: Any) -> None:
    response = replay(StoredResponse.of(202, omitted=omitted).as_result(), POLICY)
    assert told(response) == (409, "response-not-available", None)
    assert json.loads(response.body)["original_status"] == 202


@pytest.mark.parametrize(
    "result",
    [None, "done", {}, {"status": 999}, {"status": 200, "version": 2},
     {"status": 200, "base64": "?"}, {"status": 200, "text": "a", "base64": "YQ=="}],
)  # fmt: skip
def test_a_result_that_is_no_response_is_never_run_again(result: Any) -> None:
    assert told(replay(result, POLICY)) == (409, "response-not-available", None)


_NO_CLIENTS_BUSINESS = (UnknownUserError(), MigrationRequiredError(), ConfigurationError())


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (IdempotencyKeyReusedError(), (422, "key-reused", None)),
        (ExecutionInProgressError(), (409, "in-progress", "1")),
        (ExecutionInProgressError(retry_after=timedelta(seconds=1.2)), (409, "in-progress", "2")),
        (ExecutionInProgressError(retry_after=timedelta(0)), (409, "in-progress", "1")),
        (ExecutionNotFoundError(), (409, "in-progress", "1")),
        (ExecutionAbandonedError(), (409, "outcome-unknown", None)),
        (ResultErasedError(), (409, "response-not-available", None)),
        (ExecutionFailedError(error={"retryable": True}), (409, "attempt-failed", "1")),
        (ExecutionFailedError(error={"retryable": False}), (409, "attempt-failed", None)),
        (ExecutionFailedError(retry_after=timedelta(minutes=1)), (409, "attempt-failed", "60")),
        (TransientStorageError(), (503, "store-unavailable", "5")),
        (StorageError(), (503, "store-unavailable", "5")),
    ],
)
def test_errors_of_the_tracker_have_their_answers(
    error: ExecTrackerError, answer: tuple[int, str, str | None]
) -> None:
    assert told(refusal_of(error, POLICY)) == answer


@pytest.mark.parametrize("error", _NO_CLIENTS_BUSINESS, ids=lambda one: type(one).__name__)
def test_the_hosts_mistakes_are_not_told_to_clients(error: ExecTrackerError) -> None:
    assert refusal_of(error, POLICY) is None


def test_problems_have_names_of_their_own() -> None:
    assert len({one.name for one in PROBLEMS}) == len(PROBLEMS)
    assert [one.status for one in PROBLEMS] == sorted(one.status for one in PROBLEMS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"methods": "POST"},
        {"max_request_bytes": -1},
        {"max_response_bytes": None},
        {"settings": {"on_running": "queue"}},
        {"settings": {"verify": print}},
        {"settings": {"result_type": int}},
    ],
)
def test_a_policy_that_cannot_work_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        IdempotencyPolicy(**wrong)


def test_a_setting_that_no_claim_takes_is_refused_at_once() -> None:
    settings: Any = {"on_runing": "wait"}
    with pytest.raises(TypeError, match="on_runing"):
        IdempotencyPolicy(settings=settings)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a", "plain"), ("/a/", None), ("/b/7/pay", "segment"), ("/b//pay", None),
        ("/b/7/8/pay", None), ("/c/7/8", "rest"), ("/a.b", None), ("/d\n", None),
    ],
)  # fmt: skip
def test_a_path_finds_its_policy(path: str, found: str | None) -> None:
    named = {name: IdempotencyPolicy(workflow_id=name) for name in ("plain", "segment", "rest")}
    paths = {"/a": named["plain"], "/b/{id}/pay": named["segment"], "/c/{all:path}": named["rest"]}
    policy = PolicyTable(paths).policy_for("POST", path)
    assert (policy and policy.workflow_id) == found
    assert PolicyTable(paths).policy_for("GET", path) is None
    assert PolicyTable(POLICY).policy_for("patch", path) is POLICY


@pytest.mark.parametrize("wrong", [{"payments": POLICY}, {"/payments": True}, {7: POLICY}])
def test_paths_and_policies_are_checked(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        PolicyTable(wrong)
