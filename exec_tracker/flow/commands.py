"""What a flow asks of the shell that drives it; the shell answers with a value or an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from exec_tracker.context import ExecutionContext
    from exec_tracker.types import Execution


@dataclass(slots=True)  # not frozen, as Plan
class Ask:
    """Call an ExecutionRepository method on an autocommitted connection."""

    method: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Poll:
    """Read one execution; waiters on one key share a read at most `freshness` seconds old."""

    execution_id: str
    freshness: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let this many seconds pass, holding no connection.

    A cancelled caller ends a wait for others at once, but not the pause before a write is repeated.
    """

    seconds: float
    interruptible: bool = False


@dataclass(slots=True, eq=False)
class Invoke:
    """Call the user's function, with no transaction of the tracker's open."""

    function: Callable[[ExecutionContext], Any]
    context: ExecutionContext
    started: bool = False


@dataclass(frozen=True, slots=True)
class Within:
    """Call a core function with the sync Session of the transaction that the flow works in."""

    core: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Lend:
    """Call the user's function with the session of the transaction that the flow works in.

    Without a function the user works in a block of their own: the shell hands the command back,
    and goes on with the flow when the block ends.
    """

    function: Callable[..., Any] | None


class EscapedStopError(Exception):
    """Carries a StopIteration out of a flow, which Python would turn into a RuntimeError."""

    def __init__(self, error: StopIteration) -> None:
        """Carry the executor's own exception; the shell raises it."""
        super().__init__()
        self.error = error


Command = Ask | Poll | Sleep | Invoke | Within | Lend

if TYPE_CHECKING:
    Flow = Generator[Command, Any, Any]
    Reading = Generator[Command, Any, "Execution | None"]
