"""Functions to run under a key, that can be counted, held up and looked at from outside."""

from __future__ import annotations

import threading
from typing import Any

from exec_tracker import ExecuteOptions

_PATIENCE = 60.0


def options(key: str, user_id: Any, **more: Any) -> ExecuteOptions:
    """Ask for a request, of which a test names only what it is about."""
    return ExecuteOptions(
        **{"idempotency_key": key, "workflow_id": "w", "user_id": user_id, **more}
    )


class Calls:
    """An executor that counts its calls, and returns or raises what it was made with."""

    def __init__(self, result: Any = "done", *, raises: BaseException | None = None) -> None:
        self.count = 0
        self.contexts: list[Any] = []
        self._result = result
        self._raises = raises
        self._lock = threading.Lock()

    def __call__(self, context: Any) -> Any:
        with self._lock:
            self.count += 1
            self.contexts.append(context)
        if self._raises is not None:
            raise self._raises
        return self._result


class Held(Calls):
    """An executor that says when it has begun, and goes on when it is told to."""

    def __init__(self, result: Any = "done", *, raises: BaseException | None = None) -> None:
        super().__init__(result, raises=raises)
        self._begun = threading.Event()
        self._go_on = threading.Event()

    def __call__(self, context: Any) -> Any:
        self._begun.set()
        if not self._go_on.wait(_PATIENCE):
            raise TimeoutError("the test never let it go on")
        return super().__call__(context)

    def wait_until_begun(self) -> None:
        """Block until it runs."""
        if not self._begun.wait(_PATIENCE):
            raise TimeoutError("it never began")

    def release(self) -> None:
        """Let it end."""
        self._go_on.set()
