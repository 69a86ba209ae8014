"""What `exec-tracker demo` says about a file that it cannot use; before anything runs."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from exec_tracker.cli.demo.deliveries import SAMPLE, equal_json, read_deliveries
from tests.integration.cli_support import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

_GOOD = '{"delivery": "d-1", "event": "ping", "payload": {}}'


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ('{"delivery": "d-2"', "not JSON"),
        ("[]", "not a JSON object"),
        ('{"delivery": "d-2", "event": "ping"}', "lacks payload"),
        ('{"delivery": 2, "event": "ping", "payload": 1}', "`delivery` is no key"),
        ('{"delivery": " ", "event": "ping", "payload": 1}', "`delivery` is no key"),
        ('{"delivery": "a\\u0007", "event": "ping", "payload": 1}', "`delivery` is no key"),
        (f'{{"delivery": "{"d" * 201}", "event": "x", "payload": 1}}', "more than 200"),
        ('{"delivery": "d-2", "event": 7, "payload": 1}', "`event` is not a string"),
        ('{"delivery": "d-2", "event": "ping", "payload": NaN}', "cannot be stored"),
        ('{"delivery": "d-2", "event": "ping", "payload": "\\u0000"}', "cannot be stored"),
        ('{"delivery": "d-2", "event": "ping", "payload": "\\ud800"}', "cannot be stored"),
        ('{"delivery": "d-1", "event": "ping", "payload": 1}', "was on line 1 with another"),
        ('{"delivery": "d-2", "event": "caf\udce9", "payload": 1}', "not UTF-8"),
        ("[" * 100000, "not JSON"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(
    tmp_path: Path, second: str, complaint: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(f"{_GOOD}\n{second}\n".encode(errors="surrogateescape"))
    answer = CommandLine(None)("demo", "--input", str(file))
    assert answer.status == 65
    assert answer.err.startswith(f"exec-tracker: {file}:2: ")
    assert complaint in answer.err
    assert answer.err.count("\n") == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = CommandLine(None)("demo", "--input", str(tmp_path / "none.jsonl"))
    assert missing.status == 66
    assert "none.jsonl: cannot be read: No such file" in missing.err
    assert CommandLine(None)("demo", "--input", str(tmp_path)).status == 66


def test_a_file_without_deliveries_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text("\n  \n")
    answer = CommandLine(None)("demo", "--input", str(file))
    assert answer.status == 65
    assert "no deliveries" in answer.err


def test_a_gzipped_file_is_known_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "deliveries"
    packed = gzip.compress(SAMPLE.read_bytes())
    file.write_bytes(packed)
    assert read_deliveries(file) == read_deliveries(SAMPLE)
    file.write_bytes(packed[:-20])
    answer = CommandLine(None)("demo", "--input", str(file))
    assert answer.status == 65
    assert "not a complete gzip file" in answer.err


def test_a_run_must_leave_room_for_the_key() -> None:
    answer = CommandLine(None)("demo", "--run", "r" * 51)
    assert answer.status == 65
    assert "--run: has more than 50 characters" in answer.err


def test_an_effects_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir\n")
    answer = CommandLine(None)("demo", "--effects", str(file))
    assert answer.status == 65
    assert "not an effects file of this demo" in answer.err
    assert file.read_text() == "Dear Sir\n"


def test_a_large_float_is_equal_to_the_whole_number_it_comes_back_as() -> None:
    assert equal_json({"n": [1.5e300]}, {"n": [15 * 10**299]})
    assert not equal_json(10**25, 10**25 + 1)
    assert not equal_json(True, 1)
    assert not equal_json(1.0, True)
    assert not equal_json([1], [1, 2])
    assert not equal_json({"a": None}, {"b": None})
