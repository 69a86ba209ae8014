"""What the demo and its processes tell each other: one JSON object a line, over pipes."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

__all__ = ["Assignment", "Message", "Moment", "News"]


class Moment(StrEnum):
    """Where in the middle of an effect a process is killed."""

    BEFORE = "before-effect"
    AFTER = "after-effect"


class Assignment(BaseModel):
    """What one process is to do; it delivers everything in the file `times` times."""

    model_config = ConfigDict(frozen=True)

    url: str
    schema_name: str | None
    user_id: str
    run: str
    input: str
    effects: str
    lease_seconds: float
    times: int
    seed: int
    stops_at: int | None = None
    """In which of its own effects it stops and waits to be killed."""
    moment: Moment = Moment.AFTER


class News(StrEnum):
    """What a process reports."""

    READY = "ready"
    EXECUTED = "executed"
    REPLAYED = "replayed"
    REFUSED = "refused"
    FOUND = "found"
    """A verifier saw the effect outside: it happened, and its outcome was stored."""
    NOT_FOUND = "not found"
    """A verifier saw no effect outside: it did not happen, and the function may run."""
    LOST = "lost"
    """A process was stalled for longer than its lease, and its late outcome was refused."""
    UNEQUAL = "unequal"
    """A result differed from what the first execution gave."""
    STOPPED = "stopped"
    DONE = "done"
    FAULT = "fault"


class Message(BaseModel):
    """One report."""

    model_config = ConfigDict(frozen=True)

    news: News
    key: str = ""
    text: str = ""
    status: int = 0
    """The exit status of a fault."""
