"""The response as it is stored with its execution, and read back to be replayed."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from exec_tracker.integrations.http.messages import Headers, HttpResponse
from exec_tracker.integrations.http.problems import RESPONSE_NOT_AVAILABLE

if TYPE_CHECKING:
    from exec_tracker.integrations.http.policy import IdempotencyPolicy

REPLAYED: Final = "Idempotency-Replayed"

Omission = Literal["too_large", "streamed"]

_WHY: Final = {
    "too_large": "Its response was too large to be kept.",
    "streamed": "Its response was streamed, and is not kept.",
}


class StoredResponse(BaseModel):
    """One response, as the result of the execution that gave it.

    A body is `text` where it is UTF-8 that PostgreSQL can hold, else `base64`; neither means that
    it is empty, or `omitted` for the reason given. To decide an abandoned request by hand, pass
    `StoredResponse.of(201, b"…").as_result()` to `resolve`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    status: int = Field(ge=200, le=599)
    headers: Headers = ()
    text: str | None = None
    base64: str | None = None
    omitted: Omission | None = None

    @model_validator(mode="after")
    def _check_body(self) -> Self:
        if sum(one is not None for one in (self.text, self.base64, self.omitted)) > 1:
            raise ValueError("a body is text, base64 or omitted, and one of them only")
        if self.base64 is not None:
            try:
                base64.b64decode(self.base64, validate=True)
            except binascii.Error as exc:
                raise ValueError(f"not base64: {exc}") from exc
        return self

    @classmethod
    def of(
        cls,
        status: int,
        body: bytes = b"",
        headers: Headers = (("content-type", "application/json"),),
        omitted: Omission | None = None,
    ) -> Self:
        """Make one from a response's parts."""
        if omitted is not None or not body:
            return cls(status=status, headers=headers, omitted=omitted)
        text = _storable_text(body)
        if text is not None:
            return cls(status=status, headers=headers, text=text)
        encoded = base64.b64encode(body).decode("ascii")
        return cls(status=status, headers=headers, base64=encoded)

    def as_result(self) -> dict[str, Any]:
        """Write it as the plain JSON that is stored."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def body(self) -> bytes:
        """The body's bytes."""
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        return (self.text or "").encode()


def replay(result: Any, policy: IdempotencyPolicy) -> HttpResponse:
    """Return the stored response, marked as replayed, or 409 where there is none to be had."""
    try:
        stored = StoredResponse.model_validate(result)
    except ValidationError:
        # Resolved by hand, with something that is no response: it happened all the same.
        return RESPONSE_NOT_AVAILABLE.response(policy.documentation)
    if stored.omitted is not None:
        return RESPONSE_NOT_AVAILABLE.response(
            policy.documentation,
            f"{RESPONSE_NOT_AVAILABLE.detail} {_WHY[stored.omitted]}",
            original_status=stored.status,
        )
    return HttpResponse(stored.status, (*stored.headers, (REPLAYED.lower(), "true")), stored.body)


def _storable_text(body: bytes) -> str | None:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
