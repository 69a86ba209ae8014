"""The examples run and print what they are there to show."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import ROOT


def output_of(example: str, *arguments: str) -> list[str]:
    """Run an example and return the lines it prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_card_is_charged_once(database_url: str) -> None:
    assert output_of("charge_once.py", database_url) == [
        "asked 8 times, charged 1 times",
        "all got Receipt(charge='ch_1', cents=4200): True",
    ]


def test_a_transfer_happens_once_or_not_at_all(database_url: str) -> None:
    assert output_of("transfer.py", database_url) == [
        "{'moved': 300} {'ada': 700, 'bob': 300}",
        "{'moved': 300} {'ada': 700, 'bob': 300}",
        "refused {'ada': 700, 'bob': 300} None",
    ]


def test_an_example_brings_a_database_where_none_is_given() -> None:
    assert output_of("charge_once.py")[0] == "asked 8 times, charged 1 times"
