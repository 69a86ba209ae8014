"""What the pages on performance show is what was measured, and was made from the kept results."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import page, targets
from benchmarks.figures import figure, ratio
from benchmarks.keys import RANDOM, TIME_ORDERED, filled_key, new_keys
from benchmarks.results import Results
from tests.docs.pages import ROOT


def results(tracker: list[float], raw: list[float]) -> Results:
    rates = {
        name: {"replay x1": rates, "replay x8": rates}
        for name, rates in (("tracker", tracker), ("raw", raw))
    }
    run: dict[str, Any] = {}
    return Results({"replay": {"found": {"rates": rates, "absent": {}}, "run": run}})


def verdicts(found: Results) -> dict[str, str]:
    return {target.what: target.verdict for target in targets.targets(found)}


def test_a_ratio_is_taken_within_each_round() -> None:
    assert ratio([1, 20, 3], [2, 40, 6]).middle == 0.5
    assert ratio([1, 20, 3], [2, 10, 6]).high == 1.25


def test_a_figure_of_one_round_has_no_spread() -> None:
    one = figure([3.0])
    assert (one.low, one.middle, one.high) == (3.0, 3.0, 3.0)


def test_a_target_is_hit_or_missed_by_its_median() -> None:
    one_thread = "replay, 1 thread, × raw psycopg2 (aim: 0.80)"  # noqa: RUF001 # as on the page
    assert verdicts(results([9, 1, 10], [10, 10, 10]))[one_thread] == "hit"
    assert verdicts(results([8, 1, 10], [10, 10, 10]))[one_thread] == "**missed**"


def test_what_was_not_run_is_not_measured() -> None:
    assert set(verdicts(Results({})).values()) == {"not measured"}


@pytest.mark.parametrize("style", [TIME_ORDERED, RANDOM])
def test_keys_are_distinct_and_have_36_characters(style: str) -> None:
    supply = new_keys(style, 3)
    keys = [next(supply) for _ in range(5000)]
    assert len(set(keys)) == 5000
    assert {len(key) for key in keys} == {36}
    assert len(filled_key(style, 7, 1_700_000_000_000)) == 36


def test_new_keys_in_time_order_are_in_order() -> None:
    supply = new_keys(TIME_ORDERED, 0)
    keys = [next(supply) for _ in range(5000)]
    assert keys == sorted(keys)


def test_the_pages_show_what_the_kept_results_say() -> None:
    kept = Results.read()
    assert page.PAGE.read_text(encoding="utf-8") == page.performance(kept)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        assert page.fill_in(text, kept) == text, path
