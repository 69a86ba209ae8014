"""What a run has found about faults is on the page, and what it has not is not claimed there."""

from __future__ import annotations

from collections import Counter

from proof import faults_page
from proof.auditing import Audit, Story, audit
from proof.faults import Faults
from proof.soak.rounds import Soak
from proof.wire.everywhere import Struck


def test_every_count_of_a_run_is_on_the_page() -> None:
    faults = Faults(seed=5)
    faults.wire = [Struck("psycopg2", possible=Counter(external=9), struck=Counter(external=7))]
    found = Audit(keys=1001, executions=1000, effects=1003, duplicates=2, repeated_as_asked=1)
    faults.soak = Soak(5, rounds=3, audit=found, faults=Counter({"worker killed": 44}))
    figures = dict(faults_page.figures(faults))
    assert figures["faults injected into real calls, all in all"] == "51"
    assert figures["executions in the soak"] == "1,000"
    assert figures["effects that happened twice"] == "2"
    page = "\n".join(faults_page.sections(faults))
    assert "| external | 7 / 9 |" in page
    assert "Seed 5, 3 rounds" in page
    assert "| worker killed | 44 |" in page
    assert "Outages" not in page


def test_an_audit_finds_what_happened_twice_what_was_lost_and_what_is_open() -> None:
    stories = {
        "good": Story(runs=[1], told=[1, 1]),
        "twice": Story(runs=[2, 3], told=[3]),
        "as asked": Story(runs=[4, 5], told=[5], may_repeat=True),
        "told otherwise": Story(runs=[6], told=[7]),
        "effect gone": Story(runs=[], told=[8]),
        "open": Story(runs=[9], told=[]),
    }
    stored = {key: ("completed", (story.runs or [8])[-1]) for key, story in stories.items()}
    stored["open"] = ("running", None)
    found = audit(stories, stored)
    assert (found.keys, found.executions, found.effects, found.answers) == (6, 5, 7, 6)
    assert (found.duplicates, found.repeated_as_asked) == (1, 1)
    assert (found.losses, found.unresolved) == (2, 1)
    assert len(found.problems) == 4
