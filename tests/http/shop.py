"""What all served applications do: answer as the test says, and count how often they were asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exec_tracker.integrations.http import IdempotencyPolicy, json_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PATIENCE = 60.0

POLICIES = {
    "/payments": IdempotencyPolicy(),
    "/orders/{order}/pay": IdempotencyPolicy(),
    "/optional": IdempotencyPolicy(required=False),
    "/patient": IdempotencyPolicy(settings={"on_running": "wait"}),
    "/small": IdempotencyPolicy(max_request_bytes=100, max_response_bytes=100),
    "/bare": IdempotencyPolicy(accept_bare_keys=True),
    "/json": IdempotencyPolicy(identify=json_request),
    "/documented": IdempotencyPolicy(documentation="https://pay.example/idempotency"),
    "/doubtful": IdempotencyPolicy(
        unknown_statuses={504}, settings={"unknown_on": (TimeoutError,)}
    ),
    "/hasty": IdempotencyPolicy(settings={"save_timeout": timedelta(seconds=0.5)}),
}


@dataclass(frozen=True)
class Reply:
    """What a handler answers; with `chunks` it streams them."""

    status: int = 201
    body: bytes = b'{"charge": "ch_1"}'
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    chunks: Iterable[bytes] | None = None
    after: Callable[[], None] | None = None


@dataclass
class Shop:
    """The handler of every route. A test sets `answer` to a reply, an exception or a function."""

    answer: Any = field(default_factory=Reply)
    bodies: list[bytes] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.entered = threading.Event()
        self._open = threading.Event()
        self._open.set()

    @property
    def count(self) -> int:
        """How often a handler has run."""
        return len(self.bodies)

    def close_door(self) -> None:
        """Let handlers wait from now on."""
        self.entered.clear()
        self._open.clear()

    def open_door(self) -> None:
        """Let them go on."""
        self._open.set()

    def wait_until_entered(self) -> None:
        """Block until a handler runs."""
        if not self.entered.wait(_PATIENCE):
            raise TimeoutError("no handler has begun")

    def handle(self, body: bytes, context: Any = None) -> Reply:
        """Answer one request."""
        with self._lock:
            self.bodies.append(body)
            self.contexts.append(context)
            number = len(self.bodies)
        self.entered.set()
        if not self._open.wait(_PATIENCE):
            raise TimeoutError("the test never opened the door")
        answer = self.answer
        if callable(answer) and not isinstance(answer, type):
            answer = answer(number)
        if isinstance(answer, BaseException):
            raise answer
        reply: Reply = answer
        return reply
