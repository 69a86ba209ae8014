"""Why some mutants live: no test could tell them from the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.mutation.running import Mutant


@dataclass(frozen=True, slots=True)
class Reason:
    """A mutant of this function that reads like this, and why it is no mistake."""

    function: str
    added: str
    why: str


_SLOWER = "the other way gives the same for such a function, later"
_COMPARED = "times with zones are compared as moments, whichever zone they are written in"
_ALWAYS = "whatever has annotations and is not unwrapped has `__globals__`; the default is for form"

REASONS: tuple[Reason, ...] = (
    Reason("return_annotation", "if type(None) is FunctionType", _SLOWER),
    Reason("_same_moments", "astimezone(None)", _COMPARED),
    Reason("_resolved", 'getattr(function, "__globals__", ', _ALWAYS),
)


def reason(mutant: Mutant) -> str | None:
    """Return why a mutant may live, or None."""
    for one in REASONS:
        if one.function == mutant.function and one.added in mutant.added:
            return one.why
    return None
