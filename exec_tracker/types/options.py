"""What comes in: the request that a call is about, checked where it is made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from exec_tracker.codec import UnstorableValueError, storable_copy, storable_json
from exec_tracker.errors import InvalidIdempotencyKeyError
from exec_tracker.fingerprint import canonical_parameters
from exec_tracker.types.words import ExecutionActor, KeyScope

if TYPE_CHECKING:
    from collections.abc import Mapping

# Stripe's limit for idempotency keys (https://docs.stripe.com/api/idempotent_requests).
MAX_KEY_LENGTH = 255
# "<user_id>:" in front of a key of that length.
MAX_ID_LENGTH = MAX_KEY_LENGTH + 37

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
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
