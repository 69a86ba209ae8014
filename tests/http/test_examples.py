"""The examples charge once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def lines_of(example: str, url: str) -> list[str]:
    """Run an example and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), url],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("example", ["fastapi_payments.py", "flask_payments.py"])
def test_an_example_charges_once_per_key(example: str, database_url: str) -> None:
    *asked, last = lines_of(example, database_url)
    expected = [
        "the first request: 201 {'charge': 'ch_1'}",
        "the same again: 201 {'charge': 'ch_1'}, replayed",
        "another amount: 422 Idempotency-Key is already used",
        "without a key: 400 Idempotency-Key is missing",
        "another user, by chance with this key: 201 {'charge': 'ch_2'}",
    ]
    if example == "fastapi_payments.py":
        assert asked == expected
        assert last.endswith("charged 1 time")
    else:
        assert asked == [*expected, "nobody: 401 Nobody is signed in"]
        assert last == "charged 2 times"
