"""What a check can end with, and how a check says so."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

__all__ = ["NotTriedError", "Outcome", "PromiseBrokenError", "Verdict", "demand"]


class Outcome(StrEnum):
    """How a check ended: what is promised holds here, or does not, or could not be tried."""

    OK = "ok"
    FAILED = "FAILED"
    NOT_TRIED = "not tried"


class Verdict(BaseModel):
    """One check: its name, what it promises, how it ended, and what was seen."""

    model_config = ConfigDict(frozen=True)

    check: str
    promise: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0


class PromiseBrokenError(AssertionError):
    """A check has seen what must not be."""


class NotTriedError(Exception):
    """A check needs what is not here; its message tells what."""


def demand(holds: object, otherwise: str) -> None:
    """Raise PromiseBrokenError, saying what was seen, unless the condition holds."""
    if not holds:
        raise PromiseBrokenError(otherwise)
