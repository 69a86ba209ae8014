"""What comes out: the answer of a call, and of each request of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.types.executions import Execution

T = TypeVar("T")


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
