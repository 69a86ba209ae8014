"""One outage, under load from before it until every caller has an answer again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proof.ledger import Ledger
from proof.outages.load import Load

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Mapping

    from proof.auditing import Audit

    # Does it, and returns when the server was there again, on the monotonic clock.
    Strike = Callable[[], float]


_BETWEEN_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Outage:
    """What was done to the server, how it felt, and what the audit found."""

    name: str
    strikes: int
    calls: int
    errors: Counter[str]
    recovered_after: float
    audit: Audit
    leaked: str | None

    @property
    def problems(self) -> list[str]:
        """Every broken promise."""
        return [*self.audit.problems, *([self.leaked] if self.leaked else [])]


def drill(
    name: str,
    url: str,
    strikes: Iterable[Strike],
    seed: int,
    *,
    load_url: str | None = None,
    settings: Mapping[str, Any] | None = None,
    keeper: type[Ledger] = Ledger,
) -> Outage:
    """Strike while callers of every driver work; `url` must lead to the server in the end."""
    ledger = keeper(url)
    load = Load(ledger, load_url or url, seed, settings=settings)
    count, longest = 0, 0.0
    with load:
        load.wait_for_answers(time.monotonic())
        for strike in strikes:
            time.sleep(_BETWEEN_SECONDS)
            longest = max(longest, load.wait_for_answers(strike()))
            count += 1
    leaked = load.close()
    ledger.calm()
    found = load.audit()
    found.problems += ledger.problems()
    ledger.close()
    return Outage(name, count, load.calls, load.errors, longest, found, leaked)
