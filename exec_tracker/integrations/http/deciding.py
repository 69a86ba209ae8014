"""What a response means for its execution, and what an error of the tracker means for a client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.errors import (
    ExecTrackerError,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
    ResultErasedError,
    ResultNotStorableError,
    StorageError,
)
from exec_tracker.integrations.http.messages import AnsweredError, Headers, HttpResponse
from exec_tracker.integrations.http.problems import (
    ATTEMPT_FAILED,
    CONTENT_INCOMPLETE,
    CONTENT_TOO_LARGE,
    IN_PROGRESS,
    KEY_REUSED,
    OUTCOME_UNKNOWN,
    RESPONSE_NOT_AVAILABLE,
    STORE_UNAVAILABLE,
    UNAUTHENTICATED,
    Problem,
)
from exec_tracker.integrations.http.stored import StoredResponse

if TYPE_CHECKING:
    from exec_tracker.integrations.http.policy import IdempotencyPolicy
    from exec_tracker.integrations.http.stored import Omission

# Long enough for a pooler or a failover to move on, short enough for a person who waits.
STORE_RETRY_AFTER: Final = timedelta(seconds=5)
SOON: Final = timedelta(seconds=1)

_UNSTORABLE: Final = f"{ResultNotStorableError.__module__}.{ResultNotStorableError.__qualname__}"


_REFUSALS: Final[tuple[tuple[type[ExecTrackerError], Problem, timedelta | None], ...]] = (
    (IdempotencyKeyReusedError, KEY_REUSED, None),
    (ExecutionInProgressError, IN_PROGRESS, SOON),
    # Deleted while it was looked at: the key is free a moment later.
    (ExecutionNotFoundError, IN_PROGRESS, SOON),
    (ExecutionAbandonedError, OUTCOME_UNKNOWN, None),
    (ResultErasedError, RESPONSE_NOT_AVAILABLE, None),
    (StorageError, STORE_UNAVAILABLE, STORE_RETRY_AFTER),
)


class NotFinalError(Exception):
    """The handler answered with a status that is not final; it may run again."""

    def __init__(self, status: int) -> None:
        """Carry the `status`."""
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        """Say so as it is recorded."""
        return f"the handler answered {self.status}"


@dataclass(frozen=True, slots=True)
class Completed:
    """The response is the result; `result` is what is stored."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """The response is no result; `error` is what is recorded."""

    error: Exception


Ending = Completed | Failed


def ending_of(
    policy: IdempotencyPolicy,
    status: int,
    headers: Headers,
    body: bytes = b"",
    omitted: Omission | None = None,
) -> Ending:
    """Decide what a handler's response means for its execution."""
    if status in policy.unknown_statuses:
        return Failed(
            OutcomeUnknownError(f"The handler answered {status}, after which nobody knows.")
        )
    if not policy.is_final(status):
        return Failed(NotFinalError(status))
    kept = tuple(pair for pair in headers if pair[0].lower() in policy.replayed_headers)
    return Completed(StoredResponse.of(status, body, kept, omitted).as_result())


def unfinished() -> Failed:
    """Say what is recorded where a handler returned before its response was complete."""
    return Failed(OutcomeUnknownError("The handler returned without completing its response."))


def broken_off(ending: Ending, error: Exception) -> Exception:
    """Return what is recorded where a response broke off after its client had seen it begin."""
    if isinstance(ending, Failed):
        return error
    unknown = OutcomeUnknownError(f"The response broke off after it had begun: {error}")
    unknown.__cause__ = error
    return unknown


def is_streamed(policy: IdempotencyPolicy, headers: Headers) -> bool:
    """Tell whether a response is to be passed on as it comes, by its media type."""
    found = [value for name, value in headers if name.lower() == "content-type"]
    return any(
        value.partition(";")[0].strip().lower() in policy.streamed_media_types for value in found
    )


def check_length(policy: IdempotencyPolicy, length: int) -> None:
    """Raise AnsweredError (413) for a request that is larger than allowed."""
    if length > policy.max_request_bytes:
        raise AnsweredError(
            CONTENT_TOO_LARGE.response(
                policy.documentation,
                f"{CONTENT_TOO_LARGE.detail} {policy.max_request_bytes} bytes are allowed.",
            )
        )


def incomplete(policy: IdempotencyPolicy) -> AnsweredError:
    """Refuse a request whose body broke off; nobody may be there to read it."""
    return AnsweredError(CONTENT_INCOMPLETE.response(policy.documentation))


def unauthenticated(policy: IdempotencyPolicy, challenge: str) -> AnsweredError:
    """Refuse a request of nobody."""
    return AnsweredError(UNAUTHENTICATED.response(policy.documentation, challenge=challenge))


def refusal_of(error: ExecTrackerError, policy: IdempotencyPolicy) -> HttpResponse | None:
    """Return what a client is told about a key that could not be claimed.

    None for what is no client's business: a missing schema, an unknown user, a wrong setting.
    """
    page = policy.documentation
    if isinstance(error, ExecutionFailedError):
        return _failed(error, page)
    for kind, problem, retry_after in _REFUSALS:
        if isinstance(error, kind):
            said = getattr(error, "retry_after", None)
            return problem.response(page, retry_after=retry_after and (said or retry_after))
    return None


def _failed(error: ExecutionFailedError, page: str) -> HttpResponse:
    stored = error.error or {}
    if stored.get("type") == _UNSTORABLE:
        return RESPONSE_NOT_AVAILABLE.response(page)
    # Of several that waited for a run that failed, each is asked to come again by itself.
    after = error.retry_after or (SOON if stored.get("retryable", False) else None)
    if after is None:
        said = "It will not run again. Look at what it was to change before you use a new key."
    else:
        said = "Repeat it unchanged later."
    return ATTEMPT_FAILED.response(page, f"{ATTEMPT_FAILED.detail} {said}", retry_after=after)
