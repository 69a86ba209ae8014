"""Something that happens at one chosen statement, just before it is sent or once it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from exec_tracker import ExecutionRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

When = Literal["before", "after"]


class Strikes:
    """Counts statements, and does what it is told at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.has_struck = False
        self._at = 0
        self._when: When = "before"
        self._what: Callable[[], Any] = _nothing
        fetch = ExecutionRepository.fetch

        def counting(repository: Any, statement: Any, **parameters: Any) -> Any:
            self.sent.append(statement.name)
            is_it = len(self.sent) == self._at
            self.has_struck = self.has_struck or is_it
            if is_it and self._when == "before":
                self._what()
            answer = fetch(repository, statement, **parameters)
            if is_it and self._when == "after":
                self._what()
            return answer

        monkeypatch.setattr(ExecutionRepository, "fetch", counting)

    def arm(self, at: int, when: When, what: Callable[[], Any]) -> None:
        """Count from one again, and strike at this statement."""
        self.sent.clear()
        self.has_struck = False
        self._at, self._when, self._what = at, when, what

    def disarm(self) -> None:
        """Let everything pass from here on."""
        self._at = 0


def _nothing() -> None: ...
