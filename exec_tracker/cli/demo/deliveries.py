"""Read webhook deliveries from a file, and refuse a bad one before anything runs."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.codec import UnstorableValueError, storable_json
from exec_tracker.errors import InvalidIdempotencyKeyError
from exec_tracker.types import check_execution_id

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SAMPLE", "Delivery", "check_run", "equal_json", "read_deliveries"]

SAMPLE: Final = Path(__file__).parent / "sample_deliveries.jsonl"
MAX_RUN: Final = 50
MAX_NAME: Final = 200
"""Together with a colon they fit into a key of 255 characters."""

_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook as it came in; `name` is what its sender calls this delivery."""

    name: str
    event: str
    payload: Any

    @property
    def parameters(self) -> dict[str, Any]:
        """What identifies the request."""
        return {"event": self.event, "payload": self.payload}

    def outcome(self) -> dict[str, Any]:
        """Derive the result that processing gives: a digest, and the payload as it was."""
        text = json.dumps(self.payload, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return {"delivery": self.name, "sha256": digest, "payload": self.payload}


def read_deliveries(path: Path) -> list[Delivery]:
    """Read a file of one JSON object a line, gzipped or not.

    Raises CommandLineError naming the file and the line.
    """
    found: list[Delivery] = []
    seen: dict[str, tuple[int, Delivery]] = {}
    for number, line in _lines(path):
        delivery = _read(line, f"{path}:{number}")
        first, same = seen.setdefault(delivery.name, (number, delivery))
        if same.parameters != delivery.parameters:
            raise CommandLineError(
                f"{path}:{number}: delivery {delivery.name!r} was on line {first} with another "
                "event or payload; a key stands for one request"
            )
        found.append(delivery)
    if not found:
        raise CommandLineError(f"{path}: no deliveries; write one JSON object a line")
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP
        with gzip.open(path) if zipped else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile) as exc:
        raise CommandLineError(f"{path}: not a complete gzip file: {exc}") from None
    except OSError as exc:
        raise CommandLineError(
            f"{path}: cannot be read: {exc.strerror}", ExitStatus.NOT_FOUND
        ) from None


def _read(line: bytes, where: str) -> Delivery:
    try:
        value = json.loads(line.decode())
        storable_json(value)
    except UnicodeDecodeError:
        raise CommandLineError(f"{where}: not UTF-8 text") from None
    except (json.JSONDecodeError, RecursionError) as exc:
        raise CommandLineError(f"{where}: not JSON: {exc}") from None
    except UnstorableValueError as exc:
        raise CommandLineError(f"{where}: cannot be stored: {exc}") from None
    if not isinstance(value, dict):
        raise CommandLineError(f"{where}: not a JSON object")
    if missing := {"delivery", "event", "payload"} - value.keys():
        raise CommandLineError(f"{where}: lacks {', '.join(sorted(missing))}")
    return Delivery(_name(value, where), _event(value, where), value["payload"])


def _name(value: dict[str, Any], where: str) -> str:
    try:
        name = check_execution_id(value["delivery"])
    except InvalidIdempotencyKeyError as exc:
        raise CommandLineError(f"{where}: `delivery` is no key: {exc}") from None
    if len(name) > MAX_NAME:
        raise CommandLineError(f"{where}: `delivery` has more than {MAX_NAME} characters")
    return name


def _event(value: dict[str, Any], where: str) -> str:
    if not isinstance(value["event"], str):
        raise CommandLineError(f"{where}: `event` is not a string")
    return value["event"]


def check_run(name: str) -> str:
    """Return a usable prefix of keys, or raise CommandLineError."""
    try:
        check_execution_id(name)
    except InvalidIdempotencyKeyError as exc:
        raise CommandLineError(f"--run: {exc}") from None
    if len(name) > MAX_RUN:
        raise CommandLineError(f"--run: has more than {MAX_RUN} characters")
    return name


def equal_json(one: Any, other: Any) -> bool:
    """Compare JSON values, where a large float may have come back as a whole number.

    JSONB keeps numbers as decimals: 1.5e300 comes back as 15 and 299 zeros, which is the same
    float, though Python finds the two unequal.
    """
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(equal_json(one[k], other[k]) for k in one)
        case list(), list():
            return len(one) == len(other) and all(map(equal_json, one, other))
        case (float(), int()) | (int(), float()) if bool not in (type(one), type(other)):
            return float(one) == float(other)
        case _:
            return type(one) is type(other) and bool(one == other)
