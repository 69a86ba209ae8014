"""Let a tracker be watched: what both trackers share of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from exec_tracker.errors import ConfigurationError
from exec_tracker.observing import Instrumentation, Renewals, tell_renewals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from exec_tracker.database import Database
    from exec_tracker.leases import Renewal
    from exec_tracker.planning import TrackerSettings


class Instrumented:
    """A tracker whose calls can be watched from outside."""

    _settings: TrackerSettings
    _database: Database

    @property
    def database_name(self) -> str | None:
        """The name of the database that holds the executions, as telemetry calls it."""
        return self._database.engine.url.database

    def instrument(self, *instrumentations: Instrumentation) -> Self:
        """Have these watch the calls made from now on, besides those that already do; return self.

        A trace that one of them knows is stored with each claim, unless the tracker was made with
        `trace_context=`. Raises ConfigurationError for what is no Instrumentation.
        """
        for one in instrumentations:
            if not isinstance(one, Instrumentation):
                raise ConfigurationError(f"{one!r} is no exec_tracker.Instrumentation.")
        before = self._settings
        self._settings = replace(
            before, instrumentations=(*before.instrumentations, *instrumentations)
        )
        return self

    @contextmanager
    def _renewing(self, claims: Sequence[Renewal]) -> Iterator[dict[UUID, bool]]:
        """Tell what came of a renewal, whose answer is put into the dictionary."""
        answer: dict[UUID, bool] = {}
        watching = self._settings.instrumentations
        try:
            yield answer
        except Exception:
            tell_renewals(watching, Renewals(failed=len(claims)))
            raise
        tell_renewals(watching, _count(claims, answer))


def _count(claims: Sequence[Renewal], answer: dict[UUID, bool]) -> Renewals:
    renewed = sum(answer.values())
    return Renewals(renewed=renewed, lost=len(answer) - renewed, skipped=len(claims) - len(answer))
