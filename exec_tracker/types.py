"""The values that go in and come out: options, snapshots, policies; all immutable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    model_validator,
)

from exec_tracker.codec import UnstorableValueError, storable_copy, storable_json
from exec_tracker.errors import InvalidIdempotencyKeyError
from exec_tracker.fingerprint import canonical_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

# Stripe's limit for idempotency keys (https://docs.stripe.com/api/idempotent_requests).
MAX_KEY_LENGTH = 255
# "<user_id>:" in front of a key of that length.
MAX_ID_LENGTH = MAX_KEY_LENGTH + 37

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class ExecutionActor(StrEnum):
    """Who asked for an execution."""

    USER = "user"
    AI_ASSISTANT = "ai_assistant"
    SYSTEM = "system"
    WEBHOOK = "webhook"


class AttemptOutcome(StrEnum):
    """How an attempt that did not complete has ended."""

    FAILED = "failed"
    ABANDONED = "abandoned"


class KeyScope(StrEnum):
    """The namespace of an idempotency key: shared by everybody, or each user's own."""

    GLOBAL = "global"
    USER = "user"


OnRunning = Literal["raise", "wait"]
OnFailed = Literal["retry", "raise"]
OnAbandoned = Literal["raise", "retry"]


_USABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def _clean_text(value: str) -> str:
    if _USABLE.fullmatch(value) and not value.isspace():
        return value
    if not value.strip():
        raise ValueError("must not be blank")
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text, without lone surrogates") from None
    return value


Name = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH), AfterValidator(_clean_text)]


def check_execution_id(value: object) -> str:
    """Return a usable execution id, or raise InvalidIdempotencyKeyError saying what is wrong."""
    if not isinstance(value, str):
        raise InvalidIdempotencyKeyError(
            f"An execution id is a string, not {type(value).__name__}."
        )
    if len(value) > MAX_ID_LENGTH:
        raise InvalidIdempotencyKeyError(
            f"An idempotency key has at most {MAX_KEY_LENGTH} characters; this has {len(value)}."
        )
    try:
        return _clean_text(value)
    except ValueError as exc:
        raise InvalidIdempotencyKeyError(f"An idempotency key {exc}.") from None


