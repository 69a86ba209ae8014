"""Random programs of API calls do to the service what they do to a dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from exec_tracker import ExecutionTracker
from exec_tracker.testing import DatabaseClock
from proof.programs import Programs

if TYPE_CHECKING:
    from uuid import UUID

# No shrinking here: on a slow machine it outlasts the test. Phase.shrink makes a failure small.
_SLICE = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    database=None,
    print_blob=True,  # the line that repeats a failure
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)


def test_random_programs_do_what_the_model_says(
    database_url: str, user_id: UUID, other_user_id: UUID
) -> None:
    with ExecutionTracker(database_url) as one, ExecutionTracker(database_url) as other:

        class Bounded(Programs):
            clock = DatabaseClock(database_url)
            trackers = [one, other]  # noqa: RUF012 # the base class says that it is one
            users = [user_id, other_user_id]  # noqa: RUF012 # as above

        run_state_machine_as_test(Bounded, settings=_SLICE)
