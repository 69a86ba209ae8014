"""What an actor is, and the modes that a contender may call in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from proof.stage import LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.cooperation import Turns
    from proof.seats import Seat
    from proof.world import World

LEASE = timedelta(seconds=LEASE_SECONDS)
MODES = ("external", "at least once", "transactional", "host's session")
IN_TRANSACTION = ("transactional", "host's session")


class DeclinedError(Exception):
    """The function failed, and nothing has happened."""


@dataclass(frozen=True, slots=True)
class Role:
    """What an actor is: its name in reports, and the work it does when given turns."""

    name: str
    kind: str
    perform: Callable[[World, Seat, Turns], Any]