def _storable_parameters(parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    try:
        return storable_copy(parameters)
    except UnstorableValueError as exc:
        raise ValueError(f"parameters cannot be stored: {exc}") from exc


def _without(parameters: dict[str, Any], redacted: frozenset[str]) -> str | None:
    if redacted.isdisjoint(parameters):
        return None
    return storable_json({name: parameters[name] for name in parameters if name not in redacted})


class ExecuteOptions(BaseModel):
    """What identifies one request: its key, workflow, user and parameters.

    Pydantic's ValidationError (a ValueError) tells what is wrong with bad input. `parameters` are
    copied and fingerprinted at construction, so that changing the dictionary later changes nothing.
    """

    # Errors name the field and not the input: it may hold what is to be redacted.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    idempotency_key: Name
    workflow_id: Name
    user_id: UUID
    workflow_name: Name | None = None
    actor: ExecutionActor | None = None
    # Not shown: redacted fields are in it.
    parameters: dict[str, Any] | None = Field(default=None, repr=False)
    fingerprint_fields: frozenset[str] | None = None
    redacted_fields: frozenset[str] = frozenset()
    key_scope: KeyScope = KeyScope.GLOBAL

    @property
    def execution_id(self) -> str:
        """The stored id: the key, with its user in front where the scope is USER."""
        if self.key_scope is KeyScope.USER:
            return f"{self.user_id}:{self.idempotency_key}"
        return self.idempotency_key

    @property
    def canonical(self) -> bytes:
        """The identifying parameters in canonical form, as they were at construction."""
        canonical: bytes = self.__dict__["_canonical"]
        return canonical

    @property
    def parameters_json(self) -> str | None:
        """The parameters to store, without the redacted fields, as they were at construction."""
        text: str | None = self.__dict__["_parameters_json"]
        return text

    def model_copy(
        self,
        *,
        update: Mapping[str, Any] | None = None,
        deep: bool = False,  # noqa: ARG002 # parameters are always copied
    ) -> Self:
        """Return the same request but for `update`, checked and fingerprinted anew."""
        return type(self).model_validate({**dict(self), **(update or {})})

    @model_validator(mode="after")
    def _keep_parameters(self) -> Self:
        # Beside the fields: a private attribute of pydantic's costs a call of its __getattr__.
        kept = self.__dict__
        kept["_parameters_json"] = None
        if self.parameters is not None:
            # A copy of one's own: what is stored and fingerprinted can no longer change.
            text, own = _storable_parameters(self.parameters)
            kept["parameters"] = own
            kept["_parameters_json"] = _without(own, self.redacted_fields) or text
        fields = self.fingerprint_fields
        if fields and self.parameters is not None and fields.isdisjoint(self.parameters):
            # Misspelt, they would make all requests under the key equal.
            raise ValueError(
                f"fingerprint_fields names none of the parameters ({', '.join(self.parameters)})"
            )
        kept["_canonical"] = canonical_parameters(self.parameters, fields)
        return self


class Execution(BaseModel):
    """One row of workflow_executions as it was at `observed_at` on the database's clock.

    `claim_token` is a fence, not a secret: who holds it may finish the running claim.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    workflow_id: str
    workflow_name: str | None = None
    user_id: UUID
    status: ExecutionStatus
    result: Any = None
    error_message: str | None = None
    parameters: dict[str, Any] | None = None
    actor: ExecutionActor | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempt: int = 0
    claim_token: UUID | None = None
    claimed_by: str | None = None
    lease_expires_at: datetime | None = None
    fingerprint: str | None = None
    retry_at: datetime | None = None
    erased_at: datetime | None = None
    error: dict[str, Any] | None = None
    trace_context: str | None = None
    observed_at: datetime

    @property
    def result_json(self) -> str | None:
        """The stored result as JSON text, from which a typed result is parsed."""
        text: str | None = self.__dict__.get("_result_json")
        return text

    @computed_field  # type: ignore[prop-decorator] # mypy does not know decorated properties
    @property
    def is_abandoned(self) -> bool:
        """Whether the outcome is unknown: its lease ran out, or its owner said so."""
        if self.status is ExecutionStatus.RUNNING:
            return self.lease_expires_at is not None and self.lease_expires_at <= self.observed_at
        return self.status is ExecutionStatus.FAILED and bool(
            (self.error or {}).get("outcome_unknown")
        )

    @property
    def is_ended(self) -> bool:
        """Whether nobody is running it and nobody will by itself: completed or failed."""
        return self.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)

    @property
    def lease_remaining(self) -> timedelta | None:
        """How long the lease was still to last when this was read; None without a lease."""
        if self.lease_expires_at is None:
            return None
        return max(self.lease_expires_at - self.observed_at, timedelta(0))


class ExecutionAttempt(BaseModel):
    """One ended, unsuccessful attempt, kept for debugging and retry decisions."""

    model_config = ConfigDict(frozen=True)

    execution_id: str
    attempt: int
    user_id: UUID
    claimed_by: str | None = None
    started_at: datetime | None = None
    ended_at: datetime
    outcome: AttemptOutcome
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class ExecutionResult(Generic[T]):
    """What a call gave: the data, whether it was replayed, and the row behind it.

    The row was read with the outcome; its snapshot is made when `execution` is first asked for.
    """

    data: T
    cached: bool
    execution: Execution

    @classmethod
    def of_row(cls, data: T, make: Callable[[], Execution], *, cached: bool) -> Self:
        """Return a result whose snapshot `make` makes, once somebody asks."""
        result = cls.__new__(cls)
        result.__dict__.update(data=data, cached=cached, _make=make)
        return result

    if not TYPE_CHECKING:  # a type checker would believe in attributes of any name

        def __getattr__(self, name: str) -> Execution:
            """Make the snapshot."""
            make = self.__dict__.get("_make")
            if name != "execution" or make is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return self.__dict__.setdefault("execution", make())


@dataclass(frozen=True, slots=True)
class ExecutionOutcome(Generic[T]):
    """What became of one request of a batch: a result, or the error that a single call raises."""

    execution_id: str
    result: ExecutionResult[T] | None = None
    error: Exception | None = None

    @property
    def data(self) -> T:
        """The result's data; raises the error where there is none."""
        if self.result is None:
            raise self.error or LookupError("nothing is known of this execution")
        return self.result.data
